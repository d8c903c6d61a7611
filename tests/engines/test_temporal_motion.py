"""What moves behind the hole, and how: layers, which is in front, surfaces that bend, and what is not believed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from secondtake.messages import Quality
from secondtake_daemon.engines.temporal.analysis import Analysis, analyse
from secondtake_daemon.engines.temporal.camera import apply
from secondtake_daemon.engines.temporal.kinds import preset_for
from secondtake_daemon.engines.temporal.label import Hypothesis, choose, doubt
from secondtake_daemon.engines.temporal.merge import Merged
from secondtake_daemon.engines.temporal.noise import Noise
from secondtake_daemon.engines.temporal.pyramid import spread
from secondtake_daemon.engines.temporal.segment import Segmenter
from secondtake_daemon.engines.temporal.subspace import complete_motion
from secondtake_daemon.engines.temporal.surfaces import Surfaces

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "quality"))

from scenes import Size, make

NOISE = Noise(6e-4, 1.5e-5)
Array = NDArray[np.float32]


def studied(kind: str, *, seed: int, frames: int = 16, drawn: bool = True) -> Analysis:
    shot = make(kind, seed=seed, size=Size(240, 136, frames, 1, 1), drawn=drawn)
    return analyse(shot=shot, preset=preset_for(quality=Quality.FINAL), step=lambda: None)


@pytest.fixture(scope="module")
def deep() -> Analysis:
    return studied("parallax", seed=3, frames=20)


def drifts(analysis: Analysis) -> list[float]:
    """Of each layer, pixels to the right per frame, the median over its life."""
    middle = np.array([[120, 68]], np.float32)
    found = []
    for layer, (first, last) in enumerate(analysis.layers.lives):
        steps = [apply(analysis.layers.chained(layer, t, t + 1), middle)[0, 0] - 120 for t in range(first, last)]
        found.append(float(np.median(steps)))
    return found


def test_each_depth_is_one_layer_and_moves_at_its_own_pace(deep: Analysis) -> None:
    pace = -2.5 * 0.5 * 32 / 20
    found = drifts(deep)
    assert found[0] == pytest.approx(pace, rel=0.1)
    assert any(one == pytest.approx(1.9 * pace, rel=0.2) for one in found)
    assert any(one == pytest.approx(3.0 * pace, rel=0.15) for one in found), "the bars have short tracks only"
    assert len(found) <= 4, "one thing is not two layers"


def test_what_is_nearer_is_known_to_hide_what_is_farther(deep: Analysis) -> None:
    segmenter, bars = Segmenter(deep), int(np.argmin(drifts(deep)))
    assert bars in segmenter.in_front(of=0)
    assert all(0 not in segmenter.in_front(of=layer) for layer in range(deep.layers.count))


@pytest.mark.parametrize("kind", ["pan", "shake", "zoom", "static", "track"])
def test_one_rigid_background_stays_one_layer(kind: str) -> None:
    assert studied(kind, seed=2).layers.count == 1


def moving_mix(seed: int) -> tuple[Array, Array]:
    """(frames, h, w, 2) displacements that three motions over time explain, and weights with a hole that passes."""
    rng = np.random.default_rng(seed)
    frames, height, width = 24, 12, 20
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    truth = np.zeros((frames, height, width, 2))
    for t in range(frames):
        truth[t, ..., 0] = 2.5 * np.sin(rows / 5 + 0.35 * t)
        truth[t, ..., 1] = 1.5 * np.sin(columns / 6 + 0.28 * t)
    weight = np.ones((frames, height, width), np.float32)
    for t in range(frames):
        weight[t, 3:9, max(t - 4, 0) : t] = 0
    noisy = truth + rng.normal(0, 0.1, truth.shape)
    noisy[rng.uniform(size=noisy.shape[:3]) < 0.02] += 8.0
    return truth.astype(np.float32), np.where((weight > 0)[..., None], noisy, 0).astype(np.float32)


def test_hidden_motion_follows_from_what_was_seen() -> None:
    truth, measured = moving_mix(0)
    weight = (np.abs(measured).sum(axis=3) > 0).astype(np.float32)
    hidden = weight == 0
    found = complete_motion(measured=measured, weight=weight)
    around = np.stack([spread(values=one, weight=share) for one, share in zip(measured, weight, strict=True)])
    ours, plain = (float(np.median(np.linalg.norm(one - truth, axis=3)[hidden])) for one in (found, around))
    assert ours < 0.15 and ours < 0.35 * plain
    assert float(np.median(np.linalg.norm(found - truth, axis=3)[~hidden])) < 0.1


def test_motion_of_nothing_is_nothing() -> None:
    still = np.zeros((5, 4, 6, 2), np.float32)
    assert np.abs(complete_motion(measured=still, weight=np.ones((5, 4, 6), np.float32))).max() < 1e-4
    assert np.isfinite(complete_motion(measured=still, weight=np.zeros((5, 4, 6), np.float32))).all()


def test_a_surface_leads_there_and_back() -> None:
    surfaces = Surfaces(studied("nonrigid", seed=1, frames=12), step=lambda: None)
    surface = surfaces.surface(surfaces.anchors(target=6)[-1])
    assert surface is not None and surface.reaches(6)
    columns, rows = np.meshgrid(np.arange(240, dtype=np.float32), np.arange(136, dtype=np.float32))
    points = np.stack([columns, rows], axis=2)
    there = surface.ahead(6, points)
    assert 0.3 < float(np.abs(there - points).max()) < 8
    assert float(np.quantile(np.abs(surface.back(6, there) - points)[8:-8, 8:-8], 0.99)) < 0.1


def flat(value: float, *, cost: float, views: int = 3) -> Merged:
    shape = (60, 80)
    return Merged(
        np.full((*shape, 3), value, np.float32),
        np.full(shape, views, np.uint8),
        np.full(shape, cost, np.float32),
        np.full(shape, 0.3, np.float32),
    )


def scene() -> tuple[Array, NDArray[np.bool_], NDArray[np.bool_]]:
    hole = np.zeros((60, 80), bool)
    hole[15:45, 20:60] = True
    return np.full((60, 80, 3), 0.5, np.float32), hole, ~hole


def test_a_layer_that_stands_in_front_is_shown_where_it_was_seen_to_stand() -> None:
    plate, hole, ring = scene()
    bar = np.zeros(hole.shape, np.float32)
    bar[:, 35:45] = 1.0
    behind = Hypothesis(flat(0.5, cost=0.05), 0.0, layer=0, present=np.ones_like(bar))
    front = Hypothesis(flat(0.1, cost=0.3), 0.03, layer=1, present=bar)
    both = {"hypotheses": [behind, front], "plate": plate, "hole": hole, "ring": ring, "noise": NOISE}
    shown = choose(**both, in_front=lambda layer: (1,) if layer == 0 else ())  # type: ignore[arg-type]
    assert shown.pixels[20:40, 37:43].max() < 0.15 and shown.pixels[20:40, 22:30].min() > 0.45
    reversed_order = choose(**both, in_front=lambda layer: ())  # type: ignore[arg-type]
    assert reversed_order.pixels[20:40, 37:43].min() > 0.45


def test_what_does_not_match_the_surroundings_is_refused() -> None:
    plate, hole, ring = scene()
    wrong = [Hypothesis(flat(0.05, cost=0.5), 0.0)]
    assert doubt(hypotheses=wrong, plate=plate, ring=ring, noise=NOISE) > 0.9
    assert not choose(hypotheses=wrong, plate=plate, hole=hole, ring=ring, noise=NOISE).seen[hole].any()
    right = [Hypothesis(flat(0.5, cost=0.1), 0.0)]
    assert doubt(hypotheses=right, plate=plate, ring=ring, noise=NOISE) < 0.05
    assert choose(hypotheses=right, plate=plate, hole=hole, ring=ring, noise=NOISE).seen[hole].all()


def test_nothing_seen_leaves_no_doubt_and_no_pixel() -> None:
    plate, hole, ring = scene()
    none = [Hypothesis(flat(0.0, cost=1.3, views=0), 0.0)]
    assert doubt(hypotheses=none, plate=plate, ring=ring, noise=NOISE) == 0
    assert not choose(hypotheses=none, plate=plate, hole=hole, ring=ring, noise=NOISE).seen.any()


def test_a_small_lucky_view_must_be_confirmed() -> None:
    plate, hole, ring = scene()
    merged = flat(0.5, cost=0.1)
    corner = np.zeros(hole.shape, bool)
    corner[15:20, 20:30] = True
    views = np.where(ring | corner, 3, 0).astype(np.uint8)
    lucky = Merged(merged.pixels, views, merged.cost, merged.kept)
    bent = choose(hypotheses=[Hypothesis(lucky, 0.0, rigid=False)], plate=plate, hole=hole, ring=ring, noise=NOISE)
    firm = choose(hypotheses=[Hypothesis(lucky, 0.0)], plate=plate, hole=hole, ring=ring, noise=NOISE)
    assert not bent.seen[hole].any() and firm.seen[16:19, 22:28].all()


def test_a_surface_that_explains_the_ring_outdoes_rigid_views_that_agree_by_chance() -> None:
    plate, hole, ring = scene()
    rigid = flat(0.5, cost=0.1)
    rigid.pixels[ring] = 0.4
    bent = flat(0.6, cost=0.3)
    bent.pixels[ring] = 0.5
    pair = [Hypothesis(rigid, 0.0), Hypothesis(bent, 0.06, rigid=False)]
    shown = choose(hypotheses=pair, plate=plate, hole=hole, ring=ring, noise=NOISE)
    assert shown.pixels[hole].min() > 0.55 and not shown.confirmed[hole].any()
