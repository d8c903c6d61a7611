"""Colour lock: a gain and an offset per channel that bring what a model made back to pixels that are known.

A model's VAE tints and dims what it is given. Two places show by how much: the ring, which it made though the plate
shows it, and the frames that it made again though another window's are accepted. One least-squares line through both
(in the model's codes, so that highlights do not rule it), kept within a tenth of doing nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SAME", "Lock", "solve_lock", "solve_locks"]

Codes = NDArray[np.float32]
Mask = NDArray[np.bool_]
Triple = tuple[float, float, float]

_MOST_GAIN = 0.1
_MOST_OFFSET = 0.1
_FEWEST = 64
_ROUNDS = 4
_CUT = 2.5


@dataclass(frozen=True, slots=True)
class Lock:
    """code · gain + offset, per channel."""

    gain: Triple
    offset: Triple

    def apply(self, codes: Codes) -> Codes:
        """(…, 3) float32."""
        return codes * np.array(self.gain, np.float32) + np.array(self.offset, np.float32)

    def towards(self, other: Lock, share: float) -> Lock:
        """On the way from this one (share 0) to another (1)."""

        def between(one: Triple, two: Triple) -> Triple:
            red, green, blue = (a + (b - a) * share for a, b in zip(one, two, strict=True))
            return red, green, blue

        return Lock(between(self.gain, other.gain), between(self.offset, other.offset))


SAME = Lock((1.0, 1.0, 1.0), (0.0, 0.0, 0.0))


def solve_lock(made: Codes, known: Codes) -> Lock:
    """The line from what was made to what is known. (n, 3) each; fewer than 64 pixels are not asked.

    Robust: pixels further than 2.5 sigma (by the median of the residuals) are left out, four times.
    """
    if len(made) < _FEWEST:
        return SAME
    lines = [_line(made[:, channel].astype(np.float64), known[:, channel].astype(np.float64)) for channel in range(3)]
    gains, offsets = zip(*lines, strict=True)
    return Lock((gains[0], gains[1], gains[2]), (offsets[0], offsets[1], offsets[2]))


def solve_locks(made: Codes, truth: Codes, *, ring: Mask, known: Mask) -> list[Lock]:
    """A lock for each frame. made, truth: (F, H, W, 3). ring, known: (F, H, W), where truth is true.

    The ring says how the model sees colour throughout. Known frames at both ends may have been made with different
    errors, by different neighbours: then each end gets its own line and those between go from one to the other, so that
    neither seam shows.
    """
    count = len(made)
    frames = np.flatnonzero(known.any(axis=(1, 2)))
    cut = _widest_gap(frames)
    if cut is None:
        return [_solved(made, truth, ring | known)] * count
    sides = (np.arange(count) < cut, np.arange(count) >= cut)
    ends = [_solved(made, truth, ring | (known & side[:, None, None])) for side in sides]
    first, last = frames[frames < cut][-1], frames[frames >= cut][0]
    shares = np.clip((np.arange(count) - first) / (last - first), 0, 1)
    return [ends[0].towards(ends[1], float(share)) for share in shares]


def _solved(made: Codes, truth: Codes, where: Mask) -> Lock:
    return solve_lock(made[where], truth[where])


def _widest_gap(frames: NDArray[np.intp]) -> int | None:
    """The first of the frames after the widest gap; None if there is no gap."""
    if len(frames) < 2:
        return None
    gaps = np.diff(frames)
    at = int(gaps.argmax())
    return int(frames[at + 1]) if gaps[at] > 1 else None


def _line(made: NDArray[np.float64], known: NDArray[np.float64]) -> tuple[float, float]:
    keep = np.ones(len(made), bool)
    gain, offset = 1.0, 0.0
    for _ in range(_ROUNDS):
        x, y = made[keep], known[keep]
        spread = float(x.var())
        gain = 1.0 if spread < 1e-6 else float(np.cov(x, y, bias=True)[0, 1]) / spread
        gain = min(max(gain, 1 - _MOST_GAIN), 1 + _MOST_GAIN)
        offset = min(max(float(y.mean() - gain * x.mean()), -_MOST_OFFSET), _MOST_OFFSET)
        off = np.abs(gain * made + offset - known)
        sigma = 1.4826 * float(np.median(off[keep]))
        inside = off <= max(_CUT * sigma, 1e-4)
        if inside.sum() < _FEWEST or (inside == keep).all():
            break
        keep = inside
    return gain, offset
