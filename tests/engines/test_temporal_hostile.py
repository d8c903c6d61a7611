"""Shots that a stranger may bring, small and fast: nothing crashes, all is finite, and what can be seen is found."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake_daemon.engines.temporal import reader
from secondtake_daemon.engines.temporal.fill import hole_boxes

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "quality"))

from array_shots import ArrayShot, removed
from scenes import Size, make
from scores import psnr, telea

Frames = NDArray[np.float32]
SMALL = Size(width=160, height=96, frames=8, subframes=1, over=1)


@pytest.fixture(scope="module")
def panned() -> ArrayShot:
    return make("pan", seed=5, size=SMALL)


def gain_over_telea(shot: ArrayShot, folder: Path, *, level: float = 1.0) -> float:
    """dB inside the hole; `level` brings the shot back to white = 1 for the score. The result must be finite there."""
    assert shot.clean is not None
    result = removed(shot, folder, grain="none")  # the truth has none
    assert np.isfinite(result[shot.holes > 0]).all()
    other = psnr(telea(np.nan_to_num(shot.plates) / level, shot.holes), shot.clean / level, shot.holes)
    return psnr(result / level, shot.clean / level, shot.holes) - other


def scaled(shot: ArrayShot, factor: float) -> ArrayShot:
    assert shot.clean is not None
    gain = np.float32(factor)
    return replace(shot, plates=shot.plates * gain, clean=shot.clean * gain)


@pytest.mark.parametrize("factor", [1e-4, 0.01, 10.0, 1e4])
def test_level_of_the_plate_does_not_matter(panned: ArrayShot, tmp_path: Path, factor: float) -> None:
    plain = gain_over_telea(panned, tmp_path / "a")
    assert plain > 8
    assert gain_over_telea(scaled(panned, factor), tmp_path / "b", level=factor) > plain - 0.5


def test_highlights_of_ten_thousand_are_borrowed(panned: ArrayShot, tmp_path: Path) -> None:
    """A lamp far above white stands behind the object: it comes back as bright as it was."""
    assert panned.clean is not None
    bright = panned.clean[..., 1] > np.quantile(panned.clean[..., 1], 0.92)
    lit = np.where(bright[..., None], np.float32(1e4), panned.clean).astype(np.float32)
    plates = np.where((panned.holes > 0)[..., None], panned.plates, lit)
    result = removed(replace(panned, plates=plates), tmp_path)
    inside = (panned.holes > 0) & bright
    assert inside.sum() > 20
    found = result[inside]
    assert np.isfinite(result[panned.holes > 0]).all()
    assert 1e3 < np.median(found) < 2e4


def test_negative_values_are_kept(panned: ArrayShot, tmp_path: Path) -> None:
    assert panned.clean is not None
    shifted = replace(panned, plates=panned.plates - 0.25, clean=panned.clean - 0.25)
    result = removed(shifted, tmp_path)
    inside = panned.holes > 0
    assert np.abs(result[inside] - shifted.clean[inside]).mean() < 0.05
    assert (result[inside] < 0).any()


def test_frames_with_other_data_windows_are_unknown_where_they_have_no_pixels(
    panned: ArrayShot, tmp_path: Path
) -> None:
    """Where a frame has no pixels the shot says NaN: never borrowed, and filled where the hole lies over it."""
    plates = panned.plates.copy()
    for place in range(len(plates)):
        plates[place, : 4 + 2 * place] = np.nan
        plates[place, :, : 3 * place] = np.nan
    assert gain_over_telea(replace(panned, plates=plates), tmp_path) > 4


@dataclass
class _Offset(ArrayShot):
    """Refuses every read that is not inside its bounds."""

    def plate(self, frame: int, box: Box) -> Frames:
        assert not box.is_empty and self.bounds.contains(box)
        return super().plate(frame, box)


@pytest.mark.parametrize("corner", [(-37, -11), (-500, 400), (3000, -2000)])
def test_data_window_anywhere(panned: ArrayShot, tmp_path: Path, corner: tuple[int, int]) -> None:
    plain = removed(panned, tmp_path / "a", grain="none")
    numbers = tuple(1001 + 3 * place + (place > 3) * 40 for place in range(len(panned.plates)))
    moved = _Offset(panned.plates, panned.holes, corner=corner, numbers=numbers)
    assert removed(moved, tmp_path / "b", grain="none").tobytes() == plain.tobytes()


@pytest.mark.parametrize(("width", "height"), [(320, 180), (161, 97), (97, 161), (401, 33), (16, 16)])
def test_sizes(tmp_path: Path, width: int, height: int) -> None:
    shot = make("pan", seed=3, size=Size(width=width, height=height, frames=5, subframes=1, over=1))
    floor = -2.0 if min(width, height) < 64 else 0.0
    assert gain_over_telea(shot, tmp_path) > floor


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_frames(panned: ArrayShot, tmp_path: Path, count: int) -> None:
    assert panned.clean is not None
    shot = ArrayShot(panned.plates[:count], panned.holes[:count], panned.clean[:count])
    assert gain_over_telea(shot, tmp_path) > -0.5


Draw = Callable[[Frames, int], None]


def _corner(hole: Frames, at: int) -> None:
    hole[:30, : 25 + 2 * at] = 1.0


def _edges(hole: Frames, at: int) -> None:
    hole[:, :5] = hole[-5:, :] = 1.0


def _soft(hole: Frames, at: int) -> None:
    cv2.circle(hole, (30 + 10 * at, 50), 14, 1.0, -1)
    hole[:] = cv2.GaussianBlur(hole, (0, 0), 4.0)


def _apart(hole: Frames, at: int) -> None:
    hole[4:16, 4 + at : 18 + at] = 1.0
    hole[78:90, 120 + 2 * at : 132 + 2 * at] = 1.0


def _watermark(hole: Frames, at: int) -> None:
    for x in (50, 70, 90):
        cv2.rectangle(hole, (x, 40), (x + 12, 58), 1.0, 3)


def _speck(hole: Frames, at: int) -> None:
    hole[40, 60 + 7 * at] = 1e-3


def _flash(hole: Frames, at: int) -> None:
    hole[:] = 1.0 if at == 4 else 0.0


HOLES: dict[str, tuple[Draw, float]] = {
    "corner": (_corner, -0.5), "edges": (_edges, -0.5), "soft": (_soft, 8.0), "two far apart": (_apart, 3.0),
    "watermark": (_watermark, -0.5), "one pixel": (_speck, 0.0), "a whole frame": (_flash, 8.0),
}  # fmt: skip


@pytest.mark.parametrize("name", HOLES)
def test_holes(panned: ArrayShot, tmp_path: Path, name: str) -> None:
    assert panned.clean is not None
    draw, floor_db = HOLES[name]
    holes = np.zeros_like(panned.holes)
    for place, hole in enumerate(holes):
        draw(hole, place)
    plates = np.where((holes > 0)[..., None], np.float32(0.9), panned.clean).astype(np.float32)
    assert gain_over_telea(ArrayShot(plates, holes, panned.clean), tmp_path) > floor_db


@pytest.mark.parametrize("seed", [1, 2])
def test_very_grainy(tmp_path: Path, seed: int) -> None:
    assert gain_over_telea(make("pan", seed=seed, size=SMALL, grain_share=4.0), tmp_path) > 3


def test_dark_shot_with_grain(tmp_path: Path) -> None:
    """Two per cent of white, with a floor of grain as strong as the picture's shadows."""
    shot = make("pan", seed=5, size=SMALL, grain_share=0.0)
    assert shot.clean is not None
    noise = np.random.default_rng(0).normal(size=shot.plates.shape).astype(np.float32) * np.float32(0.002)
    dark = replace(shot, plates=shot.plates * 0.02 + noise, clean=shot.clean * 0.02)
    assert gain_over_telea(dark, tmp_path, level=0.02) > 2


