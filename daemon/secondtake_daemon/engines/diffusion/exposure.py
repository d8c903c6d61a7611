"""How bright the model sees the plate: whole stops that bring the shot's middle grey near 0.18.

Whole stops, and from a few frames, so that a change somewhere in the shot hardly ever changes it for all windows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from secondtake.boxes import Box
from secondtake_daemon.engines.contract import Shot

__all__ = ["exposure_stops"]

_GREY = 0.18
_FRAMES = 5
_MOST_STOPS = 10
_STEP_PX = 8


def exposure_stops(shot: Shot, crop: Box) -> int:
    """Stops to add, from the pixels of the crop that no hole hides; 0 where none is above 0.

    Where the hole is everything, from the plate in it: it is there, and what is made of it shall be as bright.
    """
    seen, hidden, inside = [], [], crop.intersect(shot.bounds)
    for frame in _spread(shot.frames):
        level = shot.plate(frame, inside)[::_STEP_PX, ::_STEP_PX].mean(axis=-1)
        is_hole = shot.hole(frame, inside)[::_STEP_PX, ::_STEP_PX] > 0
        is_light = np.isfinite(level) & (level > 0)
        seen.append(level[is_light & ~is_hole])
        hidden.append(level[is_light & is_hole])
    levels = np.concatenate(seen)
    levels = levels if levels.size else np.concatenate(hidden)
    if not levels.size:
        return 0
    stops = round(float(np.log2(_GREY / np.median(levels))))
    return min(max(stops, -_MOST_STOPS), _MOST_STOPS)


def _spread(frames: Sequence[int]) -> Sequence[int]:
    if len(frames) <= _FRAMES:
        return frames
    return [frames[round(at * (len(frames) - 1) / (_FRAMES - 1))] for at in range(_FRAMES)]
