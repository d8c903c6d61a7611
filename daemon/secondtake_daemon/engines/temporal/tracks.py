"""Long point tracks through the matching pictures, outside the hole.

Corners: Shi, Tomasi: Good features to track, CVPR 1994. Motion: pyramidal Lucas-Kanade (Bouguet 2001), checked forward
and backward. Prediction: phase correlation (Kuglin, Hines 1975). Tracks bridge frames that show nothing
and end at cuts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.kinds import Colour, Grey, Mask, Points
from secondtake_daemon.engines.temporal.proxy import Picture, dilate

__all__ = ["FrameTracks", "Tracker", "follow", "shared"]

_RESEED = 20
_QUALITY = 0.01
_CELLS = (5, 8)
_BLOCK_PX = 5
_WINDOW_PX = 15
_LEVELS = 3
_ROUND_TRIP_PX = 0.35
_BORDER_PX = 3
_SEED_RIM_PX = 3
_RESPONSE = 0.15
_CUT_SURVIVORS = 0.1
_CUT_LEAST_TRACKS = 40
_CUT_GREY = 20.0
_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 0.01)


@dataclass(frozen=True, slots=True)
class FrameTracks:
    """The tracks alive in one frame, ids ascending."""

    ids: NDArray[np.int32]
    points: Points
    colours: NDArray[np.float32]
    """(n, 3) box-blurred plate at the points."""

    @classmethod
    def none(cls) -> FrameTracks:
        """Nothing alive."""
        return cls(np.empty(0, np.int32), np.empty((0, 2), np.float32), np.empty((0, 3), np.float32))


@dataclass(slots=True)
class Tracker:
    """Fed with the frames in order; remembers only the last picture that showed something."""

    most: int = 900
    """Points followed at once."""
    frames: list[FrameTracks] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    """For each frame, between which cuts it lies."""
    _last: Picture | None = None
    _ids: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    _points: Points = field(default_factory=lambda: np.empty((0, 2), np.float32))
    _next_id: int = 0
    _part: int = 0

    def add(self, *, picture: Picture, colours: Colour) -> None:
        """The next frame: its picture, and its blurred plate at the picture's size (NaN where not trusted)."""
        if picture.blind:
            self.frames.append(FrameTracks.none())
            self.parts.append(self._part)
            return
        if self._last is not None:
            self._advance(self._last, picture)
        self._seed(picture)
        self._last = picture
        self.parts.append(self._part)
        self.frames.append(FrameTracks(self._ids, self._points, _sample(colours, self._points)))

    def _advance(self, before: Picture, now: Picture) -> None:
        guess = self._points + _shift(before.grey, now.grey)
        found, good = follow(before.grey, now.grey, self._points, guess, levels=_LEVELS, round_trip_px=_ROUND_TRIP_PX)
        good &= _inside(found, now.known)
        if len(good) >= _CUT_LEAST_TRACKS and good.mean() < _CUT_SURVIVORS and _difference(before, now) > _CUT_GREY:
            self._part += 1
            good[:] = False
        self._ids, self._points = self._ids[good], np.ascontiguousarray(found[good])

    def _seed(self, picture: Picture) -> None:
        wanted = self.most - len(self._ids)
        if wanted <= _RESEED:
            return
        apart = max(4, picture.grey.shape[1] // 110)
        free = ~dilate(~picture.known, _SEED_RIM_PX)
        free[:_BORDER_PX], free[-_BORDER_PX:], free[:, :_BORDER_PX], free[:, -_BORDER_PX:] = False, False, False, False
        taken = np.zeros(free.shape, np.uint8)
        for x, y in np.rint(self._points).astype(int):
            cv2.circle(taken, (int(x), int(y)), apart, 1, -1)
        mask = (free & (taken == 0)).astype(np.uint8)
        fresh = _corners(picture.grey, mask, wanted, apart)
        if not len(fresh):
            return
        ids = np.arange(self._next_id, self._next_id + len(fresh), dtype=np.int32)
        self._next_id += len(fresh)
        self._ids = np.concatenate([self._ids, ids])
        self._points = np.concatenate([self._points, fresh])


def follow(
    before: Grey, now: Grey, points: Points, guess: Points, *, levels: int, round_trip_px: float
) -> tuple[Points, NDArray[np.bool_]]:
    """Where the points went, and which of them came back to their start. Arrays as long as `points`."""
    if not len(points):
        return points, np.zeros(0, bool)
    window = (_WINDOW_PX, _WINDOW_PX)
    start = np.ascontiguousarray(points.reshape(-1, 1, 2), np.float32)
    first = np.ascontiguousarray(guess.reshape(-1, 1, 2), np.float32)
    flag = cv2.OPTFLOW_USE_INITIAL_FLOW
    there, ok, _ = cv2.calcOpticalFlowPyrLK(
        before, now, start, first.copy(), winSize=window, maxLevel=levels, criteria=_CRITERIA, flags=flag
    )
    again = np.ascontiguousarray(there - (first - start), np.float32)
    back, ok_back, _ = cv2.calcOpticalFlowPyrLK(
        now, before, there, again, winSize=window, maxLevel=levels, criteria=_CRITERIA, flags=flag
    )
    error = np.linalg.norm((back - start).reshape(-1, 2), axis=1)
    found = np.asarray(there, np.float32).reshape(-1, 2)
    good = (ok.ravel() > 0) & (ok_back.ravel() > 0) & (error < round_trip_px) & np.isfinite(found).all(axis=1)
    return found, good


def shared(
    first: FrameTracks, second: FrameTracks, chosen: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.int32], NDArray[np.intp], NDArray[np.intp]]:
    """Ids alive in both frames and where they stand in each; `chosen` (by id) limits them."""
    ids, one, two = np.intersect1d(first.ids, second.ids, assume_unique=True, return_indices=True)
    if chosen is not None and len(ids):
        keep = chosen[ids]
        ids, one, two = ids[keep], one[keep], two[keep]
    return ids, one, two


