"""Choose among the hypotheses, pixel by pixel, in agreement with the neighbours; and refuse what cannot be believed.

Mean field on a Potts model (compare Kraehenbuehl, Koltun: Efficient inference in fully connected CRFs, NeurIPS 2011,
here with a plain Gaussian neighbourhood).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.kinds import Colour, Mask, Plane, largest
from secondtake_daemon.engines.temporal.merge import Merged, soften
from secondtake_daemon.engines.temporal.noise import Noise
from secondtake_daemon.engines.temporal.pyramid import spread

__all__ = ["Chosen", "Hypothesis", "choose", "doubt"]

_RING_SLACK = 1.2
_RING_CAP = 12.0
_RING_COST = 1.5
_RING_BLANK = 0.6
_SMOOTH_PX = 3.0
_RING_SHARE = 0.4
_INVALID = 2.0
_WORST = 1.9
_FALLBACK = np.float32(1e-4)
_PASSES = 6
_POTTS = 0.35
_POTTS_PX = 4.0
_BLEND_PX = 0.7
_GATE = 0.8
_DOUBTED = 0.45
_UNEASY = 0.2
_UNEASY_SHARE = 0.43
_LOST_DOUBT = 0.6
_LOST_SHARE = 0.6
_LEAST_SHARE = 0.15
_MOST_UNSEEN = 0.5
_HIDDEN = 1.0
_ABSENT = 0.3
_OUTDONE = 3.0
_OUTDONE_MOST = 0.6
_PRESENT = (0.3, 0.6)
_GATE_BLUR_PX = 2.0
_GATE_OPEN_PX = 5


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One explanation of what is behind the hole."""

    merged: Merged
    handicap: float
    """Small cost that lets the plainer explanation win a tie."""
    rigid: bool = True
    """A camera's or a layer's motion, not a dense flow."""
    layer: int = 0
    present: Plane | None = None
    """0 … 1: how sure other frames are that the layer stands at a pixel, even if hidden; None: nothing is said."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The background as far as other frames saw it."""

    pixels: Colour
    seen: Mask
    kept: Plane
    """Share of the plate's grain variance that is still in the pixels."""
    confirmed: Mask
    """Seen, and two views of a rigid hypothesis agree."""
    refused: Mask
    """In the hole, shown by some frame, and not believed."""


def choose(
    *,
    hypotheses: Sequence[Hypothesis],
    plate: Colour,
    hole: Mask,
    ring: Mask,
    noise: Noise,
    in_front: Callable[[int], tuple[int, ...]] = lambda layer: (),
) -> Chosen:
    """plate: levelled target; hole: what to fill; ring: trusted pixels around it, where the truth is known.

    in_front: the layers that hide a layer where both stand.
    """
    valid = np.stack([one.merged.views > 0 for one in hypotheses])
    raw = np.stack([_raw_cost(one, plate, ring, noise) for one in hypotheses])
    explained = raw
    raw = raw + _outdone(raw, hypotheses, ring)[:, None, None]
    standing = [one.present if one.layer > 0 else None for one in hypotheses]
    cost = np.stack([_region_cost(one, ring, present) for one, present in zip(raw, standing, strict=True)])
    cost = np.stack([one + _hidden(other, hypotheses, in_front) for one, other in zip(cost, hypotheses, strict=True)])
    cost = np.where(valid | ring, np.minimum(cost, _WORST), _INVALID)
    share = _mean_field(cost) * valid + _FALLBACK * _one_hot(
        np.argmin(np.where(valid, cost, np.inf), axis=0), len(cost)
    )
    share /= share.sum(axis=0)
    pixels = np.einsum("kij,kijc->ijc", share, np.stack([one.merged.pixels for one in hypotheses]))
    seen = np.asarray(valid.any(axis=0), bool)
    picked = np.argmax(np.where(valid, share, -1.0), axis=0)
    kept = np.einsum("kij,kij->ij", share, np.stack([one.merged.kept for one in hypotheses]))
    sure = np.stack([(one.merged.views > 1) & one.rigid for one in hypotheses])
    confirmed = np.take_along_axis(sure, picked[None], axis=0)[0] & seen
    paid = np.take_along_axis(cost, picked[None], axis=0)[0].astype(np.float32)
    good = _believed(
        seen=seen, confirmed=confirmed, paid=paid, hole=hole, doubted=_doubted(explained, hypotheses, ring)
    )
    refused = seen & hole & ~good
    return Chosen(pixels.astype(np.float32), good, kept.astype(np.float32), confirmed & good, refused)


def _believed(*, seen: Mask, confirmed: Mask, paid: Plane, hole: Mask, doubted: float) -> Mask:
    """The part of `seen` that is not refused. paid: the cost of what was chosen; doubted: `doubt`.

    Where nothing explains the surroundings, and most of the hole is refused, the rest agrees by chance. What is
    left of a hole that is mostly never seen must be confirmed: it is more often a wrong motion than a lucky view.
    """
    high = np.asarray(cv2.GaussianBlur(paid, (0, 0), _GATE_BLUR_PX)) > _GATE
    kernel = np.ones((_GATE_OPEN_PX, _GATE_OPEN_PX), np.uint8)
    opened = cv2.morphologyEx((seen & hole & high).astype(np.uint8), cv2.MORPH_OPEN, kernel)
    good = seen & ~(np.asarray(opened) > 0)
    inside = max(int((seen & hole).sum()), 1)
    if doubted > _LOST_DOUBT and int((good & hole).sum()) < (1 - _LOST_SHARE) * inside:
        return good & ~hole
    size = int(hole.sum())
    if int((good & hole).sum()) < _LEAST_SHARE * size or int((seen & hole).sum()) < _MOST_UNSEEN * size:
        return good & (confirmed | ~hole)
    return good


