"""In the background Blender: scenes, and settings for files that carry numbers and not pictures."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import bpy

from . import compat
from .colours import LINEAR
from .compat import Rna
from .refusal import Refusal
from .studio import studio_ocio

__all__ = ["find_scene", "plain_output", "quiet_compositors", "render_still", "write_exr"]


def find_scene(name: str) -> bpy.types.Scene:
    """The scene. Raises Refusal if the copy has none of this name."""
    scene = bpy.data.scenes.get(name)
    if scene is None:
        raise Refusal(f"There is no scene '{name}'", remedy="Choose the plate again")
    return scene


def quiet_compositors() -> None:
    """Stop every File Output node: those write where the artist's own renders lie."""
    trees = [tree for scene in bpy.data.scenes if (tree := compat.compositor(scene)) is not None]
    for tree in (*trees, *bpy.data.node_groups):
        for node in tree.nodes:
            if node.bl_idname == "CompositorNodeOutputFile":
                node.mute = True


def plain_output(scene: bpy.types.Scene) -> None:
    """The whole frame, without border, burnt-in text, dither or looks."""
    render: Rna = scene.render
    view: Rna = scene.view_settings
    render.use_border = render.use_crop_to_border = render.use_stamp = render.use_multiview = False
    render.dither_intensity = 0
    render.use_file_extension = False
    with suppress(TypeError):
        view.look = "None"
    view.exposure, view.gamma, view.use_curve_mapping = 0, 1, False
    # An EXR is written without a view, so a configuration that has no such view does no harm.
    with suppress(TypeError):
        view.view_transform = "Standard"


def write_exr(scene: bpy.types.Scene, *, mode: str, multilayer: bool = False, is_colour: bool = True) -> None:
    """Float EXR, losslessly packed; colour in linear Rec.709, coverage as the numbers that it is."""
    settings: Rna = scene.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "MULTI_LAYER_IMAGE" if multilayer else "IMAGE"
    settings.file_format = "OPEN_EXR_MULTILAYER" if multilayer else "OPEN_EXR"
    if not multilayer:
        settings.color_mode = mode
    settings.color_depth, settings.exr_codec = "32", "ZIP"
    if hasattr(settings, "linear_colorspace_settings"):
        is_working_space = studio_ocio() or not is_colour
        settings.color_management = "FOLLOW_SCENE" if is_working_space else "OVERRIDE"
        if not is_working_space:
            settings.linear_colorspace_settings.name = LINEAR


def render_still(scene: bpy.types.Scene, frame: int, path: Path) -> None:
    """Render one frame to `path`; it is whole when it has this name. Raises Refusal if nothing was written."""
    part = path.with_name(f"{path.name}.part")
    scene.render.filepath = str(part)
    scene.frame_set(frame)
    bpy.ops.render.render(write_still=True, scene=scene.name)
    if not part.is_file():
        raise Refusal(
            f"Frame {frame} could not be written",
            remedy="Look at the log, and whether the disk is full",
            path=str(path),
        )
    part.replace(path)
