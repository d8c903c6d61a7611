"""What nobody saw: invented once, with texture and grain, stands still; and nothing else is said to be invented."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from secondtake.messages import Quality
from secondtake_daemon.engines.contract import Known
from secondtake_daemon.engines.temporal.core import invent, spatial_fill
from secondtake_daemon.engines.temporal.diffuse import coarser, continue_edges
from secondtake_daemon.engines.temporal.engine import TemporalEngine
from secondtake_daemon.engines.temporal.exemplar import add_texture

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "quality"))

from array_shots import ArrayShot, job_in, removed, windows_of
from scenes import Size, make, moved
from scores import display
from textures import draw

Array = NDArray[np.float32]
SMALL = Size(width=160, height=96, frames=5, subframes=1, over=1)


def hole_in(shape: tuple[int, int], *, top: int, left: int, height: int, width: int) -> NDArray[np.bool_]:
    gap = np.zeros(shape, bool)
    gap[top : top + height, left : left + width] = True
    return gap


def stripes(*, degrees: float) -> Array:
    """One soft edge across the picture."""
    rows, columns = np.mgrid[:96, :128].astype(np.float32)
    angle = np.deg2rad(degrees)
    side = (columns - 64) * np.sin(angle) + (rows - 48) * np.cos(angle)
    return np.repeat((0.2 + 0.6 / (1 + np.exp(-side)))[..., None], 3, axis=2).astype(np.float32)


@pytest.mark.parametrize("degrees", [0.0, 20.0, 45.0, 90.0])
def test_an_edge_is_continued_through_the_gap(degrees: float) -> None:
    true = stripes(degrees=degrees)
    gap = hole_in((96, 128), top=34, left=50, height=28, width=28)
    found = continue_edges(values=np.where(gap[..., None], 0, true).astype(np.float32), unknown=gap)
    smooth = np.where(gap[..., None], true[~gap].mean(), true)
    assert np.abs(found - true)[gap].mean() < 0.35 * np.abs(smooth - true)[gap].mean()
    assert np.array_equal(found[~gap], true[~gap])


def test_half_the_size_is_the_mean_of_what_is_known() -> None:
    values = np.arange(16, dtype=np.float32).reshape(4, 4, 1).repeat(3, axis=2)
    gap = np.zeros((4, 4), bool)
    gap[0, 0] = gap[2:, 2:] = True
    small, unknown = coarser(values, gap)
    assert small[0, 0, 0] == pytest.approx((1 + 4 + 5) / 3, abs=1e-3)
    assert unknown.tolist() == [[False, False], [False, True]]
    assert coarser(values, gap, least_share=1.0)[1].tolist() == [[True, False], [False, True]]


def checks() -> Array:
    """A fine chequered cloth."""
    rows, columns = np.mgrid[:120, :120]
    board = ((rows // 4 + columns // 4) % 2).astype(np.float32)
    return np.repeat((0.2 + 0.4 * board)[..., None], 3, axis=2)


def test_texture_is_continued_with_nearly_its_contrast() -> None:
    true = checks()
    gap = hole_in((120, 120), top=45, left=45, height=30, width=30)
    broken = np.where(gap[..., None], 0, true).astype(np.float32)
    textured, smooth = invent(pixels=broken, unknown=gap), spatial_fill(pixels=broken, unknown=gap)
    inner = cv2.erode(gap.astype(np.uint8), np.ones((7, 7))) > 0
    assert textured[inner].std() > 0.3 * true[inner].std()
    assert textured[inner].std() > 2 * smooth[inner].std()
    assert abs(float(textured[inner].mean() - true[inner].mean())) < 0.05
    assert np.array_equal(textured[~gap], true[~gap])


def test_texture_is_the_same_bytes_with_one_thread() -> None:
    picture = draw(np.random.default_rng(3), 140, 110)
    gap = hole_in((110, 140), top=35, left=50, height=40, width=36)
    many = invent(pixels=picture, unknown=gap)
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        assert invent(pixels=picture, unknown=gap).tobytes() == many.tobytes()
    finally:
        cv2.setNumThreads(threads)


@pytest.mark.parametrize("shape", [(3, 3), (5, 40), (16, 16), (50, 7), (64, 64)])
def test_any_size_and_a_gap_anywhere(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).uniform(0, 1, (*shape, 3)).astype(np.float32)
    for gap in (
        hole_in(shape, top=0, left=0, height=shape[0] // 2 + 1, width=shape[1] // 2 + 1),
        hole_in(shape, top=0, left=0, height=shape[0], width=shape[1] - 1),
        np.ones(shape, bool),
        np.zeros(shape, bool),
    ):
        found = invent(pixels=picture, unknown=gap)
        assert np.isfinite(found).all() and np.array_equal(found[~gap], picture[~gap])


def test_a_large_gap_learns_at_a_coarser_size_and_copies() -> None:
    """Too many patches to compare each with each at full size."""
    picture = cv2.resize(checks(), (600, 480), interpolation=cv2.INTER_NEAREST)
    gap = hole_in((480, 600), top=100, left=120, height=280, width=360)
    log = np.log(picture)
    found = add_texture(values=np.where(gap[..., None], 0, log).astype(np.float32), gap=gap,
                        guide=np.where(gap[..., None], log.mean(), log).astype(np.float32))  # fmt: skip
    assert np.isfinite(found).all() and np.array_equal(found[~gap], log[~gap])
    assert found[gap].std() > 0.25 * log[gap].std()


def known_map(shot: ArrayShot, folder: Path, *, quality: Quality = Quality.FINAL) -> NDArray[np.uint8]:
    """`Known` of every pixel of every frame."""
    engine, job = TemporalEngine(), job_in(folder, grain="none", quality=quality)
    engine.load(job)
    found = np.zeros(shot.holes.shape, np.uint8)
    for window in windows_of(shot):
        patch = engine.generate(window, job)
        assert patch.known is not None
        for frame, known in zip(patch.frames, patch.known, strict=True):
            found[shot.frames.index(frame)][patch.box.within(shot.bounds)] = known
    return found


def boxed(*, shift_px: float, frames: int = 5) -> tuple[ArrayShot, NDArray[np.bool_]]:
    """A box fixed to the screen of a panning camera; with it what no other frame shows, by construction."""
    width, height, left, right = 320, 96, 100, 220
    world = draw(np.random.default_rng(8), 2 * width, height)
    plates, holes = [], []
    for place in range(frames):
        matrix = moved(-shift_px * place - 40.0)
        plate = np.asarray(cv2.warpPerspective(world, matrix, (width, height), flags=cv2.INTER_AREA), np.float32)
        plate[20:76, left:right] = 0.9
        hole = np.zeros((height, width), np.float32)
        hole[20:76, left:right] = 1.0
        plates.append(plate)
        holes.append(hole)
    columns = np.arange(left, right, dtype=np.float64)
    never = np.zeros((frames, height, width), bool)
    for place in range(frames):
        shown = np.zeros(len(columns), bool)
        for other in range(frames):
            there = columns + shift_px * (place - other)
            shown |= (other != place) & ((there < left) | (there >= right))
        never[place, 20:76, left:right] = ~shown
    noise = 0.01 * np.random.default_rng(1).normal(size=(frames, height, width, 3))
    return ArrayShot((np.stack(plates) + noise).astype(np.float32), np.stack(holes)), never


@pytest.mark.parametrize("shift_px", [16.0, 24.0, 36.0])
def test_what_is_said_to_be_invented_is_what_no_frame_shows(shift_px: float, tmp_path: Path) -> None:
    shot, never = boxed(shift_px=shift_px)
    known = known_map(shot, tmp_path)
    inside = shot.holes > 0
    assert set(np.unique(known[~inside])) == {Known.UNSAID}
    assert (known[inside] != Known.UNSAID).all()
    invented = (known == Known.INVENTED) & inside
    assert abs(float(invented[inside].mean() - never[inside].mean())) < 0.025  # sampling needs a column on either side
    apart = invented != never
    assert not (apart & ~_near_its_edge(never, 3)).any()


def _near_its_edge(mask: NDArray[np.bool_], px: int) -> NDArray[np.bool_]:
    kernel = np.ones((2 * px + 1, 2 * px + 1), np.uint8)
    both = [
        (cv2.dilate(one.astype(np.uint8), kernel) > 0) & (cv2.erode(one.astype(np.uint8), kernel) == 0) for one in mask
    ]
    return np.stack(both)


def test_all_is_invented_where_the_object_never_moves_and_nothing_where_it_passes(tmp_path: Path) -> None:
    never = make("never", seed=1, size=SMALL)
    known = known_map(never, tmp_path / "a")
    assert (known[never.holes > 0] == Known.INVENTED).all()
    passing = make("pan", seed=1, size=replace(SMALL, frames=10))
    known = known_map(passing, tmp_path / "b")
    inside = passing.holes > 0
    assert (known[inside] == Known.INVENTED).mean() < 0.02
    assert (known[inside] == Known.SEEN).mean() > 0.9


def test_what_is_invented_moves_with_the_camera(tmp_path: Path) -> None:
    """The same paint in each frame: brought back by the known motion, only resampling differs."""
    shot, never = boxed(shift_px=12.0)
    result = removed(shot, tmp_path, grain="none")
    middle = 2
    always = never[middle].copy()
    back = []
    for place in range(len(result)):
        matrix = moved(-12.0 * (middle - place))
        back.append(cv2.warpPerspective(result[place], matrix, (320, 96), flags=cv2.INTER_CUBIC))
        seen = cv2.warpPerspective(never[place].astype(np.uint8), matrix, (320, 96), flags=cv2.INTER_NEAREST)
        always &= seen > 0
    assert always.sum() > 200
    spread = np.stack([display(one) for one in back]).std(axis=0)[always]
    assert float(np.median(spread)) < 0.01


def test_the_invented_core_has_the_plates_grain_new_in_each_frame(tmp_path: Path) -> None:
    shot = make("never", seed=4, size=Size(width=240, height=136, frames=8, subframes=1, over=1))
    assert shot.clean is not None
    result = removed(shot, tmp_path)
    inner = cv2.erode((shot.holes[0] > 0).astype(np.uint8), np.ones((5, 5))) > 0
    mean = result.mean(axis=0)
    true = np.sqrt(6e-4 * np.maximum(mean, 0) + 1.5e-5)
    assert float((result.std(axis=0, ddof=1) / true)[inner].mean()) == pytest.approx(1.0, abs=0.1)
    moving = (result - mean) / true
    apart = [np.corrcoef(moving[n][inner].ravel(), moving[n - 1][inner].ravel())[0, 1] for n in range(1, 8)]
    assert abs(float(np.mean(apart)) + 1 / 7) < 0.05  # what is left of independence when the mean of eight is taken out


def test_a_draft_invents_smoothly_and_also_stands_still(tmp_path: Path) -> None:
    shot = make("never", seed=1, size=SMALL)
    known = known_map(shot, tmp_path, quality=Quality.DRAFT)
    assert (known[shot.holes > 0] == Known.INVENTED).all()
