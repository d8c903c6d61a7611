"""Shots that break an engine which trusts its input: NaN, black frames, cuts, holes at the border or everywhere."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "quality"))

from array_shots import ArrayShot, removed
from scenes import Size, make
from scores import psnr, telea

SMALL = Size(width=160, height=96, frames=10, subframes=1, over=1)


@pytest.fixture(scope="module")
def panned() -> ArrayShot:
    return make("pan", seed=5, size=SMALL)


def score(shot: ArrayShot, folder: Path) -> float:
    assert shot.clean is not None
    result = removed(shot, folder)
    assert np.isfinite(result[shot.holes > 0]).all()
    return psnr(result, shot.clean, shot.holes)


def test_bad_and_bright_pixels_do_not_spread(panned: ArrayShot, tmp_path: Path) -> None:
    plates = panned.plates.copy()
    rng = np.random.default_rng(0)
    for value in (np.nan, np.inf, -np.inf, -0.5, 3.0e38):
        y, x = rng.integers(8, 88, 30), rng.integers(8, 150, 30)
        plates[rng.integers(0, 10, 30), y, x] = value
    plates[3, 10:14, 10:14] = 60000.0
    assert score(replace(panned, plates=plates), tmp_path / "b") > score(panned, tmp_path / "a") - 4


def test_a_frame_wholly_nan_is_filled_from_the_others(panned: ArrayShot, tmp_path: Path) -> None:
    plates = panned.plates.copy()
    plates[4] = np.nan
    result = removed(replace(panned, plates=plates), tmp_path)
    assert np.isfinite(result[4][panned.holes[4] > 0]).all()


@pytest.mark.parametrize("value", [0.0, 0.18, 4.0])
def test_constant_plate_stays_constant(panned: ArrayShot, tmp_path: Path, value: float) -> None:
    plates = np.full_like(panned.plates, value)
    plates[panned.holes > 0] = 0.9
    result = removed(replace(panned, plates=plates), tmp_path)
    assert np.abs(result[panned.holes > 0] - value).max() < 0.02 * max(value, 0.5)


def test_one_frame(panned: ArrayShot, tmp_path: Path) -> None:
    assert panned.clean is not None
    one = ArrayShot(panned.plates[:1], panned.holes[:1], panned.clean[:1])
    assert score(one, tmp_path) > psnr(telea(one.plates, one.holes), panned.clean[:1], one.holes) - 1.5


def test_two_frames(panned: ArrayShot, tmp_path: Path) -> None:
    assert panned.clean is not None
    score(ArrayShot(panned.plates[:2], panned.holes[:2], panned.clean[:2]), tmp_path)


def test_black_frames_break_nothing(panned: ArrayShot, tmp_path: Path) -> None:
    assert panned.clean is not None
    plates, clean = panned.plates.copy(), panned.clean.copy()
    plates[4:6], clean[4:6] = 0.0, 0.0
    result = removed(replace(panned, plates=plates), tmp_path)
    rest = [0, 1, 2, 3, 6, 7, 8, 9]
    assert psnr(result[rest], clean[rest], panned.holes[rest]) > 25
    assert np.abs(result[4:6]).max() < 0.02


def test_hole_over_a_whole_frame_is_filled_from_its_neighbours(panned: ArrayShot, tmp_path: Path) -> None:
    assert panned.clean is not None
    holes = panned.holes.copy()
    holes[5] = 1.0
    result = removed(replace(panned, holes=holes), tmp_path)
    blind = psnr(result[5:6], panned.clean[5:6], holes[5:6])
    assert blind > 18  # the camera has to be guessed between its neighbours


def test_hole_in_the_corner_and_along_the_border(panned: ArrayShot, tmp_path: Path) -> None:
    clean = panned.clean if panned.clean is not None else panned.plates
    holes = np.zeros_like(panned.holes)
    holes[:, :40, :30] = 1.0
    holes[:, -6:, :] = 1.0
    score(ArrayShot(panned.plates, holes, clean), tmp_path)


def test_frames_without_a_hole_are_given_back(panned: ArrayShot, tmp_path: Path) -> None:
    holes = panned.holes.copy()
    holes[2:8] = 0.0
    result = removed(replace(panned, holes=holes), tmp_path)
    assert result[2:8].tobytes() == panned.plates[2:8].tobytes()


def test_nothing_is_borrowed_across_a_cut(tmp_path: Path) -> None:
    one, two = make("pan", seed=5, size=SMALL), make("pan", seed=77, size=SMALL)
    assert one.clean is not None and two.clean is not None
    both = ArrayShot(
        np.concatenate([one.plates, two.plates]),
        np.concatenate([one.holes, two.holes]),
        np.concatenate([one.clean, two.clean]),
    )
    joined = removed(both, tmp_path / "c")
    for part, alone, name in ((slice(0, 10), one, "a"), (slice(10, 20), two, "b")):
        assert alone.clean is not None
        separate = score(alone, tmp_path / name)
        assert psnr(joined[part], alone.clean, alone.holes) > separate - 2


def test_a_cut_is_found_between_pictures_of_one_brightness(tmp_path: Path) -> None:
    """The object is there on both sides, both pictures are flat, and the first frame after the cut is all matte."""
    sides = []
    for seed in (5, 77):
        shot = make("pan", seed=seed, size=SMALL)
        assert shot.clean is not None
        plates, clean = (0.3 + 0.3 * (one - shot.clean.mean()) for one in (shot.plates, shot.clean))
        sides.append(replace(shot, plates=plates.astype(np.float32), clean=clean.astype(np.float32)))
    one, two = sides
    assert one.clean is not None and two.clean is not None
    holes = np.concatenate([one.holes, two.holes])
    holes[10] = 1.0
    joined = removed(ArrayShot(np.concatenate([one.plates, two.plates]), holes), tmp_path / "c", grain="none")
    assert np.isfinite(joined).all()
    rest = replace(two, plates=two.plates[1:], holes=two.holes[1:], clean=two.clean[1:])
    for part, alone, name in ((slice(0, 10), one, "a"), (slice(11, 20), rest, "b")):
        assert alone.clean is not None
        separate = psnr(removed(alone, tmp_path / name, grain="none"), alone.clean, alone.holes)
        assert psnr(joined[part], alone.clean, alone.holes) > separate - 1


def test_nan_where_the_background_would_be_borrowed(panned: ArrayShot, tmp_path: Path) -> None:
    """A third of every other frame is no number: the rest still shows what is needed, and nothing bad comes through."""
    plates = panned.plates.copy()
    plates[::2, :, 50:105] = np.nan
    plates[1::4, 40:60] = np.inf
    broken = replace(panned, plates=plates)
    result = removed(broken, tmp_path / "a", grain="none")
    inside = (panned.holes > 0) & np.isfinite(panned.plates).all(axis=-1)
    assert np.isfinite(result[inside]).all()
    assert panned.clean is not None
    assert psnr(result, panned.clean, panned.holes) > psnr(
        telea(panned.plates, panned.holes), panned.clean, panned.holes
    )


def test_exposure_flicker_is_matched(tmp_path: Path) -> None:
    shot = make("static", seed=2, size=SMALL)
    assert shot.clean is not None
    assert score(shot, tmp_path) > psnr(telea(shot.plates, shot.holes), shot.clean, shot.holes) + 8


@pytest.mark.parametrize(("width", "height"), [(7, 5), (33, 17), (64, 300)])
def test_odd_sizes(tmp_path: Path, width: int, height: int) -> None:
    rng = np.random.default_rng(1)
    plates = rng.uniform(0, 1, (3, height, width, 3)).astype(np.float32)
    holes = np.zeros((3, height, width), np.float32)
    holes[:, height // 3 : height // 2 + 1, width // 3 : width // 2 + 1] = 0.5
    score(ArrayShot(plates, holes, plates), tmp_path)
