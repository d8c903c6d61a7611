"""Which frames to borrow from: a greedy cover of the hole by what each frame can show of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.analysis import Analysis
from secondtake_daemon.engines.temporal.camera import apply
from secondtake_daemon.engines.temporal.kinds import Points

__all__ = ["choose_sources", "hole_points", "looks", "offsets_for", "visible_from"]

_NEAR = (1, 2, 3, 4, 6, 8, 11, 15, 20, 26, 34, 45, 60)
_FAR_GROWTH = 1.3
_FARTHEST = 600
_AGE = 0.06
_GAIN_LEAST = 0.004
_LIFE_SLACK = 2
_LAST_LOOKS = 48
_LATE_VIEWS = 1
_POINTS = 3000


def offsets_for(count: int) -> tuple[int, ...]:
    """Distances worth a try in a shot of so many frames: dense near, sparse far."""
    found = list(_NEAR)
    while found[-1] * _FAR_GROWTH < min(count, _FARTHEST):
        found.append(int(found[-1] * _FAR_GROWTH))
    return tuple(one for one in found if one < count)


def hole_points(analysis: Analysis, index: int) -> Points:
    """Proxy pixels of the frame that are not known, thinned evenly to about 3,000."""
    rows, columns = np.nonzero(~analysis.pictures[index].known)
    thin = max(len(rows) // _POINTS, 1)
    start = thin // 2
    return np.stack([columns[start::thin], rows[start::thin]], axis=1).astype(np.float32)


def visible_from(analysis: Analysis, *, layer: int, target: int, source: int, points: Points) -> NDArray[np.bool_]:
    """Which points of the target the source frame shows, if they move with the layer."""
    known = analysis.pictures[source].known
    x, y = np.rint(apply(analysis.layers.chained(layer, target, source), points)).T
    inside = (x >= 1) & (y >= 1) & (x < known.shape[1] - 1) & (y < known.shape[0] - 1)
    result = np.zeros(len(points), bool)
    result[inside] = known[y[inside].astype(int), x[inside].astype(int)]
    return result


def choose_sources(
    analysis: Analysis, *, layer: int, target: int, points: Points, views: int, most: int
) -> tuple[int, ...]:
    """At most `most` frames, best first, that together show each point up to `views` times.

    Frames at spread distances come first, since neighbours of one another err alike. The others only show what these
    do not show at all.
    """
    spread = {near for offset in offsets_for(len(analysis.frames)) for near in (target - offset, target + offset)}
    seen = {
        source: visible_from(analysis, layer=layer, target=target, source=source, points=points)
        for source in _candidates(analysis, layer, target)
    }
    count = np.zeros(len(points), np.int32)
    chosen = _cover({one: shown for one, shown in seen.items() if one in spread}, count, target, views, most)
    chosen += _cover(
        {one: shown for one, shown in seen.items() if one not in spread}, count, target, _LATE_VIEWS, most - len(chosen)
    )
    return tuple(chosen)


def _cover(
    seen: dict[int, NDArray[np.bool_]], count: NDArray[np.int32], target: int, views: int, most: int
) -> list[int]:
    """The greedy choice; adds to `count` how often each point is shown."""
    chosen: list[int] = []
    while seen and len(chosen) < most:
        need = np.maximum(views - count, 0) / views
        score = {
            source: float((need * shown).sum()) / (1.0 + _AGE * abs(source - target)) for source, shown in seen.items()
        }
        best = max(score, key=lambda source: (score[source], -abs(source - target), -source))
        if float((need * seen[best]).sum()) < _GAIN_LEAST * len(count):
            break
        chosen.append(best)
        count += seen.pop(best)
    return chosen


def _candidates(analysis: Analysis, layer: int, target: int) -> list[int]:
    first, last = analysis.layers.lives[layer]
    first, last = max(first - _LIFE_SLACK, 0), min(last + _LIFE_SLACK, len(analysis.frames) - 1)
    return [one for one in looks(analysis, target) if first <= one <= last and not analysis.pictures[one].blind]


def looks(analysis: Analysis, target: int) -> list[int]:
    """Frames between the same cuts: near ones first, then all others; in a long shot an even choice, with both ends.

    Without these last looks an edge that only the first or the last frame shows would count as never seen.
    """
    found = [near for offset in offsets_for(len(analysis.frames)) for near in (target - offset, target + offset)]
    together = np.flatnonzero(analysis.parts == analysis.parts[target])
    near = [one for one in found if together[0] <= one <= together[-1]]
    rest = np.setdiff1d(together, [target, *near])
    if len(rest) > _LAST_LOOKS:
        rest = rest[np.linspace(0, len(rest) - 1, _LAST_LOOKS).round().astype(int)]
    return near + [int(one) for one in rest]
