"""Growing, feathering and digesting mattes."""

from __future__ import annotations

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.messages import Operation
from secondtake_daemon.composite.matte import Stitch, generation_matte, stitch_matte, support_digest
from secondtake_daemon.images.coverage import Coverage

Plane = NDArray[np.float32]

BOUNDS = Box(-3, 2, 40, 30)


def coverage(values: Plane, x: int = 0, y: int = 5) -> Coverage:
    return Coverage(box=Box(x, y, values.shape[1], values.shape[0]), values=values.astype(np.float32))


def whole(stitch: Stitch, bounds: Box = BOUNDS) -> Plane:
    canvas = np.zeros((bounds.height, bounds.width), np.float32)
    canvas[stitch.box.within(bounds)] = stitch.alpha
    return canvas


def drawn(cover: Coverage, bounds: Box = BOUNDS) -> Plane:
    canvas = np.zeros((bounds.height, bounds.width), np.float32)
    common = cover.box.intersect(bounds)
    canvas[common.within(bounds)] = cover.values[common.within(cover.box)]
    return canvas


def square(side: int = 9, value: float = 1.0) -> Coverage:
    return coverage(np.full((side, side), value, np.float32), x=10, y=12)


@st.composite
def coverages(draw: st.DrawFn) -> Coverage:
    """Soft, holey, off-centre, partly outside of the plate, at times empty."""
    height, width = draw(st.integers(1, 16)), draw(st.integers(1, 16))
    seed, holes = draw(st.integers(0, 999)), draw(st.floats(0, 1))
    generator = np.random.default_rng(seed)
    values = generator.random((height, width)) * (generator.random((height, width)) > holes)
    values[generator.random((height, width)) > 0.7] = 1
    return coverage(
        values * draw(st.sampled_from([1, 1, 0])), x=draw(st.integers(-15, 42)), y=draw(st.integers(-15, 42))
    )


def dilated(values: Plane, radius: int) -> Plane:
    """Grey dilation by definition."""
    out = np.zeros_like(values)
    height, width = values.shape
    for y, x in np.argwhere(values > 0):
        for dy in range(-radius, radius + 1):
            for dx in range(-radius, radius + 1):
                row, column = y + dy, x + dx
                if dx * dx + dy * dy <= radius * radius and 0 <= row < height and 0 <= column < width:
                    out[row, column] = max(out[row, column], values[y, x])
    return out


@settings(max_examples=60, deadline=None)
@given(
    cover=coverages(), grow_px=st.integers(-4, 5), feather_px=st.integers(0, 6), operation=st.sampled_from(Operation)
)
def test_every_matte_is_tight_clipped_and_within_range(
    cover: Coverage, grow_px: int, feather_px: int, operation: Operation
) -> None:
    stitch = stitch_matte(cover, operation=operation, grow_px=grow_px, feather_px=feather_px, bounds=BOUNDS)
    assert stitch.alpha.dtype == np.float32
    assert stitch.alpha.shape == (stitch.box.height, stitch.box.width)
    assert stitch.alpha.flags.c_contiguous
    assert BOUNDS.contains(stitch.box)
    if not stitch.box.is_empty:
        support = stitch.alpha > 0
        assert all(edge.any() for edge in (support[0], support[-1], support[:, 0], support[:, -1]))
        assert stitch.alpha.max() <= 1
        assert stitch.alpha.min() >= 0


@settings(max_examples=60, deadline=None)
@given(cover=coverages(), feather_px=st.integers(0, 9), operation=st.sampled_from(Operation))
def test_feather_never_reaches_a_sample_outside_the_drawn_matte(
    cover: Coverage, feather_px: int, operation: Operation
) -> None:
    stitch = stitch_matte(cover, operation=operation, grow_px=0, feather_px=feather_px, bounds=BOUNDS)
    alpha, source = whole(stitch), drawn(cover)
    assert np.array_equal(alpha > 0, source > 0)
    assert (alpha[source == 0] == 0).all()
    if operation is not Operation.REMOVE:
        assert (alpha <= source).all()