def doubt(*, hypotheses: Sequence[Hypothesis], plate: Colour, ring: Mask, noise: Noise) -> float:
    """0 … 1: how much of the ring no hypothesis explains, or, at half, of what several views show in the hole.

    At less than half what is explained only just: slices of a surface that bends do that. Ring that no hypothesis shows
    says nothing.
    """
    return _doubted(np.stack([_raw_cost(one, plate, ring, noise) for one in hypotheses]), hypotheses, ring)


def _doubted(raw: NDArray[np.float32], hypotheses: Sequence[Hypothesis], ring: Mask) -> float:
    shown = np.stack([one.merged.views > 0 for one in hypotheses]).any(axis=0) & ring
    if not shown.any():
        return 0.0
    best = raw.min(axis=0)
    several = np.stack([one.merged.views > 1 for one in hypotheses]).any(axis=0) & ~ring
    inside = float((best[several] > _DOUBTED).mean()) if several.any() else 0.0
    around = best[shown]
    return max(float((around > _DOUBTED).mean()), 0.5 * inside, _UNEASY_SHARE * float((around > _UNEASY).mean()))


def _raw_cost(one: Hypothesis, plate: Colour, ring: Mask, noise: Noise) -> Plane:
    """In the hole, how well the views agree; on the ring, how well they match the plate."""
    apart = largest(np.abs(noise.stabilise(soften(one.merged.pixels)) - noise.stabilise(soften(plate))))
    miss = _RING_COST * np.minimum(np.maximum(apart - _RING_SLACK, 0.0), _RING_CAP) / _RING_CAP
    miss = np.where(one.merged.views > 0, miss, _RING_BLANK)
    return np.asarray(np.where(ring, miss, one.merged.cost) + one.handicap, np.float32)


def _outdone(raw: NDArray[np.float32], hypotheses: Sequence[Hypothesis], ring: Mask) -> NDArray[np.float32]:
    """A cost for rigid motions that together explain the ring worse than one that bends: they agree by chance."""
    rigid = np.array([one.rigid for one in hypotheses])
    if not ring.any() or rigid.all() or not rigid.any():
        return np.zeros(len(raw), np.float32)
    around = raw[:, ring]
    apart = float(around[rigid].min(axis=0).mean() - around[~rigid].min(axis=0).mean())
    return np.where(rigid, np.clip(_OUTDONE * apart, 0.0, _OUTDONE_MOST), 0.0).astype(np.float32)


def _hidden(
    one: Hypothesis, hypotheses: Sequence[Hypothesis], in_front: Callable[[int], tuple[int, ...]]
) -> Plane | float:
    """What it costs to show a layer where another should stand before it, or where it was never seen to stand."""
    alone = 0.0 if one.present is None or one.layer == 0 else _ABSENT * (1 - np.clip(one.present / _PRESENT[0], 0, 1))
    before = [
        other.present * (other.merged.views > 0)
        for other in hypotheses
        if other.present is not None and other.layer in in_front(one.layer)
    ]
    if not before:
        return alone
    most = np.maximum.reduce(before)
    return np.asarray(alone + _HIDDEN * np.clip((most - _PRESENT[0]) / (_PRESENT[1] - _PRESENT[0]), 0, 1), np.float32)


def _region_cost(raw: Plane, ring: Mask, present: Plane | None) -> Plane:
    """Smoothed, and in the hole with what the ring says; that says less where a layer was itself seen to stand."""
    smooth = np.asarray(cv2.GaussianBlur(raw, (0, 0), _SMOOTH_PX), np.float32)
    around = spread(values=np.where(ring, raw, 0).astype(np.float32), weight=ring.astype(np.float32))
    share = np.float32(_RING_SHARE) if present is None else _RING_SHARE * (1 - np.clip(present / _PRESENT[1], 0, 1))
    return np.asarray(smooth + share * np.minimum(around, 1.5), np.float32)


def _mean_field(cost: NDArray[np.float32]) -> NDArray[np.float32]:
    """Softened choice (hypotheses, h, w), summing to 1."""
    if len(cost) == 1:
        return np.ones_like(cost)
    label = _one_hot(np.argmin(cost, axis=0), len(cost))
    for _ in range(_PASSES):
        around = np.stack([cv2.GaussianBlur(one, (0, 0), _POTTS_PX) for one in label])
        label = _one_hot(np.argmin(cost + _POTTS * (1.0 - around), axis=0), len(cost))
    return np.stack([np.asarray(cv2.GaussianBlur(one, (0, 0), _BLEND_PX), np.float32) for one in label])


def _one_hot(which: NDArray[np.intp], count: int) -> NDArray[np.float32]:
    return np.asarray(which[None] == np.arange(count)[:, None, None], np.float32)
