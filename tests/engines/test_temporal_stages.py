"""The stages of the temporal engine, each on its own against something known."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondtake.boxes import Box
from secondtake.messages import Quality
from secondtake_daemon.engines.temporal.align import source_box, warp, warp_mask
from secondtake_daemon.engines.temporal.analysis import analyse
from secondtake_daemon.engines.temporal.camera import apply, fit_best, fit_homography, is_sound
from secondtake_daemon.engines.temporal.core import spatial_fill
from secondtake_daemon.engines.temporal.gains import gain_at_tracks, gain_on_ring
from secondtake_daemon.engines.temporal.kinds import preset_for
from secondtake_daemon.engines.temporal.merge import View, merge
from secondtake_daemon.engines.temporal.noise import Noise, measure_noise
from secondtake_daemon.engines.temporal.proxy import Grid, dilate, measure_level
from secondtake_daemon.engines.temporal.pyramid import spread
from secondtake_daemon.engines.temporal.reader import Reader
from secondtake_daemon.engines.temporal.seam import close_seam
from secondtake_daemon.engines.temporal.sources import offsets_for
from secondtake_daemon.engines.temporal.tracks import FrameTracks

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "quality"))

from array_shots import ArrayShot
from scenes import Size, grain, make

BOX = Box(0, 0, 64, 48)
NOISE = Noise(6e-4, 1.5e-5)


def textured(seed: int = 0, height: int = 48, width: int = 64) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(0, 1, (height, width, 3)).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 1.5), np.float32)


@given(value=st.floats(-5, 5), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_pull_push_keeps_a_constant_and_known_pixels(value: float, seed: int) -> None:
    weight = (np.random.default_rng(seed).uniform(size=(37, 23)) > 0.9).astype(np.float32)
    weight[0, 0] = 1.0
    flat = np.full((37, 23), value, np.float32) * weight
    assert np.abs(spread(values=flat, weight=weight) - value).max() < 1e-3
    picture = textured(seed, 37, 23)
    result = spread(values=picture * weight[..., None], weight=weight)
    assert np.abs(result - picture)[weight > 0].max() < 1e-5
    assert result.min() >= picture.min() - 1e-4 and result.max() <= picture.max() + 1e-4


def test_noise_is_measured_within_a_third() -> None:
    rng = np.random.default_rng(0)
    ramp = np.tile(np.linspace(0.05, 0.9, 400, dtype=np.float32)[None, :, None], (300, 1, 3))
    sigma = np.sqrt(6e-4 * ramp + 1.5e-5)
    noisy = ramp + rng.normal(size=ramp.shape).astype(np.float32) * sigma
    found = measure_noise(samples=[(noisy, np.ones(ramp.shape[:2], bool))])
    for x in (0.1, 0.8):
        assert found.slope * x + found.floor == pytest.approx(6e-4 * x + 1.5e-5, rel=0.33)
    even = found.stabilise(noisy) - found.stabilise(ramp)
    assert 0.8 < float(even.std()) < 1.25


def test_level_follows_exposure() -> None:
    plate, usable = textured(), np.ones((48, 64), bool)
    one, ten = measure_level(samples=[(plate, usable)]), measure_level(samples=[(plate * 10, usable)])
    assert one.gain == pytest.approx(10 * ten.gain, rel=1e-4)
    assert one.low == pytest.approx(ten.low, abs=1e-3)


def test_grid_maps_pixel_centres() -> None:
    grid = Grid.fit(Box(0, 0, 2000, 1000), 500)
    assert (grid.proxy_width, grid.proxy_height) == (500, 250)
    assert apply(grid.to_proxy(), np.array([[1.5, 1.5]], np.float32))[0] == pytest.approx([0.0, 0.0])
    shift = np.array([[1, 0, 3], [0, 1, -2], [0, 0, 1]], np.float64)
    assert grid.on_plate(shift)[:2, 2] == pytest.approx([12.0, -8.0])


def test_homography_survives_a_third_of_outliers() -> None:
    rng = np.random.default_rng(2)
    true = np.array([[1.02, 0.01, 4.0], [-0.02, 0.99, -3.0], [1e-4, -5e-5, 1.0]])
    points = rng.uniform(0, 300, (180, 2)).astype(np.float32)
    moved = apply(true, points) + rng.normal(0, 0.1, (180, 2)).astype(np.float32)
    moved[:60] += rng.uniform(5, 40, (60, 2)).astype(np.float32)
    found = fit_homography(points, moved, threshold_px=0.8)
    assert found is not None
    assert np.abs(apply(found[0], points) - apply(true, points)).max() < 0.3
    assert not found[1][:60].any()


def test_few_points_get_a_poorer_model() -> None:
    points = np.array([[0, 0], [10, 3], [4, 9]], np.float32)
    found = fit_best(points, points + np.float32(2), rich=True)
    assert found is not None and found[:2, 2] == pytest.approx([2, 2])
    assert fit_best(points[:2], points[:2], rich=True) is None


def test_unsound_motion_is_seen() -> None:
    assert is_sound(np.eye(3), 100, 50)
    assert not is_sound(np.diag([4.0, 4.0, 1.0]), 100, 50)
    assert not is_sound(np.array([[1, 0, 0], [0, 1, 0], [-0.02, 0, 1.0]]), 100, 50)
    assert not is_sound(np.full((3, 3), np.nan), 100, 50)


def test_whole_pixel_motion_copies_samples() -> None:
    picture = textured()
    shift = np.array([[1, 0, 5.02], [0, 1, -3.01], [0, 0, 1]], np.float64)
    moved = warp(picture, matrix=shift, origin=BOX, box=Box(10, 10, 20, 20))
    assert moved.tobytes() == np.ascontiguousarray(picture[7:27, 15:35]).tobytes()


def test_cubic_never_rings_below_zero_and_mask_never_reaches_outside() -> None:
    spike = np.full((48, 64, 3), 0.01, np.float32)
    spike[20, 30] = 5000.0
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]], np.float64)
    assert warp(spike, matrix=half, origin=BOX, box=BOX).min() >= 0
    mask = np.ones((48, 64), bool)
    mask[20, 30] = False
    valid = warp_mask(mask, matrix=half, origin=BOX, box=BOX)
    assert not valid[19:21, 29:31].any() and not valid[-1].any() and valid[5, 5]


def test_source_box_lies_in_the_frame() -> None:
    far = np.array([[1, 0, 900], [0, 1, 0], [0, 0, 1]], np.float64)
    assert source_box(matrix=far, box=BOX, frame=BOX).is_empty
    assert source_box(matrix=np.eye(3), box=Box(20, 20, 5, 5), frame=BOX) == Box(16, 16, 13, 13)


def test_gain_is_found_and_jitter_is_not() -> None:
    rng = np.random.default_rng(0)
    ids, points = np.arange(200, dtype=np.int32), np.zeros((200, 2), np.float32)
    colours = rng.uniform(0.1, 1, (200, 3)).astype(np.float32)
    here = FrameTracks(ids, points, colours * np.array([1.2, 1.0, 0.9], np.float32))
    there = FrameTracks(ids, points, colours * rng.normal(1, 0.02, (200, 3)).astype(np.float32))
    found = gain_at_tracks(here, there)
    assert found is not None and found == pytest.approx([1.2, 1.0, 0.9], rel=0.01) and found[1] == 1.0
    assert gain_at_tracks(here, FrameTracks.none()) is None
    picture = textured()
    ring = np.ones(picture.shape[:2], bool)
    assert gain_on_ring(picture * np.float32(1.5), picture, ring) == pytest.approx([1.5] * 3, rel=1e-3)


def test_wrong_view_is_outvoted() -> None:
    rng = np.random.default_rng(3)
    truth = textured()
    valid = np.ones(truth.shape[:2], bool)
    views = [View(truth + grain(truth, rng), valid, 1.0, k) for k in range(3)]
    views.append(View(truth[::-1].copy(), valid, 1.0, 9))
    merged = merge(views=views, noise=NOISE, shape=valid.shape)
    assert float(np.abs(merged.pixels - truth).mean()) < 0.012
    assert (merged.views >= 3).mean() > 0.9 and float(merged.cost.mean()) < 0.5


def test_merge_in_strips_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    views = [View(textured(k), np.ones((48, 64), bool), 1.0, k) for k in range(3)]
    whole = merge(views=views, noise=NOISE, shape=(48, 64))
    monkeypatch.setattr("secondtake_daemon.engines.temporal.merge._STRIP_PIXELS", 16 * 64)
    strips = merge(views=views, noise=NOISE, shape=(48, 64))
    assert np.abs(strips.pixels - whole.pixels).max() < 1e-5


def test_seam_closes_a_step_and_leaves_a_match_alone() -> None:
    plate = 0.3 + 0.2 * textured()
    hole = np.zeros(plate.shape[:2], bool)
    hole[16:32, 20:44] = True
    known = np.ones_like(hole)
    dim = close_seam(fill=plate * np.float32(0.8), plate=plate, hole=hole, usable=~hole, filled=known)
    assert np.abs(dim - plate)[hole].max() < 0.03
    same = close_seam(fill=plate.copy(), plate=plate, hole=hole, usable=~hole, filled=known)
    assert np.abs(same - plate).max() < 1e-5


def test_spatial_fill_continues_a_gradient() -> None:
    ramp = np.tile(np.linspace(0.2, 0.8, 64, dtype=np.float32)[None, :, None], (48, 1, 3))
    unknown = np.zeros((48, 64), bool)
    unknown[14:34, 22:42] = True
    broken = np.where(unknown[..., None], np.float32(9), ramp)
    assert np.abs(spatial_fill(pixels=broken, unknown=unknown) - ramp).max() < 0.08
    assert not spatial_fill(pixels=ramp, unknown=np.ones_like(unknown)).any()


def test_offsets_reach_the_ends_of_a_long_shot() -> None:
    assert offsets_for(1) == () and offsets_for(4) == (1, 2, 3)
    far = offsets_for(1000)
    assert max(far) > 300 and len(far) < 30 and list(far) == sorted(set(far))


def test_reader_answers_the_same_whatever_came_before() -> None:
    shot = make("pan", seed=1, size=Size(160, 96, 2, 1, 1))
    one, two = (Reader(shot=shot, gain=2.0, rim_px=2) for _ in range(2))
    box = Box(40, 20, 30, 50)
    two.crop(index=0, box=Box(0, 0, 8, 8))
    two.crop(index=0, box=Box(100, 10, 40, 40))
    a, b = one.crop(index=0, box=box), two.crop(index=0, box=box)
    assert (a.usable == b.usable).all() and (a.pixels == b.pixels).all()
    assert (a.pixels == shot.plates[0, 20:70, 40:70] * 2).all()


def test_planes_in_depth_become_layers_and_a_pan_stays_one() -> None:
    preset = preset_for(quality=Quality.FINAL)
    size = Size(240, 136, 12, 1, 1)
    deep = analyse(shot=make("parallax", seed=1, size=size), preset=preset, step=lambda: None)
    flat = analyse(shot=make("pan", seed=1, size=size), preset=preset, step=lambda: None)
    assert deep.layers.count >= 2 and flat.layers.count == 1


def test_analysis_finds_the_cut() -> None:
    size = Size(160, 96, 6, 1, 1)
    one, two = make("pan", seed=5, size=size), make("pan", seed=77, size=size)
    both = ArrayShot(np.concatenate([one.plates, two.plates]), np.concatenate([one.holes, two.holes]))
    found = analyse(shot=both, preset=preset_for(quality=Quality.DRAFT), step=lambda: None)
    assert found.parts.tolist() == [0] * 6 + [1] * 6


@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)), share=st.sampled_from([0.0, 0.002, 0.05, 1.0]),
    radius=st.integers(1, 9), seed=st.integers(0, 99),
)  # fmt: skip
def test_a_mask_grows_in_its_box_as_in_the_whole_frame(
    size: tuple[int, int], share: float, radius: int, seed: int
) -> None:
    mask = np.random.default_rng(seed).random(size) < share
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    whole = cv2.dilate(mask.astype(np.uint8), kernel) > 0
    assert (dilate(mask, radius) == whole).all()
