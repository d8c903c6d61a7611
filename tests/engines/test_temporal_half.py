"""Half-size shots for drafts."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondtake.boxes import Box
from secondtake_daemon.engines.temporal.half import HalfShot, doubled, halved

sys.path.insert(0, str(Path(__file__).parents[1] / "quality"))

from array_shots import ArrayShot


def shot_of(width: int, height: int, corner: tuple[int, int] = (0, 0)) -> ArrayShot:
    rng = np.random.default_rng(0)
    plates = rng.random((1, height, width, 3), np.float32)
    holes = (rng.random((1, height, width)) > 0.9).astype(np.float32)
    return ArrayShot(plates, holes, corner=corner)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(-3, 3))
def test_sizes_and_means(width: int, height: int, x: int) -> None:
    shot = shot_of(width, height, (x, 1))
    half = HalfShot(shot)
    plate, hole = half.plate(1001, half.bounds), half.hole(1001, half.bounds)
    assert plate.shape == (half.bounds.height, half.bounds.width, 3)
    padded = np.pad(shot.plates[0], ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    np.testing.assert_allclose(plate[0, 0], padded[:2, :2].mean(axis=(0, 1)), rtol=1e-5)
    assert (hole > 0).sum() <= (shot.holes > 0).sum() <= 4 * (hole > 0).sum()


def test_a_bad_pixel_makes_its_four_unknown() -> None:
    shot = shot_of(8, 6)
    shot.plates[0, 3, 5] = np.nan
    plate = HalfShot(shot).plate(1001, Box(0, 0, 4, 3))
    assert np.isnan(plate[1, 2]).all()
    assert np.isfinite(np.delete(plate.reshape(-1, 3), 1 * 4 + 2, axis=0)).all()


@given(st.integers(0, 7), st.integers(0, 5), st.integers(1, 8), st.integers(1, 6))
def test_a_patch_comes_back_where_it_was(x: int, y: int, width: int, height: int) -> None:
    bounds = Box(10, 20, 16, 12)
    box = Box(10 + x, 20 + y, width, height)
    small = halved(box, bounds=bounds)
    rows, columns = np.mgrid[small.y : small.bottom, small.x : small.right].astype(np.float32)
    ramp = np.stack([2 * columns + 0.5, 2 * rows + 0.5, 0 * rows], axis=2)  # full-size coordinates of the centres
    known = np.full(rows.shape, 2, np.uint8)
    pixels, codes = doubled(ramp, known, box=box, bounds=bounds)
    assert pixels.shape == (height, width, 3)
    assert codes.shape == (height, width)
    assert (codes == 2).all()
    full_rows, full_columns = np.mgrid[y : y + height, x : x + width]
    assert np.abs(pixels[..., 0] - full_columns).max() <= 0.5  # exact but for the patch's own border
    assert np.abs(pixels[..., 1] - full_rows).max() <= 0.5


def test_vectors_are_halved() -> None:
    shot = shot_of(8, 6)
    shot.vectors = np.full((1, 6, 8, 4), 6, np.float32)
    assert HalfShot(shot).motion(1001, Box(0, 0, 4, 3)) == pytest.approx(3)


class CountedShot(ArrayShot):
    """Counts the first looks at a frame: a column, for which a shot on files decodes all rows."""

    decoded = 0

    def plate(self, frame: int, box: Box) -> np.ndarray:
        self.decoded += box.width == 1 and box.height == self.bounds.height
        return super().plate(frame, box)


@pytest.mark.parametrize(("width", "height"), [(8, 6), (9, 201)])
def test_parts_are_those_of_the_whole_and_read_once(width: int, height: int) -> None:
    """201 rows are several strips, of which the last is odd."""
    inner = shot_of(width, height, (3, -2))
    shot = CountedShot(inner.plates, inner.holes, corner=(3, -2))
    half = HalfShot(shot)
    padded = np.pad(inner.plates[0], ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    wanted = padded.reshape(half.bounds.height, 2, half.bounds.width, 2, 3).mean(axis=(1, 3))
    for box in (half.bounds, Box(1, half.bounds.height - 2, 3, 2), Box(0, 1, 2, 1)):
        np.testing.assert_allclose(half.plate(1001, box), wanted[box.within(half.bounds)], rtol=1e-5)
    assert shot.decoded == 1


def test_only_so_many_frames_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    plates = rng.random((5, 20, 16, 3), np.float32)
    monkeypatch.setattr("secondtake_daemon.engines.temporal.half._HELD_BYTES", 3 * 10 * 8 * 16)
    shot = CountedShot(plates, np.zeros((5, 20, 16), np.float32))
    half = HalfShot(shot)
    first = [half.plate(frame, half.bounds).copy() for frame in shot.frames]
    assert shot.decoded == 5
    np.testing.assert_array_equal(half.plate(shot.frames[-1], half.bounds), first[-1])
    assert shot.decoded == 5
    np.testing.assert_array_equal(half.plate(shot.frames[0], half.bounds), first[0])
    assert shot.decoded == 6
