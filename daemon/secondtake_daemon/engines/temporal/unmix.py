"""What shines through the object's soft edge: plate = a · object + (1 − a) · background, solved for the background.

The object's colour comes from where it is solid, nearby (compare Porter, Duff: Compositing digital images, 1984). Only
for a coverage that the plate bears out: a matte that was merely blurred says nothing about transparency.
"""

from __future__ import annotations

import cv2
import numpy as np

from secondtake_daemon.engines.temporal.kinds import Colour, Mask, Plane
from secondtake_daemon.engines.temporal.noise import Noise
from secondtake_daemon.engines.temporal.pyramid import spread

__all__ = ["unmix"]

_SOLID = 0.98
_MOST = 0.7
"""Coverage above which too little of the background is left: the error grows as a / (1 − a)."""
_LEAST_DEPTH_PX = 1.5
"""A thinner edge is only anti-aliased."""
_LEAST_SOLID = 30
_LEAST_SOFT = 50
_CONTRAST = 5.0
"""Sigmas of noise between object and background, to tell one from the other."""
_BINS = ((0.1, 0.4), (0.6, 0.9))
_SLACK = 0.15


def unmix(*, pixels: Colour, coverage: Plane, guess: Colour, where: Mask, noise: Noise) -> tuple[Colour, Mask]:
    """The background behind the soft edge, and where it is known; nowhere if the plate does not bear the coverage out.

    pixels: levelled plate; guess: a rough background over all of the hole; where: the pixels that are asked for.
    """
    nothing = np.zeros_like(where)
    solid, soft = coverage >= _SOLID, (coverage > 0) & (coverage < _SOLID)
    if solid.sum() < _LEAST_SOLID or not where.any() or _depth(soft) < _LEAST_DEPTH_PX:
        return pixels, nothing
    colour = spread(values=np.where(solid[..., None], pixels, 0).astype(np.float32), weight=solid.astype(np.float32))
    if not _borne_out(pixels, coverage, guess, colour, soft, noise):
        return pixels, nothing
    found = where & soft & (coverage <= _MOST)
    left = np.maximum(1.0 - coverage, 1.0 - _MOST)[..., None]
    behind = (pixels - coverage[..., None] * colour) / left
    behind = np.maximum(behind, np.minimum(pixels, 0.0))
    return np.where(found[..., None], behind, pixels).astype(np.float32), found


def _borne_out(pixels: Colour, coverage: Plane, guess: Colour, colour: Colour, soft: Mask, noise: Noise) -> bool:
    """Whether the plate goes from the background to the object as the coverage says, on its thin and its thick side."""
    apart = colour - guess
    energy = (apart**2).sum(axis=2)
    variance = noise.slope * np.maximum(guess.mean(axis=2), 0) + noise.floor
    clear = soft & (energy > _CONTRAST**2 * 3 * variance)
    share = ((pixels - guess) * apart).sum(axis=2) / np.maximum(energy, 1e-12)
    for low, high in _BINS:
        there = clear & (coverage >= low) & (coverage <= high)
        if there.sum() < _LEAST_SOFT or abs(float(np.median(share[there] - coverage[there]))) > _SLACK:
            return False
    return True


def _depth(mask: Mask) -> float:
    return float(cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 3).max())
