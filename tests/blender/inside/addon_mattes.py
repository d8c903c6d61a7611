"""Every source of a matte, from the button to the take: changed inside that matte, in each frame, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import addon
import bpy
import extension
import mattes
import numpy as np
import stage
from extension import press, settings, tick_until

from secondtake_blender import compat

SHAPE = (stage.HEIGHT, stage.WIDTH)
START = 11


def fix(live: object, **chosen: object) -> dict[int, np.ndarray]:
    """Press Fix with this matte; per file number (height, width) bool: the pixels in which take and plate differ."""
    for name, value in chosen.items():
        setattr(settings(), name, value)
    assert press("fix") == {"FINISHED"}, extension.told()
    tick_until(lambda: not live.jobs or any(job.is_final for job in live.jobs.values()), timeout_s=80)
    record = addon.finish(live)
    (plate,) = {Path(path).parent for path in Path(bpy.data.filepath).parent.glob("plate/*.exr")}
    changed = {}
    for number in addon.NUMBERS:
        before = stage.read_exr(plate / f"sh010.{number}.exr")
        after = stage.read_exr(Path(record.folder) / (record.pattern % number))
        changed[number] = np.any([before[name].view(np.int32) != after[name].view(np.int32) for name in "RGB"], axis=0)
    return changed


def same(changed: dict[int, np.ndarray], truth: dict[int, np.ndarray]) -> None:
    """Pixel for pixel: changed where the matte is not 0."""
    for number, where in truth.items():
        assert where.any() and np.array_equal(changed[number], where), (number, changed[number].sum(), where.sum())


def around(changed: np.ndarray, coverage: np.ndarray) -> None:
    """All that is wholly covered, and nothing further than a pixel from what is covered at all."""
    assert (coverage > 0.999).sum() > 50
    assert changed[coverage > 0.999].all(), (changed & (coverage > 0.999)).sum()
    padded = np.pad(coverage > 0, 1)
    wide = np.any([np.roll(padded, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)], axis=0)[1:-1, 1:-1]
    assert not changed[~wide].any(), np.argwhere(changed & ~wide)


def rectangle(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    """(height, width) float32: 1 inside, rows from the top."""
    made = np.zeros(SHAPE, np.float32)
    made[top:bottom, left:right] = 1
    return made


def moving() -> dict[int, np.ndarray]:
    """A box that goes three pixels to the right in each frame."""
    return {number: rectangle(10 + 3 * place, 8, 30 + 3 * place, 24) for place, number in enumerate(addon.NUMBERS)}


def write_moving(folder: Path, numbers: list[int], name: str) -> list[str]:
    """The moving box as files."""
    folder.mkdir()
    names = [f"{name}{number:04d}.exr" for number in numbers]
    for file, coverage in zip(names, moving().values(), strict=True):
        stage.write_exr(folder / file, coverage)
    return names


def check_boxes_and_files(folder: Path) -> None:
    """Box, whole frame and file, with spaces and letters that are not ASCII in every name."""
    folder = folder / "Füße & Hände"
    with extension.enabled() as live:
        addon.shot(folder, engine="standin")
        settings().folder, settings().shot = "//takes für alle", "Szene 1 é"
        # The preview counts from below.
        box = rectangle(20, 48 - 40, 60, 48 - 10) > 0
        same(fix(live, matte="BOX", box=(20, 10, 60, 40)), dict.fromkeys(addon.NUMBERS, box))
        same(fix(live, matte="ALL"), dict.fromkeys(addon.NUMBERS, np.ones(SHAPE, bool)))
        write_moving(folder / "mattes é", addon.NUMBERS, "roto é 1.")
        changed = fix(live, matte="FILE", matte_path="//mattes é/roto é 1.####.exr")
        same(changed, {number: coverage > 0 for number, coverage in moving().items()})
        assert addon.strips() == ["plate", "plate take"]
        assert {path.name for path in folder.iterdir() if "takes" in path.name} == {"takes für alle"}


def check_drawn(folder: Path) -> None:
    """A mask, an image that was painted, and another strip."""
    with extension.enabled() as live:
        made = addon.shot(folder, engine="standin")
        changed = fix(live, matte="MASK", mask=mattes.make_mask(mattes.CORNERS, name="Róto maske"))
        for number in addon.NUMBERS:
            around(changed[number], mattes.filled(mattes.CORNERS))

        image = bpy.data.images.new("gemalt é", stage.WIDTH, stage.HEIGHT, alpha=False, float_buffer=True)
        image.colorspace_settings.name = "Non-Color"
        painted = rectangle(40, 5, 70, 20)
        painted[30:40, 12:30] = 0.25
        pixels = np.ones((*SHAPE, 4), np.float32)
        pixels[..., :3] = painted[::-1, :, None]
        image.pixels.foreach_set(pixels.ravel())
        same(fix(live, matte="PAINTED", painted=image), dict.fromkeys(addon.NUMBERS, painted > 0))

        names = write_moving(folder / "mattes", [7, 8, 9, 10, 11, 12], "m.")
        stage.image_strip(made, folder / "mattes", names, start=START, channel=5, name="matte é")
        made.sequence_editor.active_strip = compat.strips_of(made.sequence_editor)["plate"]
        changed = fix(live, matte="STRIP", matte_strip="matte é")
        same(changed, {number: coverage > 0 for number, coverage in moving().items()})


def check_objects(folder: Path) -> None:
    """Selected objects, a material, and an object index; the object moves, and the matte with it."""
    with extension.enabled() as live:
        made = set_scene(folder)
        block = made.objects["Füße, links"]
        truth = {number: alpha(folder, frame, block.name) for number, frame in ((1001, START), (1006, START + 5))}
        for source in ("OBJECTS", "MATERIAL", "INDEX"):
            changed = fix(live, matte=source, material=bpy.data.materials["Häut, hell"], pass_index=3)
            for number, coverage in truth.items():
                around(changed[number], coverage)
        assert np.abs(mattes.centre(truth[1001]) - mattes.centre(truth[1006]))[0] > 10, "it should have moved"


def set_scene(folder: Path) -> bpy.types.Scene:
    """The shot, and a block that goes through it, selected, with a material and an index of its own."""
    mattes.set_3d_scene()
    block = bpy.data.objects["Füße, links"]
    block.pass_index = 3
    block.data.materials.append(bpy.data.materials.new("Häut, hell"))
    bpy.data.objects["ball"].location.z = 1.3
    for frame, x in ((START, -1.4), (START + 5, 0.6)):
        block.location.x = x
        block.keyframe_insert("location", frame=frame)
    addon.shot(folder, engine="standin")
    made = bpy.context.scene
    for each in made.objects:
        each.select_set(each.name == block.name)
    return made


def alpha(folder: Path, frame: int, name: str) -> np.ndarray:
    """The truth: what the camera sees of this object alone."""
    made = bpy.context.scene
    made.render.use_sequencer = False
    made.frame_set(frame)
    try:
        return mattes.alpha_of(made, [name], folder, frame=frame)
    finally:
        made.render.use_sequencer = True
