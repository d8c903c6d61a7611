"""Motion vectors: which channels, which sign, and whether they fit the plate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadImage, BadInput, MissingFrames, SecondTakeError
from secondtake_daemon.images.vectors import open_vectors
from secondtake_daemon.images.vectors_fit import Evidence, measure, misfit

Array = NDArray[np.float32]
DISPLAY = Box(0, 0, 12, 8)


def write_exr(path: Path, parts: list[Mapping[str, NDArray[np.generic]]], names: tuple[str, ...] = ()) -> Path:
    made = []
    for at, planes in enumerate(parts):
        header: dict[str, object] = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION}
        if len(parts) > 1:
            header["name"] = names[at] if names else f"part {at}"
        made.append(OpenEXR.Part(header, {name: np.ascontiguousarray(plane) for name, plane in planes.items()}))
    OpenEXR.File(made).write(str(path))
    return path


def four(prefix: str = "", letters: str = "XYZW", *, first: float = 1.0) -> dict[str, Array]:
    """Constant planes first, first + 1, first + 2, first + 3."""
    return {f"{prefix}{letter}": np.full((8, 12), first + at, np.float32) for at, letter in enumerate(letters)}


def read(path: Path) -> Array:
    found = open_vectors(path, plate_display=DISPLAY).read((0, 8))
    assert (found.box, found.values.shape, found.values.dtype) == (DISPLAY, (8, 12, 4), np.float32)
    return found.values


OTHER = {"ViewLayer.Combined.R": np.zeros((8, 12), np.float32), "ViewLayer.Depth.Z": np.zeros((8, 12), np.float32)}
NORMAL = four("ViewLayer.Normal.", "XYZ", first=9)


@pytest.mark.parametrize(
    "parts",
    [
        [four()],
        [four("", "RGBA")],
        [four("Vector.")],
        [four("ViewLayer.Vector.")],
        [four("My Layer v2.Vector.") | OTHER | NORMAL],
        [OTHER, four("ViewLayer.Vector.")],
        [four("ViewLayer.Vector.", "RGBA") | four("ViewLayer.Combined.", "RGBA", first=7)],
        [four("Motion.") | four("Combined.", "RGBA", first=7)],
        [four("b.Vector.") | four("b.Extra.", first=5)],
    ],
)
def test_the_pass_is_found_and_turned_into_ways_with_y_down(
    tmp_path: Path, parts: list[dict[str, NDArray[np.generic]]]
) -> None:
    values = read(write_exr(tmp_path / "v.exr", parts))
    assert np.array_equal(values[3, 5], [1, -2, -3, 4])
    assert (values == values[0, 0]).all()


def test_a_part_called_vector(tmp_path: Path) -> None:
    names = ("ViewLayer.Combined", "ViewLayer.Vector")
    values = read(write_exr(tmp_path / "v.exr", [four("", "RGBA", first=7), four("", "RGBA")], names))
    assert np.array_equal(values[0, 0], [1, -2, -3, 4])


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_what_is_no_motion_is_unknown(tmp_path: Path, dtype: type) -> None:
    planes = {name: plane.astype(dtype) for name, plane in four().items()}
    planes["X"][0, 0] = np.nan
    planes["W"][1, 1] = -np.inf
    planes["Y"][2, 2] = 4 * DISPLAY.width + 1
    planes["Z"][3, 3] = -4 * DISPLAY.width
    values = read(write_exr(tmp_path / "v.exr", [planes]))
    assert np.isnan(values[0, 0, :2]).all()
    assert np.array_equal(values[0, 0, 2:], [-3, 4]), "the other way is still known"
    assert np.isnan(values[1, 1, 2:]).all()
    assert np.isnan(values[2, 2, :2]).all()
    assert values[3, 3, 2] == 4 * DISPLAY.width
    assert np.isnan(values).sum() == 6


def test_overscan_lies_by_the_display_window(tmp_path: Path) -> None:
    header = {
        "type": OpenEXR.scanlineimage,
        "dataWindow": (np.int32([-2, -1]), np.int32([9, 6])),
        "displayWindow": (np.int32([0, 0]), np.int32([11, 7])),
    }
    OpenEXR.File(header, four()).write(str(tmp_path / "v.exr"))
    assert open_vectors(tmp_path / "v.exr", plate_display=DISPLAY).window == Box(-2, -1, 12, 8)


@pytest.mark.parametrize(
    ("parts", "kind", "message"),
    [
        ([NORMAL], BadInput, "no motion vectors, but ViewLayer.Normal.X, ViewLayer.Normal.Y"),
        ([four("a.") | four("b.")], BadInput, "no motion vectors, but a.W"),
        ([{f"layer{n:02d}.R": np.zeros((8, 12), np.float32) for n in range(30)}], BadInput, "and 6 more"),
        ([{name: plane.astype(np.uint32) for name, plane in four().items()}], BadInput, "no motion vectors"),
        ([{name: plane[:, :9] for name, plane in four().items()}], BadInput, "are 9 × 8, the plate 12 × 8"),
    ],
)
def test_what_holds_no_vectors_is_refused_by_its_channels(
    tmp_path: Path, parts: list[dict[str, NDArray[np.generic]]], kind: type[SecondTakeError], message: str
) -> None:
    with pytest.raises(kind, match=message) as raised:
        read(write_exr(tmp_path / "v.exr", parts))
    assert raised.value.path == str(tmp_path / "v.exr")
    assert raised.value.remedy


def test_no_file_and_no_exr(tmp_path: Path) -> None:
    with pytest.raises(MissingFrames):
        read(tmp_path / "none.exr")
    (tmp_path / "v.exr").write_bytes(b"PIEH")
    with pytest.raises(BadImage):
        read(tmp_path / "v.exr")


# --- do they fit? -------------------------------------------------------------------------------------------------

SIZE = (160, 120)


@dataclass(frozen=True)
class Move:
    """A plate that moves over a texture: pan and mover in pixels a frame, y down."""

    pan: tuple[float, float] = (3.3, 1.7)
    turn: float = 0.0
    mover: tuple[float, float] | None = None
    grain: float = 0.0
    shutter: float = 0.0
    flicker: float = 0.0
    exposure: float = 1.0
    scale: int = 1


def texture(seed: int, width: int, height: int) -> Array:
    """Something like a picture: many sizes of detail, some of it bright."""
    random = np.random.default_rng(seed)
    out = np.zeros((height, width, 3), np.float32)
    for size in (4, 9, 21, 60):
        coarse = random.normal(size=(height // size + 3, width // size + 3, 3)).astype(np.float32)
        out += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * 0.4
    return np.asarray(0.18 * np.exp2(out), np.float32)


def place(move: Move, at: float) -> NDArray[np.float64]:
    """2×3 from texture to frame."""
    c, s = np.cos(move.turn * at), np.sin(move.turn * at)
    margin = 200
    return np.array([[c, -s, move.pan[0] * at - margin], [s, c, move.pan[1] * at - margin]])


def frame(move: Move, at: int, seed: int) -> Array:
    size = (SIZE[0] * move.scale, SIZE[1] * move.scale)
    ground, object_ = texture(seed, size[0] + 400, size[1] + 400), texture(seed + 1, 60, 50)
    random = np.random.default_rng((seed, at + 1000))
    steps = np.linspace(-move.shutter / 2, move.shutter / 2, 7) if move.shutter else np.zeros(1)
    total = np.zeros((size[1], size[0], 3), np.float32)
    for step in steps:
        picture = cv2.warpAffine(ground, place(move, at + step), size, flags=cv2.INTER_CUBIC)
        if move.mover:
            shift = np.array([[1, 0, 20 + move.mover[0] * (at + step)], [0, 1, 30 + move.mover[1] * (at + step)]])
            inside = cv2.warpAffine(np.ones((50, 60), np.float32), shift, size)[..., None]
            picture = picture * (1 - inside) + inside * cv2.warpAffine(object_, shift, size, flags=cv2.INTER_CUBIC)
        total += picture / len(steps)
    total = np.maximum(total, 0) * move.exposure * float(np.exp(random.normal() * move.flicker))
    noise = random.normal(size=total.shape) * np.sqrt(6e-4 * total + 1.5e-5) * move.grain
    return np.asarray(total + noise, np.float32)


def vectors(move: Move, at: int) -> Array:
    """The truth, as `Shot.motion`."""
    height, width = SIZE[1] * move.scale, SIZE[0] * move.scale
    y, x = np.mgrid[:height, :width].astype(np.float64)
    out = np.zeros((height, width, 4), np.float32)
    for way, other in ((0, at - 1), (2, at + 1)):
        back = cv2.invertAffineTransform(place(move, at))
        both = place(move, other) @ np.vstack([back, [0, 0, 1]])
        out[..., way] = both[0, 0] * x + both[0, 1] * y + both[0, 2] - x
        out[..., way + 1] = both[1, 0] * x + both[1, 1] * y + both[1, 2] - y
        if move.mover:
            left, top = 20 + move.mover[0] * at, 30 + move.mover[1] * at
            inside = (x >= left) & (x < left + 60) & (y >= top) & (y < top + 50)
            out[inside, way : way + 2] = np.array(move.mover, np.float32) * (other - at)
    return out


def evidence(move: Move, change: Callable[[Array], Array] = lambda motion: motion, seed: int = 0) -> list[Evidence]:
    pairs = [(at, at + 1) for at in (-5, 0, 4)]
    return [
        measure(
            first=frame(move, a, seed),
            second=frame(move, b, seed),
            of_first=change(vectors(move, a)),
            of_second=change(vectors(move, b)),
        )
        for a, b in pairs
    ]


GOOD = {
    "pan": Move(),
    "grain": Move(grain=3),
    "heavy grain and slow": Move(pan=(0.7, 0.3), grain=6),
    "subpixel drift": Move(pan=(0.31, -0.2), grain=2),
    "motion blur": Move(pan=(9.4, 2.2), shutter=0.9, grain=1),
    "roll": Move(pan=(1.0, 0.0), turn=0.02, grain=1),
    "mover that hides": Move(pan=(1.2, 0.4), mover=(-7.5, 2.5), grain=1),
    "locked": Move(pan=(0, 0), grain=1),
    "locked, with a mover": Move(pan=(0, 0), mover=(5.5, -1.5), grain=1),
    "flicker": Move(flicker=0.1, grain=1),
    "dark": Move(exposure=1e-4),
    "bright": Move(exposure=1e3, grain=1),
    "large frame": Move(pan=(2.1, 0.9), grain=2, scale=5),
    "straight down": Move(pan=(0, 2.6), grain=2),
}


@pytest.mark.parametrize("name", GOOD)
def test_true_vectors_raise_no_alarm(name: str) -> None:
    assert misfit(evidence(GOOD[name])) == ""


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    st.tuples(st.floats(-8, 8), st.floats(-8, 8)),
    st.floats(0, 4),
    st.floats(0, 1),
    st.one_of(st.none(), st.tuples(st.floats(-6, 6), st.floats(-6, 6))),
    st.integers(0, 99),
)
def test_no_alarm_on_any_true_motion(
    pan: tuple[float, float], grain: float, shutter: float, mover: tuple[float, float] | None, seed: int
) -> None:
    assert misfit(evidence(Move(pan=pan, grain=grain, shutter=shutter, mover=mover), seed=seed)) == ""


WRONG: dict[str, tuple[Callable[[Array], Array], str]] = {
    "both": (lambda motion: -motion, "they fit when both signs are flipped"),
    "y": (lambda motion: motion * np.float32([1, -1, 1, -1]), "they fit when Y is flipped"),
    "x": (lambda motion: motion * np.float32([-1, 1, -1, 1]), "they fit when X is flipped"),
    "half": (lambda motion: motion * np.float32(0.5), "they fit when they are doubled"),
    "double": (lambda motion: motion * np.float32(2), "they fit when they are halved"),
    "share": (
        lambda motion: motion / np.float32([*motion.shape[1::-1]] * 2),
        "they fit when they are multiplied by the frame's size",
    ),
    "share, y up": (
        lambda motion: motion / np.float32([motion.shape[1], -motion.shape[0]] * 2),
        "they fit when they are multiplied by the frame's size, with Y flipped",
    ),
    "device": (
        lambda motion: 2 * motion / np.float32([*motion.shape[1::-1]] * 2),
        "they fit when they are multiplied by half the frame's size",
    ),
    "previous only": (
        lambda motion: motion * np.float32([-1, -1, 1, 1]),
        "(X, Y) fits when both signs are flipped",
    ),
    "next only": (lambda motion: motion * np.float32([1, 1, 1, -1]), "(Z, W) fits when Y is flipped"),
    "nothing known": (lambda motion: motion * np.float32(np.nan), "they hold no number"),
}


@pytest.mark.parametrize("move", [Move(grain=1), Move(pan=(5.2, -2.4), shutter=0.6, grain=2, mover=(-4, 3))])
@pytest.mark.parametrize("name", WRONG)
def test_each_mistake_is_named(name: str, move: Move) -> None:
    change, hint = WRONG[name]
    assert misfit(evidence(move, change)) == hint


def test_ways_that_change_places() -> None:
    """Only seen where the motion changes from frame to frame; else it is the same as both signs flipped."""

    def motion(at: int, other: int) -> Array:
        steps = {0: 0.0, 1: 2.0, 2: 9.0, 3: 11.0}
        return np.full((SIZE[1], SIZE[0], 2), (steps[other] - steps[at]) * np.array([1.0, 0.4]), np.float32)

    def picture(at: int) -> Array:
        shift = {0: 0.0, 1: 2.0, 2: 9.0, 3: 11.0}[at]
        matrix = np.array([[1, 0, shift - 200], [0, 1, 0.4 * shift - 200]])
        return np.asarray(cv2.warpAffine(texture(3, 560, 520), matrix, SIZE), np.float32)

    def ways(at: int, *others: int) -> Array:
        return np.concatenate([motion(at, other) for other in others], axis=-1)

    found = measure(first=picture(1), second=picture(2), of_first=ways(1, 2, 0), of_second=ways(2, 3, 1))
    assert misfit([found]) == "they fit when the ways to the previous and to the next frame change places"
    found = measure(first=picture(1), second=picture(2), of_first=ways(1, 0, 2), of_second=ways(2, 1, 3))
    assert misfit([found]) == ""


def nothing(motion: Array) -> Array:
    return motion * np.float32(0)


def test_nothing_moves_is_refused_only_when_the_plate_clearly_pans() -> None:
    assert misfit(evidence(Move(pan=(6.2, 2.4), grain=1), nothing)) == "they say that nothing moves, but the plate does"
    for move in (Move(pan=(0, 0), grain=3), Move(pan=(0.4, 0), grain=1), Move(pan=(0, 0), mover=(6, 3), grain=1)):
        assert misfit(evidence(move, nothing)) == ""


def test_motion_on_a_plate_that_stands_still() -> None:
    still = Move(pan=(0, 0), grain=1)
    assert misfit(evidence(still, lambda motion: motion + np.float32([3, 1, -3, -1]))) == (
        "the plate moves less than they say"
    )


@pytest.mark.parametrize("value", [0.0, 0.5, np.nan, np.inf, -1.0, 1e30])
def test_flat_and_broken_plates_say_nothing(value: float) -> None:
    flat = np.full((SIZE[1], SIZE[0], 3), value, np.float32)
    found = measure(first=flat, second=flat, of_first=vectors(Move(), 0), of_second=vectors(Move(), 1))
    assert misfit([found]) == ""
    assert misfit([]) == ""


def test_a_tiny_frame_says_nothing_and_does_not_fail() -> None:
    small = np.ones((1, 2, 3), np.float32)
    motion = np.ones((1, 2, 4), np.float32)
    assert misfit([measure(first=small, second=small, of_first=motion, of_second=motion)]) == ""


def test_holes_in_plate_and_vectors_are_left_out() -> None:
    move = Move(grain=1)
    random = np.random.default_rng(0)

    def torn(motion: Array) -> Array:
        motion = -motion
        motion[random.random(motion.shape[:2]) < 0.3] = np.nan
        return motion

    pictures = [frame(move, at, 0) for at in (0, 1)]
    for picture in pictures:
        picture[20:60, 30:80] = np.nan
        picture[70, 5] = np.inf
    found = measure(
        first=pictures[0], second=pictures[1], of_first=torn(vectors(move, 0)), of_second=torn(vectors(move, 1))
    )
    assert misfit([found]) == "they fit when both signs are flipped"
