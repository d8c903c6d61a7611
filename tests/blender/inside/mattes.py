"""Mattes, against shapes that are computed and objects that are rendered: registered to a tenth of a pixel."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import stage

from secondtake_blender import compat
from secondtake_blender.chores import Chore
from secondtake_blender.matte import MatteChoice
from secondtake_blender.matte_choose import (
    matte_of_index,
    matte_of_mask,
    matte_of_materials,
    matte_of_objects,
    matte_of_strip,
    read_painting,
)
from secondtake_blender.matte_shapes import frame_to_plate, polygon_shapes
from secondtake_blender.plate import PlateChoice
from secondtake_blender.plate_camera import choose_camera
from secondtake_blender.plate_strip import choose_strip, placement_of
from secondtake_blender.refusal import Refusal

SIZE = (stage.WIDTH, stage.HEIGHT)
MOST_APART_PX = 0.1
CORNERS = [(20.3, 10.7), (61.2, 14.4), (55.9, 38.1), (26.6, 33.3)]
"""In pixels from the upper left."""


def centre(coverage: np.ndarray) -> np.ndarray:
    """(x, y) of the centre of mass, in pixels from the upper left."""
    total = coverage.sum()
    ys, xs = np.mgrid[: coverage.shape[0], : coverage.shape[1]] + 0.5
    return np.array([(coverage * xs).sum() / total, (coverage * ys).sum() / total])


def filled(corners: list[tuple[float, float]], finer: int = 16) -> np.ndarray:
    """Coverage of a convex polygon by counting points."""
    width, height = SIZE
    ys, xs = (np.mgrid[: height * finer, : width * finer] + 0.5) / finer
    inside = np.ones(xs.shape, bool)
    for (ax, ay), (bx, by) in zip(corners, [*corners[1:], corners[0]], strict=True):
        inside &= (bx - ax) * (ys - ay) - (by - ay) * (xs - ax) >= 0
    return inside.reshape(height, finer, width, finer).mean(axis=(1, 3))


def same_place(coverage: np.ndarray, truth: np.ndarray, *, area: float = 0.01) -> None:
    apart = np.abs(centre(coverage) - centre(truth)).max()
    assert apart < MOST_APART_PX, (centre(coverage), centre(truth))
    assert abs(coverage.sum() / truth.sum() - 1) < area, (coverage.sum(), truth.sum())


def same_shape(coverage: np.ndarray, corners: list[tuple[float, float]]) -> None:
    """In place to a tenth of a pixel; Blender's own edge reaches up to a pixel further out on every side."""
    truth = filled(corners)
    apart = np.abs(centre(coverage) - centre(truth)).max()
    assert apart < MOST_APART_PX, (centre(coverage), centre(truth))
    assert coverage[truth == 1].min() > 0.999
    middle = centre(truth)
    wide = [tuple(np.add(corner, 2 * np.sign(np.subtract(corner, middle)))) for corner in corners]
    assert coverage[filled(wide) == 0].max() == 0


def render(choice: MatteChoice, folder: Path) -> dict[int, np.ndarray]:
    """The matte's frames by number; one channel, 0 … 1."""
    assert choice.order is not None and choice.path == ""
    target = stage.rendered(choice.order, folder)
    done = choice.rendered(str(target))
    assert done.path == str(target / "matte.####.exr") and done.order is None
    found = {}
    for path in sorted(target.glob("matte.*.exr")):
        planes = stage.read_exr(path)
        assert choice.channel in planes, (choice.channel, list(planes))
        coverage = planes[choice.channel]
        assert coverage.dtype == np.float32 and coverage.shape == (SIZE[1], SIZE[0])
        assert coverage.min() >= 0 and coverage.max() <= 1 + 1e-4, (coverage.min(), coverage.max())
        found[int(path.name.split(".")[1])] = coverage
    return found


def plate_strip(folder: Path, *, count: int = 6, start: int = 11) -> tuple[bpy.types.Scene, Any, PlateChoice]:
    made = stage.scene()
    names = stage.sequence(folder / "plate", list(range(1001, 1001 + count)))
    strip = stage.image_strip(made, folder / "plate", names, start=start)
    return made, strip, choose_strip(made, strip)


