"""The noise of the plate as a function of brightness, and units in which it is even.

Photon noise plus a floor: var(x) = slope·x + floor (Foi, Trimeche, Katkovnik, Egiazarian: Practical Poissonian-Gaussian
noise modeling, IEEE TIP 2008); stabilised as Anscombe's root.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.kinds import Colour, Mask

__all__ = ["Noise", "measure_noise"]

_LEAST_SLOPE = 1e-6
_LEAST_FLOOR = 1e-7
_BLOCK_PX = 8
_BINS = 12
_KERNEL = np.outer([1.0, -2.0, 1.0], [1.0, -2.0, 1.0]).astype(np.float32) / 6.0


@dataclass(frozen=True, slots=True)
class Noise:
    """Variance = slope · value + floor, on plate values times the shot's level gain."""

    slope: float
    floor: float

    def stabilise(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Any shape; one unit of the result is one sigma of noise. Negative values are held at their root's foot."""
        inner = self.slope * values + (0.375 * self.slope**2 + self.floor)
        return np.asarray((2.0 / self.slope) * np.sqrt(np.maximum(inner, 1e-12)), np.float32)


def measure_noise(*, samples: Sequence[tuple[Colour, Mask]]) -> Noise:
    """From a few frames (levelled plate, pixels to use): the fine residual of green in 8×8 blocks, by brightness.

    The lower quartile of each brightness bin is taken, because texture only ever adds to the residual.
    """
    found = [_blocks(plate[..., 1], use) for plate, use in samples]
    level = np.concatenate([one[0] for one in found]) if found else np.empty(0)
    variance = np.concatenate([one[1] for one in found]) if found else np.empty(0)
    if level.size < 4 * _BINS:
        return Noise(_LEAST_SLOPE, _LEAST_FLOOR)
    edges = np.quantile(level, np.linspace(0, 1, _BINS + 1))
    which = np.clip(np.searchsorted(edges, level, side="right") - 1, 0, _BINS - 1)
    bins = [index for index in range(_BINS) if (which == index).sum() >= 4]
    x = np.array([level[which == index].mean() for index in bins])
    y = np.array([np.quantile(variance[which == index], 0.25) * 1.3 for index in bins])
    weight = 1.0 / np.maximum(y, _LEAST_FLOOR)
    rows = np.stack([x, np.ones_like(x)], axis=1) * weight[:, None]
    (slope, floor), *_ = np.linalg.lstsq(rows, y * weight, rcond=None)
    if floor < 0:
        slope, floor = float((x * y * weight**2).sum() / max((x * x * weight**2).sum(), 1e-12)), 0.0
    return Noise(max(float(slope), _LEAST_SLOPE), max(float(floor), _LEAST_FLOOR))


def _blocks(green: NDArray[np.float32], use: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rows, columns = (side // _BLOCK_PX * _BLOCK_PX for side in green.shape)
    if not rows or not columns:
        return np.empty(0), np.empty(0)
    residual = np.abs(cv2.filter2D(green, cv2.CV_32F, _KERNEL))
    inner = cv2.erode(use.astype(np.uint8), np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    whole = _tile(inner[:rows, :columns]).min(axis=1) > 0
    sigma = 1.4826 * np.median(_tile(residual[:rows, :columns])[whole], axis=1)
    return _tile(green[:rows, :columns])[whole].mean(axis=1).astype(np.float64), sigma.astype(np.float64) ** 2


def _tile(plane: NDArray[np.generic]) -> NDArray[np.generic]:
    rows, columns = plane.shape
    blocks = plane.reshape(rows // _BLOCK_PX, _BLOCK_PX, columns // _BLOCK_PX, _BLOCK_PX)
    return blocks.transpose(0, 2, 1, 3).reshape(-1, _BLOCK_PX * _BLOCK_PX)
