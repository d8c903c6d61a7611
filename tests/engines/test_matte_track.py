"""Carrying a drawn matte: what holds whatever the picture, and what the motion machinery must not get wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "quality"))

from array_shots import ArrayShot
from textures import draw
from track_scenes import edge_width

from secondtake.messages import Quality
from secondtake_daemon.engines.temporal.analysis import Analysis, analyse
from secondtake_daemon.engines.temporal.kinds import preset_for
from secondtake_daemon.engines.temporal.matte_track import Carried, track_matte
from secondtake_daemon.engines.temporal.matte_track_warp import blend

Planes = NDArray[np.float32]

WIDTH, HEIGHT = 200, 120


def disc(x: float, y: float, radius: float, *, soft: float = 1.0) -> Planes:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    return np.clip((radius - np.hypot(columns - x, rows - y)) / soft + 0.5, 0, 1).astype(np.float32)


def shot_of(alphas: Planes, things: Planes, *, seed: int = 0, pan: float = 2.0) -> ArrayShot:
    """Things over a background that pans, with some grain."""
    rng = np.random.default_rng(seed)
    behind = draw(rng, 2 * WIDTH, HEIGHT + 20)
    plates = []
    for index, (alpha, thing) in enumerate(zip(alphas, things, strict=True)):
        move = np.array([[1, 0, -40 - pan * index], [0, 1, -10]], np.float64)
        plate = cv2.warpAffine(behind, move, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC)
        plate = plate * (1 - alpha[..., None]) + thing * alpha[..., None]
        plates.append(plate + rng.normal(0, 0.004, plate.shape))
    return ArrayShot(np.stack(plates).astype(np.float32), np.zeros_like(alphas))


def moving(*places: tuple[float, float], radius: float = 22, seed: int = 0) -> tuple[ArrayShot, Planes]:
    """One textured disc at the places, frame by frame."""
    texture = draw(np.random.default_rng(seed + 50), 100, 100)
    alphas = np.stack([disc(x, y, radius) for x, y in places])
    things = [
        cv2.warpAffine(
            texture, np.array([[1, 0, x - 50], [0, 1, y - 50]], np.float64), (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC
        )
        for x, y in places
    ]
    return shot_of(alphas, np.stack(things).astype(np.float32), seed=seed), alphas


def analysed(shot: ArrayShot) -> Analysis:
    return analyse(shot=shot, preset=preset_for(quality=Quality.FINAL), step=lambda: None)


def tracked(analysis: Analysis, alphas: Planes, *drawn: int) -> dict[int, Carried]:
    found = list(track_matte(analysis, drawn=drawn, read=lambda index: alphas[index], step=lambda: None))
    assert sorted(one.index for one in found) == list(range(len(analysis.frames))), "each frame once"
    for one in found:
        assert one.coverage.dtype == np.float32
        assert 0 <= one.coverage.min() <= one.coverage.max() <= 1
        assert 0 <= one.confidence <= 1
    return {one.index: one for one in found}


def iou(one: Planes, other: Planes) -> float:
    return float(((one > 0.5) & (other > 0.5)).sum() / max(((one > 0.5) | (other > 0.5)).sum(), 1))


@pytest.fixture(scope="module")
def walking() -> tuple[Analysis, Planes]:
    shot, alphas = moving(*((50 + 7 * t, 60 + 5 * np.sin(t)) for t in range(8)))
    return analysed(shot), alphas


def test_drawn_frames_are_exact_and_the_rest_follows(walking: tuple[Analysis, Planes]) -> None:
    analysis, alphas = walking
    for drawn in ((0,), (7,), (3,), (1, 6), (0, 3, 7)):
        found = tracked(analysis, alphas, *drawn)
        for index in drawn:
            assert found[index].coverage.tobytes() == alphas[index].tobytes()
            assert found[index].confidence == 1
        assert min(iou(found[index].coverage, alphas[index]) for index in found) > 0.93


def test_same_bytes_again(walking: tuple[Analysis, Planes]) -> None:
    analysis, alphas = walking
    one, two = (tracked(analysis, alphas, 2, 5) for _ in range(2))
    assert all(one[index].coverage.tobytes() == two[index].coverage.tobytes() for index in one)
    assert [one[index].confidence for index in one] == [two[index].confidence for index in two]


def test_soft_and_half_transparent_coverage_stays_so(walking: tuple[Analysis, Planes]) -> None:
    analysis, alphas = walking
    soft = np.stack([cv2.GaussianBlur(alpha, (0, 0), 3) * np.float32(0.4) for alpha in alphas])
    found = tracked(analysis, soft, 3)
    for index, one in found.items():
        assert one.coverage.max() == pytest.approx(0.4, abs=0.02)
        assert float(np.abs(one.coverage - soft[index]).mean()) < 0.2 * float(soft[index].mean())


def test_two_parts_go_their_own_ways() -> None:
    first, a = moving(*((50 + 6 * t, 40) for t in range(7)), radius=18, seed=1)
    second, b = moving(*((150 - 6 * t, 88) for t in range(7)), radius=18, seed=2)
    both = np.where(a[..., None] > 0, first.plates, second.plates)
    alphas = np.maximum(a, b)
    found = tracked(analysed(ArrayShot(both, np.zeros_like(a))), alphas, 0)
    assert min(iou(one.coverage, alphas[index]) for index, one in found.items()) > 0.9


def test_a_thing_that_leaves_takes_its_matte_along() -> None:
    shot, alphas = moving(*((150 + 14 * t, 60) for t in range(8)))
    assert not alphas[-1].any()
    found = tracked(analysed(shot), alphas, 0)
    assert found[7].reached
    assert not (found[7].coverage > 0.5).any()
    assert iou(found[2].coverage, alphas[2]) > 0.9
    assert found[4].coverage.sum() == pytest.approx(alphas[4].sum(), rel=0.25, abs=30)


def test_an_empty_drawing_ends_it() -> None:
    """On one drawn frame the thing is said not to be there: that is honoured, and nothing comes from it."""
    shot, alphas = moving(*((60 + 5 * t, 60) for t in range(6)))
    alphas[5] = 0
    found = tracked(analysed(shot), alphas, 0, 5)
    assert not found[5].coverage.any()
    assert iou(found[2].coverage, alphas[2]) > 0.9


def test_no_way_over_a_cut() -> None:
    shot, alphas = moving(*((60 + 5 * t, 60) for t in range(5)))
    other, more = moving(*((60 + 5 * t, 60) for t in range(4)), seed=9)
    plates = np.concatenate([shot.plates, other.plates[:, ::-1] * np.float32(0.6)])
    both = np.concatenate([alphas, more[:, ::-1]])
    analysis = analysed(ArrayShot(plates, np.zeros(plates.shape[:3], np.float32)))
    found = tracked(analysis, both, 1)
    assert [found[index].reached for index in range(9)] == [True] * 5 + [False] * 4
    assert not any(found[index].coverage.any() or found[index].confidence for index in range(5, 9))
    each = tracked(analysis, both, 1, 6)
    assert min(iou(each[index].coverage, both[index]) for index in range(9)) > 0.9


@pytest.mark.parametrize("matte", ["speck", "wire", "border", "frame"])
def test_odd_mattes(walking: tuple[Analysis, Planes], matte: str) -> None:
    """Whatever is drawn, something finite comes of it, as much as was drawn."""
    analysis, alphas = walking
    drawn = np.zeros((HEIGHT, WIDTH), np.float32)
    if matte == "speck":
        drawn[60, 70] = 1
    elif matte == "wire":
        cv2.line(drawn, (0, 20), (WIDTH, 95), 0.8, 1, cv2.LINE_AA)
    elif matte == "border":
        drawn[:, :12] = 1
    else:
        drawn[2:-2, 2:-2] = 1
    found = tracked(analysis, np.repeat(drawn[None], len(alphas), axis=0), 3)
    for one in found.values():
        assert np.isfinite(one.coverage).all()
    assert found[4].coverage.sum() == pytest.approx(drawn.sum(), rel=0.5, abs=0.6)


def test_pictures_that_show_nothing() -> None:
    shot, alphas = moving(*((60 + 4 * t, 60) for t in range(6)))
    shot.plates[2:4] = 0
    found = tracked(analysed(shot), alphas, 0)
    assert all(np.isfinite(one.coverage).all() for one in found.values())
    assert found[2].confidence < found[1].confidence
    shot.plates[:] = 0.18
    still = tracked(analysed(shot), alphas, 0)
    assert iou(still[5].coverage, alphas[0]) > 0.95


def test_holes_of_nan_in_the_plate() -> None:
    shot, alphas = moving(*((60 + 5 * t, 60) for t in range(6)))
    shot.plates[1:4, 40:75, 60:70] = np.nan
    found = tracked(analysed(shot), alphas, 0)
    assert min(iou(one.coverage, alphas[index]) for index, one in found.items()) > 0.85


# --- blending -----------------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@example(shift=0.0, grown=2.0, share=0.3125, soft=1.0)  # a hard edge, once as wide again
@given(shift=st.floats(-8, 8), grown=st.floats(-5, 5), share=st.floats(0, 1), soft=st.floats(1, 8))
def test_a_blend_is_one_shape_between(shift: float, grown: float, share: float, soft: float) -> None:
    one, other = disc(90, 60, 25, soft=soft), disc(90 + shift, 60, 25 + grown, soft=soft)
    between = disc(90 + share * shift, 60, 25 + share * grown, soft=soft)
    found = blend(one, other, share=share)
    assert iou(found, between) > 0.94
    assert float(np.abs(found - between).sum()) < 0.25 * float(between.sum()) ** 0.5 * 6.3, "no second outline"
    assert edge_width(found) == pytest.approx(edge_width(between), rel=0.35, abs=1.0), (
        "as soft as before, but for one resampling"
    )


def test_blend_ends_are_exact() -> None:
    one, other = disc(80, 60, 20), disc(90, 50, 24)
    assert blend(one, other, share=0).tobytes() == one.tobytes()
    assert blend(one, other, share=1).tobytes() == other.tobytes()
    nothing = np.zeros_like(one)
    assert blend(one, nothing, share=0.5).tobytes() == one.tobytes()
    assert blend(nothing, other, share=0.5).tobytes() == other.tobytes()
    same = blend(one, one.copy(), share=0.3)
    assert float(np.abs(same - one).max()) < 1e-5
