"""Colour lock: a gain and an offset per channel that bring what a model made back to pixels that are known.

A model's VAE tints and dims what it is given. Two places show by how much: the ring, which it made though the plate
shows it, and the frames that it made again though another window's are accepted. One least-squares line through both
(in the model's codes, so that highlights do not rule it), kept within a tenth of doing nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SAME", "Lock", "solve_lock"]

Codes = NDArray[np.float32]

_MOST_GAIN = 0.1
_MOST_OFFSET = 0.1
_FEWEST = 64
_ROUNDS = 4
_CUT = 2.5


@dataclass(frozen=True, slots=True)
class Lock:
    """code · gain + offset, per channel."""

    gain: tuple[float, float, float]
    offset: tuple[float, float, float]

    def apply(self, codes: Codes) -> Codes:
        """(…, 3) float32."""
        return codes * np.array(self.gain, np.float32) + np.array(self.offset, np.float32)


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
