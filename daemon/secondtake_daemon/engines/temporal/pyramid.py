"""Pull-push: spread known values into unknown pixels through an image pyramid.

Gortler, Grzeszczuk, Szeliski, Cohen: The Lumigraph, SIGGRAPH 1996 (section 3.4), as normalised convolution.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["spread"]

_EPSILON = 1e-6


def spread(*, values: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill where the weight is 0 with a smooth continuation of what surrounds it.

    values: (h, w) or (h, w, c) float32, finite. weight: (h, w) float32 ≥ 0. Returns the shape of values; known pixels
    keep their value in proportion to min(weight, 1). All zeros where nothing is known at all.
    """
    planes = values[..., None] if values.ndim == 2 else values
    result = _level(np.asarray(planes * weight[..., None], np.float32), weight)
    return result[..., 0] if values.ndim == 2 else result


def _level(weighted: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = weight.shape
    known = np.asarray(weighted / np.maximum(weight, _EPSILON)[..., None], np.float32)
    if min(height, width) <= 1 or weight.min() >= 1.0:
        return _coarsest(weighted, weight, known)
    half_weight = cv2.pyrDown(weight)
    half = cv2.pyrDown(weighted).reshape(*half_weight.shape, -1)
    grown = np.minimum(half_weight * 2.0, 1.0).astype(np.float32)  # saturate: a full pixel is not more than full
    scale = np.where(half_weight > _EPSILON, grown / np.maximum(half_weight, _EPSILON), 0.0)
    coarse = _level(np.asarray(half * scale[..., None], np.float32), grown)
    above = cv2.pyrUp(coarse, dstsize=(width, height)).reshape(height, width, -1)
    share = np.minimum(weight, 1.0)[..., None]
    return np.asarray(known * share + above * (1.0 - share), np.float32)


def _coarsest(
    weighted: NDArray[np.float32], weight: NDArray[np.float32], known: NDArray[np.float32]
) -> NDArray[np.float32]:
    total = float(weight.sum())
    if total <= _EPSILON:
        return np.zeros_like(weighted)
    mean = weighted.sum(axis=(0, 1)) / total
    return np.where((weight > _EPSILON)[..., None], known, mean.astype(np.float32))
