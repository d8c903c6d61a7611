"""The plate's grain: measured between neighbouring frames, made again where averaging took it away.

What differs between two aligned frames where the picture is flat is grain of both. Variance rises with brightness as
in `noise`; the spectrum is the autocovariance of those differences, and its root is the kernel that shapes white noise
(compare Newson, Delon, Galerne: A stochastic film grain model, 2017, which models the grains themselves).
Each frame's grain follows from its number and from nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadInput
from secondtake.messages import Quality

__all__ = ["Grain", "Pair", "measure_grain", "regrain", "wants_grain"]

_BLOCK_PX = 16
_FLAT_SHARE = 0.3
_BINS = 6
_LEAST_BLOCKS = 12
_EVEN = 0.5
_QUANTILE_BIAS = 1.04
_LAG_PX = 3
_SOFTEST = 0.85
"""Correlation of neighbouring pixels above which it is misaligned texture, not grain."""
_TILE_PX = 64
_RETAINED = 0.85
"""Share of a view's grain that survives its cubic resampling, at a shift like any other."""
_LEAST_SIGMA = 3e-4
"""Of a levelled plate: below it is the rounding of half floats, not grain."""

Colour = NDArray[np.float32]
"""(height, width, 3) float32."""
Plane = NDArray[np.float32]
"""(height, width) float32."""
Mask = NDArray[np.bool_]
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two aligned pictures of the same thing, levelled, each sample taken from one pixel (never interpolated)."""

    one: Colour
    other: Colour
    use: Mask


@dataclass(frozen=True, slots=True)
class Grain:
    """Variance = slope · value + floor by channel, of a levelled plate; kernels shape white noise to energy 1."""

    slope: Doubles
    """(3,)."""
    floor: Doubles
    """(3,)."""
    kernels: Doubles
    """(3, 2 · lag + 1, 2 · lag + 1)."""
    mixing: Doubles
    """(3, 3) lower triangle: how the channels share their grain."""

    @classmethod
    def none(cls) -> Grain:
        """Of a plate without grain."""
        side = 2 * _LAG_PX + 1
        return cls(np.zeros(3), np.zeros(3), np.zeros((3, side, side)), np.eye(3))

    @property
    def is_none(self) -> bool:
        """True if there is nothing to add."""
        return not (self.slope.any() or self.floor.any())

    def sigma(self, values: Colour) -> Colour:
        """Standard deviation at these values, same shape."""
        variance = np.maximum(values, 0.0) * self.slope.astype(np.float32) + self.floor.astype(np.float32)
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)), np.float32)


def wants_grain(*, options: Mapping[str, str], quality: Quality) -> bool:
    """Whether to make the plate's grain again: in a final unless `grain=none`, in a draft only with `grain=match`.

    Raises BadInput if the switch says anything else.
    """
    choice = options.get("grain", "none" if quality is Quality.DRAFT else "match")
    if choice not in ("match", "none"):
        raise BadInput(f"The engine's switch grain={choice} is unknown", remedy="Use grain=match or grain=none")
    return choice == "match"


def measure_grain(*, pairs: Sequence[Pair]) -> Grain:
    """From aligned neighbours. `Grain.none()` unless the flat parts differ everywhere by about the same amount."""
    found = [blocks for blocks in (_flat_blocks(pair) for pair in pairs) if blocks is not None]
    if not found:
        return Grain.none()
    residual = np.concatenate([one[0] for one in found])
    level = np.concatenate([one[1] for one in found])
    alive = (residual != 0).any(axis=(1, 2))  # a clipped or black block says nothing about grain
    if alive.mean() < 0.5 or alive.sum() < 2 * _LEAST_BLOCKS:
        return Grain.none()
    residual, level = residual[alive], level[alive]
    fits = [_fit(level[..., channel], _variance(residual[..., channel])) for channel in range(3)]
    if any(fit is None for fit in fits):
        return Grain.none()
    slope, floor = np.array([fit for fit in fits if fit is not None]).T
    sigma = np.sqrt(np.maximum(level * slope + floor, 1e-12))
    even = residual / np.maximum(sigma[:, None], 1e-6)
    calm = (np.abs(_variance(even) - 1.0) < 0.5).all(axis=1)
    if calm.sum() < _LEAST_BLOCKS or _softness(even[calm]) > _SOFTEST:
        return Grain.none()
    even = even[calm]
    kernels = np.stack([_kernel(even[..., channel]) for channel in range(3)])
    return Grain(slope, floor, kernels, _mixing(even))


def regrain(*, pixels: Colour, kept: Plane, grain: Grain, frame: int, box: Box) -> Colour:
    """pixels (levelled) with what grain is missing. kept: share of the variance still there, 1 where none is wanted."""
    if grain.is_none:
        return pixels
    missing = np.sqrt(np.clip(1.0 - _RETAINED * kept, 0.0, 1.0)) * (kept < 1.0)
    noise = _shaped(grain, frame, box)
    return np.asarray(pixels + missing[..., None].astype(np.float32) * grain.sigma(pixels) * noise, np.float32)


def _shaped(grain: Grain, frame: int, box: Box) -> Colour:
    """Unit grain of a frame in a box, the same whatever box it is asked in."""
    white = _white(frame, box.pad(_LAG_PX)) @ grain.mixing.T.astype(np.float32)
    inner = (slice(_LAG_PX, -_LAG_PX), slice(_LAG_PX, -_LAG_PX))
    planes = [
        cv2.filter2D(np.ascontiguousarray(white[..., channel]), cv2.CV_32F, grain.kernels[channel])[inner]
        for channel in range(3)
    ]
    return np.stack(planes, axis=-1).astype(np.float32)


def _white(frame: int, box: Box) -> Colour:
    """Tiles of Gaussian noise, each from a generator of its own."""
    left, top = box.x // _TILE_PX, box.y // _TILE_PX
    right, bottom = -(-box.right // _TILE_PX), -(-box.bottom // _TILE_PX)
    rows = []
    for y in range(top, bottom):
        seeds = ([frame & 0xFFFFFFFF, x & 0xFFFFFFFF, y & 0xFFFFFFFF] for x in range(left, right))
        tiles = [np.random.default_rng(seed).standard_normal((_TILE_PX, _TILE_PX, 3), np.float32) for seed in seeds]
        rows.append(np.concatenate(tiles, axis=1))
    x, y = box.x - left * _TILE_PX, box.y - top * _TILE_PX
    return np.concatenate(rows)[y : y + box.height, x : x + box.width]


def _flat_blocks(pair: Pair) -> tuple[Doubles, Doubles] | None:
    """Differences (blocks, 256, 3) over root two without their slope, and mean levels (blocks, 3), where it is flat."""
    rows, columns = (side // _BLOCK_PX * _BLOCK_PX for side in pair.use.shape)
    if not rows or not columns:
        return None
    whole = _tiled(pair.use[:rows, :columns, None].astype(np.float64))[..., 0].min(axis=1) > 0
    if whole.sum() < 4:
        return None
    mean = 0.5 * (pair.one + pair.other)[:rows, :columns]
    soft = np.asarray(cv2.GaussianBlur(mean, (0, 0), 2.0), np.float32)
    levels = _tiled(mean.astype(np.float64))[whole].mean(axis=1)
    bumps = _without_slope(_tiled(soft.astype(np.float64))[whole]).std(axis=1).max(axis=1)
    flatness = bumps / np.sqrt(np.maximum(levels.max(axis=1), 0.0) + 0.02)
    calm = flatness <= np.quantile(flatness, _FLAT_SHARE)
    apart = (pair.one - pair.other)[:rows, :columns].astype(np.float64) / np.sqrt(2.0)
    return _without_slope(_tiled(apart)[whole][calm]), levels[calm]


def _tiled(plane: Doubles) -> Doubles:
    rows, columns, channels = plane.shape
    shape = (rows // _BLOCK_PX, _BLOCK_PX, columns // _BLOCK_PX, _BLOCK_PX, channels)
    return plane.reshape(shape).transpose(0, 2, 1, 3, 4).reshape(-1, _BLOCK_PX * _BLOCK_PX, channels)


def _without_slope(blocks: Doubles) -> Doubles:
    """Each block less its plane."""
    ramp = np.linspace(-1.0, 1.0, _BLOCK_PX)
    ones = np.ones(_BLOCK_PX)
    basis = np.stack([np.outer(*pair).ravel() for pair in ((ones, ones), (ramp, ones), (ones, ramp))])
    basis /= np.linalg.norm(basis, axis=1, keepdims=True)
    slopes = np.einsum("npc,kp->nkc", blocks, basis)
    return np.asarray(blocks - np.einsum("nkc,kp->npc", slopes, basis), np.float64)


def _variance(residual: Doubles) -> Doubles:
    """Of blocks that lost three degrees of freedom to their plane."""
    return np.asarray((residual**2).sum(axis=1) / (_BLOCK_PX**2 - 3), np.float64)


def _fit(level: Doubles, variance: Doubles) -> tuple[float, float] | None:
    """slope, floor; None if the variances are too uneven to be grain, or too small."""
    edges = np.quantile(level, np.linspace(0, 1, _BINS + 1))
    which = np.clip(np.searchsorted(edges, level, side="right") - 1, 0, _BINS - 1)
    x, y, even = [], [], 0
    bins = [variance[which == index] for index in range(_BINS)]
    full = [index for index in range(_BINS) if len(bins[index]) >= 4]
    for index in full:
        low, middle = np.quantile(bins[index], (0.1, 0.4))
        even += bool(low > _EVEN * middle)
        x.append(float(np.median(level[which == index])))  # of a bin that holds black and grey, the black
        y.append(float(middle) * _QUANTILE_BIAS)
    if not full or even < 0.6 * len(full) or max(y) < _LEAST_SIGMA**2:
        return None
    weight = 1.0 / np.maximum(y, _LEAST_SIGMA**2)
    rows = np.stack([x, np.ones(len(x))], axis=1) * weight[:, None]
    (slope, floor), *_ = np.linalg.lstsq(rows, np.array(y) * weight, rcond=None)
    if floor < 0:
        return max(float(np.median(np.array(y) / np.maximum(x, 1e-6))), 0.0), 0.0
    if slope < 0:
        return 0.0, float(np.median(y))
    return float(slope), float(floor)


def _softness(even: Doubles) -> float:
    """Correlation of neighbouring pixels, the greater of across and down."""
    blocks = even.reshape(-1, _BLOCK_PX, _BLOCK_PX, 3)
    power = max(float((blocks**2).mean()), 1e-12)
    across, down = (blocks[:, :, 1:] * blocks[:, :, :-1]).mean(), (blocks[:, 1:] * blocks[:, :-1]).mean()
    return max(float(across), float(down)) / power


def _kernel(even: Doubles) -> Doubles:
    """(blocks, 256) of variance 1 → the kernel whose noise has their autocovariance, energy 1."""
    blocks = even.reshape(-1, _BLOCK_PX, _BLOCK_PX)
    side = 32
    power = (np.abs(np.fft.fft2(blocks, s=(side, side))) ** 2).mean(axis=0)
    lags = np.fft.ifft2(power).real
    count = np.maximum(_BLOCK_PX - np.abs(np.fft.fftfreq(side, 1 / side)), 1.0)
    lags /= np.outer(count, count)
    near = np.abs(np.fft.fftfreq(side, 1 / side))
    window = np.where(near <= _LAG_PX, 1.0 - 0.1 * near, 0.0)  # the far lags are only the block's own noise
    power = np.maximum(np.fft.fft2(lags * np.outer(window, window)).real, 0.0)
    full = np.fft.fftshift(np.fft.ifft2(np.sqrt(power)).real)
    middle = side // 2
    part = full[middle - _LAG_PX : middle + _LAG_PX + 1, middle - _LAG_PX : middle + _LAG_PX + 1]
    return np.asarray(part / np.sqrt((part**2).sum()), np.float64)


def _mixing(even: Doubles) -> Doubles:
    samples = even.reshape(-1, 3)
    shared = np.clip(np.corrcoef(samples.T), -0.98, 0.98)
    shared[np.abs(shared) < 0.05] = 0.0
    np.fill_diagonal(shared, 1.0)
    return np.asarray(np.linalg.cholesky(shared + 1e-3 * np.eye(3)) / np.sqrt(1 + 1e-3), np.float64)
