"""Exposure between two frames: one gain per channel, and only where it is sure that there is one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.kinds import Colour, Mask
from secondtake_daemon.engines.temporal.tracks import FrameTracks, shared

__all__ = ["gain_at_tracks", "gain_on_ring"]

_LEAST_TRACKS = 25
_LEAST_LIT = 15
_DARK_SHARE = 0.2
_SURE = 3.0
_SLACK = 0.003
_LEAST_RING = 40
_RANGE = 64.0


def gain_at_tracks(target: FrameTracks, source: FrameTracks) -> NDArray[np.float32] | None:
    """(3,) factor for the source, from points alive in both frames; None if there are too few.

    The median log ratio is used only above three standard errors, else every pair would get a jitter of its own.
    """
    ids, one, two = shared(target, source)
    if len(ids) < _LEAST_TRACKS:
        return None
    a, b = target.colours[one], source.colours[two]
    lit = np.isfinite(a).all(axis=1) & np.isfinite(b).all(axis=1)
    lit &= (a > 1e-6).all(axis=1) & (b > 1e-6).all(axis=1)
    if lit.sum() >= _LEAST_LIT:
        bright = np.where(lit, b.sum(axis=1), np.nan)
        lit &= bright >= np.nanquantile(bright, _DARK_SHARE)
    if lit.sum() < _LEAST_LIT:
        return None
    ratio = np.log(a[lit] / b[lit])
    middle = np.median(ratio, axis=0)
    error = 1.4826 * np.median(np.abs(ratio - middle), axis=0) / np.sqrt(len(ratio))
    sure = np.abs(middle) >= _SURE * error + _SLACK
    return np.asarray(np.where(sure, np.exp(middle), 1.0), np.float32)


def gain_on_ring(target: Colour, source: Colour, ring: Mask) -> NDArray[np.float32]:
    """(3,) factor from the aligned pixels around the hole: the median ratio, then three reweighted steps."""
    if ring.sum() < _LEAST_RING:
        return np.ones(3, np.float32)
    a, b = target[ring], source[ring]
    lit = b.sum(axis=1) >= np.quantile(b.sum(axis=1), 0.25)
    a, b = np.maximum(a[lit], 0), np.maximum(b[lit], 0)
    result = np.ones(3, np.float32)
    for channel in range(3):
        use = b[:, channel] > 1e-6
        if use.sum() < _LEAST_LIT:
            continue
        ratio = a[use, channel] / b[use, channel]
        middle = float(np.median(ratio))
        for _ in range(3):
            spread = max(1.4826 * float(np.median(np.abs(ratio - middle))), 1e-4)
            weight = 1.0 / (1.0 + ((ratio - middle) / (2 * spread)) ** 2)
            middle = float((weight * ratio).sum() / weight.sum())
        result[channel] = np.clip(middle, 1 / _RANGE, _RANGE)
    return result