def make_mask(corners: list[tuple[float, float]], *, name: str = "Roto") -> bpy.types.Mask:
    """Corners in pixels from the upper left; a mask is measured by the longer side, from its centre."""
    mask = bpy.data.masks.new(name)
    layer = mask.layers.new(name="layer")
    spline = layer.splines.new()
    spline.points.add(len(corners) - 1)
    spline.use_cyclic = True
    # Twice: a handle is laid out when its own point moves, by where its neighbours are then.
    for point, corner in [*zip(spline.points, corners, strict=True)] * 2:
        point.handle_type = "VECTOR"
        point.co = in_mask(corner)
    mask.frame_start, mask.frame_end = 1, 100
    return mask


def in_mask(corner: tuple[float, float]) -> tuple[float, float]:
    (width, height), longer = SIZE, max(SIZE)
    return (0.5 + (corner[0] - width / 2) / longer, 0.5 + (height / 2 - corner[1]) / longer)


@contextmanager
def mask_editor(mask: bpy.types.Mask, clip: bpy.types.MovieClip | None = None) -> Iterator[None]:
    window = bpy.context.window_manager.windows[0]
    area = window.screen.areas[0]
    area.type = "CLIP_EDITOR"
    space = area.spaces.active
    space.clip, space.mode, space.mask = clip, "MASK", mask
    region = next(each for each in area.regions if each.type == "WINDOW")
    with bpy.context.temp_override(window=window, screen=window.screen, area=area, region=region):
        yield


def check_mask_is_registered(folder: Path) -> None:
    made, _, plate = plate_strip(folder)
    choice = matte_of_mask(made, make_mask(CORNERS, name="Róto maske"), plate, size=SIZE)
    frames = render(choice, folder)
    assert sorted(frames) == list(range(1001, 1007))
    same_shape(frames[1001], CORNERS)
    assert ((frames[1001] > 0.02) & (frames[1001] < 0.98)).sum() > 40, "its edge is soft"


def check_mask_with_feather(folder: Path) -> None:
    made, _, plate = plate_strip(folder, count=1)
    mask = make_mask(CORNERS)
    plain = render(matte_of_mask(made, mask, plate, size=SIZE), folder)[0]
    for point in mask.layers[0].splines[0].points:
        point.weight = 0.5
    mask.layers[0].falloff = "LINEAR"
    feathered = render(matte_of_mask(made, mask, plate, size=SIZE), folder)[0]
    assert feathered.sum() > plain.sum() * 1.02 or feathered.sum() < plain.sum() * 0.98, "feather changes coverage"
    soft = ((feathered > 0.02) & (feathered < 0.98)).sum()
    assert soft > 1.3 * ((plain > 0.02) & (plain < 0.98)).sum(), soft


def check_mask_with_keys(folder: Path) -> None:
    """A shape keyed on two frames moves between them; file numbers follow the plate, not the timeline."""
    made, strip, _ = plate_strip(folder)
    mask = make_mask(CORNERS)
    points = mask.layers[0].splines[0].points
    moved = [(x + 12, y + 5) for x, y in CORNERS]
    with mask_editor(mask, bpy.data.movieclips.load(str(folder / "plate" / "sh010.1001.png"))):
        mask.layers.active = mask.layers[0]
        for point in points:
            point.select = True
        made.frame_set(11)
        bpy.ops.mask.shape_key_insert()
        made.frame_set(16)
        for point, corner in zip(points, moved, strict=True):
            point.co = in_mask(corner)
        bpy.ops.mask.shape_key_insert()
    strip.use_reverse_frames = True
    frames = render(matte_of_mask(made, mask, choose_strip(made, strip), size=SIZE), folder)
    same_shape(frames[1006], CORNERS)
    same_shape(frames[1001], moved)
    assert centre(frames[1003])[0] - centre(frames[1005])[0] > 2


