"""Do two matching pictures show the same thing, once one is brought to the other? Free of light, aware of grain."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake_daemon.engines.temporal.analysis import Analysis
from secondtake_daemon.engines.temporal.flows import sample
from secondtake_daemon.engines.temporal.kinds import Grey, Mask, Plane
from secondtake_daemon.engines.temporal.proxy import Picture

__all__ = ["Look", "Match", "bring", "compare", "grain_of_greys", "texture"]

_FINE_PX = 0.8
_LIGHT_PX = 8.0
_ERROR_PX = 2.5
_SAME = 0.35
_OTHER = 0.75
_PAIRS = 4
_BINS = 16
_QUANTILE = 0.3
_BIAS = 1.25
"""Of the lower quantile against the mean, for a window as wide as the error's."""
_LEAST_GREY = 0.8
_FEWEST = 40


@dataclass(frozen=True, slots=True)
class Match:
    """How well two pictures agree at each pixel of the first."""

    error: Plane
    """(h, w): difference of the textures in grey levels, averaged nearby."""
    trust: Plane
    """(h, w): 0 … 1, whether they show the same thing."""


@dataclass(frozen=True, slots=True)
class Look:
    """A frame, or a box of it, as others are compared with it; (h, w) each."""

    box: Box
    """In pixels of the matching picture."""
    grey: Grey
    known: Mask
    texture: Plane
    grain: Plane
    """Mean squared difference that grain alone makes between two textures."""

    @classmethod
    def at(cls, picture: Picture, grain: NDArray[np.float32]) -> Look:
        """The whole picture. grain: as `grain_of_greys` found it."""
        height, width = picture.grey.shape
        power = np.asarray(cv2.blur(grain[_level_of(picture.grey)], (5, 5)), np.float32)
        return cls(Box(0, 0, width, height), picture.grey, picture.known, texture(picture.grey), power)

    def part(self, box: Box) -> Look:
        """A box of it."""
        at = box.within(self.box)
        grey = np.ascontiguousarray(self.grey[at])
        return Look(box, grey, self.known[at], self.texture[at], self.grain[at])

    def compared(self, picture: Picture, to: NDArray[np.float32]) -> Match:
        """With another picture, brought here along `to`, absolute positions (h, w, 2)."""
        grey, known = bring(picture, to)
        match = compare(here=self.texture, there=texture(grey), grain=self.grain)
        return Match(match.error, match.trust * known)


def texture(grey: NDArray[np.generic]) -> Plane:
    """What is left of a matching picture without fine grain and without light: bands of about 1 … 8 px."""
    fine = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), _FINE_PX)
    return np.asarray(fine - cv2.GaussianBlur(fine, (0, 0), _LIGHT_PX), np.float32)


def compare(*, here: Plane, there: Plane, grain: Plane) -> Match:
    """Two `texture`s, aligned, and the power of what grain alone makes of their difference; (h, w) each.

    The difference is judged by the textures' own strength, so that half a pixel's slip of a rich texture is no
    occluder and a flat thing in front of it is one; light that moves over both has no say.
    """
    apart = _soft((here - there) ** 2)
    strength = _soft(here**2 + there**2)
    share = np.maximum(apart - 1.5 * grain, 0) / (np.maximum(strength - grain, 0) + grain)
    trust = np.clip((_OTHER - share) / (_OTHER - _SAME), 0, 1)
    return Match(np.sqrt(apart), trust.astype(np.float32))


def bring(picture: Picture, to: NDArray[np.float32]) -> tuple[Plane, Plane]:
    """The picture's grey, and how far it is known and inside, 0 or 1, at absolute positions (h, w, 2)."""
    grey = sample(picture.grey.astype(np.float32), to)
    x, y = to[..., 0], to[..., 1]
    height, width = picture.grey.shape
    inside = (x > -0.5) & (y > -0.5) & (x < width - 0.5) & (y < height - 0.5)
    known = inside.astype(np.float32)
    if not picture.known.all():
        known = known * (sample(picture.known.astype(np.float32), to) > 0.999)
    return grey, known.astype(np.float32)


def grain_of_greys(analysis: Analysis) -> NDArray[np.float32]:
    """(256,): for each grey level the mean squared difference that grain makes between two textures of one thing.

    From a few neighbours, aligned by the camera's motion; the lower part of what is found, since whatever else
    differs only adds to it.
    """
    found = []
    count = len(analysis.frames)
    for here in np.unique(np.linspace(0, max(count - 2, 0), _PAIRS).round().astype(int)).tolist():
        there = here + 1
        if there >= count or analysis.parts[here] != analysis.parts[there]:
            continue
        if not (analysis.pictures[here].blind or analysis.pictures[there].blind):
            found.append(_between(analysis, here, there))
    levels = (np.arange(_BINS) + 0.5) * 256 / _BINS
    if not found:
        return np.full(256, 4.0, np.float32)
    power = np.full(_BINS, np.nan)
    for place in range(_BINS):
        known = [one[place] for one in found if np.isfinite(one[place])]
        power[place] = np.median(known) if known else np.nan
    sure = np.isfinite(power)
    if not sure.any():
        return np.full(256, 4.0, np.float32)
    curve = np.interp(np.arange(256), levels[sure], power[sure])
    return np.asarray(np.maximum(curve, _LEAST_GREY**2), np.float32)


def _between(analysis: Analysis, here: int, there: int) -> NDArray[np.float64]:
    """(16,) by grey level; NaN where there are too few pixels."""
    one, other = analysis.pictures[here], analysis.pictures[there]
    camera = analysis.layers.chained(0, here, there)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size = one.grey.shape[::-1]
    moved = cv2.warpPerspective(other.grey.astype(np.float32), camera, size, flags=flags)
    shown = cv2.warpPerspective(other.known.astype(np.float32), camera, size, flags=flags)
    apart = _soft((texture(one.grey) - texture(np.asarray(moved))) ** 2)
    use = one.known & (np.asarray(shown) > 0.999)
    bins = _level_of(one.grey) // (256 // _BINS)
    result = np.full(_BINS, np.nan)
    for place in range(_BINS):
        values = apart[use & (bins == place)]
        if len(values) >= _FEWEST:
            result[place] = _BIAS * float(np.quantile(values, _QUANTILE))
    return result


def _level_of(grey: Grey) -> NDArray[np.uint8]:
    """The grey around each pixel, which says how strong its grain is."""
    return np.asarray(cv2.blur(grey, (5, 5)), np.uint8)


def _soft(plane: Plane) -> Plane:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), _ERROR_PX), np.float32)