@settings(max_examples=40, deadline=None)
@given(cover=coverages(), radius=st.integers(0, 7))
def test_growing_is_grey_dilation_with_a_disc(cover: Coverage, radius: int) -> None:
    stitch = stitch_matte(cover, operation=Operation.REPLACE, grow_px=radius, feather_px=0, bounds=BOUNDS)
    around = BOUNDS.union(cover.box)
    expected = dilated(drawn(cover, around), radius)[BOUNDS.within(around)]
    assert np.array_equal(whole(stitch), expected)


@settings(max_examples=40, deadline=None)
@given(cover=coverages(), radius=st.integers(1, 5))
def test_shrinking_is_the_dual_and_ignores_the_frame_edge(cover: Coverage, radius: int) -> None:
    stitch = stitch_matte(cover, operation=Operation.REPLACE, grow_px=-radius, feather_px=0, bounds=BOUNDS)
    around = BOUNDS.union(cover.box)
    # Erosion by definition: what is 1 − coverage grows; beyond the known picture nothing does.
    keep = dilated((1 - drawn(cover, around)).astype(np.float32), radius)
    assert np.allclose(whole(stitch), (1 - keep)[BOUNDS.within(around)], atol=1e-6)
    assert (whole(stitch) <= drawn(cover)).all()


@settings(max_examples=40, deadline=None)
@given(
    cover=coverages(), grow_px=st.integers(-4, 5), feather_px=st.integers(0, 6), operation=st.sampled_from(Operation)
)
def test_the_generation_matte_covers_stitch_and_object(
    cover: Coverage, grow_px: int, feather_px: int, operation: Operation
) -> None:
    hole = whole(generation_matte(cover, grow_px=grow_px, bounds=BOUNDS))
    stitch = whole(stitch_matte(cover, operation=operation, grow_px=grow_px, feather_px=feather_px, bounds=BOUNDS))
    assert (hole > 0)[stitch > 0].all()
    assert (hole >= drawn(cover)).all()
    if operation is not Operation.REMOVE:
        assert (hole >= stitch).all()


def test_the_generation_matte_of_a_soft_object_is_soft() -> None:
    faint = coverage(np.float32([[0, 0.001, 0.5, 1]]))
    assert generation_matte(faint, grow_px=0, bounds=BOUNDS).alpha.tolist() == [[np.float32(0.001), 0.5, 1]]


def test_remove_takes_every_trace_and_others_keep_softness() -> None:
    faint = coverage(np.float32([[0, 0.001, 0.5, 1]]))
    removed = stitch_matte(faint, operation=Operation.REMOVE, grow_px=0, feather_px=0, bounds=BOUNDS)
    assert removed.alpha.tolist() == [[1, 1, 1]]
    assert removed.box == Box(1, 5, 3, 1)
    kept = stitch_matte(faint, operation=Operation.MODIFY, grow_px=0, feather_px=0, bounds=BOUNDS)
    assert kept.alpha.tolist() == [[np.float32(0.001), 0.5, 1]]


def test_a_disc_is_round() -> None:
    dot = coverage(np.ones((1, 1), np.float32), x=20, y=15)
    grown = stitch_matte(dot, operation=Operation.REMOVE, grow_px=10, feather_px=0, bounds=BOUNDS)
    rows, columns = np.mgrid[-10:11, -10:11]
    assert np.array_equal(grown.alpha > 0, rows**2 + columns**2 <= 100)


def test_feather_rises_in_equal_steps_from_the_edge() -> None:
    soft = stitch_matte(square(), operation=Operation.REMOVE, grow_px=0, feather_px=3, bounds=BOUNDS)
    assert soft.alpha[4].tolist() == [0.25, 0.5, 0.75, 1, 1, 1, 0.75, 0.5, 0.25]
    assert soft.box == square().box


