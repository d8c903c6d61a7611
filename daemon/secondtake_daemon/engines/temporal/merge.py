"""Merge the views of one hypothesis: the value that most of the weight agrees on, averaged over those who agree.

A mode, not a mean: a wrong view must not tint the right ones (Comaniciu, Meer: Mean shift, PAMI 2002, is the idea).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.kinds import Colour, Mask, Plane, largest
from secondtake_daemon.engines.temporal.noise import Noise

__all__ = ["Merged", "View", "merge"]

_BLUR_PX = 0.8
_AGREE = 2.0
_GRADIENT = 0.35
_STRIP_PIXELS = 150_000
_HALO_PX = 8
_COUNT_COST = np.array([1.3, 0.45, 0.12, 0.0], np.float32)


@dataclass(frozen=True, slots=True)
class View:
    """One source, aligned to the target box and brought to its exposure."""

    pixels: Colour
    valid: Mask
    weight: float
    source: int
    """Frame it comes from."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What the views together say."""

    pixels: Colour
    views: NDArray[np.uint8]
    """How many views support the value; 0 = nobody saw it."""
    cost: Plane
    """0 (three views agree) … 1.3 (no view)."""
    kept: Plane
    """Share of one view's grain variance that the average still has: the sum of its squared weights; 1 with no view."""


def soften(pixels: Colour) -> Colour:
    """The slight blur under which views are compared."""
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), _BLUR_PX), np.float32)


def merge(
    *, views: Sequence[View], noise: Noise, shape: tuple[int, int], step: Callable[[], None] = lambda: None
) -> Merged:
    """All views in strips, so that the comparison of each with each stays small."""
    height, width = shape
    pixels = np.zeros((height, width, 3), np.float32)
    count = np.zeros((height, width), np.uint8)
    cost = np.full((height, width), _COUNT_COST[0], np.float32)
    kept = np.ones((height, width), np.float32)
    if not views:
        return Merged(pixels, count, cost, kept)
    rows = max(_STRIP_PIXELS // max(width, 1), 16)
    for top in range(0, height, rows):
        step()
        bottom = min(top + rows, height)
        low, high = max(top - _HALO_PX, 0), min(bottom + _HALO_PX, height)
        strip = _merge_strip(
            np.stack([view.pixels[low:high] for view in views]),
            np.stack([view.valid[low:high] for view in views]),
            np.array([view.weight for view in views], np.float32),
            noise,
        )
        inner = slice(top - low, bottom - low)
        pixels[top:bottom], count[top:bottom] = strip[0][inner], strip[1][inner]
        cost[top:bottom], kept[top:bottom] = strip[2][inner], strip[3][inner]
    return Merged(pixels, count, cost, kept)


def _merge_strip(
    pixels: NDArray[np.float32], valid: NDArray[np.bool_], weight: NDArray[np.float32], noise: Noise
) -> tuple[Colour, NDArray[np.uint8], Plane, Plane]:
    number = len(pixels)
    even = noise.stabilise(np.stack([soften(one) for one in pixels]))
    limit = _AGREE + _GRADIENT * np.stack([_gradient(one) for one in even])
    share = weight[:, None, None] * valid
    support = share.copy()
    agree = np.zeros((number, number, *valid.shape[1:]), bool)
    for first in range(number):
        agree[first, first] = valid[first]
        for second in range(first + 1, number):
            apart = largest(np.abs(even[first] - even[second]))
            same = (apart < np.maximum(limit[first], limit[second])) & valid[first] & valid[second]
            agree[first, second] = agree[second, first] = same
            support[first] += same * share[second]
            support[second] += same * share[first]
    best = np.argmax(support, axis=0)
    friends = np.take_along_axis(agree, best[None, None], axis=0)[0]
    used = friends * share
    total = used.sum(axis=0)
    mixed = np.einsum("kij,kijc->ijc", used, pixels) / np.maximum(total, 1e-9)[..., None]
    count = friends.sum(axis=0)
    seen = valid.sum(axis=0)
    agreed = total / np.maximum(share.sum(axis=0), 1e-9)
    cost = np.array([1.3, 0.5, 0.12, 0.0], np.float32)[np.minimum(count, 3)] + 0.8 * (1.0 - agreed)
    cost = np.where(seen == 1, _COUNT_COST[1], np.where(seen == 0, _COUNT_COST[0], cost))
    kept = np.where(total > 0, (used**2).sum(axis=0) / np.maximum(total, 1e-9) ** 2, 1.0)
    return mixed.astype(np.float32), count.astype(np.uint8), cost.astype(np.float32), kept.astype(np.float32)


def _gradient(even: Colour) -> Plane:
    across = np.abs(cv2.Sobel(even, cv2.CV_32F, 1, 0, ksize=3)) * 0.125
    down = np.abs(cv2.Sobel(even, cv2.CV_32F, 0, 1, ksize=3)) * 0.125
    return largest(np.asarray(across + down, np.float32))
