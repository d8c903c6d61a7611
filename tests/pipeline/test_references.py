"""Painted frames and motion vectors on their way from the request to the shot that an engine sees."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import OpenImageIO
import pytest
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadImage, BadInput, MissingFrames, NotFound, SecondTakeError, UnknownColour
from secondtake.messages import FixRequest, Operation, Reference
from secondtake_daemon.engines.card import Card
from secondtake_daemon.engines.standin_card import CARD as STANDIN
from secondtake_daemon.engines.temporal.card import CARD as TEMPORAL
from secondtake_daemon.job import guides
from secondtake_daemon.job.prepare import Prepared, find_plate, prepare
from secondtake_daemon.pipeline import Folders, render_fix
from secondtake_daemon.store.keys import FileDigests
from secondtake_daemon.takes.manifest import load

sys.path.insert(0, str(Path(__file__).parent))
from test_render_fix import Recorder

Array = NDArray[np.float32]
FRAMES = (1001, 1002, 1003, 1004, 1005)
WIDTH, HEIGHT = 96, 64
FULL = Box(0, 0, WIDTH, HEIGHT)
STEP = (3.0, 1.0)
"""Pixels that the plate moves from frame to frame, x and y down."""


@lru_cache(maxsize=1)
def texture() -> Array:
    random = np.random.default_rng(8)
    out = np.zeros((HEIGHT + 60, WIDTH + 60, 3), np.float32)
    for size in (3, 8, 20):
        coarse = random.normal(size=(out.shape[0] // size + 2, out.shape[1] // size + 2, 3)).astype(np.float32)
        out += cv2.resize(coarse, out.shape[1::-1], interpolation=cv2.INTER_CUBIC) * 0.4
    return np.asarray(0.18 * np.exp2(out), np.float32)


def plate_of(frame: int) -> Array:
    """What stands in the plate's file, half precision."""
    at = frame - FRAMES[0]
    x, y = 40 - int(STEP[0]) * at, 40 - int(STEP[1]) * at
    return texture()[y : y + HEIGHT, x : x + WIDTH].astype(np.float16).astype(np.float32)


