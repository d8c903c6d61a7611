"""Sort the tracks into motion layers, and give each layer a pose in every frame.

Greedy: the strongest affine motion over a five-frame window starts a layer, which then grows forward and backward in
time while its own tracks keep agreeing. Five frames, because between two neighbours the model of a slanted plane
absorbs several depths (compare Wang, Adelson: Representing moving images with layers, IEEE TIP 1994).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.camera import apply, fit_affine, fit_best, fit_homography, is_sound
from secondtake_daemon.engines.temporal.kinds import Matrix, Points
from secondtake_daemon.engines.temporal.tracks import FrameTracks, shared

__all__ = ["Layers", "sort_layers"]

_SPAN = 4
_STRIDE = 3
_SEED_PX = 1.2
_KEEP_PX = 0.6
_LEAST = 24
_RICH = 40
_STOP_SHARE = 0.5
_COHERENT = 0.5
_NEIGHBOURS = 5

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Layers:
    """What moves together."""

    of_track: NDArray[np.int8]
    """Layer of each track id, −1 for none. Layer 0 is the camera."""
    poses: NDArray[np.float64]
    """(layers, frames, 3, 3): proxy coordinates of the frame to the layer's own plane."""
    lives: NDArray[np.int32]
    """(layers, 2): first and last frame in which the layer has tracks."""

    @property
    def count(self) -> int:
        """How many."""
        return len(self.poses)

    def chained(self, layer: int, target: int, source: int) -> Matrix:
        """Motion from the target frame to the source frame by the layer's poses (proxy coordinates)."""
        matrix = np.linalg.solve(self.poses[layer, source], self.poses[layer, target])
        return np.asarray(matrix / matrix[2, 2], np.float64)


@dataclass(frozen=True, slots=True)
class _Window:
    ids: NDArray[np.int32]
    start: NDArray[np.float32]
    end: NDArray[np.float32]


def sort_layers(
    *,
    frames: Sequence[FrameTracks],
    parts: Sequence[int],
    width: int,
    height: int,
    most: int,
    step: Callable[[], None],
) -> Layers:
    """Sort all tracks. frames: the tracks alive in each; parts: between which cuts a frame lies; sizes in proxy px."""
    total = 1 + max((int(one.ids[-1]) for one in frames if len(one.ids)), default=-1)
    windows = _windows(frames, parts)
    of_track = np.full(total, -1, np.int8)
    free = np.ones(total, bool)
    for layer in range(most):
        step()
        members = _grow(windows, free)
        if members is None:
            break
        of_track[members] = layer
        free &= ~members
    of_track = _only_coherent(of_track, frames)
    count = max(int(of_track.max(initial=-1)) + 1, 1)
    camera = _steps(frames, parts, of_track == 0, None, width, height)
    poses = [_poses(camera)]
    lives = [(0, len(frames) - 1)]
    for layer in range(1, count):
        step()
        chosen = of_track == layer
        poses.append(_poses(_steps(frames, parts, chosen, camera, width, height)))
        alive = [index for index, one in enumerate(frames) if chosen[one.ids].any()]
        lives.append((alive[0], alive[-1]))
    return Layers(of_track, np.stack(poses), np.array(lives, np.int32))


def _windows(frames: Sequence[FrameTracks], parts: Sequence[int]) -> list[_Window]:
    seeing = [index for index, one in enumerate(frames) if len(one.ids)]
    span = min(_SPAN, max(len(seeing) - 1, 1))
    found = []
    for place in range(len(seeing) - span):
        first, last = seeing[place], seeing[place + span]
        if parts[first] != parts[last]:
            continue
        ids, one, two = shared(frames[first], frames[last])
        found.append(_Window(ids, frames[first].points[one], frames[last].points[two]))
    return found


def _grow(windows: Sequence[_Window], free: Flags) -> Flags | None:
    """Members (by track id) of the strongest layer among the free tracks."""
    best, where = 0, -1
    start: Flags = np.zeros(len(free), bool)
    for place in range(0, len(windows), _STRIDE):
        window = windows[place]
        keep = free[window.ids]
        fit = fit_affine(window.start[keep], window.end[keep], threshold_px=_SEED_PX)
        fit = None if fit is None else _widened(window, keep, fit)
        if fit is not None and int(fit[1].sum()) > best:
            best, where = int(fit[1].sum()), place
            start = np.zeros(len(free), bool)
            start[window.ids[keep][fit[1]]] = True
    if best < _LEAST:
        return None
    votes = np.zeros(len(free), np.int32)
    close = np.zeros(len(free), np.int32)
    votes[start] += 1
    for places in (range(where + 1, len(windows)), range(where - 1, -1, -1)):
        members = start.copy()
        for place in places:
            if not _vote(windows[place], free, members, votes, close):
                break
    chosen = free & (votes > 0) & ((close > 0) | start)
    return chosen if chosen.sum() >= _LEAST else None


