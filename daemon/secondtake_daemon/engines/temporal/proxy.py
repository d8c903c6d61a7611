"""Matching pictures: small 8-bit log-luma views of the plate that do not change with exposure.

Level: the plate is brought near "diffuse white = 1" by one gain for the shot, so that the constants hold for any plate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from secondtake.boxes import Box
from secondtake_daemon.engines.temporal.kinds import Colour, Grey, Mask, Matrix, Plane
from secondtake_daemon.engines.temporal.pyramid import spread

__all__ = [
    "Grid",
    "Level",
    "Picture",
    "all_sane",
    "dilate",
    "log_luma",
    "make_picture",
    "measure_level",
    "sane",
    "trusted",
]

_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)
_LOG_FLOOR = 0.004
_ABSURD = 1e7
_WHITE_QUANTILE = 0.97
_WHITE = 0.8
_BLIND_SHARE = 0.02
_FLAT_STD = 1.5


@dataclass(frozen=True, slots=True)
class Grid:
    """How proxy pixels lie over plate pixels. Both count from the corner of the shot's bounds."""

    width: int
    height: int
    proxy_width: int
    proxy_height: int

    @classmethod
    def fit(cls, bounds: Box, widest_px: int) -> Grid:
        """Proxies of at most this width (and 8 px at least)."""
        scale = min(1.0, widest_px / bounds.width)
        sides = (max(round(side * scale), min(side, 8)) for side in (bounds.width, bounds.height))
        return cls(bounds.width, bounds.height, *sides)

    @property
    def scale(self) -> float:
        """Proxy pixels in one plate pixel, along x."""
        return self.proxy_width / self.width

    def to_proxy(self) -> Matrix:
        """3×3 from plate to proxy coordinates, pixel centres at whole numbers."""
        x, y = self.proxy_width / self.width, self.proxy_height / self.height
        return np.array([[x, 0, 0.5 * x - 0.5], [0, y, 0.5 * y - 0.5], [0, 0, 1]], np.float64)

    def on_plate(self, matrix: Matrix) -> Matrix:
        """The same motion for plate coordinates."""
        if self.proxy_width == self.width and self.proxy_height == self.height:
            return matrix
        scale = self.to_proxy()
        return np.asarray(np.linalg.inv(scale) @ matrix @ scale, np.float64)


@dataclass(frozen=True, slots=True)
class Level:
    """The one gain of the shot, and the range of the median-free log2 luma that becomes 0..255."""

    gain: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Picture:
    """One matching picture. All of a shot's are held: of what is not known only the box around it."""

    grey: Grey
    gap: Mask
    """Inside `gap_box`: hole, its rim, not finite."""
    gap_box: Box
    blind: bool
    """Too little is known, or it is flat: nothing can be matched."""

    @classmethod
    def of(cls, grey: Grey, *, known: Mask, blind: bool) -> Picture:
        """known: (h, w), not hole, not its rim, finite."""
        box = Box(*cv2.boundingRect((~known).view(np.uint8)))
        return cls(grey, ~known[_at(box)], box, blind)

    @property
    def known(self) -> Mask:
        """(h, w): not hole, not its rim, finite. Made anew each time."""
        known = np.ones_like(self.grey, bool)
        known[_at(self.gap_box)] = ~self.gap
        return known


def _at(box: Box) -> tuple[slice, slice]:
    return slice(box.y, box.bottom), slice(box.x, box.right)


def dilate(mask: Mask, radius_px: int) -> Mask:
    """Grow a mask by an ellipse. Only the box around it is worked on: most masks are a small part of a frame."""
    if radius_px <= 0:
        return mask
    values = np.ascontiguousarray(mask).view(np.uint8)
    x, y, width, height = cv2.boundingRect(values)
    grown = np.zeros(mask.shape, bool)
    if width == 0:
        return grown
    side = 2 * radius_px + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    rows = slice(max(y - radius_px, 0), y + height + radius_px)
    columns = slice(max(x - radius_px, 0), x + width + radius_px)
    grown[rows, columns] = cv2.dilate(values[rows, columns], kernel) > 0
    return grown


def sane(plate: Colour) -> Mask:
    """Pixels whose three samples are finite, and not so large that they can only be damage (no half reaches it)."""
    good = np.abs(plate) < _ABSURD  # False for NaN
    return np.asarray(good[..., 0] & good[..., 1] & good[..., 2], bool)


def all_sane(plate: Colour) -> bool:
    """True if every pixel is sane. Ten times faster than to ask for each."""
    return plate.size == 0 or bool(plate.min() > -_ABSURD and plate.max() < _ABSURD)  # False with any NaN


def trusted(*, plate: Colour, hole: Plane, rim_px: int) -> Mask:
    """Pixels that may serve as source: finite, outside the hole and outside its rim."""
    return ~dilate(~(hole <= 0), rim_px) & sane(plate)


def log_luma(plate: Colour) -> Plane:
    """log2 of the luma of a levelled plate (BT.2020 weights); non-finite samples count as 0."""
    luma = np.nan_to_num(plate, nan=0.0, posinf=0.0, neginf=0.0) @ _LUMA
    return np.asarray(np.log2(np.maximum(luma, 0.0) + _LOG_FLOOR), np.float32)


def measure_level(*, samples: Sequence[tuple[Colour, Mask]]) -> Level:
    """From a few frames (plate, trusted pixels)."""
    bright = [float(np.quantile(plate[mask].max(axis=1), _WHITE_QUANTILE)) for plate, mask in samples if mask.any()]
    white = float(np.median(bright)) if bright else 0.0
    gain = _WHITE / white if white > 1e-9 else 1.0
    logs = []
    for plate, mask in samples:
        if mask.any():
            values = log_luma(plate * np.float32(gain))[mask]
            logs.append(values - np.median(values))
    if not logs:
        return Level(gain, -1.0, 1.0)
    low, high = np.percentile(np.concatenate(logs), [0.5, 99.7])
    if high - low < 0.25:
        low, high = low - 0.25, high + 0.25
    return Level(gain, float(low), float(high))


def make_picture(*, plate: Colour, known: Mask, level: Level) -> Picture:
    """From a frame at the proxy's size and its trusted pixels."""
    log = log_luma(plate * np.float32(level.gain))
    if known.mean() < _BLIND_SHARE:
        return Picture.of(np.zeros(log.shape, np.uint8), known=known, blind=True)
    middle = float(np.median(log[known]))
    grey = (log - middle - level.low) * (255.0 / (level.high - level.low))
    grey = np.where(known, grey, spread(values=grey, weight=known.astype(np.float32)))  # no false edge at the hole
    flat = float(np.std(np.clip(grey[known], 0, 255))) < _FLAT_STD
    return Picture.of(np.clip(np.rint(grey), 0, 255).astype(np.uint8), known=known, blind=flat)
