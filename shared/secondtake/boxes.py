"""Rectangles of pixels, half open: x ≤ column < x + width. Pure integers, no numpy."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Box"]


class Box(NamedTuple):
    """A rectangle in the pixel coordinates of the plate's display window (y down, may be negative)."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def from_window(cls, x_min: int, y_min: int, x_max: int, y_max: int) -> Box:
        """From an EXR data or display window, whose corners are inclusive."""
        return cls(x_min, y_min, x_max - x_min + 1, y_max - y_min + 1)

    @property
    def right(self) -> int:
        """First column outside."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """First row outside."""
        return self.y + self.height

    @property
    def area(self) -> int:
        """Pixels inside."""
        return max(self.width, 0) * max(self.height, 0)

    @property
    def is_empty(self) -> bool:
        """True if there is no pixel inside."""
        return self.width <= 0 or self.height <= 0

    def pad(self, pixels: int) -> Box:
        """Grow by so many pixels on each side (negative: shrink)."""
        return Box(self.x - pixels, self.y - pixels, self.width + 2 * pixels, self.height + 2 * pixels)

    def intersect(self, other: Box) -> Box:
        """The common part; empty (width or height 0) if there is none."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        right, bottom = min(self.right, other.right), min(self.bottom, other.bottom)
        return Box(x, y, max(right - x, 0), max(bottom - y, 0))

    def union(self, other: Box) -> Box:
        """The smallest box around both; an empty box adds nothing."""
        if self.is_empty:
            return other
        if other.is_empty:
            return self
        x, y = min(self.x, other.x), min(self.y, other.y)
        return Box(x, y, max(self.right, other.right) - x, max(self.bottom, other.bottom) - y)

    def contains(self, other: Box) -> bool:
        """True if the other box lies wholly inside (an empty one always does)."""
        return other.is_empty or self.intersect(other) == other

    def relative_to(self, origin: Box) -> Box:
        """The same pixels, counted from the corner of another box."""
        return Box(self.x - origin.x, self.y - origin.y, self.width, self.height)

    def within(self, outer: Box) -> tuple[slice, slice]:
        """Array index (rows, columns) of this box in an array that covers the outer box."""
        if not outer.contains(self):
            raise ValueError(f"{self} is not inside {outer}")
        y, x = self.y - outer.y, self.x - outer.x
        return slice(y, y + self.height), slice(x, x + self.width)