def test_a_flash_of_exposure(panned: ArrayShot, tmp_path: Path) -> None:
    assert panned.clean is not None
    gain = np.array([1, 1, 4, 1, 0.25, 1, 1, 8], np.float32)[:, None, None, None]
    shot = replace(panned, plates=panned.plates * gain, clean=panned.clean * gain)
    result = removed(shot, tmp_path) / gain
    assert np.isfinite(result).all()
    assert psnr(result, panned.clean, panned.holes) > 24


def test_reader_survives_boxes_that_grow_past_its_cache(panned: ArrayShot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_CACHE_BYTES", 3 * 64 * 64 * 14)
    read = reader.Reader(shot=panned, gain=1.0, rim_px=2)
    for index in range(5):
        read.crop(index=index, box=Box(10, 10, 20, 20))
    for index in (2, 3, 4, 3, 0):
        crop = read.crop(index=index, box=Box(4, 4, 150, 80))
        assert np.array_equal(crop.pixels, panned.plates[index, 4:84, 4:154])


def test_two_mattes_far_apart_are_two_small_boxes() -> None:
    hole = np.zeros((300, 400), bool)
    hole[10:20, 12:30] = hole[280:290, 350:380] = hole[284:, 300:320] = True
    found = hole_boxes(hole=hole)
    assert len(found) == 2 and sum(box.width * box.height for box in found) < 0.25 * hole.size
    for y, x in ((15, 20), (285, 365), (299, 310)):
        assert any(box.contains(Box(x, y, 1, 1)) for box in found)
    assert hole_boxes(hole=np.zeros((30, 40), bool)) == ()