def check_mask_with_track(folder: Path) -> None:
    """Points that are parented to a track follow it."""
    made, _, plate = plate_strip(folder)
    clip = bpy.data.movieclips.load(str(folder / "plate" / "sh010.1001.png"))
    clip.frame_start = 11
    track = clip.tracking.tracks.new(name="corner", frame=1)
    for frame in range(1, 7):
        # Tracks are measured from the lower left, each axis by its own size.
        track.markers.insert_frame(frame, co=((30 + 4 * (frame - 1)) / SIZE[0], 0.5))
    mask = make_mask(CORNERS)
    made.frame_set(11)
    with mask_editor(mask, clip):
        for point in mask.layers[0].splines[0].points:
            point.select = True
        mask.layers.active = mask.layers[0]
        mask.layers[0].splines.active = mask.layers[0].splines[0]
        clip.tracking.tracks.active = track
        assert "FINISHED" in bpy.ops.mask.parent_set()
    frames = render(matte_of_mask(made, mask, plate, size=SIZE), folder)
    for number in (1001, 1003, 1006):
        same_shape(frames[number], [(x + 4 * (number - 1001), y) for x, y in CORNERS])


def set_3d_scene() -> bpy.types.Scene:
    """A turned block in the middle and a ball beside it, which covers nothing of it."""
    made = stage.scene(first=1, last=2)
    made.render.engine = "CYCLES"
    bpy.ops.mesh.primitive_cube_add(size=1.6, rotation=(0.3, 0.4, 0.5), location=(-0.9, 0, 0))
    bpy.context.object.name = "Füße, links"
    bpy.ops.mesh.primitive_uv_sphere_add(radius=0.6, location=(1.6, 0, 0.4))
    bpy.context.object.name = "ball"
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    made.collection.objects.link(camera)
    camera.location, camera.rotation_euler = (0, -8, 0), (np.pi / 2, 0, 0)
    made.camera = camera
    return made


def alpha_of(made: bpy.types.Scene, names: list[str], folder: Path, *, frame: int = 1) -> np.ndarray:
    """The truth: the alpha of a render with these objects alone."""
    for each in made.objects:
        each.hide_render = each.type == "MESH" and each.name not in names
    cycles = made.cycles
    cycles.device, cycles.samples, cycles.max_bounces, cycles.use_adaptive_sampling = "CPU", 128, 0, False
    cycles.use_denoising = False
    picture = stage.shown(made, frame, folder)
    for each in made.objects:
        each.hide_render = False
    return picture[..., 3]


def check_objects_and_materials(folder: Path) -> None:
    made = set_3d_scene()
    plate = choose_camera(made)
    block, ball = made.objects["Füße, links"], made.objects["ball"]
    truth_block, truth_ball = alpha_of(made, [block.name], folder), alpha_of(made, [ball.name], folder)
    made.render.engine = "BLENDER_WORKBENCH"
    found = render(matte_of_objects(made, [block, made.camera], plate, size=SIZE), folder)
    assert sorted(found) == [1, 2]
    same_place(found[1], truth_block)
    assert np.abs(found[1] - truth_block).mean() < 0.003
    assert ((found[1] > 0.02) & (found[1] < 0.98)).sum() > 30, "its edge is soft"
    ball.pass_index = 3
    same_place(render(matte_of_index(made, 3, plate, size=SIZE), folder)[1], truth_ball)
    material = bpy.data.materials.new("Häut, hell")
    ball.data.materials.append(material)
    block.data.materials.append(material)
    both = render(matte_of_materials(made, [material], plate, size=SIZE), folder)[1]
    same_place(both, truth_block + truth_ball)


def gradient() -> np.ndarray:
    codes = np.zeros((SIZE[1], SIZE[0]), np.float32)
    codes[8:40, 16:72] = np.linspace(0, 1, 56)
    return np.round(codes * 255) / 255


