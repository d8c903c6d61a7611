"""What the scene's camera sees, as a plate: rendered with the scene's own engine and settings in the background."""

from __future__ import annotations

import bpy

from .colours import rendered_colourspace
from .orders import PlateOrder, PlateRoute
from .paths import render_size, require_saved_media
from .plate import PlateChoice, PlateKind, rendered_numbers
from .refusal import Refusal
from .studio import studio_ocio

__all__ = ["choose_camera"]


def choose_camera(scene: bpy.types.Scene) -> PlateChoice:
    """The plate that the scene renders over its frame range. Raises Refusal."""
    camera = next((marker.camera for marker in scene.timeline_markers if marker.camera), scene.camera)
    if camera is None:
        raise Refusal("The scene has no camera", remedy="Add a camera and make it the active one")
    if scene.frame_end < scene.frame_start:
        raise Refusal("The scene has no frames", remedy="Set its frame range")
    require_saved_media()
    pairs = rendered_numbers(scene.frame_start, scene.frame_end)
    blender_space, space = rendered_colourspace(studio_ocio())
    notes = [f"Rendered in the background with {scene.render.engine.replace('_', ' ').title()}, as the scene is set"]
    if scene.render.use_border:
        notes.append("The render border is left out: the whole frame is the plate")
    if scene.frame_step > 1:
        notes.append(f"Every frame is rendered, though the scene steps by {scene.frame_step}")
    return PlateChoice(
        kind=PlateKind.CAMERA,
        name=camera.name,
        scene=scene.name,
        path="",
        pairs=pairs,
        first=scene.frame_start,
        last=scene.frame_end,
        size=render_size(scene),
        blender_colourspace=blender_space,
        colourspace=space,
        order=PlateOrder(route=PlateRoute.CAMERA, scene=scene.name, pairs=pairs),
        notes=tuple(notes),
    )
