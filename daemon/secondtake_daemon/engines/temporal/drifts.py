"""Layers with too few or too short tracks to be found by their shape: thin bars, small things, whatever moves alone.

Their tracks live for a few frames only, but all drift alike against the camera, pair of frames after pair of frames. A
mode of that drift which holds on over time is a layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.camera import apply
from secondtake_daemon.engines.temporal.kinds import Matrix
from secondtake_daemon.engines.temporal.tracks import FrameTracks, shared

__all__ = ["find_drift"]

_APART_PX = 1.5
_ALIKE_PX = 0.75
_CHANGE_PX = 1.5
_LEAST_PAIR = 5
_MISSES = 2
_LEAST_PAIRS = 5
_LEAST_VOTES = 40
_LEAST_TRACKS = 16

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Pair:
    ids: NDArray[np.int32]
    drift: NDArray[np.float32]
    """(n, 2) motion beyond the camera's."""


def find_drift(
    *, frames: Sequence[FrameTracks], parts: Sequence[int], free: Flags, camera: Sequence[Matrix | None]
) -> Flags | None:
    """Members (by track id) of the strongest drift among the free tracks; None if there is none worth a layer."""
    pairs = _pairs(frames, parts, free, camera)
    modes = [_mode(pair.drift) for pair in pairs]
    if not modes:
        return None
    start = max(range(len(modes)), key=lambda place: (modes[place][1], -place))
    if modes[start][1] < _LEAST_PAIR:
        return None
    found = {start: modes[start][0]}
    for places in (range(start + 1, len(pairs)), range(start - 1, -1, -1)):
        _follow(pairs, places, found, modes[start][0])
    good, bad = np.zeros(len(free), np.int32), np.zeros(len(free), np.int32)
    for place, drift in found.items():
        alike = np.linalg.norm(pairs[place].drift - drift, axis=1) < _ALIKE_PX
        good[pairs[place].ids[alike]] += 1
        bad[pairs[place].ids[~alike]] += 1
    members = free & (good > bad)
    if len(found) < _LEAST_PAIRS or good[members].sum() < _LEAST_VOTES or members.sum() < _LEAST_TRACKS:
        return None
    return members


def _pairs(
    frames: Sequence[FrameTracks], parts: Sequence[int], free: Flags, camera: Sequence[Matrix | None]
) -> list[_Pair]:
    seeing = [index for index, one in enumerate(frames) if len(one.ids)]
    found = []
    for first, last in pairwise(seeing):
        step = camera[first]
        if parts[first] != parts[last] or step is None:
            continue
        ids, one, two = shared(frames[first], frames[last], free)
        drift = frames[last].points[two] - apply(step, frames[first].points[one])
        far = np.linalg.norm(drift, axis=1) > _APART_PX
        found.append(_Pair(ids[far], drift[far]))
    return found


def _mode(drift: NDArray[np.float32]) -> tuple[NDArray[np.float64], int]:
    """The mean of the densest spot, and how many stand there."""
    if not len(drift):
        return np.zeros(2), 0
    near = np.linalg.norm(drift[:, None] - drift[None], axis=2) < _ALIKE_PX
    best = int(np.argmax(near.sum(axis=1)))
    return drift[near[best]].mean(axis=0).astype(np.float64), int(near[best].sum())


def _follow(
    pairs: list[_Pair], places: range, found: dict[int, NDArray[np.float64]], drift: NDArray[np.float64]
) -> None:
    """From pair to pair, while the drift changes slowly and tracks enough show it."""
    misses = 0
    for place in places:
        here = pairs[place].drift
        close = here[np.linalg.norm(here - drift, axis=1) < _CHANGE_PX]
        mean, count = _mode(close)
        misses = 0 if count >= _LEAST_PAIR else misses + 1
        if misses > _MISSES:
            return
        if not misses:
            found[place] = drift = mean
