"""Blender's own configuration in $OCIO, as a Blender with a window has it, and a working space other than Rec.709."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy
import numpy as np
import stage

from secondtake_blender import compat
from secondtake_blender.matte_choose import matte_of_strip
from secondtake_blender.plate_camera import choose_camera
from secondtake_blender.plate_clip import choose_clip
from secondtake_blender.plate_image import choose_image
from secondtake_blender.plate_strip import choose_strip

RED = np.array([0.8, 0.1, 0.05])
"""In linear Rec.709."""
TO_ACESCG = np.array([[0.613097, 0.339523, 0.047379], [0.070194, 0.916354, 0.013452], [0.020616, 0.109570, 0.869815]])
"""Linear Rec.709 to ACEScg with Bradford adaptation (ACES TB-2014-004 gives the primaries of both)."""


@contextmanager
def blenders_own() -> Iterator[None]:
    """$OCIO as a Blender with a window sets it for itself and for what it starts."""
    config = Path(bpy.utils.system_resource("DATAFILES")) / "colormanagement" / "config.ocio"
    assert config.is_file()
    os.environ["OCIO"] = str(config)
    try:
        yield
    finally:
        del os.environ["OCIO"]


def in_acescg(made: bpy.types.Scene) -> bpy.types.Scene | None:
    """The scene with another working space; None where Blender has but one."""
    if not hasattr(bpy.data, "colorspace"):
        return None
    name = made.name
    bpy.ops.wm.set_working_color_space(working_space="ACEScg", convert_colors=False)
    return bpy.data.scenes[name]


def check_names(folder: Path) -> None:
    """The daemon is told its own name of the space, whoever asks."""
    made = stage.scene(first=11, last=12)
    names = stage.sequence(folder / "plate", [1001, 1002])
    strip = stage.image_strip(made, folder / "plate", names, start=11)
    clip = bpy.data.movieclips.load(str(folder / "plate" / names[0]))
    clip.frame_start = 11
    image = bpy.data.images.load(str(folder / "plate" / names[0]))
    made.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    with blenders_own():
        assert choose_strip(made, strip).colourspace == "srgb_rec709_scene"
        assert choose_clip(made, clip).colourspace == "srgb_rec709_scene"
        assert choose_image(made, image).colourspace == "srgb_rec709_scene"
        for rendered in (choose_strip(made, strip, rendered=True), choose_camera(made)):
            assert (rendered.blender_colourspace, rendered.colourspace) == ("Linear Rec.709", "lin_rec709_scene")
        os.environ["OCIO"] = str(folder / "show.ocio")
        assert choose_strip(made, strip).colourspace == "sRGB", "a studio's own names pass as they are"
        assert choose_camera(made).colourspace == "scene_linear"


def check_rendered_strip(folder: Path) -> None:
    """What a strip shows is written as the numbers its files hold."""
    made = stage.scene()
    (folder / "plate").mkdir()
    names = ["a1.exr", "a2.exr"]
    for name in names:
        stage.write_exr(folder / "plate" / name, np.full((stage.HEIGHT, stage.WIDTH, 3), RED, np.float32))
    stage.image_strip(made, folder / "plate", names, start=5)
    made = in_acescg(made) or made
    strip = compat.strips_of(made.sequence_editor)["plate"]
    with blenders_own():
        target = stage.rendered(choose_strip(made, strip, rendered=True).order, folder)
    assert np.abs(pixel(target / "plate.0005.exr") - RED).max() < 1e-4, pixel(target / "plate.0005.exr")


def check_rendered_camera(folder: Path) -> None:
    """What a camera sees is written in Rec.709, whatever space Blender works in."""
    made = stage.scene(first=1, last=1)
    made.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    made.collection.objects.link(made.camera)
    made.render.engine = "CYCLES"
    made.cycles.device, made.cycles.samples, made.cycles.use_denoising = "CPU", 1, False
    made.render.resolution_percentage = 25
    changed = in_acescg(made)
    made = changed or made
    world = made.world = bpy.data.worlds.new("red")
    if world.node_tree is None:
        world.use_nodes = True
    background = next(node for node in world.node_tree.nodes if node.bl_idname == "ShaderNodeBackground")
    background.inputs["Color"].default_value = (*(RED if changed is None else TO_ACESCG @ RED), 1)
    with blenders_own():
        target = stage.rendered(choose_camera(made).order, folder)
    assert np.abs(pixel(target / "plate.0001.exr") - RED).max() < 1e-4, pixel(target / "plate.0001.exr")


def check_matte_strip(folder: Path) -> None:
    """A matte's red channel is numbers: no working space bends it, though its green and blue are another colour."""
    made = stage.scene()
    names = stage.sequence(folder / "plate", [1001])
    stage.image_strip(made, folder / "plate", names, start=11)
    (folder / "mattes").mkdir()
    stage.write_exr(folder / "mattes" / "m.exr", np.full((stage.HEIGHT, stage.WIDTH, 3), (0.7, 0, 0.2), np.float32))
    stage.image_strip(made, folder / "mattes", ["m.exr"], start=11, channel=2, name="matte")
    made = in_acescg(made) or made
    strips = compat.strips_of(made.sequence_editor)
    plate = choose_strip(made, strips["plate"], rendered=True)
    with blenders_own():
        choice = matte_of_strip(made, strips["matte"], strips["plate"], plate, size=(stage.WIDTH, stage.HEIGHT))
        target = stage.rendered(choice.order, folder)
    found = pixel(next(target.glob("matte.*.exr")))
    assert abs(found[0] - 0.7) < 1e-4, found


def pixel(path: Path) -> np.ndarray:
    """(3,) float: what the picture's middle holds."""
    planes = stage.read_exr(path)
    height, width = planes["R"].shape
    return np.array([planes[name][height // 2, width // 2] for name in "RGB"])
