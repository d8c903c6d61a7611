"""On which frames to invent what nobody saw: chosen from geometry alone, for the whole shot.

So every window draws on the same pictures, and what is invented stands still.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.analysis import Analysis
from secondtake_daemon.engines.temporal.camera import apply
from secondtake_daemon.engines.temporal.kinds import Points
from secondtake_daemon.engines.temporal.leave_out import try_carrying
from secondtake_daemon.engines.temporal.sources import hole_points, looks, visible_from

__all__ = ["choose_keys", "never_seen"]

_MOST_KEYS = 8
_LEAST_SHARE = 0.002


def never_seen(analysis: Analysis, *, step: Callable[[], None]) -> list[Points]:
    """For each frame, the proxy points in its hole that no other frame shows by the camera's motion."""
    result = []
    for target in range(len(analysis.frames)):
        step()
        left = hole_points(analysis, target) if analysis.holes[target] else np.empty((0, 2), np.float32)
        for source in looks(analysis, target):
            if not len(left):
                break
            left = left[~visible_from(analysis, layer=0, target=target, source=source, points=left)]
        result.append(left)
    return result


def choose_keys(analysis: Analysis, *, unseen: list[Points], step: Callable[[], None]) -> tuple[int, ...]:
    """Frames to invent on, in order; each covers what the ones before did not. Ties go to the middle of the shot.

    None between cuts where what is carried would be wrong (`leave_out`): there each frame is filled by itself.
    """
    left = list(unseen)
    keys: list[int] = []
    middle = len(left) / 2
    area = analysis.grid.proxy_width * analysis.grid.proxy_height
    while len(keys) < _MOST_KEYS:
        step()
        key = max(range(len(left)), key=lambda index: (len(left[index]), -abs(index - middle), -index), default=-1)
        if key < 0 or len(left[key]) < max(_LEAST_SHARE * area / 100, 4):
            break
        keys.append(key)
        left = [
            points[~_shown_by(analysis, target, key, points)] if len(points) else points
            for target, points in enumerate(left)
        ]
        left[key] = left[key][:0]
    return _worth_carrying(analysis, keys=keys, unseen=unseen, step=step)


def _worth_carrying(
    analysis: Analysis, *, keys: list[int], unseen: list[Points], step: Callable[[], None]
) -> tuple[int, ...]:
    """Without the keys between cuts where a fill of each frame alone is nearer to the truth than a carried one."""
    first: dict[int, int] = {}
    for key in keys:
        first.setdefault(int(analysis.parts[key]), key)
    carries = {part: try_carrying(analysis, key=key, unseen=unseen, step=step).carries for part, key in first.items()}
    return tuple(key for key in keys if carries[int(analysis.parts[key])])


def _shown_by(analysis: Analysis, target: int, key: int, points: Points) -> NDArray[np.bool_]:
    """Which points fall inside the key frame."""
    if analysis.parts[target] != analysis.parts[key]:
        return np.zeros(len(points), bool)
    x, y = apply(analysis.layers.chained(0, target, key), points).T
    grid = analysis.grid
    return np.asarray((x >= 0) & (y >= 0) & (x <= grid.proxy_width - 1) & (y <= grid.proxy_height - 1), bool)
