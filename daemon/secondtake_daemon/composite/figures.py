"""What is measured on one finished frame, for the quality figures of its take (docs/quality.md).

All levels are log2 of scene-linear values (stops), floored at 1/1024, so that a gain is a shift in shadow as in light.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from secondtake.figures import FrameFigures

__all__ = ["NO_FIGURES", "ROOM_PX", "measure_frame", "rows_of"]

ROOM_PX = 16
"""Pixels around the matte that a frame is measured with, where it has them."""
_FLOOR = 1.0 / 1024.0
_MOST = 65504.0
_RING_PX = 12.0
_BAND_PX = 3.0
_BANDS = (0.0, -_BAND_PX, -2.0 * _BAND_PX)
_CELL_PX = 14
_LEAST = 8
_MOST_PIXELS = 1 << 18

Colour = NDArray[np.float32]
Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]

_ZERO = (0.0, 0.0, 0.0)
NO_FIGURES = FrameFigures(inside=_ZERO, around=_ZERO, drift=_ZERO, seam=0.0, bad=0, content="", plate_content="")
"""Of a frame without matte."""


def rows_of(height: int, width: int) -> slice:
    """Rows of a box that levels and contents are taken from: all, or of a large one every second, third …"""
    return slice(None, None, -(-height * width // _MOST_PIXELS) or 1)


def measure_frame(
    *, take: Colour, parent: Colour, alpha: Plane, linear: Callable[[Colour], Colour] = np.asarray
) -> FrameFigures:
    """take: (h, w, 3) float32 over a box with room around the matte. alpha: (h, w), the stitch matte.

    parent: (n, w, 3), those rows of the box that `rows_of` names. linear: brings (n, 3) pixels to scene-linear.
    """
    inside = alpha > 0
    if not inside.any():
        return NO_FIGURES
    distance = _distance(inside)
    rows = rows_of(*inside.shape)
    near = distance[rows]
    within, around = np.flatnonzero(near > 0), np.flatnonzero((near < 0) & (near >= -_RING_PX))
    made, besides = _pick(take[rows], within), _pick(parent, around)
    level = _level(_stops(linear(made)))
    return FrameFigures(
        inside=level,
        around=_level(_stops(linear(besides))),
        drift=_difference(level, _level(_stops(linear(_pick(parent, within))))),
        seam=_seam(take, distance, linear),
        bad=_bad(take, inside),
        content=_digest(made),
        plate_content=_digest(besides),
    )


def _seam(take: Colour, distance: Plane, linear: Callable[[Colour], Colour]) -> float:
    """95th percentile, along the edge, of the step between the bands on its two sides, less the same further out.

    A step at the edge must be told from an edge of the picture that happens to run there, so two steps of the same
    kind, wholly outside the matte, are what is to be expected. Bands are averaged in cells of the picture, in grids
    that overlap by half.
    """
    near = np.flatnonzero((distance > _BANDS[-1]) & (distance <= _BAND_PX))
    luma = _stops(linear(_pick(take, near))).mean(axis=1)
    band = np.digitize(distance.ravel()[near], _BANDS, right=True)
    row, column = np.divmod(near, distance.shape[1])
    steps, usual = [], []
    for down in (0, _CELL_PX // 2):
        for right in (0, _CELL_PX // 2):
            across = (distance.shape[1] + right) // _CELL_PX + 1
            cell = ((row + down) // _CELL_PX * across + (column + right) // _CELL_PX) * len(_BANDS) + band
            count = np.bincount(cell, minlength=0)
            count = np.pad(count, (0, -count.size % len(_BANDS)))
            sums = np.bincount(cell, weights=luma, minlength=count.size)
            inner, outer, further = (sums / np.maximum(count, 1)).reshape(-1, len(_BANDS)).T
            whole = (count.reshape(-1, len(_BANDS)) >= _LEAST).T
            steps.append(np.abs(inner - outer)[whole[0] & whole[1]])
            usual.append(np.abs(outer - further)[whole[1] & whole[2]])
    step, expected = np.concatenate(steps), np.concatenate(usual)
    if not step.size or not expected.size:
        return 0.0
    return float(max(np.quantile(step, 0.95) - np.quantile(expected, 0.95), 0.0))


def _distance(inside: Mask) -> Plane:
    """Pixels to the edge of the matte: 1 and more inside, −1 and less outside. The picture's border is no edge."""
    mask = inside.view(np.uint8)
    inner = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    return np.asarray(inner - cv2.distanceTransform(mask ^ 1, cv2.DIST_L2, 3), np.float32)


def _pick(pixels: Colour, where: NDArray[np.intp]) -> Colour:
    """(n, 3): some pixels of a picture."""
    return np.take(pixels.reshape(-1, 3), where, axis=0)


def _stops(pixels: Colour) -> Colour:
    clean = pixels if np.isfinite(pixels).all() else np.nan_to_num(pixels, nan=0.0, posinf=_MOST, neginf=0.0)
    return np.asarray(np.log2(np.maximum(clean, np.float32(_FLOOR))), np.float32)


def _level(stops: Colour) -> tuple[float, float, float]:
    if not stops.size:
        return _ZERO
    red, green, blue = (round(value, 5) for value in cv2.mean(stops.reshape(-1, 1, 3))[:3])
    return (red, green, blue)


def _difference(a: tuple[float, float, float], b: tuple[float, float, float]) -> tuple[float, float, float]:
    return (round(a[0] - b[0], 5), round(a[1] - b[1], 5), round(a[2] - b[2], 5))


def _bad(take: Colour, inside: Mask) -> int:
    good = np.isfinite(take)
    return 0 if good.all() else int(np.count_nonzero(~good[inside]))


def _digest(pixels: Colour) -> str:
    return blake3(pixels.tobytes()).hexdigest()[:16] if pixels.size else ""
