"""The grain of what is carried: a painted frame's stands still, and each frame has its own.

If the painting holds its plate's grain (a repaint over the frame, a composite with it), that is exchanged for the
frame's own, which is the difference of the two plates in detail. If it holds none (a brush, a render), the plate's
grain is made for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from secondtake_daemon.engines.grain import Grain
from secondtake_daemon.engines.temporal.kinds import Colour, Mask, Plane

__all__ = ["Grained", "flat_power", "measure_grained", "swapped"]

_LOW_PX = 2.5
_WINDOW_PX = 2.0
_RETAINED = 0.85
_SLACK = 1.3
_LEAST = 1e-8
_LEAST_PIXELS = 200
_SHARED = 0.5
_FLAT = 0.25
_KERNEL = np.outer([1.0, -2.0, 1.0], [1.0, -2.0, 1.0]).astype(np.float32) / 6.0


@dataclass(frozen=True, slots=True)
class Grained:
    """The grain in a painting."""

    shared: bool
    """It is its plate's."""
    kept: float
    """Else: its variance, as a share of what the plate would have there; 0 … 1."""


def measure_grained(*, edit: Colour, plate: Colour, other: Colour, use: Mask, grain: Grain) -> Grained:
    """edit, plate: of the painted frame; other: a neighbour's plate, brought there and lit as there; all levelled.

    use: (h, w), where the painting differs and the plates agree.
    """
    if grain.is_none or use.sum() < _LEAST_PIXELS:
        return Grained(shared=True, kept=1.0)
    apart = _fine(plate - other) / np.maximum(grain.sigma(plate), 1e-6)
    drawn = _fine(edit) / np.maximum(grain.sigma(edit), 1e-6)
    use = use & (np.abs(apart).max(axis=2) < 4) & (np.abs(drawn).max(axis=2) < 8)  # grain, not what slipped or is drawn
    if use.sum() < _LEAST_PIXELS:
        return Grained(shared=True, kept=1.0)
    power = float((apart[use] ** 2).mean()) / (1 + _RETAINED)
    share = float((apart[use] * drawn[use]).mean()) / max(power, 1e-6)
    if share > _SHARED:
        return Grained(shared=True, kept=1.0)
    here, usual = (flat_power(picture, use=use, grain=grain) for picture in (edit, plate))
    return Grained(shared=False, kept=float(np.clip(here / max(usual, 1e-6), 0, 1)))


def swapped(*, edit: Colour, plate: Colour, source: Colour, grain: Grain, amount: float) -> Colour:
    """The edit with the frame's own grain (amount 1), or with so much of it. All levelled and aligned, (h, w, 3).

    plate: the frame; source: the painted frame's plate, brought here and lit as here. Their difference in detail is
    the frame's grain less the painted frame's, as far as grain goes; what is more is misregistration, and stays out.
    """
    apart = _fine(plate - source)
    expected = grain.sigma(plate) ** 2 + _RETAINED * grain.sigma(source) ** 2
    found = cv2.GaussianBlur(apart**2, (0, 0), _WINDOW_PX).max(axis=2, keepdims=True)
    share = np.minimum(1.0, _SLACK * expected.max(axis=2, keepdims=True) / np.maximum(found, _LEAST))
    strength = grain.sigma(edit) / np.maximum(grain.sigma(plate), 1e-6)
    return np.asarray(edit + np.float32(amount) * apart * share * np.clip(strength, 0, 4), np.float32)


def _fine(picture: Colour) -> Colour:
    return np.asarray(picture - cv2.GaussianBlur(picture, (0, 0), _LOW_PX), np.float32)


def flat_power(picture: Colour, *, use: Mask, grain: Grain) -> float:
    """Power of the finest detail where there is least of it, in units of the grain's variance; 0 without grain."""
    if grain.is_none or not use.any():
        return 0.0
    residual: Plane = np.asarray(cv2.filter2D(picture[..., 1], cv2.CV_32F, _KERNEL), np.float32)
    even = residual / np.maximum(grain.sigma(picture)[..., 1], 1e-6)
    local = cv2.blur(even**2, (8, 8))
    return float(np.quantile(local[use], _FLAT))
