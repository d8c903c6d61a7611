"""A shot at half its size, for drafts of large plates: a quarter of the pixels to move, merge and look at."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake_daemon.engines.contract import FloatImage, Shot
from secondtake_daemon.engines.temporal.proxy import all_sane

__all__ = ["HalfShot", "doubled", "halved"]


class HalfShot(Shot):
    """Every 2 × 2 pixels of a shot as one: their mean; the larger coverage. Its bounds begin at (0, 0)."""

    def __init__(self, shot: Shot) -> None:
        self._shot = shot

    @property
    def frames(self) -> tuple[int, ...]:
        """The shot's."""
        return self._shot.frames

    @property
    def bounds(self) -> Box:
        """Half the shot's, rounded up."""
        bounds = self._shot.bounds
        return Box(0, 0, -(-bounds.width // 2), -(-bounds.height // 2))

    @property
    def references(self) -> tuple[int, ...]:
        """The shot's."""
        return self._shot.references

    @property
    def has_motion(self) -> bool:
        """The shot's."""
        return self._shot.has_motion

    def plate(self, frame: int, box: Box) -> FloatImage:
        """NaN where any of the four is no number."""
        return _mean(self._shot.plate(frame, self._full(box)), box)

    def hole(self, frame: int, box: Box) -> FloatImage:
        """The largest of the four."""
        full = self._shot.hole(frame, self._full(box))
        padded = _even(full)
        rows = np.maximum(padded[0::2], padded[1::2])
        return np.asarray(np.maximum(rows[:, 0::2], rows[:, 1::2]), np.float32)

    def reference(self, frame: int, box: Box) -> FloatImage:
        """Like the plate."""
        return _mean(self._shot.reference(frame, self._full(box)), box)

    def motion(self, frame: int, box: Box) -> FloatImage:
        """One vector of the four (a mean would lie between two things that move apart), in pixels of half size."""
        return np.ascontiguousarray(_even(self._shot.motion(frame, self._full(box)))[::2, ::2] * np.float32(0.5))

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
