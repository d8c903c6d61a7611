"""The frames of a span as a model sees them: in its codes, on its canvas, with what is known about each pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake_daemon.engines.contract import FloatImage, Window
from secondtake_daemon.engines.diffusion.canvas import Canvas
from secondtake_daemon.engines.diffusion.shaper import Shaper
from secondtake_daemon.engines.diffusion.span import Span

__all__ = ["Clip", "encoded", "read_clip", "read_inside"]

Codes = NDArray[np.float32]
Mask = NDArray[np.bool_]

_MOST_LIGHT = np.float32(1e4)


@dataclass(frozen=True, slots=True)
class Clip:
    """Arrays of the canvas' size, frame after frame."""

    codes: Codes
    """(F, H, W, 3): accepted or painted frames as they are, else the plate."""
    holes: Mask
    """(F, H, W): where the plate is not to be seen; False in known frames."""
    unseen: Mask
    """(F, H, W): where there is no plate, beyond its edge or where it has no number."""
    is_known: NDArray[np.bool_]
    """(F,): made already by a neighbour, or painted."""
    painted: dict[int, FloatImage]
    """Painted frames, in light, of the crop."""


def read_clip(
    window: Window, span: Span, canvas: Canvas, *, gain: float, shaper: Shaper, step: Callable[[], None]
) -> Clip:
    """Every frame of the span, those that it repeats only once. step: called for each."""
    shot = window.shot
    painted = {
        frame: read_inside(shot.reference, frame, window)
        for frame in shot.references
        if frame in span.frames and frame not in window.accepted
    }
    known = {**window.accepted, **painted}
    found: dict[int, tuple[Codes, Mask, Mask]] = {}
    for frame in dict.fromkeys(span.frames):
        step()
        light = known.get(frame)
        if light is None:
            light = read_inside(shot.plate, frame, window)
        hole = canvas.shrink_hole(read_inside(shot.hole, frame, window, nothing=0.0))
        unseen = canvas.shrink_hole((~np.isfinite(light).all(axis=-1)).astype(np.float32))
        codes = encoded(light, canvas, gain=gain, shaper=shaper)
        found[frame] = (codes, hole & (frame not in known), unseen)
    parts = [found[frame] for frame in span.frames]
    codes, holes, unseen = (np.stack(each) for each in zip(*parts, strict=True))
    return Clip(codes, holes, unseen, np.array([frame in known for frame in span.frames]), painted)


def read_inside(
    read: Callable[[int, Box], FloatImage], frame: int, window: Window, *, nothing: float = np.nan
) -> FloatImage:
    """What the shot has of a crop that may stick out of the plate; `nothing` beyond its edge."""
    crop, inside = window.crop, window.crop.intersect(window.shot.bounds)
    found = read(frame, inside)
    if inside == crop:
        return found
    canvas = np.full((crop.height, crop.width, *found.shape[2:]), nothing, np.float32)
    canvas[inside.within(crop)] = found
    return canvas


def encoded(light: FloatImage, canvas: Canvas, *, gain: float, shaper: Shaper) -> Codes:
    """(h, w, 3) light of a crop → (H, W, 3) codes of the canvas."""
    return shaper.encode(canvas.shrink(_finite(light) * np.float32(gain)))


def _finite(light: FloatImage) -> FloatImage:
    """A sample that is no number, or that would outshine a whole pixel of the canvas, is not averaged."""
    return np.clip(np.nan_to_num(light, nan=0.0, posinf=1e4, neginf=0.0), -_MOST_LIGHT, _MOST_LIGHT)
