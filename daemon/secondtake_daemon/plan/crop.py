"""The crop box, on a grid: a matte that moves a little keeps its box, and with it what is already known."""

from __future__ import annotations

from secondtake.boxes import Box

__all__ = ["GRID_PX", "crop_box"]

GRID_PX = 64
"""Sides of a crop lie on multiples of this, or on the plate's edge."""


def crop_box(*, matte: Box, bounds: Box, context_px: int, context_ratio: float, stride_px: int) -> Box:
    """The box an engine works on: the matte's box with its context, inside bounds, sides multiples of the stride.

    matte: union of the mattes of the frames it is for, inside bounds. Where bounds have no room for a multiple of the
    stride (1080 rows, stride 16), the box begins at their edge and sticks out at the right or the bottom.
    """
    context = max(context_px, round(context_ratio * max(matte.width, matte.height)))
    wanted = _on_grid(matte.pad(context)).intersect(bounds)
    x, width = _fit(wanted.x, wanted.width, bounds.x, bounds.width, stride_px)
    y, height = _fit(wanted.y, wanted.height, bounds.y, bounds.height, stride_px)
    return Box(x, y, width, height)


def _on_grid(box: Box) -> Box:
    """The smallest box on the grid that holds this one."""
    x, y = box.x // GRID_PX * GRID_PX, box.y // GRID_PX * GRID_PX
    right, bottom = -(-box.right // GRID_PX) * GRID_PX, -(-box.bottom // GRID_PX) * GRID_PX
    return Box(x, y, right - x, bottom - y)


def _fit(start: int, length: int, low: int, room: int, stride: int) -> tuple[int, int]:
    """Grow a span to a multiple of the stride, about its middle, and push it inside its room if there is enough."""
    whole = -(-length // stride) * stride
    if whole > room:
        return low, whole
    moved = start - (whole - length) // 2
    return min(max(moved, low), low + room - whole), whole