def test_grow_then_feather_ends_at_the_grown_edge() -> None:
    both = stitch_matte(square(), operation=Operation.REMOVE, grow_px=4, feather_px=3, bounds=BOUNDS)
    hard = stitch_matte(square(), operation=Operation.REMOVE, grow_px=4, feather_px=0, bounds=BOUNDS)
    assert both.box == hard.box == square().box.pad(4)
    assert both.alpha[8, :4].tolist() == [0.25, 0.5, 0.75, 1]


def test_the_edge_of_the_frame_is_no_edge_of_the_matte() -> None:
    bounds = Box(0, 0, 12, 8)
    left = coverage(np.ones((8, 5), np.float32), x=0, y=0)
    soft = stitch_matte(left, operation=Operation.REMOVE, grow_px=0, feather_px=2, bounds=bounds)
    assert soft.alpha[0].tolist() == [1, 1, 1, pytest.approx(2 / 3), pytest.approx(1 / 3)]
    assert stitch_matte(left, operation=Operation.REMOVE, grow_px=-2, feather_px=0, bounds=bounds).box == Box(
        0, 0, 3, 8
    )
    full = coverage(np.ones((8, 12), np.float32), x=0, y=0)
    for grow_px in (-3, 0, 3):
        stitch = stitch_matte(full, operation=Operation.REMOVE, grow_px=grow_px, feather_px=5, bounds=bounds)
        assert stitch.box == bounds
        assert (stitch.alpha == 1).all()


def test_an_object_beyond_the_frame_can_grow_into_it() -> None:
    outside = coverage(np.ones((4, 4), np.float32), x=BOUNDS.right, y=10)
    assert stitch_matte(outside, operation=Operation.REMOVE, grow_px=0, feather_px=0, bounds=BOUNDS).box.is_empty
    grown = stitch_matte(outside, operation=Operation.REMOVE, grow_px=2, feather_px=0, bounds=BOUNDS)
    assert grown.box == Box(BOUNDS.right - 2, 9, 2, 6)
    assert grown.alpha.tolist() == [[0, 1], [1, 1], [1, 1], [1, 1], [1, 1], [0, 1]]


def test_a_frame_without_coverage_is_fine() -> None:
    for values in (np.zeros((4, 4), np.float32), np.zeros((0, 0), np.float32)):
        stitch = stitch_matte(coverage(values), operation=Operation.REMOVE, grow_px=3, feather_px=2, bounds=BOUNDS)
        assert stitch.box.is_empty
        assert stitch.alpha.size == 0
    shrunk = stitch_matte(square(5), operation=Operation.REMOVE, grow_px=-9, feather_px=0, bounds=BOUNDS)
    assert shrunk.box.is_empty


def test_the_digest_is_of_window_and_support_only() -> None:
    stitch = stitch_matte(square(), operation=Operation.REMOVE, grow_px=0, feather_px=0, bounds=BOUNDS)
    softer = stitch_matte(square(), operation=Operation.REMOVE, grow_px=0, feather_px=4, bounds=BOUNDS)
    digest = support_digest(stitch, BOUNDS)
    assert digest == support_digest(softer, BOUNDS)
    assert digest != support_digest(stitch, BOUNDS.pad(1))
    assert digest != support_digest(
        stitch_matte(square(8), operation=Operation.REMOVE, grow_px=0, feather_px=0, bounds=BOUNDS), BOUNDS
    )


def test_the_digest_is_as_documented() -> None:
    window = Box(-1, 2, 10, 2)
    stitch = Stitch(box=Box(0, 2, 3, 1), alpha=np.float32([[0.5, 0, 1]]))
    words = b"".join(value.to_bytes(4, "little", signed=True) for value in window)
    rows = bytes([0b01010000, 0, 0, 0])
    assert support_digest(stitch, window) == blake3(words + rows).hexdigest()
    empty = Stitch(box=Box(0, 0, 0, 0), alpha=np.zeros((0, 0), np.float32))
    assert support_digest(empty, window) == blake3(words + bytes(4)).hexdigest()
