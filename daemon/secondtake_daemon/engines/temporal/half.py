"""A shot at half its size, for drafts of large plates: a quarter of the pixels to move, merge and look at."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake_daemon.engines.contract import FloatImage, Shot
from secondtake_daemon.engines.temporal.forwarded import ForwardedShot
from secondtake_daemon.engines.temporal.kept import Kept
from secondtake_daemon.engines.temporal.proxy import all_sane

__all__ = ["HalfShot", "doubled", "halved"]

_HELD_BYTES = 192 << 20
_STRIP_PX = 32


@dataclass(frozen=True, slots=True)
class _Frame:
    plate: FloatImage
    hole: FloatImage


class HalfShot(ForwardedShot):
    """Every 2 × 2 pixels of a shot as one: their mean; the larger coverage. Its bounds begin at (0, 0).

    Plate and hole are made for whole frames and kept, up to a number of bytes: a draft looks at each frame many times,
    and one that must be read again costs more than all that is done with it. Thread-safe.
    """

    def __init__(self, shot: Shot) -> None:
        super().__init__(shot)
        self._bounds = Box(0, 0, -(-shot.bounds.width // 2), -(-shot.bounds.height // 2))
        self._whole = Kept(self._read, most=lambda made: max(_HELD_BYTES // (made.plate.nbytes + made.hole.nbytes), 2))

    @property
    def bounds(self) -> Box:
        """Half the shot's, rounded up."""
        return self._bounds

    def plate(self, frame: int, box: Box) -> FloatImage:
        """NaN where any of the four is no number. Not to be written to."""
        return self._whole(frame).plate[box.within(self._bounds)]

    def hole(self, frame: int, box: Box) -> FloatImage:
        """The largest of the four. Not to be written to."""
        return self._whole(frame).hole[box.within(self._bounds)]

    def reference(self, frame: int, box: Box) -> FloatImage:
        """Like the plate."""
        return _mean(self._shot.reference(frame, self._full(box)), box)

    def motion(self, frame: int, box: Box) -> FloatImage:
        """One vector of the four (a mean would lie between two things that move apart), in pixels of half size."""
        return np.ascontiguousarray(_even(self._shot.motion(frame, self._full(box)))[::2, ::2] * np.float32(0.5))

    def _read(self, frame: int) -> _Frame:
        """In strips, whose pixels at full size stay in the processor's cache; whole they would cost a page fault each
        4 KiB, which is more than the reading itself."""
        width, height = self._bounds.width, self._bounds.height
        made = _Frame(np.empty((height, width, 3), np.float32), np.empty((height, width), np.float32))
        everywhere = self._shot.bounds
        self._shot.plate(frame, everywhere._replace(width=1))  # lets a shot on files decode all rows at once
        for top in range(0, height, _STRIP_PX):
            strip = Box(0, top, width, min(_STRIP_PX, height - top))
            full = self._full(strip)
            made.plate[top : strip.bottom] = _mean(self._shot.plate(frame, full), strip)
            made.hole[top : strip.bottom] = _most(self._shot.hole(frame, full))
        return made

    def _full(self, box: Box) -> Box:
        bounds = self._shot.bounds
        return Box(bounds.x + 2 * box.x, bounds.y + 2 * box.y, 2 * box.width, 2 * box.height).intersect(bounds)


def halved(box: Box, *, bounds: Box) -> Box:
    """The box of a half shot that covers a box of the shot whose bounds are given."""
    x, y = (box.x - bounds.x) // 2, (box.y - bounds.y) // 2
    right, bottom = -(-(box.right - bounds.x) // 2), -(-(box.bottom - bounds.y) // 2)
    return Box(x, y, right - x, bottom - y)


def doubled(
    pixels: NDArray[np.float32], known: NDArray[np.uint8], *, box: Box, bounds: Box
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A patch over `halved(box)` back at full size over `box`. pixels: (h, w, 3); known: (h, w)."""
    small = halved(box, bounds=bounds)
    size = (2 * small.width, 2 * small.height)
    left, top = box.x - bounds.x - 2 * small.x, box.y - bounds.y - 2 * small.y
    inside = (slice(top, top + box.height), slice(left, left + box.width))
    large = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR), np.float32)
    return large[inside], np.repeat(np.repeat(known, 2, axis=0), 2, axis=1)[inside]


def _most(full: FloatImage) -> FloatImage:
    padded = _even(full)
    rows = np.maximum(padded[0::2], padded[1::2])
    return np.asarray(np.maximum(rows[:, 0::2], rows[:, 1::2]), np.float32)


def _mean(full: FloatImage, box: Box) -> FloatImage:
    even = _even(full)
    if all_sane(even):
        size = (box.width, box.height)
        return np.asarray(cv2.resize(even, size, interpolation=cv2.INTER_AREA), np.float32)
    total = even[0::2, 0::2] + even[0::2, 1::2] + even[1::2, 0::2] + even[1::2, 1::2]
    return np.asarray(total * np.float32(0.25), np.float32)


def _even(full: NDArray[np.float32]) -> NDArray[np.float32]:
    """The last row and column twice, where their number is odd."""
    rows, columns = full.shape[0] % 2, full.shape[1] % 2
    if not (rows or columns):
        return full
    return np.pad(full, [(0, rows), (0, columns), *[(0, 0)] * (full.ndim - 2)], mode="edge")
