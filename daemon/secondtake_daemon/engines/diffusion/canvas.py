"""The model's picture of a crop: one size for the shot, sides that the model can do, and the way there and back.

The crop is never enlarged. Downwards it is averaged in linear light before the shaper (INTER_AREA); upwards the model's
codes are brought back by a cubic filter, which is what keeps edges registered: both sample at pixel centres, so
x_crop = (x_canvas + 0.5) · sx − 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box

__all__ = ["Canvas", "canvas_for"]

Planes = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Canvas:
    """Width and height in the model's pixels, of a crop of so many plate pixels."""

    width: int
    height: int
    crop_width: int
    crop_height: int

    @property
    def is_crop(self) -> bool:
        """True if the model sees the plate's own pixels."""
        return (self.width, self.height) == (self.crop_width, self.crop_height)

    def shrink(self, picture: Planes) -> Planes:
        """(crop height, crop width[, 3]) → (height, width[, 3]), averaged."""
        if self.is_crop:
            return picture
        return np.asarray(cv2.resize(picture, (self.width, self.height), interpolation=cv2.INTER_AREA), np.float32)

    def enlarge(self, picture: Planes) -> Planes:
        """The way back, cubic."""
        if self.is_crop:
            return picture
        size = (self.crop_width, self.crop_height)
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.float32)

    def shrink_hole(self, coverage: Planes) -> NDArray[np.bool_]:
        """True where any of the crop's hole falls into a pixel of the model, however little."""
        if self.is_crop:
            return np.asarray(coverage > 0, np.bool_)
        whole = cv2.resize((coverage > 0).astype(np.float32), (self.width, self.height), interpolation=cv2.INTER_AREA)
        return np.asarray(whole > 1e-6, np.bool_)


def canvas_for(crop: Box, *, area_px: int, stride_px: int) -> Canvas:
    """The largest canvas of the crop's shape that has no more pixels than the model likes, sides multiples of stride.

    Sides are rounded down, so that it is smaller than the crop whenever it is not the crop: the model never sees
    pixels that nobody shot. A crop that is smaller than the stride is enlarged to it; there is no other way.
    """
    scale = min(1.0, sqrt(area_px / (crop.width * crop.height)))

    def side(length: int) -> int:
        return max(int(length * scale + 1e-6) // stride_px, 1) * stride_px

    return Canvas(side(crop.width), side(crop.height), crop.width, crop.height)
