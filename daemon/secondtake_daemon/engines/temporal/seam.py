"""Take away what is left of a step at the edge of the hole: a smooth log correction from a band around it.

A membrane in the log domain (compare Perez, Gangnet, Blake: Poisson image editing, SIGGRAPH 2003; Farbman et al.:
Coordinates for instant image cloning, 2009). A band, never single pixels: grain at the edge would be drawn inwards.
"""

from __future__ import annotations

import cv2
import numpy as np

from secondtake_daemon.engines.temporal.kinds import Colour, Mask
from secondtake_daemon.engines.temporal.proxy import dilate
from secondtake_daemon.engines.temporal.pyramid import spread

__all__ = ["close_seam"]

_BAND_PX = 5
_FLOOR = 0.016
_BLUR_PX = 2.5
_LEAST = 30
_SURE = 2.5
_MOST = 1.0


def close_seam(*, fill: Colour, plate: Colour, hole: Mask, usable: Mask, filled: Mask) -> Colour:
    """fill with its level bent to meet the plate. usable: plate pixels to trust; filled: pixels the fill knows.

    Nothing is done where the band's level differs no more than its grain explains.
    """
    band = dilate(hole, _BAND_PX) & ~hole & usable & filled
    if band.sum() < _LEAST:
        return fill
    step = _log(plate) - _log(fill)
    inside = step[band]
    size = np.abs(inside).max(axis=1)
    scale = 2.0 * float(np.quantile(size, 0.8)) + 1e-6
    weight = np.zeros(hole.shape, np.float32)
    weight[band] = np.exp(-((size / scale) ** 2))
    local = cv2.GaussianBlur(step * weight[..., None], (0, 0), _BLUR_PX)
    share = cv2.GaussianBlur(weight, (0, 0), _BLUR_PX)
    level = np.where(band[..., None], local / np.maximum(share, 1e-4)[..., None], 0.0)
    spread_of = 1.4826 * np.median(np.abs(inside - np.median(inside, axis=0)), axis=0)
    mean = np.median(np.abs(level[band]), axis=0)
    error = spread_of / np.sqrt(4 * np.pi * _BLUR_PX * _BAND_PX / 2)  # of a Gaussian mean over half a disc
    if not (mean > _SURE * error).any():
        return fill
    bend = np.clip(spread(values=level.astype(np.float32), weight=np.minimum(share, 1.0) * band), -_MOST, _MOST)
    bent = np.exp2(_log(fill) + bend) - _FLOOR
    return np.where((hole & filled)[..., None] & (fill > 0), bent, fill).astype(np.float32)


def _log(values: Colour) -> Colour:
    return np.asarray(np.log2(np.maximum(values, 0.0) + np.float32(_FLOOR)), np.float32)
