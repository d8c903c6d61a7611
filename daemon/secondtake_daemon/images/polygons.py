"""Exact area coverage of polygons by pixels, self-intersecting ones too (non-zero winding)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from secondtake.errors import BadMatte

__all__ = ["polygon_coverage"]

_Floats = NDArray[np.float64]
_Rows = NDArray[np.int64]
_PAIRS_AT_ONCE = 1 << 21
_ROUNDING = 1e-9
_GRID = 1 << 20
"""Corners are put on steps of a millionth of a pixel, so that no edge is too short to have a slope."""
_MOST_CROSSINGS = 100_000


def polygon_coverage(points: _Floats, *, width: int, height: int) -> NDArray[np.float32]:
    """Share of each pixel that lies inside the closed polygon, as (height, width) float32, 0..1.

    points: (n, 2) x and y in pixels, y down; pixel (column c, row r) is the square c ≤ x < c + 1, r ≤ y < r + 1.
    Inside is where the winding number is not 0. The polygon is cut at the heights of its corners and crossings; within
    such a slab edges do not cross, so its outline there is a set of straight pieces. Their signed areas are summed per
    pixel and along the row, as font rasterisers do. Exact to 1e-6. Raises BadMatte for a tangle of over 100,000
    crossings.
    """
    outline = _outline(np.rint(points * _GRID) / _GRID)
    if not len(outline):
        return np.zeros((height, width), np.float32)
    total = _accumulate(outline, width=width, height=height)
    total[np.abs(total) < _ROUNDING] = 0
    total[total > 1 - _ROUNDING] = 1
    return np.clip(total, 0, 1).astype(np.float32)


def _outline(points: _Floats) -> _Floats:
    """The border of the inside as (m, 5): x and y of the upper end, of the lower end, and +1 (entering) or −1."""
    edges = _edges(points)
    if not len(edges):
        return np.zeros((0, 5))
    heights = np.unique(np.concatenate([edges[:, 1], edges[:, 3], _crossings(edges)]))
    pieces = [_slab(edges, top, bottom) for top, bottom in pairwise(heights)]
    return np.concatenate(pieces)


def _edges(points: _Floats) -> _Floats:
    """(n, 5) as in `_outline`, the last column being the direction; level edges bound no area and are left out."""
    start, end = points, np.roll(points, -1, axis=0)
    down = start[:, 1] < end[:, 1]
    upper, lower = np.where(down[:, None], start, end), np.where(down[:, None], end, start)
    edges = np.column_stack([upper, lower, np.where(down, 1.0, -1.0)])
    return edges[edges[:, 1] < edges[:, 3]]


def _crossings(edges: _Floats) -> _Floats:
    """Heights at which two edges cross."""
    found: list[_Floats] = [np.zeros(0)]
    step = max(1, _PAIRS_AT_ONCE // len(edges))
    left, right = np.minimum(edges[:, 0], edges[:, 2]), np.maximum(edges[:, 0], edges[:, 2])
    for first in range(0, len(edges), step):
        part = slice(first, first + step)
        near = (left[part, None] < right) & (right[part, None] > left)
        near &= (edges[part, 1, None] < edges[:, 3]) & (edges[part, 3, None] > edges[:, 1])
        a, b = np.nonzero(near)
        a += first
        found.append(_crossing_heights(edges[a[a < b]], edges[b[a < b]]))
        if sum(map(len, found)) > _MOST_CROSSINGS:
            raise BadMatte("A shape of the matte crosses itself too often", remedy="Draw it with fewer points")
    return np.concatenate(found)


def _crossing_heights(a: _Floats, b: _Floats) -> _Floats:
    # As x = p + q·y both edges are plain functions on the heights that they share.
    slope_a, slope_b = _slope(a), _slope(b)
    top, bottom = np.maximum(a[:, 1], b[:, 1]), np.minimum(a[:, 3], b[:, 3])
    gap_top = a[:, 0] + slope_a * (top - a[:, 1]) - b[:, 0] - slope_b * (top - b[:, 1])
    gap_bottom = gap_top + (slope_a - slope_b) * (bottom - top)
    crosses = gap_top * gap_bottom < 0
    share = gap_top[crosses] / (gap_top[crosses] - gap_bottom[crosses])
    return np.asarray(top[crosses] + share * (bottom[crosses] - top[crosses]), np.float64)


def _slope(edges: _Floats) -> _Floats:
    return np.asarray((edges[:, 2] - edges[:, 0]) / (edges[:, 3] - edges[:, 1]), np.float64)


def _slab(edges: _Floats, top: float, bottom: float) -> _Floats:
    """The outline between two heights: the edges at which the winding number leaves or reaches 0."""
    active = edges[(edges[:, 1] <= top) & (edges[:, 3] >= bottom)]
    slope = _slope(active)
    x_top, x_bottom = active[:, 0] + slope * (top - active[:, 1]), active[:, 0] + slope * (bottom - active[:, 1])
    order = np.argsort(x_top + x_bottom, kind="stable")
    winding = np.cumsum(active[order, 4])
    before = winding - active[order, 4]
    sign = (winding != 0).astype(np.float64) - (before != 0)
    kept = order[sign != 0]
    level = np.ones(len(kept))
    return np.column_stack([x_top[kept], level * top, x_bottom[kept], level * bottom, sign[sign != 0]])


def _accumulate(outline: _Floats, *, width: int, height: int) -> _Floats:
    """Sum over the pieces of the area to their right, per pixel: (height, width)."""
    x0, x1, drop, row = _cut_columns(*_cut_rows(outline, height), width)
    middle = np.clip((x0 + x1) / 2, 0, width)
    column = np.floor(middle).astype(np.int64)
    share = middle - column
    cells, base = height * (width + 2), row * (width + 2) + column
    total = np.bincount(base, drop * (1 - share), cells) + np.bincount(base + 1, drop * share, cells)
    return np.asarray(np.cumsum(total.reshape(height, width + 2), axis=1)[:, :width], np.float64)


def _cut_rows(outline: _Floats, height: int) -> tuple[_Floats, _Floats, _Floats, _Rows]:
    """The pieces cut at pixel rows and clipped to the picture: x at both ends, signed height, row."""
    x0, y0, _, y1, sign = outline.T
    slope = _slope(outline)
    first = np.clip(np.floor(y0), 0, height).astype(np.int64)
    count = np.maximum(np.clip(np.ceil(y1), 0, height).astype(np.int64) - first, 0)
    index, step = _repeat(count)
    row = first[index] + step
    top, bottom = np.maximum(row, y0[index]), np.minimum(row + 1, y1[index])
    at_top = x0[index] + slope[index] * (top - y0[index])
    at_bottom = x0[index] + slope[index] * (bottom - y0[index])
    return at_top, at_bottom, sign[index] * (bottom - top), row


def _cut_columns(
    x0: _Floats, x1: _Floats, drop: _Floats, row: _Rows, width: int
) -> tuple[_Floats, _Floats, _Floats, _Rows]:
    """The same, cut at pixel columns too. What is left or right of the picture stays in one."""
    left, right = np.minimum(x0, x1), np.maximum(x0, x1)
    first, last = np.clip(np.floor(left), -1, width), np.clip(np.ceil(right), 0, width + 1)
    count = np.maximum(last - first, 1).astype(np.int64)
    index, step = _repeat(count)
    low = np.where(step == 0, left[index], first[index] + step)
    high = np.where(step == count[index] - 1, right[index], first[index] + step + 1)
    run = (right - left)[index]
    part = np.where(run == 0, 1.0, (high - low) / np.where(run == 0, 1.0, run))
    return low, high, drop[index] * part, row[index]


def _repeat(count: _Rows) -> tuple[_Rows, _Rows]:
    """For each of count[i] repetitions: i, and its number from 0."""
    index = np.repeat(np.arange(len(count)), count)
    step = np.arange(len(index)) - np.repeat(np.cumsum(count) - count, count)
    return index, step