def write_exr(
    path: Path, planes: Mapping[str, NDArray[np.generic]], *, corner: tuple[int, int] = (0, 0), **extra: object
) -> Path:
    height, width = next(iter(planes.values())).shape
    x, y = corner
    header = {
        "type": OpenEXR.scanlineimage,
        "compression": OpenEXR.ZIP_COMPRESSION,
        "dataWindow": (np.int32([x, y]), np.int32([x + width - 1, y + height - 1])),
        "displayWindow": (np.int32([0, 0]), np.int32([WIDTH - 1, HEIGHT - 1])),
        **extra,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    OpenEXR.File(header, {name: np.ascontiguousarray(plane) for name, plane in planes.items()}).write(str(path))
    return path


def rgb(pixels: Array, dtype: type = np.float32) -> dict[str, NDArray[np.generic]]:
    return {name: pixels[..., at].astype(dtype) for at, name in enumerate("RGB")}


def write_png(path: Path, pixels: NDArray[np.uint8]) -> Path:
    out = OpenImageIO.ImageOutput.create(str(path))
    assert out.open(str(path), OpenImageIO.ImageSpec(pixels.shape[1], pixels.shape[0], 3, "uint8"))
    assert out.write_image(np.ascontiguousarray(pixels))
    assert out.close()
    return path


def vector_planes(change: Callable[[Array], Array] = lambda ways: ways) -> dict[str, NDArray[np.generic]]:
    """The plate's motion as Blender writes it: previous = p + (X, Y), next = p − (Z, W), Y up."""
    x, y = STEP
    ways = change(np.full((HEIGHT, WIDTH, 4), [-x, y, -x, y], np.float32))
    return {f"ViewLayer.Vector.{letter}": ways[..., at] for at, letter in enumerate("XYZW")}


@pytest.fixture
def show(tmp_path: Path) -> Path:
    """A panning plate with a held matte, and a file for everything that may be named."""
    root = tmp_path / "show"
    matte = np.zeros((HEIGHT, WIDTH), np.float16)
    matte[20:40, 30:60] = 1
    for frame in FRAMES:
        write_exr(root / "plate" / f"sh.{frame}.exr", rgb(plate_of(frame), np.float16))
        write_exr(root / "vectors" / f"v.{frame}.exr", vector_planes())
    write_exr(root / "matte.exr", {"Y": matte})
    painted = plate_of(1003)
    painted[22:38, 32:58] = [0.9, 2.5, 0.05]
    write_exr(root / "fix.exr", rgb(painted))
    return root


def request_of(show: Path, *references: Reference, **options: object) -> FixRequest:
    values: dict[str, object] = {
        "job": uuid.uuid4().hex,
        "shot": "sh",
        "plate": str(show / "plate" / "sh.####.exr"),
        "matte": str(show / "matte.exr"),
        "out": str(show.parent / "out"),
        "operation": Operation.MODIFY,
        "references": references,
    }
    return FixRequest(**{**values, **options})  # type: ignore[arg-type]


def prepared(request: FixRequest, *, card: Card = TEMPORAL, roots: tuple[Path, ...] = ()) -> Prepared:
    plate = find_plate(request, cache=Path("unused"), report=Recorder())
    with ThreadPoolExecutor(2) as threads:
        return prepare(
            request, plate, card=card, roots=roots, digests=FileDigests(), threads=threads, report=Recorder()
        )


def painted(path: Path, frame: int = 1003, **more: str) -> Reference:
    return Reference(path=str(path), frame=frame, **more)


def test_a_painted_frame_reaches_the_shot(show: Path) -> None:
    found = prepared(request_of(show, painted(show / "fix.exr")))
    shot = found.shot
    assert shot.references == (1003,)
    whole = shot.reference(1003, FULL)
    expected = plate_of(1003)
    expected[22:38, 32:58] = np.float32([0.9, 2.5, 0.05])
    assert np.array_equal(whole, expected)
    box = Box(31, 21, 9, 5)
    assert np.array_equal(shot.reference(1003, box), expected[box.within(FULL)])
    around = shot.reference(1003, FULL.pad(3))
    assert np.isnan(around[:3]).all()
    assert np.array_equal(around[3:-3, 3:-3], expected)
    with pytest.raises(NotFound):
        shot.reference(1002, FULL)
    assert found.notes[1:] == (
        "The reference fix.exr has no colour tag and was taken as Linear Rec.709 (sRGB), as the plate is.",
    )
    (used,) = found.guides.references_used
    assert (used.name, used.frame, used.colourspace) == (str(show / "fix.exr"), 1003, "Linear Rec.709 (sRGB)")
    assert used.colourspace_assumed
    assert used.digest == FileDigests().of(show / "fix.exr")


def test_without_guides_there_are_none(show: Path) -> None:
    shot = prepared(request_of(show, operation=Operation.REMOVE)).shot
    assert (shot.references, shot.has_motion, shot.guides_key) == ((), False, ())
    for ask in (shot.reference, shot.motion):
        with pytest.raises(NotFound):
            ask(1003, FULL)


def test_several_references_ascending_and_a_look_beside_them(show: Path) -> None:
    other = write_exr(show / "fix2.exr", rgb(plate_of(1001)))
    look = write_exr(show / "look.exr", rgb(plate_of(1005)))
    request = request_of(show, painted(show / "fix.exr"), Reference(path=str(look)), painted(other, 1001))
    found = prepared(request, card=STANDIN)
    assert found.shot.references == (1001, 1003)
    assert [used.frame for used in found.guides.references_used] == [1003, None, 1001]
    assert np.array_equal(found.shot.reference(1001, FULL), plate_of(1001))


def test_where_the_image_has_no_pixel_nothing_is_painted(show: Path) -> None:
    part = np.full((10, 20, 3), 7, np.float32)
    part[0, 0, 1] = np.nan
    part[9, 19, 2] = -np.inf
    path = write_exr(show / "part.exr", rgb(part), corner=(35, 25))
    shot = prepared(request_of(show, painted(path))).shot
    expected = plate_of(1003)
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[25:35, 35:55] = True
    inside[25, 35] = inside[34, 54] = False
    expected[inside] = 7
    for box in (FULL, Box(30, 20, 10, 8), Box(0, 0, 5, 5), Box(34, 30, 30, 3)):
        assert np.array_equal(shot.reference(1003, box), expected[box.within(FULL)])


def test_an_overscan_image_lies_by_its_display_window(show: Path) -> None:
    wide = np.random.default_rng(0).random((HEIGHT + 8, WIDTH + 12, 3)).astype(np.float32)
    path = write_exr(show / "wide.exr", rgb(wide), corner=(-6, -4))
    shot = prepared(request_of(show, painted(path))).shot
    assert np.array_equal(shot.reference(1003, FULL), wide[4:-4, 6:-6])


def test_an_srgb_png_in_the_engines_encoding(show: Path) -> None:
    """The plate is log; the engine sees its scene-linear role, ACEScg, and so must the paint arrive."""
    codes = np.full((HEIGHT, WIDTH, 3), [255, 128, 0], np.uint8)
    path = write_png(show / "fix.png", codes)
    request = request_of(show, painted(path), colourspace="ACEScct")
    found = prepared(request)
    linear = np.array([1.0, ((128 / 255 + 0.055) / 1.055) ** 2.4, 0.0])
    to_ap1 = np.array([[0.6131, 0.3395, 0.0474], [0.0702, 0.9164, 0.0135], [0.0206, 0.1096, 0.8698]])
    assert np.allclose(found.shot.reference(1003, FULL), to_ap1 @ linear, atol=3e-4)
    assert "was taken as sRGB Encoded Rec.709 (sRGB)" in " ".join(found.notes)
    named = painted(path, colourspace="ACEScct")
    found = prepared(request_of(show, named, colourspace="ACEScct"))
    assert not found.guides.references_used[0].colourspace_assumed
    assert np.allclose(found.shot.transform.to_plate(found.shot.reference(1003, FULL)), codes / 255, atol=1e-5)


def test_an_engine_that_wants_the_plates_numbers_gets_the_paint_in_them(show: Path) -> None:
    path = write_exr(
        show / "aces.exr", rgb(np.full((HEIGHT, WIDTH, 3), 0.18, np.float32)), colorInteropID="lin_ap1_scene"
    )
    shot = prepared(request_of(show, painted(path), colourspace="ACEScct"), card=STANDIN).shot
    assert np.allclose(shot.reference(1003, FULL), (np.log2(0.18) + 9.72) / 17.52, atol=1e-5)  # S-2016-001


def test_a_reference_unlike_the_plate_is_worth_a_note(show: Path) -> None:
    wrong = np.clip(plate_of(1003), 0, 1)
    codes = np.rint(np.where(wrong <= 0.0031308, wrong * 12.92, 1.055 * wrong ** (1 / 2.4) - 0.055) * 255)
    path = write_png(show / "fix.png", codes.astype(np.uint8))
    good = prepared(request_of(show, painted(path)))
    assert not any("does not look like the plate" in note for note in good.notes)
    bad = prepared(request_of(show, painted(path, colourspace="lin_rec709_scene")))
    assert sum("painted frame 1003 does not look like the plate" in note for note in bad.notes) == 1
    other = prepared(request_of(show, painted(show / "fix.exr", 1001)))
    assert any("painted frame 1001 does not look" in note for note in other.notes)


def test_paint_inside_the_matte_is_no_reason_for_a_note(show: Path) -> None:
    matte = np.zeros((HEIGHT, WIDTH), np.float16)
    matte[:, :70] = 1
    write_exr(show / "matte.exr", {"Y": matte})
    pixels = plate_of(1003)
    pixels[:, :70] *= 4
    path = write_exr(show / "graded.exr", rgb(pixels))
    assert not any("does not look" in note for note in prepared(request_of(show, painted(path))).notes)


def test_the_key_follows_every_part_of_the_guides(show: Path) -> None:
    def key(*references: Reference, **options: object) -> tuple[str, ...]:
        return prepared(request_of(show, *references, **options)).shot.guides_key

    fix = show / "fix.exr"
    named = painted(fix, colourspace="ACEScg")
    assert key(named) != key(named, colourspace="lin_rec2020_scene"), "it is brought to another space"
    first = key(painted(fix))
    assert first == key(painted(fix))
    vectors = str(show / "vectors" / "v.####.exr")
    others = [
        key(painted(fix, 1002)),
        key(painted(fix, colourspace="ACEScg")),
        key(painted(fix), colourspace="lin_rec2020_scene"),
        key(painted(fix), motion=vectors),
    ]
    write_exr(show / "vectors" / "v.1002.exr", vector_planes() | {"Z": np.zeros((HEIGHT, WIDTH), np.float32)})
    others.append(key(painted(fix), motion=vectors))
    write_exr(fix, rgb(plate_of(1003)))
    others.append(key(painted(fix)))
    assert len({first, *others}) == 7


def test_the_take_records_what_guided_it(show: Path, tmp_path: Path) -> None:
    request = request_of(show, painted(show / "fix.exr"), engine="standin", engine_options={"mode": "noise"})
    folders = Folders(cache=tmp_path / "cache", takes=tmp_path / "takes", cache_bytes=1 << 30)
    result = render_fix(request, take="tabc12", folders=folders, report=Recorder())
    manifest = load(Path(result.manifest))
    assert manifest.references == prepared(request, card=STANDIN).guides.references_used
    assert manifest.motion is None
    assert any("fix.exr" in note for note in manifest.notes)


def _link(show: Path) -> Reference:
    outside = write_exr(show.parent / "secret.exr", rgb(plate_of(1003)))
    (show / "link.exr").symlink_to(outside)
    return painted(show / "link.exr")


def _damaged(show: Path) -> Reference:
    path = show / "fix.exr"
    raw = bytearray(path.read_bytes())
    raw[-4000:-200] = b"\0" * 3800
    path.write_bytes(raw)
    return painted(path)


def _small(show: Path) -> Reference:
    return painted(write_png(show / "small.png", np.zeros((10, 20, 3), np.uint8)))


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda show: (painted(show / "fix.exr", 1006),), BadInput, "frame 1006 is not one of the frames 1001-1005"),
        (lambda show: (painted(show / "fix.exr", -3),), BadInput, "frame -3 is not one of the frames 1001-1005"),
        (lambda show: (painted(show / "fix.exr"), painted(show / "fix.exr")), BadInput, "Frame 1003 is given twice"),
        (lambda show: (painted(show / "gone.exr"),), MissingFrames, "no such reference image"),
        (lambda show: (_damaged(show),), BadImage, "damaged"),
        (lambda show: (_small(show),), BadInput, "The reference is 20 × 10, the plate 96 × 64"),
        (lambda show: (_link(show),), BadInput, "outside the daemon's roots"),
        (lambda show: (painted(show / "fix.exr", colourspace="ACESgc"),), UnknownColour, "ACESgc"),
    ],
)
def test_references_that_cannot_be_used(
    show: Path, make: Callable[[Path], tuple[Reference, ...]], kind: type[SecondTakeError], message: str
) -> None:
    request = request_of(show, *make(show))
    with pytest.raises(kind, match=message) as raised:
        prepared(request, roots=(show.resolve(),))
    assert raised.value.remedy


