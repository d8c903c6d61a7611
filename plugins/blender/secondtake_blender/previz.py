"""A previz: what a controlled engine needs of a scene, rendered in one go. Reads Blender only."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import bpy

from .orders import Beauty, PrevizOrder
from .plate import PlateChoice
from .plate_camera import choose_camera

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
        engine = "Workbench" if self.order.beauty is Beauty.WORKBENCH else "the scene's engine"
        passes = ("Passes", f"picture ({engine}), depth, normals, motion vectors, Cryptomatte, camera")
        return (*self.plate.words(), passes)


def choose_previz(scene: bpy.types.Scene, *, beauty: Beauty = Beauty.SCENE, samples: int = 16) -> PrevizChoice:
    """A previz of the scene's camera and range. `samples` a pixel where the scene's engine has no such passes.

    Raises Refusal.
    """
    plate = choose_camera(scene)
    notes = plate.notes[1:]
    if scene.render.use_motion_blur:
        notes = (*notes, "Motion blur is left out: with it there are no motion vectors")
    order = PrevizOrder(scene=scene.name, pairs=plate.pairs, beauty=beauty, samples=samples)
    return PrevizChoice(plate=replace(plate, notes=notes), order=order)
