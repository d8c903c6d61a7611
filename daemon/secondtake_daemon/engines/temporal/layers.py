"""Sort the tracks into motion layers, and give each layer a pose in every frame.

Greedy: the strongest affine motion over a five-frame window starts a layer, which then grows forward and backward in
time while its own tracks keep agreeing. Five frames, because between two neighbours the model of a slanted plane
absorbs several depths (compare Wang, Adelson: Representing moving images with layers, IEEE TIP 1994).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.bridge import Bridges
from secondtake_daemon.engines.temporal.camera import apply, fit_affine, fit_homography
from secondtake_daemon.engines.temporal.drifts import find_drift
from secondtake_daemon.engines.temporal.kinds import Matrix, Points
from secondtake_daemon.engines.temporal.poses import Course, Sighting, camera_steps, chain, layer_course, sight
from secondtake_daemon.engines.temporal.proxy import Picture
from secondtake_daemon.engines.temporal.sift import Sieve
from secondtake_daemon.engines.temporal.tracks import FrameTracks, shared

__all__ = ["Layers", "sort_layers"]

_SPAN = 4
_STRIDE = 3
_SEED_PX = 1.2
_KEEP_PX = 0.6
_LEAST = 24
_RICH = 40
_STOP_SHARE = 0.5
_DRIFTS = 6

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
    pictures: Sequence[Picture],
    most: int,
    step: Callable[[], None],
) -> Layers:
    """Sort all tracks. frames: the tracks alive in each; parts: between which cuts it lies; pictures: what it shows."""
    total = 1 + max((int(one.ids[-1]) for one in frames if len(one.ids)), default=-1)
    windows = _windows(frames, parts)
    groups: list[Flags] = []
    free = np.ones(total, bool)
    for _ in range(most):
        step()
        members = _grow(windows, free)
        if members is None:
            break
        groups.append(members)
        free &= ~members
    return _Sorter(frames, parts, pictures, step).sorted(groups, most)


class _Sorter:
    """From groups of tracks to layers with poses."""

    def __init__(
        self,
        frames: Sequence[FrameTracks],
        parts: Sequence[int],
        pictures: Sequence[Picture],
        step: Callable[[], None],
    ) -> None:
        self._frames, self._parts, self._pictures, self._step = frames, parts, pictures, step
        self._sieve = Sieve(frames, parts, pictures)
        height, width = pictures[0].grey.shape
        self._size = (width, height)
        self._members: list[Flags] = []
        self._poses: list[NDArray[np.float64]] = []
        self._camera: list[Matrix | None] = []
        self._seen: list[Sighting] = []
        """Of the layers after the first."""

    def sorted(self, groups: Sequence[Flags], most: int) -> Layers:
        total = 1 + max((int(one.ids[-1]) for one in self._frames if len(one.ids)), default=-1)
        first = groups[0] if groups else np.zeros(total, bool)
        width, height = self._size
        self._camera = camera_steps(frames=self._frames, parts=self._parts, chosen=first, width=width, height=height)
        self._members, self._poses = [first], [chain(self._camera)]
        for members in groups[1:]:
            self._step()
            self._take(members)
        free = ~np.logical_or.reduce(groups) if groups else np.zeros(total, bool)
        for _ in range(_DRIFTS):
            if len(self._members) >= most:
                break
            self._step()
            found = find_drift(frames=self._frames, parts=self._parts, free=free, camera=self._camera)
            if found is None:
                break
            free &= ~found
            self._take(found)
        self._join()
        courses = [self._course(one) for one in self._seen]
        self._poses[1:] = [chain(one.steps) for one in courses]
        of_track = np.full(total, -1, np.int8)
        for layer, members in enumerate(self._members):
            of_track[members] = layer
        whole = (0, len(self._frames) - 1)
        behind = zip(self._members[1:], self._seen, courses, strict=True)
        lives = [whole, *(self._lived(members, seen, course) for members, seen, course in behind)]
        return Layers(of_track, np.stack(self._poses), np.array(lives, np.int32))

    def _take(self, members: Flags) -> None:
        """More of a layer that is known, or a new one, or nothing."""
        for layer in range(1, len(self._members)):
            if self._sieve.same(members=members, poses=self._poses[layer]):
                self._members[layer] = self._members[layer] | members
                self._seen[layer - 1] = self._sighted(self._members[layer])
                self._poses[layer] = self._posed(self._seen[layer - 1])
                return
        others = np.logical_or.reduce(self._members)
        if self._sieve.bends(members=members, others=others, camera=self._poses[0]):
            return
        seen = self._sighted(members)
        poses = self._posed(seen)
        if self._sieve.explains(poses=poses, life=self._life(members), known=self._poses):
            self._members.append(members)
            self._poses.append(poses)
            self._seen.append(seen)

    def _join(self) -> None:
        """One layer of two that are one thing, before and after the hole hid it."""
        bridges = Bridges(self._frames, self._parts, self._pictures, self._camera)
        for one, other in permutations(range(1, len(self._members)), 2):
            before, after = self._members[one], self._members[other]
            if before.any() and after.any() and self._life(before)[1] < self._life(after)[0]:
                self._step()
                joined = bridges.joined(before=before, after=after, both=self._sighted(before | after))
                if joined is not None:
                    self._members[one], self._seen[one - 1] = before | after, joined
                    self._members[other] = np.zeros_like(after)
        kept = [layer for layer in range(1, len(self._members)) if self._members[layer].any()]
        self._seen = [self._seen[layer - 1] for layer in kept]
        self._members = [self._members[0], *(self._members[layer] for layer in kept)]
        self._poses = [self._poses[0], *(self._poses[layer] for layer in kept)]

    def _sighted(self, members: Flags) -> Sighting:
        width, height = self._size
        return sight(
            frames=self._frames, parts=self._parts, chosen=members, camera=self._camera, width=width, height=height
        )

    def _course(self, own: Sighting) -> Course:
        others = [one for one in self._seen if one is not own]
        return layer_course(frames=self._frames, own=own, others=others, camera=self._camera)

    def _posed(self, own: Sighting) -> NDArray[np.float64]:
        return chain(self._course(own).steps)

    def _life(self, members: Flags) -> tuple[int, int]:
        alive = [index for index, one in enumerate(self._frames) if members[one.ids].any()]
        return alive[0], alive[-1]

    def _lived(self, members: Flags, seen: Sighting, course: Course) -> tuple[int, int]:
        """From the first to the last frame with tracks, and on behind the hole as long as the other layers tell it."""
        first, last = self._life(members)
        poses = chain(course.steps)
        start, end = first, last
        while last + 1 < len(self._frames) and last in course.told and self._hides(poses, seen, end, last + 1):
            last += 1
        while first > 0 and first - 1 in course.told and self._hides(poses, seen, start, first - 1):
            first -= 1
        return first, last

    def _hides(self, poses: NDArray[np.float64], seen: Sighting, sighted: int, index: int) -> bool:
        """Whether what stood there when the layer was last sighted is in the hole now."""
        matrix = np.linalg.solve(poses[index], poses[sighted])
        x, y = np.rint(apply(matrix, seen.spots[sighted])[0]).astype(int)
        known = self._pictures[index].known
        return bool(0 <= x < known.shape[1] and 0 <= y < known.shape[0] and not known[y, x])


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
