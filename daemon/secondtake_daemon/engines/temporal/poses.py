"""A layer's motion from frame to frame, and its pose in every frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.camera import apply, fit_best, is_sound
from secondtake_daemon.engines.temporal.kinds import Matrix, Points
from secondtake_daemon.engines.temporal.parallax import drifts_at, predict_drifts
from secondtake_daemon.engines.temporal.tracks import FrameTracks, shared

__all__ = ["Course", "Sighting", "Steps", "camera_steps", "chain", "layer_course", "sight"]

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


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a layer's own tracks say of its motion."""

    steps: Steps
    """As `camera_steps`; None where its tracks say nothing that can be believed."""
    spots: Mapping[int, Points]
    """(1, 2): about where it is in each seeing frame."""


def sight(
    *,
    frames: Sequence[FrameTracks],
    parts: Sequence[int],
    chosen: Flags,
    camera: Sequence[Matrix | None],
    width: int,
    height: int,
) -> Sighting:
    """From each frame to the next seeing one, by the layer's own tracks."""
    fits: Steps = [None] * len(frames)
    sure: Flags = np.zeros(len(frames), bool)
    for first, last in _seeing(frames):
        ids, _, _ = shared(frames[first], frames[last], chosen)
        found = _fit(frames, parts, chosen, first, last)
        if found is not None and camera[first] is not None and is_sound(found, width, height):
            fits[first], sure[first] = found, len(ids) >= _SURE_TRACKS
    middle = np.array([[width / 2, height / 2]], np.float32)
    drifts = drifts_at(fits, camera, dict.fromkeys(range(len(frames)), middle))
    for place in drifts:
        if not _steady(place, drifts, _WILD_PX if sure[place] else _UNSTEADY_PX):
            fits[place] = None
    return Sighting(fits, _spots(frames, chosen, camera))


@dataclass(frozen=True, slots=True)
class Course:
    """A layer's motion through the whole shot."""

    steps: Steps
    """As `camera_steps`."""
    told: frozenset[int]
    """Frames whose step is not seen but follows from the other layers'."""


def layer_course(
    *, frames: Sequence[FrameTracks], own: Sighting, others: Sequence[Sighting], camera: Sequence[Matrix | None]
) -> Course:
    """Where its tracks say nothing it drifts against the camera as the others tell, or as it did before and after."""
    known = drifts_at(own.steps, camera, own.spots)
    told = predict_drifts(known=known, spots=own.spots, others=[one.steps for one in others], camera=camera)
    steps: Steps = [None] * len(frames)
    for first, _ in _seeing(frames):
        step = camera[first]
        if first in known:
            steps[first] = own.steps[first]
        elif step is not None:
            x, y = told[first] if first in told else _held(first, known)
            steps[first] = np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64) @ step
    return Course(steps, frozenset(told))


def _held(place: int, known: Mapping[int, Points]) -> tuple[float, float]:
    """The drift in between, or that of the nearest frame."""
    if not known:
        return 0.0, 0.0
    places = sorted(known)
    x, y = (float(np.interp(place, places, [known[one][axis] for one in places])) for axis in (0, 1))
    return x, y


def _spots(frames: Sequence[FrameTracks], chosen: Flags, camera: Sequence[Matrix | None]) -> dict[int, Points]:
    """The middle of the layer's tracks in each seeing frame; where it has none, moved along with the camera."""
    seeing = [index for index, one in enumerate(frames) if len(one.ids)]
    spots: dict[int, Points] = {}
    for place in seeing:
        own = frames[place].points[chosen[frames[place].ids]]
        if len(own):
            spots[place] = np.median(own, axis=0, keepdims=True).astype(np.float32)
    for first, last in pairwise(seeing):
        step = camera[first]
        if first in spots and last not in spots and step is not None:
            spots[last] = apply(step, spots[first])
    for last, first in pairwise(reversed(seeing)):
        step = camera[first]
        if last in spots and first not in spots and step is not None:
            spots[first] = apply(np.asarray(np.linalg.inv(step), np.float64), spots[last])
    return spots


def _steady(place: int, drifts: Mapping[int, Points], limit_px: float) -> bool:
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