def test_motion_reaches_the_shot_with_y_down(show: Path) -> None:
    found = prepared(request_of(show, painted(show / "fix.exr"), motion=str(show / "vectors" / "v.####.exr")))
    shot = found.shot
    assert shot.has_motion
    x, y = STEP
    box = Box(10, 20, 7, 5)
    assert np.array_equal(shot.motion(1003, box), np.full((5, 7, 4), [-x, -y, x, y], np.float32))
    assert np.isnan(shot.motion(1003, FULL.pad(2))[:2]).all()
    first, last = shot.motion(1001, box), shot.motion(1005, box)
    assert np.isnan(first[..., :2]).all(), "the shot has no frame before its first"
    assert np.isfinite(first[..., 2:]).all()
    assert np.isnan(last[..., 2:]).all()
    assert found.guides.motion_used is not None
    assert found.guides.motion_used.name.endswith("v.####.exr")


def test_motion_does_not_lead_over_a_gap(show: Path) -> None:
    request = request_of(
        show, painted(show / "fix.exr"), motion=str(show / "vectors" / "v.####.exr"), frames="1001-1003,1005"
    )
    shot = prepared(request).shot
    assert np.isnan(shot.motion(1003, FULL)[..., 2:]).all()
    assert np.isfinite(shot.motion(1003, FULL)[..., :2]).all()
    assert np.isnan(shot.motion(1005, FULL)).all()