def _fit(start: Points, end: Points) -> tuple[Matrix, Flags] | None:
    """A homography where there are points enough to hold it, else an affine motion."""
    if len(start) >= _RICH:
        found = fit_homography(start, end, threshold_px=_KEEP_PX)
        if found is not None:
            return found[0], np.linalg.norm(apply(found[0], start) - end, axis=1) < _SEED_PX
    return fit_affine(start, end, threshold_px=_SEED_PX)


def _widened(window: _Window, keep: Flags, fit: tuple[Matrix, Flags]) -> tuple[Matrix, Flags]:
    """Let the seed take in what its own homography explains: a wall is not two walls because it leans."""
    start, end = window.start[keep], window.end[keep]
    for _ in range(2):
        wider = _fit(start[fit[1]], end[fit[1]])
        if wider is None:
            return fit
        near = np.linalg.norm(apply(wider[0], start) - end, axis=1) < _SEED_PX
        if near.sum() < fit[1].sum():
            return fit
        fit = wider[0], near
    return fit


def _vote(window: _Window, free: Flags, members: Flags, votes: NDArray[np.int32], close: NDArray[np.int32]) -> bool:
    """Refit the layer on one window and let every free track vote. False when the layer ends here."""
    own = members[window.ids]
    if own.sum() < _LEAST // 2:
        return False
    fit = _fit(window.start[own], window.end[own])
    if fit is None or fit[1].mean() < _STOP_SHARE:
        return False
    keep = free[window.ids]
    error = np.linalg.norm(apply(fit[0], window.start) - window.end, axis=1)
    good, bad = window.ids[keep & (error < _SEED_PX)], window.ids[keep & (error >= _SEED_PX)]
    votes[good] += 1
    votes[bad] -= 1
    close[window.ids[keep & (error < _KEEP_PX)]] += 1
    members[good] = votes[good] > 0
    members[bad] = votes[bad] > 0
    return True


def _only_coherent(of_track: NDArray[np.int8], frames: Sequence[FrameTracks]) -> NDArray[np.int8]:
    """Drop layers whose tracks do not stand together: they are slices of a deforming surface, not a thing."""
    count = int(of_track.max(initial=-1)) + 1
    agree: list[list[float]] = [[] for _ in range(count)]
    seeing = [one for one in frames if len(one.ids) > 4 * _NEIGHBOURS]
    for one in seeing[:: max(len(seeing) // 8, 1)]:
        labels = of_track[one.ids]
        points, labels = one.points[labels >= 0], labels[labels >= 0]
        if len(points) <= _NEIGHBOURS:
            continue
        apart = ((points[:, None] - points[None]) ** 2).sum(axis=2)
        near = np.argpartition(apart, _NEIGHBOURS, axis=1)[:, : _NEIGHBOURS + 1]
        same = ((labels[near] == labels[:, None]).sum(axis=1) - 1) / _NEIGHBOURS
        for layer in range(1, count):
            if (labels == layer).any():
                agree[layer].append(float(same[labels == layer].mean()))
    result = np.where(of_track == 0, 0, -1).astype(np.int8)
    kept = 0
    for layer in range(1, count):
        if agree[layer] and np.mean(agree[layer]) >= _COHERENT:
            kept += 1
            result[of_track == layer] = kept
    return result


def _steps(
    frames: Sequence[FrameTracks],
    parts: Sequence[int],
    chosen: Flags,
    camera: Sequence[Matrix | None] | None,
    width: int,
    height: int,
) -> list[Matrix | None]:
    """Motion from each frame to the next seeing one's, None where the frame itself shows nothing."""
    seeing = [index for index, one in enumerate(frames) if len(one.ids)]
    steps: list[Matrix | None] = [None] * len(frames)
    for first, last in pairwise(seeing):
        found = None
        if parts[first] == parts[last]:
            _, one, two = shared(frames[first], frames[last], chosen)
            found = fit_best(frames[first].points[one], frames[last].points[two], rich=True)
            if found is None and camera is None:
                _, one, two = shared(frames[first], frames[last])
                found = fit_best(frames[first].points[one], frames[last].points[two], rich=False)
        if found is None or not is_sound(found, width, height):
            found = camera[first] if camera is not None and camera[first] is not None else np.eye(3)
        steps[first] = found
    return steps


def _poses(steps: Sequence[Matrix | None]) -> NDArray[np.float64]:
    """Chain the steps; frames that show nothing lie evenly between their neighbours."""
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
