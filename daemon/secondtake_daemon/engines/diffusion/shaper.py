"""Between scene-linear light and what a video model was trained to see: curves onto 0 … 1 that can be undone.

Pipelines of diffusers clamp what leaves the VAE to 0 … 1, and one negative sample makes them take a whole clip for
normalised already. So a shaper is a bijection of the light a plate can hold onto 0 … 1: what lies beyond its ends is
clamped on the way to the model only. On the way back nothing is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ACESCCT", "DISPLAY", "LOGC3", "SHAPERS", "Shaper"]

Light = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Shaper:
    """A curve, per channel."""

    name: str
    primaries: str
    """OCIO name of the scene-linear space it is defined over."""
    low: float
    """Light at code 0."""
    top: float
    """Light at code 1."""
    _encode: Callable[[NDArray[Any]], NDArray[Any]]
    _decode: Callable[[NDArray[Any]], NDArray[Any]]

    def encode(self, light: Light) -> Light:
        """Codes 0 … 1, float32, of any shape; NaN becomes 0, what lies beyond the ends the end."""
        known = np.nan_to_num(light, nan=0.0, posinf=self.top, neginf=self.low)
        return np.asarray(np.clip(self._encode(np.clip(known, self.low, self.top)), 0, 1), np.float32)

    def decode(self, codes: Light) -> Light:
        """Light, float32. Codes a little beyond 0 … 1 go on along the curve."""
        return np.asarray(self._decode(np.asarray(codes, np.float64)), np.float32)


_KNEE_CODE, _TOP = 0.8, 64.0
_KNEE = ((_KNEE_CODE + 0.055) / 1.055) ** 2.4
_STOPS = np.log2(_TOP / _KNEE)


def _display_encode(light: NDArray[Any]) -> NDArray[Any]:
    """The sRGB curve (IEC 61966-2-1) to code 0.8, and from there a code for each stop up to 64."""
    x = np.maximum(light.astype(np.float64), 0.0)
    curve = np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-12) ** (1 / 2.4) - 0.055)
    stops = np.log2(np.maximum(x, _KNEE) / _KNEE)
    return np.where(x <= _KNEE, curve, _KNEE_CODE + (1 - _KNEE_CODE) * stops / _STOPS)


def _display_decode(codes: NDArray[Any]) -> NDArray[Any]:
    curve = np.where(codes <= 0.04045, codes / 12.92, ((np.maximum(codes, 0.0) + 0.055) / 1.055) ** 2.4)
    stops = (np.maximum(codes, _KNEE_CODE) - _KNEE_CODE) / (1 - _KNEE_CODE) * _STOPS
    return np.where(codes <= _KNEE_CODE, curve, _KNEE * np.exp2(stops))


_CCT_A, _CCT_B, _CCT_CUT = 10.5402377416545, 0.0729055341958355, 0.0078125


def _acescct_encode(light: NDArray[Any]) -> NDArray[Any]:
    """ACEScct, Academy S-2016-001."""
    x = light.astype(np.float64)
    return np.where(x <= _CCT_CUT, _CCT_A * x + _CCT_B, (np.log2(np.maximum(x, _CCT_CUT)) + 9.72) / 17.52)


def _acescct_decode(codes: NDArray[Any]) -> NDArray[Any]:
    cut = _CCT_A * _CCT_CUT + _CCT_B
    return np.where(codes <= cut, (codes - _CCT_B) / _CCT_A, np.exp2(np.maximum(codes, cut) * 17.52 - 9.72))


_LOGC_CUT = 0.010591
_LOGC = (5.555556, 0.052272, 0.247190, 0.385537, 5.367655, 0.092809)


def _logc3_encode(light: NDArray[Any]) -> NDArray[Any]:
    """ARRI LogC3 at EI 800 (ALEXA Log C Curve, ARRI 2017)."""
    a, b, c, d, e, f = _LOGC
    x = light.astype(np.float64)
    return np.where(x > _LOGC_CUT, c * np.log10(a * np.maximum(x, _LOGC_CUT) + b) + d, e * x + f)


def _logc3_decode(codes: NDArray[Any]) -> NDArray[Any]:
    a, b, c, d, e, f = _LOGC
    cut = e * _LOGC_CUT + f
    return np.where(codes > cut, (10 ** ((np.maximum(codes, cut) - d) / c) - b) / a, (codes - f) / e)


_REC709, _AP1 = "Linear Rec.709 (sRGB)", "ACEScg"

DISPLAY = Shaper("display", _REC709, 0.0, _TOP, _display_encode, _display_decode)
"""For Wan and whatever else learned from ordinary video: looks like it, and keeps highlights."""
ACESCCT = Shaper("acescct", _AP1, -_CCT_B / _CCT_A, float(np.exp2(17.52 - 9.72)), _acescct_encode, _acescct_decode)
"""For LTX-2.5, which learned it."""
LOGC3 = Shaper(
    "logc3", _REC709, -_LOGC[5] / _LOGC[4], float((10 ** ((1 - _LOGC[3]) / _LOGC[2]) - _LOGC[1]) / _LOGC[0]),
    _logc3_encode, _logc3_decode,
)  # fmt: skip
"""What the HDR adapter of LTX-2.3 puts out."""
SHAPERS = {shaper.name: shaper for shaper in (DISPLAY, ACESCCT, LOGC3)}
