"""Choose among the hypotheses, pixel by pixel, in agreement with the neighbours; and refuse what cannot be believed.

Mean field on a Potts model (compare Kraehenbuehl, Koltun: Efficient inference in fully connected CRFs, NeurIPS 2011,
here with a plain Gaussian neighbourhood).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.kinds import Colour, Mask, Plane, largest
from secondtake_daemon.engines.temporal.merge import Merged, soften
from secondtake_daemon.engines.temporal.noise import Noise
from secondtake_daemon.engines.temporal.pyramid import spread

__all__ = ["Chosen", "Hypothesis", "choose"]

_RING_SLACK = 1.2
_RING_CAP = 12.0
_RING_COST = 1.5
_RING_BLANK = 0.6
_SMOOTH_PX = 3.0
_RING_SHARE = 0.4
_INVALID = 2.0
_PASSES = 6
_POTTS = 0.35
_POTTS_PX = 4.0
_BLEND_PX = 0.7
_GATE = 0.8
_GATE_BLUR_PX = 2.0
_GATE_OPEN_PX = 5


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One explanation of what is behind the hole."""

    merged: Merged
    handicap: float
    """Small cost that lets the plainer explanation win a tie."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The background as far as other frames saw it."""

    pixels: Colour
    seen: Mask
    kept: Plane
    """Share of the plate's grain variance that is still in the pixels."""


def choose(*, hypotheses: Sequence[Hypothesis], plate: Colour, hole: Mask, ring: Mask, noise: Noise) -> Chosen:
    """plate: levelled target; hole: what to fill; ring: trusted pixels around it, where the truth is known."""
    valid = np.stack([one.merged.views > 0 for one in hypotheses])
    raw = np.stack([_raw_cost(one, plate, ring, noise) for one in hypotheses])
    cost = np.stack([_region_cost(one, ring) for one in raw])
    cost = np.where(valid | ring, cost, _INVALID)
    share = _mean_field(cost) * (valid + 1e-6)
    share /= share.sum(axis=0)
    pixels = np.einsum("kij,kijc->ijc", share, np.stack([one.merged.pixels for one in hypotheses]))
    seen = valid.any(axis=0)
    picked = np.argmax(np.where(valid, share, -1.0), axis=0)
    doubt = cv2.GaussianBlur(
        np.take_along_axis(cost, picked[None], axis=0)[0].astype(np.float32), (0, 0), _GATE_BLUR_PX
    )
    rejected = seen & hole & (np.asarray(doubt) > _GATE)
    kernel = np.ones((_GATE_OPEN_PX, _GATE_OPEN_PX), np.uint8)
    rejected = np.asarray(cv2.morphologyEx(rejected.astype(np.uint8), cv2.MORPH_OPEN, kernel), np.uint8) > 0
    kept = np.einsum("kij,kij->ij", share, np.stack([one.merged.kept for one in hypotheses]))
    return Chosen(pixels.astype(np.float32), seen & ~rejected, kept.astype(np.float32))


def _raw_cost(one: Hypothesis, plate: Colour, ring: Mask, noise: Noise) -> Plane:
    """In the hole, how well the views agree; on the ring, how well they match the plate."""
    apart = largest(np.abs(noise.stabilise(soften(one.merged.pixels)) - noise.stabilise(soften(plate))))
    miss = _RING_COST * np.minimum(np.maximum(apart - _RING_SLACK, 0.0), _RING_CAP) / _RING_CAP
    miss = np.where(one.merged.views > 0, miss, _RING_BLANK)
    return np.asarray(np.where(ring, miss, one.merged.cost) + one.handicap, np.float32)


def _region_cost(raw: Plane, ring: Mask) -> Plane:
    smooth = np.asarray(cv2.GaussianBlur(raw, (0, 0), _SMOOTH_PX), np.float32)
    around = spread(values=np.where(ring, raw, 0).astype(np.float32), weight=ring.astype(np.float32))
    return np.asarray(smooth + _RING_SHARE * np.minimum(around, 1.5), np.float32)


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