def check_strip_as_matte(folder: Path) -> None:
    """Numbers come through as they are, whatever colour space Blender thinks they have."""
    made, strip, plate = plate_strip(folder, count=3)
    (folder / "mattes").mkdir()
    for number in (1001, 1002, 1003, 7, 8, 9):
        stage.write_png(folder / "mattes" / f"m.{number:04d}.png", gradient() * (1 if number % 2 else 0.5))
    alike = stage.image_strip(
        made, folder / "mattes", [f"m.{n}.png" for n in (1001, 1002, 1003)], start=11, channel=2, name="alike"
    )
    choice = matte_of_strip(made, alike, strip, plate, size=SIZE)
    assert choice.order is None and choice.path == str(folder / "mattes" / "m.####.png")
    other = stage.image_strip(
        made, folder / "mattes", [f"m.{n:04d}.png" for n in (7, 8, 9)], start=11, channel=3, name="other"
    )
    frames = render(matte_of_strip(made, other, strip, plate, size=SIZE), folder)
    assert sorted(frames) == [1001, 1002, 1003]
    for number, share in ((1001, 1.0), (1002, 0.5)):
        apart = np.abs(frames[number] - np.floor(gradient() * share * 255 + 0.5) / 255).max()
        assert apart < 1e-6, (number, apart)
    for each in (strip, other):
        each.transform.scale_x = each.transform.scale_y = 0.5
        each.transform.offset_x = 9
    plate = choose_strip(made, strip)
    frames = render(matte_of_strip(made, other, strip, plate, size=SIZE), folder)
    assert np.abs(frames[1001] - gradient()).max() < 1e-6, "both are placed alike, so it lies on the plate's own pixels"
    other.transform.offset_x = 8
    refused("placed differently", lambda: matte_of_strip(made, other, strip, plate, size=SIZE))
    compat.set_handles(other, left=11, right=13)
    refused("does not reach", lambda: matte_of_strip(made, other, strip, plate, size=SIZE))
    refused("No strip is chosen", lambda: matte_of_strip(made, strip, strip, plate, size=SIZE))


def check_mask_strip(folder: Path) -> None:
    """A Mask strip over a plate that is rendered."""
    made, strip, _ = plate_strip(folder, count=3)
    mask = make_mask(CORNERS)
    mask_strip = compat.strips_of(made.sequence_editor).new_mask(name="roto", mask=mask, channel=2, frame_start=11)
    plate = choose_strip(made, strip, rendered=True)
    frames = render(matte_of_strip(made, mask_strip, strip, plate, size=SIZE), folder)
    assert sorted(frames) == [11, 12, 13]
    same_shape(frames[12], CORNERS)


def written(image: bpy.types.Image, folder: Path) -> MatteChoice:
    """The matte that an image is, written a bit at a time as ticks do it. Raises Refusal."""
    chore = Chore(read_painting(image, size=SIZE).write(folder))
    steps = 1
    while not chore.step(budget_s=0.0):
        steps += 1
    if chore.problem is not None:
        raise chore.problem
    assert chore.made is not None and steps > SIZE[1], "a row is the most that is written at once"
    return chore.made


def check_painting(folder: Path) -> None:
    byte = bpy.data.images.new("byte", *SIZE, alpha=True)
    grey = gradient()[::-1, :, None].repeat(4, axis=2)
    grey[..., 3] = 1
    byte.pixels.foreach_set(grey.ravel())
    painted = stage.read_exr(Path(written(byte, folder / "byte").path))["V"]
    assert np.abs(painted - gradient()).max() < 1e-6, "codes, not light"
    image = bpy.data.images.new("Gemäldé", *SIZE, alpha=True, float_buffer=True)
    values = np.zeros((SIZE[1], SIZE[0], 4), np.float32)
    values[..., 3] = 1
    values[..., 0] = gradient()
    image.pixels.foreach_set(values[::-1].ravel())
    choice = written(image, folder / "out")
    assert np.array_equal(stage.read_exr(Path(choice.path))["V"], gradient())
    values[..., 0], values[..., 3] = 1, gradient()
    image.pixels.foreach_set(values[::-1].ravel())
    choice = written(image, folder / "out")
    assert np.array_equal(stage.read_exr(Path(choice.path))["V"], gradient())
    values[:] = (0, 0, 0, 1)
    image.pixels.foreach_set(values.ravel())
    refused("Nothing is painted", lambda: written(image, folder / "out"))
    refused("the plate 10 × 10", lambda: read_painting(image, size=(10, 10)))
    refused("No painted image", lambda: read_painting(None, size=SIZE))


