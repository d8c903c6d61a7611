"""The generation matte as a model wants it: hard, a little larger, and wide enough in time.

VACE reads one mask frame for each latent and hands its soft values on to channels that only ever saw 0 and 1; of a
group of four frames it may look at the first. So the matte is made hard, grown by the blur of the model's own grid, and
joined over the frames that share a latent (ali-vilab/VACE#44).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["generation_mattes"]

Mask = NDArray[np.bool_]

_GROW_PX = 8


def generation_mattes(holes: Mask, *, shape: str, reach: int) -> Mask:
    """(frames, height, width), model pixels: where the model makes pixels.

    reach: frames before and after that count too. Always holds all of `holes`.
    """
    wide = np.stack([_grown(_shaped(hole, shape)) if hole.any() else hole for hole in holes])
    count = len(wide)
    return np.stack([wide[max(at - reach, 0) : min(at + reach + 1, count)].any(axis=0) for at in range(count)])


def _shaped(hole: Mask, shape: str) -> Mask:
    if shape == "tight":
        return hole
    rows, columns = np.nonzero(hole)
    canvas = np.zeros(hole.shape, np.uint8)
    if shape == "box":
        canvas[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = 1
    else:
        points = np.stack([columns, rows], axis=1).astype(np.int32)
        cv2.fillConvexPoly(canvas, cv2.convexHull(points), 1)
    return np.asarray((canvas > 0) | hole, np.bool_)


def _grown(hole: Mask) -> Mask:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _GROW_PX + 1, 2 * _GROW_PX + 1))
    return np.asarray(cv2.dilate(hole.astype(np.uint8), kernel) > 0, np.bool_)