def test_motion_with_a_data_window_of_its_own(show: Path) -> None:
    planes = {name: plane[10:30, 5:50] for name, plane in vector_planes().items()}
    for frame in FRAMES:
        write_exr(show / "vectors" / f"v.{frame}.exr", planes, corner=(5, 10))
    shot = prepared(request_of(show, painted(show / "fix.exr"), motion=str(show / "vectors" / "v.####.exr"))).shot
    known = np.isfinite(shot.motion(1003, FULL)).all(axis=-1)
    assert known[10:30, 5:50].all()
    assert np.count_nonzero(known) == 20 * 45
    assert np.isnan(shot.motion(1003, Box(60, 40, 9, 9))).all()


def _outside(show: Path) -> None:
    secret = write_exr(show.parent / "secret.exr", vector_planes())
    (show / "vectors" / "v.1004.exr").unlink()
    (show / "vectors" / "v.1004.exr").symlink_to(secret)


def _rewrite(show: Path, planes: Mapping[str, NDArray[np.generic]], frames: tuple[int, ...] = FRAMES) -> None:
    for frame in frames:
        write_exr(show / "vectors" / f"v.{frame}.exr", planes)


HINT = "Second Take reads Blender's Vector pass: previous = p \\+ \\(X, Y\\), next = p − \\(Z, W\\)"


