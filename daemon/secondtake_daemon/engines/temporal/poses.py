"""A layer's motion from frame to frame, and its pose in every frame."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.camera import apply, fit_best, is_sound
from secondtake_daemon.engines.temporal.kinds import Matrix, Points
from secondtake_daemon.engines.temporal.tracks import FrameTracks, shared

__all__ = ["camera_steps", "chain", "layer_steps"]

_SURE_TRACKS = 14
_AROUND = 3
_UNSTEADY_PX = 1.5
_WILD_PX = 5.0

Flags = NDArray[np.bool_]
Steps = list[Matrix | None]


def camera_steps(
    *, frames: Sequence[FrameTracks], parts: Sequence[int], chosen: Flags, width: int, height: int
) -> Steps:
    """Motion from each frame to the next seeing one's by the chosen tracks, None where the frame itself shows nothing.

    Where they are too few, by all tracks; where there are none, none at all.
    """
    steps: Steps = [None] * len(frames)
    for first, last in _seeing(frames):
        found = _fit(frames, parts, chosen, first, last)
        if found is None and parts[first] == parts[last]:
            _, one, two = shared(frames[first], frames[last])
            found = fit_best(frames[first].points[one], frames[last].points[two], rich=False)
        steps[first] = found if found is not None and is_sound(found, width, height) else np.eye(3)
    return steps


def layer_steps(
    *,
    frames: Sequence[FrameTracks],
    parts: Sequence[int],
    chosen: Flags,
    camera: Sequence[Matrix | None],
    width: int,
    height: int,
) -> Steps:
    """The same for a layer. Where its tracks say nothing it drifts against the camera as it did before and after."""
    fits: Steps = [None] * len(frames)
    sure: Flags = np.zeros(len(frames), bool)
    for first, last in _seeing(frames):
        ids, _, _ = shared(frames[first], frames[last], chosen)
        found = _fit(frames, parts, chosen, first, last)
        if found is not None and camera[first] is not None and is_sound(found, width, height):
            fits[first], sure[first] = found, len(ids) >= _SURE_TRACKS
    drifts = _drifts(fits, camera, np.array([[width / 2, height / 2]], np.float32))
    places = [place for place in drifts if _steady(place, drifts, _WILD_PX if sure[place] else _UNSTEADY_PX)]
    steps: Steps = [None] * len(frames)
    for first, _ in _seeing(frames):
        own = camera[first]
        if first in places:
            steps[first] = fits[first]
        elif own is not None:
            x, y = (
                float(np.interp(first, places, [drifts[p][axis] for p in places])) if places else 0.0 for axis in (0, 1)
            )
            steps[first] = np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64) @ own
    return steps


def _drifts(fits: Steps, camera: Sequence[Matrix | None], middle: Points) -> dict[int, Points]:
    """The motion beyond the camera's of the frame's middle, by frame."""
    found = {}
    for place, (fit, own) in enumerate(zip(fits, camera, strict=True)):
        if fit is not None and own is not None:
            found[place] = (apply(fit, middle) - apply(own, middle))[0]
    return found


def _steady(place: int, drifts: dict[int, Points], limit_px: float) -> bool:
    """A fit is believed only if the frames around it drift alike."""
    around = [drift for other, drift in drifts.items() if abs(other - place) <= _AROUND]
    return float(np.abs(drifts[place] - np.median(around, axis=0)).max()) < limit_px


def chain(steps: Sequence[Matrix | None]) -> NDArray[np.float64]:
    """(frames, 3, 3) poses from the steps; frames that show nothing lie evenly between their neighbours."""
    poses = np.tile(np.eye(3), (len(steps), 1, 1))
    places = [index for index, one in enumerate(steps) if one is not None]
    current = np.eye(3)
    ends = [*places[1:], min(places[-1] + 1, len(steps) - 1)] if places else []
    for place, end in zip(places, ends, strict=True):
        poses[place] = current
        step = steps[place]
        current = current @ np.linalg.inv(step) if step is not None else current
        current = current / current[2, 2]
        for between in range(place + 1, end + 1):
            share = (between - place) / max(end - place, 1)
            poses[between] = (1 - share) * poses[place] + share * current
        poses[end:] = current
    return poses


def _seeing(frames: Sequence[FrameTracks]) -> list[tuple[int, int]]:
    return list(pairwise(index for index, one in enumerate(frames) if len(one.ids)))


def _fit(frames: Sequence[FrameTracks], parts: Sequence[int], chosen: Flags, first: int, last: int) -> Matrix | None:
    if parts[first] != parts[last]:
        return None
    _, one, two = shared(frames[first], frames[last], chosen)
    return fit_best(frames[first].points[one], frames[last].points[two], rich=True)
