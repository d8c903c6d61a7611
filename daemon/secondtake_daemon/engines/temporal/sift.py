"""Which groups of tracks are layers: things of their own, not slices of a surface that bends, nor chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.camera import apply
from secondtake_daemon.engines.temporal.kinds import Mask, Matrix, Plane
from secondtake_daemon.engines.temporal.proxy import Picture
from secondtake_daemon.engines.temporal.tracks import FrameTracks, shared

__all__ = ["Sieve"]

_SPAN = 4
_STRIDE = 3
_NEAREST_SHARE = 0.34
_LEAST = 5
_JUMP_PX = 1.2
_STANDS = 6.0
_SAME_PX = 0.6
_SAME_SHARE = 0.6
_ASIDE = 2
_SOFT_PX = 0.8
_ERROR_PX = 1.5
_CAP = 60.0
_BETTER = 8.0
_GOOD = 20.0
_AREA = 0.0018
_LOOKS = 8

Flags = NDArray[np.bool_]
Labels = NDArray[np.int8]
Poses = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sieve:
    """The shot as the tests see it."""

    frames: Sequence[FrameTracks]
    parts: Sequence[int]
    pictures: Sequence[Picture]

    def same(self, *, members: Flags, poses: Poses) -> bool:
        """Whether the tracks move as a known layer does: then they are more of it."""
        good = total = 0
        for first in range(len(self.frames) - 1):
            if self.parts[first] == self.parts[first + 1]:
                _, one, two = shared(self.frames[first], self.frames[first + 1], members)
                if len(one):
                    landed = apply(_between(poses, first, first + 1), self.frames[first].points[one])
                    apart = np.linalg.norm(landed - self.frames[first + 1].points[two], axis=1)
                    good, total = good + int((apart < _SAME_PX).sum()), total + len(apart)
        return total > 0 and good >= _SAME_SHARE * total

    def bends(self, *, members: Flags, others: Flags, camera: Poses) -> bool:
        """Whether the motion goes over into that of the tracks beside it: a slice of a surface, not a thing.

        A thing that stands on another moves as that does where it touches, and breaks away from what is beside it
        elsewhere; a slice goes over all round.
        """
        jumps: list[NDArray[np.float64]] = []
        for first in range(0, len(self.frames) - _SPAN, _STRIDE):
            last = first + _SPAN
            if self.parts[first] != self.parts[last]:
                continue
            ids, one, two = shared(self.frames[first], self.frames[last], members | others)
            own = members[ids]
            if min(own.sum(), (~own).sum()) < _LEAST:
                continue
            start = self.frames[first].points[one]
            drift = self.frames[last].points[two] - apply(_between(camera, first, last), start)
            apart = np.linalg.norm(start[own][:, None] - start[~own][None], axis=2)
            near = np.argmin(apart, axis=1)
            nearest = apart[np.arange(len(near)), near]
            close = nearest <= np.quantile(nearest, _NEAREST_SHARE)
            jumps.append(np.linalg.norm(drift[own] - drift[~own][near], axis=1)[close])
        if not jumps:
            return False
        low, middle, high = np.quantile(np.concatenate(jumps), (0.25, 0.5, 0.75))
        stands = high > max(_JUMP_PX, _STANDS * low)
        return bool(middle < _JUMP_PX and not stands)

    def explains(self, *, poses: Poses, life: tuple[int, int], known: Sequence[Poses]) -> bool:
        """Whether the layer accounts for a part of the picture that no known layer accounts for."""
        seeing = [one for one in range(life[0], life[1] + 1) if not self.pictures[one].blind]
        areas = []
        for index in seeing[:: max(len(seeing) // _LOOKS, 1)]:
            mine = self._error(index, poses)
            if mine is not None:
                best = np.minimum.reduce([error for one in known if (error := self._error(index, one)) is not None])
                areas.append(float(((best - mine > _BETTER) & (mine < _GOOD)).mean()))
        return bool(areas) and float(np.median(areas)) >= _AREA

    def _error(self, index: int, poses: Poses) -> Plane | None:
        """How badly the frames two before and after fit, the better of the two, at half size; None without any."""
        grey, known = self._half(index)
        found = []
        for other in (index - _ASIDE, index + _ASIDE):
            if not 0 <= other < len(self.pictures) or self.parts[other] != self.parts[index]:
                continue
            if self.pictures[other].blind:
                continue
            there, shown = self._half(other)
            matrix = _HALF @ _between(poses, index, other) @ np.linalg.inv(_HALF)
            size = grey.shape[::-1]
            moved = cv2.warpPerspective(there, matrix, size, flags=cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR)
            seen = cv2.warpPerspective(
                shown.astype(np.uint8), matrix, size, flags=cv2.WARP_INVERSE_MAP | cv2.INTER_NEAREST
            )
            apart = np.where((np.asarray(seen) > 0) & known, np.minimum(np.abs(grey - np.asarray(moved)), _CAP), _CAP)
            found.append(np.asarray(cv2.GaussianBlur(apart.astype(np.float32), (0, 0), _ERROR_PX), np.float32))
        return np.minimum.reduce(found) if found else None

    def _half(self, index: int) -> tuple[Plane, Mask]:
        picture = self.pictures[index]
        size = (max(picture.grey.shape[1] // 2, 1), max(picture.grey.shape[0] // 2, 1))
        small = cv2.resize(picture.grey.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        known = cv2.resize(picture.known.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        return np.asarray(cv2.GaussianBlur(small, (0, 0), _SOFT_PX), np.float32), np.asarray(known, bool)


_HALF: Matrix = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]], np.float64)


def _between(poses: Poses, target: int, source: int) -> Matrix:
    return np.asarray(np.linalg.solve(poses[source], poses[target]), np.float64)