@pytest.mark.parametrize(
    ("spoil", "kind", "message"),
    [
        (lambda show: (show / "vectors" / "v.1002.exr").unlink(), MissingFrames, "lack 1 of the plate's frames: 1002"),
        (
            lambda show: [(show / "vectors" / f"v.{n}.exr").unlink() for n in (1001, 1002, 1005)],
            MissingFrames,
            "lack 3 of the plate's frames: 1001-1002, 1005",
        ),
        (
            lambda show: _rewrite(show, rgb(plate_of(1003)), (1004,)),
            BadInput,
            "The file holds no motion vectors, but B, G, R",
        ),
        (_outside, BadInput, "outside the daemon's roots"),
        (
            lambda show: _rewrite(show, vector_planes(lambda ways: ways * np.float32([1, -1, 1, -1]))),
            BadInput,
            f"they fit when Y is flipped. {HINT}",
        ),
        (
            lambda show: _rewrite(show, vector_planes(lambda ways: -ways)),
            BadInput,
            f"they fit when both signs are flipped. {HINT}",
        ),
        (
            lambda show: _rewrite(show, vector_planes(lambda ways: ways / np.float32([WIDTH, HEIGHT] * 2))),
            BadInput,
            "they fit when they are multiplied by the frame's size",
        ),
        (lambda show: _rewrite(show, vector_planes(lambda ways: ways * np.float32(np.nan))), BadInput, "no number"),
    ],
)
def test_vectors_that_cannot_be_used(
    show: Path, spoil: Callable[[Path], object], kind: type[SecondTakeError], message: str
) -> None:
    spoil(show)
    request = request_of(show, painted(show / "fix.exr"), motion=str(show / "vectors" / "v.####.exr"))
    with pytest.raises(kind) as raised:
        prepared(request, roots=(show.resolve(),))
    assert raised.match(message)
    assert raised.value.remedy


def test_a_guide_that_changes_under_the_job_is_refused(show: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guides, "_PAINTED_BYTES", 0)
    monkeypatch.setattr(guides, "_MOTION_BYTES", 0)
    request = request_of(show, painted(show / "fix.exr"), motion=str(show / "vectors" / "v.####.exr"))
    shot = prepared(request).shot
    write_exr(show / "fix.exr", rgb(plate_of(1003) * 2))
    (show / "vectors" / "v.1003.exr").write_bytes((show / "vectors" / "v.1003.exr").read_bytes() + b"\0")
    for ask in (shot.reference, shot.motion):
        with pytest.raises(BadImage, match="changed on disk"):
            ask(1003, FULL)


def test_any_order_of_boxes_gives_the_same_pixels(show: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for half a frame, so that what is kept is now these rows, now those."""
    monkeypatch.setattr(guides, "_PAINTED_BYTES", WIDTH * HEIGHT // 2 * 3 * 4)
    monkeypatch.setattr(guides, "_MOTION_BYTES", WIDTH * HEIGHT // 2 * 4 * 4)
    request = request_of(show, painted(show / "fix.exr"), motion=str(show / "vectors" / "v.####.exr"))
    whole = prepared(request).shot
    reference, motion = whole.reference(1003, FULL), whole.motion(1003, FULL)
    boxes = [Box(x, y, 11, 7) for x in (0, 40, 85) for y in (57, 0, 30, 16)]
    shot = prepared(request).shot
    with ThreadPoolExecutor(4) as threads:
        pieces = list(threads.map(lambda box: (shot.reference(1003, box), shot.motion(1003, box)), boxes))
    for box, (paint, ways) in zip(boxes, pieces, strict=True):
        assert np.array_equal(paint, reference[box.within(FULL)])
        assert np.array_equal(ways, motion[box.within(FULL)])


def test_guides_are_never_all_in_memory(show: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame_bytes = WIDTH * HEIGHT * 4 * 4
    monkeypatch.setattr(guides, "_PAINTED_BYTES", 2 * frame_bytes)
    monkeypatch.setattr(guides, "_MOTION_BYTES", 2 * frame_bytes)
    references = [painted(write_exr(show / f"r{n}.exr", rgb(plate_of(n))), n) for n in FRAMES]
    shot = prepared(request_of(show, *references, motion=str(show / "vectors" / "v.####.exr"))).shot
    for frame in FRAMES * 2:
        assert np.array_equal(shot.reference(frame, FULL), plate_of(frame))
        assert shot.motion(frame, FULL).shape == (HEIGHT, WIDTH, 4)
    assert shot._guides.painted._bands._bytes <= 2 * frame_bytes  # type: ignore[union-attr]
    assert shot._guides.motion._bands._bytes <= 2 * frame_bytes  # type: ignore[union-attr]
