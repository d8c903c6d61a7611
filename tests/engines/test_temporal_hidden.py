"""Layers that the hole hides: where they are meanwhile, and that they are the same when they come out."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from secondtake.messages import Quality
from secondtake_daemon.engines.temporal.analysis import Analysis, analyse
from secondtake_daemon.engines.temporal.camera import apply
from secondtake_daemon.engines.temporal.kinds import Matrix, Points, preset_for
from secondtake_daemon.engines.temporal.parallax import predict_drifts
from secondtake_daemon.engines.temporal.sift import Sieve
from secondtake_daemon.engines.temporal.tracks import FrameTracks

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "quality"))

from array_shots import ArrayShot
from scenes import Layer, Look, Size, Stage, make, moved, render

SMALL = Size(width=240, height=136, frames=24, subframes=1, over=1)


def analysed(shot: ArrayShot) -> Analysis:
    return analyse(shot=shot, preset=preset_for(quality=Quality.FINAL), step=lambda: None)


def shifted(x: float) -> Matrix:
    return np.array([[1, 0, x], [0, 1, 0], [0, 0, 1]], np.float64)


SPOTS: dict[int, Points] = {place: np.array([[50, 40]], np.float32) for place in range(12)}
CAMERA: list[Matrix | None] = [np.eye(3)] * 12
PACES = [1.0, 1.6, 0.7, -0.4, 1.2, 2.0, 1.5, 0.2, -1.0, 0.8, 1.9, 0.3]


def test_a_hidden_layer_drifts_as_the_camera_makes_the_others_drift() -> None:
    other: list[Matrix | None] = [shifted(2 * pace) for pace in PACES]
    known = {place: np.array([0.7 * 2 * PACES[place], 0], np.float32) for place in range(8)}
    told = predict_drifts(known=known, spots=SPOTS, others=[other], camera=CAMERA)
    assert sorted(told) == [8, 9, 10, 11]
    for place, drift in told.items():
        assert drift == pytest.approx([1.4 * PACES[place], 0], abs=0.01)


def test_what_moves_by_itself_is_not_told_by_others() -> None:
    other: list[Matrix | None] = [shifted(2 * pace) for pace in PACES]
    known = {place: np.array([3 + 0.1 * (-1) ** place, 0], np.float32) for place in range(8)}
    assert not predict_drifts(known=known, spots=SPOTS, others=[other], camera=CAMERA)
    few = {place: np.array([1.4 * PACES[place], 0], np.float32) for place in range(4)}
    assert not predict_drifts(known=few, spots=SPOTS, others=[other], camera=CAMERA)


def sieved(drift_of: Points, points: Points, own: NDArray[np.bool_]) -> bool:
    """Does the group bend, if all points drift evenly over five frames?"""
    ids = np.arange(len(points), dtype=np.int32)
    colours = np.zeros((len(points), 3), np.float32)
    frames = [FrameTracks(ids, (points + t * drift_of).astype(np.float32), colours) for t in range(5)]
    sieve = Sieve(frames, [0] * 5, ())
    return sieve.bends(members=own, others=~own, camera=np.tile(np.eye(3), (5, 1, 1)))


def test_a_thing_on_the_ground_is_a_layer_and_a_slice_of_a_rippling_surface_is_none() -> None:
    """The ground's drift grows towards the camera; the thing has that of where it stands, the wall another."""
    rng = np.random.default_rng(3)
    points = rng.uniform((0, 0), (200, 120), (700, 2)).astype(np.float32)
    x, y = points.T
    thing = (np.abs(x - 100) < 20) & (np.abs(y - 50) < 20)
    ground = np.where(y > 50, 0.01 * (y - 50), -1.0)
    drift = np.where(thing, 0.01 * 10, ground)
    assert not sieved(np.stack([drift, 0 * drift], axis=1), points, thing)
    ripple = 0.5 * np.sin(y / 25)
    band = np.abs(y - 60) < 12
    assert sieved(np.stack([ripple, 0 * ripple], axis=1), points, band)


def test_a_mover_that_comes_out_again_is_the_same_layer() -> None:
    for seed in (0, 1):
        found = analysed(make("dyn", seed=seed, size=SMALL))
        assert found.layers.count == 2 and found.layers.lives[1].tolist() == [0, 23]


@pytest.mark.parametrize("seed", [0, 2])
def test_its_way_behind_the_hole_is_known(seed: int) -> None:
    """Within a pixel at its middle, in the frames that hide it wholly, from before it went in and after it came out."""
    found = analysed(make("dyn", seed=seed, size=SMALL))
    stage = Stage(SMALL, np.random.default_rng(seed), Look(), True)
    mover = stage.walker(-2.5 * stage.pace)
    height, width = mover.alpha.shape
    middle = np.array([[width / 2, height / 2]], np.float32)
    for seen in (5, 18):
        for hidden in (10, 11, 12, 13):
            here, there = apply(mover.at(hidden), middle), apply(mover.at(seen), middle)
            assert np.abs(apply(found.layers.chained(1, hidden, seen), here) - there).max() < 1.0


def test_a_thing_that_stays_behind_the_hole_moves_on_with_the_camera() -> None:
    """The camera's pace is uneven. The thing is hidden from the fifteenth frame on, and travels 36 px meanwhile."""
    size = Size(width=360, height=136, frames=24, subframes=1, over=1)
    stage = Stage(size, np.random.default_rng(2), Look(), True)
    way = np.cumsum(2.5 + 1.5 * np.sin(0.7 * np.arange(30)))

    def layer(depth: float, x: float, y: float, wide: int, high: int, index: int) -> Layer:
        def at(t: float) -> Matrix:
            return moved(x - depth * float(np.interp(t + 4, np.arange(len(way)), way)), y)

        return Layer(stage.picture(wide, high, index=index), np.ones((high, wide), np.float32), at)

    thing = layer(1.6, 230, 20, 50, 50, 1)
    behind = [layer(0.0, 0, 0, 400, 136, 0), layer(0.8, 0, 84, 600, 60, 3), thing]
    cover = Layer(
        stage.picture(110, 90, index=4),
        np.ones((90, 110), np.float32),
        lambda t: moved(min(-120.0 + 16 * t, 120.0 - 3 * (t - 15)), 10),
    )
    layers = analysed(render(size, behind, [cover], Look(), stage.rng)).layers
    middle = np.array([[25, 25]], np.float32)
    here, there = apply(thing.at(23), middle), apply(thing.at(5), middle)
    apart = [np.abs(apply(layers.chained(one, 23, 5), here) - there).max() for one in range(layers.count)]
    assert min(apart) < 4
    assert layers.lives[int(np.argmin(apart))].tolist() == [0, 23]
