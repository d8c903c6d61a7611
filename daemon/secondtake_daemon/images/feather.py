"""The inward feather of a soft edge."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["feather_inward"]


def feather_inward(coverage: NDArray[np.float32], *, feather_px: float) -> NDArray[np.float32]:
    """Soften the edge over so many pixels, inward: the support (where coverage is above 0) never grows.

    coverage: (h, w) float32, 0..1. The result is coverage · min(1, d / (feather_px + 1)) with d the exact Euclidean
    distance to the nearest pixel without coverage (1 for the outermost pixel). The border of the array is no edge, so
    a matte that runs out of the frame stays full there. Exact distance transform: Felzenszwalb and Huttenlocher,
    "Distance Transforms of Sampled Functions", 2012.
    """
    inside = coverage > 0
    if feather_px <= 0 or not inside.any() or inside.all():
        return coverage
    distance = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    ramp = np.minimum(distance / np.float32(feather_px + 1), np.float32(1))
    return np.asarray(coverage * ramp, np.float32)