def check_box_lies_on_the_plate(folder: Path) -> None:
    """A place in the frame is found on the plate again, however the strip is placed."""
    made = stage.scene()
    (folder / "plate").mkdir()
    plate_size = (120, 90)
    picture = np.zeros((90, 120), np.float32)
    picture[46:58, 62:78] = 1
    stage.write_exr(folder / "plate" / "a.0001.exr", picture)
    strip = stage.image_strip(made, folder / "plate", ["a.0001.exr"], start=1)
    truth = np.array([70.0, 52.0])
    for scale, offset, turn, flip, origin in (
        ((1.0, 1.0), (0, 0), 0.0, (False, False), (0.5, 0.5)),
        ((1.5, 1.25), (6, -5), 0.0, (False, False), (0.5, 0.5)),
        ((1.2, 1.0), (3, 4), 0.5, (True, False), (0.5, 0.5)),
        ((1.4, 1.15), (-6, 9), -0.3, (False, True), (0.4, 0.6)),
    ):
        transform = strip.transform
        transform.scale_x, transform.scale_y = scale
        transform.offset_x, transform.offset_y = offset
        transform.rotation, transform.origin = turn, origin
        strip.use_flip_x, strip.use_flip_y = flip
        seen = centre(stage.shown(made, 1, folder)[..., 0])
        found = frame_to_plate(
            (seen[0], SIZE[1] - seen[1]), placement=placement_of(strip), plate=plate_size, frame=SIZE
        )
        apart_px = np.abs((np.array(found) - truth) * scale).max()
        assert apart_px < MOST_APART_PX, (scale, offset, turn, flip, found)
    shapes = json.loads(polygon_shapes([(1, 2), (3, 2), (3, 4)], plate=plate_size, frame=1))
    assert shapes["size"] == [120, 90] and shapes["shapes"][0]["keys"][0]["points"][1] == [3, 2]


def check_refusals(folder: Path) -> None:
    made, _, plate = plate_strip(folder, count=2)
    refused("No mask", lambda: matte_of_mask(made, None, plate, size=SIZE))
    refused("is empty", lambda: matte_of_mask(made, bpy.data.masks.new("empty"), plate, size=SIZE))
    hidden = make_mask(CORNERS)
    hidden.layers[0].hide_render = True
    refused("is empty", lambda: matte_of_mask(made, hidden, plate, size=SIZE))
    refused("No object", lambda: matte_of_objects(made, [], plate, size=SIZE))
    refused("No object has the pass index 9", lambda: matte_of_index(made, 9, plate, size=SIZE))
    made.camera = None
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    refused("has no camera", lambda: matte_of_objects(made, [cube], plate, size=SIZE))
    bpy.ops.object.camera_add()
    made.camera = bpy.context.object
    refused("renders 88 × 48, the plate is 100 × 100", lambda: matte_of_objects(made, [cube], plate, size=(100, 100)))
    cube.hide_render = True
    refused("does not render", lambda: matte_of_objects(made, [cube], plate, size=SIZE))
    gone = matte_of_mask(made, make_mask(CORNERS), plate, size=SIZE)
    assert gone.order is not None
    order = replace(gone.order, names=("nothing",))
    job = stage.start_rendering(order, folder / "gone")
    while (progress := job.poll()).state is stage.State.RUNNING:
        stage.time.sleep(0.02)
    assert progress.state is stage.State.FAILED and "no mask 'nothing'" in str(progress.problem), progress


def refused(words: str, act: Callable[[], object]) -> None:
    try:
        act()
    except Refusal as refusal:
        assert words in str(refusal), refusal
        assert refusal.remedy
    else:
        raise AssertionError(f"not refused: {words}")
