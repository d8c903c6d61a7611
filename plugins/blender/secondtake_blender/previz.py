"""A previz: what a controlled engine needs of a scene, rendered in one go. Reads Blender only."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import bpy

from .orders import Beauty, PrevizOrder
from .plate import PlateChoice
from .plate_camera import choose_camera
from .refusal import Refusal

__all__ = ["BEAUTY", "CAMERA", "PASSES", "PrevizChoice", "choose_previz"]

PASSES = "previz.####.exr"
"""Combined, depth, normal, vector and Cryptomatte in one multilayer EXR a frame."""
BEAUTY = "beauty.####.exr"
"""The picture of Workbench, where that was asked for."""
CAMERA = "camera.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrevizChoice:
    """What will be rendered, and where it lies in the end."""

    plate: PlateChoice
    order: PrevizOrder

    def plate_in(self, folder: str) -> PlateChoice:
        """The previz as a plate, after it was rendered into `folder`."""
        name = BEAUTY if self.order.beauty is Beauty.WORKBENCH else PASSES
        return self.plate.rendered(os.path.join(folder, name))  # noqa: PTH118

    def motion_in(self, folder: str) -> str:
        """What `fix --motion` reads: the exact motion of every pixel of that plate."""
        return os.path.join(folder, PASSES)  # noqa: PTH118

    def words(self) -> tuple[tuple[str, str], ...]:
        """Label and text of each line that a panel shows."""
        picture = {Beauty.SCENE: "picture (the scene's engine), ", Beauty.WORKBENCH: "picture (Workbench), "}
        text = f"{picture.get(self.order.beauty, '')}depth, normals, motion vectors, Cryptomatte, camera"
        return (*self.plate.words(), ("Passes", text))


def choose_previz(scene: bpy.types.Scene, *, beauty: Beauty = Beauty.SCENE, samples: int = 16) -> PrevizChoice:
    """A previz of the scene's camera and range. `samples` a pixel where the scene's engine has no such passes.

    Raises Refusal.
    """
    plate = choose_camera(scene)
    notes = plate.notes[1:]
    if scene.render.use_motion_blur:
        notes = (*notes, "Motion blur is left out: with it there are no motion vectors")
    if beauty is Beauty.NONE and scene.render.pixel_aspect_x != scene.render.pixel_aspect_y:
        raise Refusal("New frames have square pixels, the scene has not", remedy="Set its pixel aspect to 1:1")
    order = PrevizOrder(scene=scene.name, pairs=plate.pairs, beauty=beauty, samples=samples)
    return PrevizChoice(plate=replace(plate, notes=notes), order=order)