def _shift(before: Grey, now: Grey) -> Points:
    """The whole picture's translation, or 0 where it is not sure."""
    if min(before.shape) < 32:
        return np.zeros((1, 2), np.float32)
    size = (before.shape[1] // 4, before.shape[0] // 4)
    small = [cv2.resize(one, size, interpolation=cv2.INTER_AREA).astype(np.float32) for one in (before, now)]
    window = cv2.createHanningWindow(size, cv2.CV_32F)
    (x, y), response = cv2.phaseCorrelate(small[0], small[1], window)
    return np.array([[4 * x, 4 * y]] if response > _RESPONSE else [[0.0, 0.0]], np.float32)


def _inside(points: Points, known: Mask) -> NDArray[np.bool_]:
    height, width = known.shape
    x, y = np.rint(points).T
    inside = (x >= _BORDER_PX) & (y >= _BORDER_PX) & (x < width - _BORDER_PX) & (y < height - _BORDER_PX)
    result = np.zeros(len(points), bool)
    result[inside] = known[y[inside].astype(int), x[inside].astype(int)]
    return result


def _difference(before: Picture, now: Picture) -> float:
    both = before.known & now.known
    if not both.any():
        return 0.0
    return float(np.abs(before.grey[both].astype(np.int16) - now.grey[both]).mean())


def _corners(grey: Grey, mask: Grey, wanted: int, apart: int) -> Points:
    """The best corners of each cell of a grid, so that a low-contrast floor gets its share beside a brick wall."""
    height, width = grey.shape
    rows, columns = np.linspace(0, height, _CELLS[0] + 1).astype(int), np.linspace(0, width, _CELLS[1] + 1).astype(int)
    quota = -(-wanted * 3 // (2 * _CELLS[0] * _CELLS[1]))
    found: list[Points] = []
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            free = np.ascontiguousarray(mask[top:bottom, left:right])
            if free.any():
                cell = np.ascontiguousarray(grey[top:bottom, left:right])
                corners = cv2.goodFeaturesToTrack(cell, quota, _QUALITY, apart, mask=free, blockSize=_BLOCK_PX)
                if corners is not None:
                    found.append(np.asarray(corners, np.float32).reshape(-1, 2) + np.array([[left, top]], np.float32))
    return np.concatenate(found) if found else np.empty((0, 2), np.float32)


def _sample(colours: Colour, points: Points) -> NDArray[np.float32]:
    x, y = np.rint(points).astype(int).T
    return colours[y, x] if len(points) else np.empty((0, 3), np.float32)
