"""What no frame ever saw: a continuation of what surrounds it, with texture where there is time for it."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from secondtake_daemon.engines.temporal.diffuse import continue_edges
from secondtake_daemon.engines.temporal.exemplar import add_texture
from secondtake_daemon.engines.temporal.kinds import Colour, Mask

__all__ = ["Mean", "invent", "spatial_fill"]

_RADIUS_PX = 5.0
_LOG_FLOOR = 0.01
_MARGIN_PX = 24


def spatial_fill(*, pixels: Colour, unknown: Mask, step: Callable[[], None] = lambda: None) -> Colour:
    """Continue the surroundings into the unknown pixels, in log, float throughout. 0 where nothing is known.

    Half edge-enhancing diffusion, half Telea (An image inpainting technique based on the fast marching method, 2004):
    the two err differently, and their mean is nearer to the truth than either.
    """
    if not unknown.any():
        return pixels
    if unknown.all():
        return np.zeros_like(pixels)
    at = _around(unknown)
    smooth = _smooth(_log(pixels[at], unknown[at]), unknown[at], step)
    result = pixels.copy()
    result[at] = np.where(unknown[at][..., None], _linear(smooth), pixels[at])
    return result


def invent(
    *, pixels: Colour, unknown: Mask, guide: Colour | None = None, step: Callable[[], None] = lambda: None
) -> Colour:
    """The same with texture from the surroundings, whose low frequencies are the smooth continuation's.

    guide: that continuation, if there is one already.
    """
    smooth = spatial_fill(pixels=pixels, unknown=unknown, step=step) if guide is None else guide
    if not unknown.any() or unknown.all():
        return smooth
    log = _log(pixels, unknown)
    guide = np.where(unknown[..., None], _log(smooth, ~unknown), log).astype(np.float32)
    made = add_texture(values=log, gap=unknown, guide=guide, step=step)
    return np.where(unknown[..., None], _linear(made), pixels).astype(np.float32)


class Mean:
    """Of several guesses at the same thing, in log."""

    def __init__(self, first: Colour) -> None:
        self._total = self._of(first)
        self._count = np.ones(first.shape[:2], np.float32)

    def add(self, guess: Colour, *, valid: Mask) -> None:
        """One more, where it is valid."""
        self._total += np.where(valid[..., None], self._of(guess), 0)
        self._count += valid

    def value(self) -> Colour:
        """As the guesses are, ≥ 0."""
        return _linear(self._total / self._count[..., None])

    @staticmethod
    def _of(guess: Colour) -> Colour:
        return np.asarray(np.log(np.maximum(guess, 0.0) + np.float32(_LOG_FLOOR)), np.float32)


def _around(unknown: Mask) -> tuple[slice, slice]:
    """What the continuation has to look at."""
    spans = []
    for axis in (1, 0):
        there = np.flatnonzero(unknown.any(axis=axis))
        spans.append(slice(max(int(there[0]) - _MARGIN_PX, 0), int(there[-1]) + 1 + _MARGIN_PX))
    return spans[0], spans[1]


def _log(pixels: Colour, unknown: Mask) -> Colour:
    log = np.log(np.maximum(pixels, 0.0) + np.float32(_LOG_FLOOR))
    return np.where(unknown[..., None], 0, log).astype(np.float32)


def _linear(log: Colour) -> Colour:
    return np.asarray(np.maximum(np.exp(log) - _LOG_FLOOR, 0.0), np.float32)


def _smooth(log: Colour, unknown: Mask, step: Callable[[], None]) -> Colour:
    edges = continue_edges(values=log, unknown=unknown, step=step)
    low, high = (float(np.quantile(log[~unknown], share)) for share in (0.001, 0.999))
    scale = 255.0 / max(high - low, 1e-3)
    shown = np.clip(np.rint((np.where(unknown[..., None], low, log) - low) * scale), 0, 255).astype(np.uint8)
    marched = cv2.inpaint(shown, unknown.astype(np.uint8), _RADIUS_PX, cv2.INPAINT_TELEA).astype(np.float32)
    mixed = 0.5 * edges + 0.5 * (marched / scale + low)
    return np.where(unknown[..., None], mixed, log).astype(np.float32)
