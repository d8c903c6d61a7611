"""What the camera's motion leaves over: dense residual flow between the target and an aligned source.

DIS optical flow (Kroeger, Timofte, Dai, Van Gool: Fast optical flow using dense inverse search, ECCV 2016), measured
around the hole on the matching pictures and continued into it by pull-push.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake_daemon.engines.temporal.align import warp
from secondtake_daemon.engines.temporal.analysis import Analysis
from secondtake_daemon.engines.temporal.camera import apply
from secondtake_daemon.engines.temporal.kinds import Grey, Mask, Matrix, Plane
from secondtake_daemon.engines.temporal.proxy import dilate
from secondtake_daemon.engines.temporal.pyramid import spread

__all__ = ["Residual", "find_residual", "warp_along"]

_TRY_ABOVE = 2.5
_KEEP_BELOW = 0.8
_RING_PX = 25
_TRUST_GREY = 10.0
_LEAST_SIDE_PX = 24


@dataclass(frozen=True, slots=True)
class Residual:
    """Flow in the target box, plate pixels, to be added before the camera's motion."""

    flow: NDArray[np.float32]
    """(h, w, 2)."""
    length_px: float
    """Median length inside the hole."""


def find_residual(analysis: Analysis, *, target: int, source: int, matrix: Matrix, box: Box) -> Residual | None:
    """Measure it if the ring around the hole does not match; None if it does, or if flow does not help.

    matrix: the camera's motion in plate pixels; box: where it is wanted, plate pixels.
    """
    grid = analysis.grid
    scale = grid.to_proxy()
    corners = apply(scale, np.array([[box.x, box.y], [box.right - 1, box.bottom - 1]], np.float32))
    x, y = np.maximum(np.floor(corners[0]).astype(int), 0)
    right = min(int(np.ceil(corners[1, 0])) + 1, grid.proxy_width)
    bottom = min(int(np.ceil(corners[1, 1])) + 1, grid.proxy_height)
    if min(right - x, bottom - y) < _LEAST_SIDE_PX:
        return None
    known_here = analysis.pictures[target].known[y:bottom, x:right]
    here = analysis.pictures[target].grey[y:bottom, x:right]
    on_proxy = scale @ matrix @ np.linalg.inv(scale) @ np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)
    size = (int(right - x), int(bottom - y))
    flags = cv2.WARP_INVERSE_MAP
    there = analysis.pictures[source]
    moved = np.asarray(cv2.warpPerspective(there.grey, on_proxy, size, flags=flags | cv2.INTER_LINEAR), np.uint8)
    shown = cv2.warpPerspective(there.known.astype(np.uint8), on_proxy, size, flags=flags | cv2.INTER_NEAREST)
    known_there = np.asarray(np.asarray(shown) > 0, bool)
    flow = _measure(np.ascontiguousarray(here), known_here, moved, known_there)
    if flow is None:
        return None
    ratio = np.array([grid.width / grid.proxy_width, grid.height / grid.proxy_height], np.float32)
    full = warp(flow * ratio, matrix=scale, origin=Box(int(x), int(y), *size), box=box, linear=True)
    hole = ~known_here
    length = float(np.median(np.linalg.norm(flow[hole] * ratio, axis=1))) if hole.any() else 0.0
    return Residual(full, length)


def warp_along(
    picture: NDArray[np.float32], *, residual: Residual, matrix: Matrix, origin: Box, box: Box, linear: bool = False
) -> NDArray[np.float32]:
    """Sample `picture` (corner at origin) at matrix · (p + flow(p)): one resampling; 0 outside."""
    columns = np.arange(box.x, box.right, dtype=np.float64)[None, :] + residual.flow[..., 0]
    rows = np.arange(box.y, box.bottom, dtype=np.float64)[:, None] + residual.flow[..., 1]
    depth = matrix[2, 0] * columns + matrix[2, 1] * rows + matrix[2, 2]
    x = (matrix[0, 0] * columns + matrix[0, 1] * rows + matrix[0, 2]) / depth - origin.x
    y = (matrix[1, 0] * columns + matrix[1, 1] * rows + matrix[1, 2]) / depth - origin.y
    way = cv2.INTER_LINEAR if linear else cv2.INTER_CUBIC
    result = cv2.remap(picture, x.astype(np.float32), y.astype(np.float32), way, borderMode=cv2.BORDER_CONSTANT)
    return np.maximum(np.asarray(result, np.float32), min(0.0, float(picture.min(initial=0.0))))


def _measure(here: Grey, known_here: Mask, moved: Grey, known_moved: Mask) -> NDArray[np.float32] | None:
    both = known_here & known_moved
    ring = dilate(~known_here, _RING_PX) & both
    if ring.sum() < 100:
        return None
    before = float(np.median(_apart(here, moved)[ring]))
    if before <= _TRY_ABOVE:
        return None
    filled_here = np.where(known_here, here, np.where(known_moved, moved, 128)).astype(np.uint8)
    filled_moved = np.where(known_moved, moved, np.where(known_here, here, 128)).astype(np.uint8)
    flow = np.asarray(_dis().calc(filled_here, filled_moved, np.zeros((*here.shape, 2), np.float32)), np.float32)
    rows, columns = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    again = np.asarray(cv2.remap(filled_moved, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)
    apart = _apart(here, again)
    if float(np.median(apart[ring])) >= _KEEP_BELOW * before:
        return None
    weight = np.where(both, np.exp(-((apart / _TRUST_GREY) ** 2)), 0.0).astype(np.float32)
    outside = spread(values=flow, weight=weight)
    return np.where(known_here[..., None], flow, outside).astype(np.float32)


def _apart(one: Grey, other: Grey) -> Plane:
    """Local mean difference of two matching pictures; grain averages out."""
    return np.abs(cv2.blur(one.astype(np.float32) - other.astype(np.float32), (5, 5)))


def _dis() -> cv2.DISOpticalFlow:
    dis = cv2.DISOpticalFlow.create(cv2.DISOpticalFlow_PRESET_FAST)
    dis.setFinestScale(1)
    dis.setPatchSize(8)
    dis.setPatchStride(4)
    dis.setGradientDescentIterations(12)
    dis.setVariationalRefinementIterations(5)
    return dis
