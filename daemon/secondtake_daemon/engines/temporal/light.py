"""How the light on a surface changed between two frames, and which pixels show that surface at all.

The light's colour changes slowly over a surface; its brightness may have an edge, where a shadow ends. So brightness
is a wide mean with narrower ones where they differ from it by more than grain and misregistration explain, and colour
is a wide mean. What does not look like the surface in any light that its surroundings have is something in front.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from secondtake_daemon.engines.temporal.kinds import Colour, Plane, largest
from secondtake_daemon.engines.temporal.noise import Noise
from secondtake_daemon.engines.temporal.pyramid import spread

__all__ = ["Light", "light_between"]

_FLOOR = 0.002
_DIM = 0.02
_WIDTHS_PX = (8.0, 4.0, 2.0)
_COLOUR_PX = 12.0
"""Of a picture 480 px wide."""
_SLIP_AREA_PX = 6.0
_SURE = 3.0
_DARKEST = 0.2
_BRIGHTEST = 5.0
_NEAR_PX = 1.2
_ISLAND_PX = 5.0
_EDGE = 0.3
"""The windows above soften the edge of trust; so much of it is cut away at either end."""
_HUE_SLACK = 0.08
_SHADE_SLACK = 0.22
_GRAIN_SHARE = 0.3
"""Of the grain's sigma, what is left of it in the mean over the nearest pixels."""


@dataclass(frozen=True, slots=True)
class Light:
    """On a small frame."""

    log: Colour
    """Logarithm of the factor per channel that brings the source's light to the target's."""
    trust: Plane
    """0 … 1: the pixel shows the surface."""


def light_between(*, target: Colour, source: Colour, trust: Plane, weight: Plane, noise: Noise, scale: float) -> Light:
    """From small frames; source: brought to the target. Levelled values.

    trust: whether the textures agree there; weight: how much the light at a pixel matters; 0 … 1. scale: width of the
    whole small frame over 480 px.
    """
    scale = max(scale, 0.25)
    dim = np.minimum(target, source)
    lit = np.square(np.maximum(dim, 0) / (np.maximum(dim, 0) + np.float32(_DIM)))
    apart = np.clip(_log(target) - _log(source), -3.0, 3.0).astype(np.float32)
    whole = _in_company(trust)
    found = _light(apart, lit, _inner(whole, 9) * weight, scale)
    sure = _in_company(_shows(apart - found, target, source, whole, noise))
    log = _light(apart, lit, _inner(sure, 5) * weight, scale)
    return Light(log, np.clip((sure - _EDGE) / (1 - 2 * _EDGE), 0, 1).astype(np.float32))


def _light(apart: Colour, lit: Colour, weight: Plane, scale: float) -> Colour:
    brightness = (apart * lit).sum(axis=2) / np.maximum(lit.sum(axis=2), 1e-6)
    light = _brightness(brightness, weight * lit.mean(axis=2), scale)
    hues = [
        _mean(apart[..., channel] - brightness, weight * lit[..., channel], _COLOUR_PX * scale)[0]
        for channel in range(3)
    ]
    found = light[..., None] + np.stack(hues, axis=2)
    return np.asarray(np.clip(found, np.log(_DARKEST), np.log(_BRIGHTEST)), np.float32)


def _brightness(apart: Plane, weight: Plane, scale: float) -> Plane:
    widest, *narrower = (size * scale for size in _WIDTHS_PX)
    light, _ = _mean(apart, weight, widest)
    rest = (apart - _mean(apart, weight, narrower[-1])[0]) ** 2
    uneven = np.sqrt(np.maximum(_mean(rest, weight, widest)[0], 0))
    for size in narrower:
        local, share = _mean(apart, weight, size)
        error = uneven * np.float32(np.sqrt(_SLIP_AREA_PX / (4 * np.pi * size**2)))
        step = local - light
        height = np.abs(cv2.GaussianBlur(step, (0, 0), size / 2))
        sure = np.clip(height / (_SURE * np.maximum(error, 1e-3)) - 1, 0, 1) * np.minimum(share * 4, 1)
        light = light + step * cv2.GaussianBlur(sure.astype(np.float32), (0, 0), size / 2)
    return np.asarray(light, np.float32)


def _shows(rest: Colour, target: Colour, source: Colour, trust: Plane, noise: Noise) -> Plane:
    """Trust by the textures, mended pixel by pixel with colours. rest: log of what the light does not explain."""
    rest = np.asarray(cv2.GaussianBlur(rest, (0, 0), _NEAR_PX), np.float32)
    grain = _GRAIN_SHARE * np.hypot(_relative(target, noise), _relative(source, noise))
    shade = rest.mean(axis=2)
    seen = np.square(np.maximum(target, source) / (np.maximum(np.maximum(target, source), 0) + np.float32(_DIM)))
    hue = largest((np.abs(rest - shade[..., None]) * seen / (_HUE_SLACK + 2 * grain)).astype(np.float32))
    odd = np.maximum(hue, np.abs(shade) / (_SHADE_SLACK + 2 * grain.min(axis=2)))
    like = cv2.GaussianBlur(np.clip(2 - odd, 0, 1).astype(np.float32), (0, 0), _NEAR_PX)
    known = np.clip(2.5 - hue / 2, 0, 1)  # a colour that no light makes, however alike the textures
    return np.asarray(np.maximum(trust, like) * known, np.float32)


def _in_company(trust: Plane) -> Plane:
    """Without islands: a few pixels of something else look like the surface by chance."""
    around = cv2.GaussianBlur(trust, (0, 0), _ISLAND_PX)
    return np.asarray(trust * np.clip((around - 0.25) * 5, 0, 1), np.float32)


def _inner(trust: Plane, side_px: int) -> Plane:
    """Away from the edge of what is trusted: what stands in front reaches a little into it."""
    return np.asarray(cv2.erode(trust, np.ones((side_px, side_px), np.uint8)), np.float32)


def _relative(values: Colour, noise: Noise) -> Colour:
    """Standard deviation of the grain in the logarithm."""
    lit = np.maximum(values, 0)
    sigma = np.sqrt(np.maximum(np.float32(noise.slope) * lit + np.float32(noise.floor), 0))
    return np.asarray(sigma / (lit + np.float32(_FLOOR)), np.float32)


def _mean(values: Plane, weight: Plane, size: float) -> tuple[Plane, Plane]:
    """Weighted mean over a Gaussian window, continued where nothing weighs; and the weight in the window."""
    share = np.asarray(cv2.GaussianBlur(weight, (0, 0), size), np.float32)
    total = np.asarray(cv2.GaussianBlur(values * weight, (0, 0), size), np.float32)
    mean = (total / np.maximum(share, 1e-6)).astype(np.float32)
    return spread(values=mean, weight=np.minimum(4 * share, 1).astype(np.float32)), share


def _log(values: Colour) -> Colour:
    return np.asarray(np.log(np.maximum(values, 0) + np.float32(_FLOOR)), np.float32)
