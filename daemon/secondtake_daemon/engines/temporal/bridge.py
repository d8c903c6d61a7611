"""Two layers that are one thing: it went behind the hole and came out again.

Its corners from before are looked for where it would stand afterwards. If they are found there and moved as one, it is
the same thing, and the way between is known: its motion goes over from the one into the other, and ends where it was
found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.camera import apply, fit_affine
from secondtake_daemon.engines.temporal.kinds import Matrix
from secondtake_daemon.engines.temporal.poses import Sighting, Steps, chain
from secondtake_daemon.engines.temporal.proxy import Picture
from secondtake_daemon.engines.temporal.tracks import FrameTracks, follow

__all__ = ["Bridges"]

_LONGEST = 24
_AROUND = 10
_LEVELS = 3
_ROUND_TRIP_PX = 0.5
_FIT_PX = 1.0
_LEAST = 12
_SHARE = 0.5

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Bridges:
    """The shot as the search sees it."""

    frames: Sequence[FrameTracks]
    parts: Sequence[int]
    pictures: Sequence[Picture]
    camera: Sequence[Matrix | None]

    def joined(self, *, before: Flags, after: Flags, both: Sighting) -> Sighting | None:
        """The sighting of both groups of tracks with the way between; None if they are not one thing.

        both: what the tracks of the two say together, with nothing in between.
        """
        last, first = (self._alive(members)[end] for members, end in ((before, -1), (after, 0)))
        if not 0 < first - last <= _LONGEST or self.parts[last] != self.parts[first]:
            return None
        start, end = self._fullest(before, last - _AROUND, last), self._fullest(after, first, first + _AROUND)
        between = [place for place in range(start, end) if both.steps[place] is None and self.camera[place] is not None]
        steps = self._gone_over(both.steps, between)
        if steps is None or not between:
            return None
        poses = chain(steps)
        guess = np.linalg.solve(poses[end], poses[start])
        found = self._found(before, start, end, guess)
        if found is None:
            return None
        rest = found @ np.linalg.inv(guess)
        share = np.eye(3) + (rest / rest[2, 2] - np.eye(3)) / len(between)
        for place in between:  # as small a correction in each, said in the last frame's terms
            step = steps[place]
            after_it = next(one for one in range(place + 1, end + 1) if len(self.frames[one].ids))
            ahead = np.linalg.solve(poses[end], poses[after_it])
            steps[place] = None if step is None else np.linalg.solve(ahead, share @ ahead @ step)
        return Sighting(steps, both.spots)

    def _alive(self, members: Flags) -> list[int]:
        return [index for index, one in enumerate(self.frames) if members[one.ids].any()]

    def _fullest(self, members: Flags, first: int, last: int) -> int:
        """The frame in which most of the tracks are alive."""
        places = range(max(first, 0), min(last, len(self.frames) - 1) + 1)
        return max(places, key=lambda place: int(members[self.frames[place].ids].sum()))

    def _gone_over(self, steps: Steps, between: Sequence[int]) -> Steps | None:
        """The steps with those in between laid evenly from the one before to the one after, against the camera."""
        against = {}
        for place, (step, own) in enumerate(zip(steps, self.camera, strict=True)):
            if step is not None and own is not None:
                moved = step @ np.linalg.inv(own)
                against[place] = moved / moved[2, 2]
        places = sorted(against)
        result = list(steps)
        for place in between:
            low = [one for one in places if one < place]
            high = [one for one in places if one > place]
            own = self.camera[place]
            if not low or not high or own is None:
                return None
            share = (place - low[-1]) / (high[0] - low[-1])
            result[place] = ((1 - share) * against[low[-1]] + share * against[high[0]]) @ own
        return result

    def _found(self, members: Flags, start: int, end: int, guess: Matrix) -> Matrix | None:
        """The thing's motion from the start frame to the end frame, as the pictures show it; None if they do not."""
        tracks, here, there = self.frames[start], self.pictures[start], self.pictures[end]
        points = np.ascontiguousarray(tracks.points[members[tracks.ids]])
        if len(points) < _LEAST:
            return None
        size = here.grey.shape[::-1]
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        moved = cv2.warpPerspective(there.grey, guess, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        landed, good = follow(
            here.grey, np.asarray(moved, np.uint8), points, points, levels=_LEVELS, round_trip_px=_ROUND_TRIP_PX
        )
        fit = fit_affine(points[good], apply(guess, landed[good]), threshold_px=_FIT_PX)
        if fit is None or fit[1].sum() < max(_LEAST, _SHARE * good.sum()):
            return None
        return fit[0]
