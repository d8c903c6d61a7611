"""Where a frame's hole is: boxes that are worked on one by one."""

from __future__ import annotations

import cv2
import numpy as np

from secondtake.boxes import Box
from secondtake_daemon.engines.temporal.kinds import Mask
from secondtake_daemon.engines.temporal.proxy import dilate

__all__ = ["hole_boxes"]

_MARGIN_PX = 40
_CELL_PX = 8


def hole_boxes(*, hole: Mask) -> tuple[Box, ...]:
    """Boxes with margin around the hole's parts, from the frame's corner; parts that are near share one.

    Two mattes at opposite ends of a frame cost what they cover, not what lies between, and each has its own exposure.
    """
    height, width = hole.shape
    frame = Box(0, 0, width, height)
    size = (-(-width // _CELL_PX), -(-height // _CELL_PX))
    padded = np.zeros((size[1] * _CELL_PX, size[0] * _CELL_PX), bool)
    padded[:height, :width] = hole
    cells = padded.reshape(size[1], _CELL_PX, size[0], _CELL_PX).any(axis=(1, 3))
    near = dilate(np.asarray(cells, bool), -(-_MARGIN_PX // _CELL_PX)).astype(np.uint8)
    count, labels = cv2.connectedComponents(near, connectivity=8)
    found = []
    for label in range(1, count):
        rows, columns = np.nonzero((np.asarray(labels) == label) & cells)
        top, left = int(rows.min()) * _CELL_PX, int(columns.min()) * _CELL_PX
        right, bottom = (int(columns.max()) + 1) * _CELL_PX, (int(rows.max()) + 1) * _CELL_PX
        found.append(_tight(hole, Box(left, top, right - left, bottom - top).intersect(frame)).pad(_MARGIN_PX))
    return tuple(box.intersect(frame) for box in found)


def _tight(hole: Mask, box: Box) -> Box:
    part = hole[box.y : box.bottom, box.x : box.right]
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    x, y = box.x + int(columns[0]), box.y + int(rows[0])
    return Box(x, y, int(columns[-1] - columns[0]) + 1, int(rows[-1] - rows[0]) + 1)
