"""From the size of the matching pictures to that of the plate, and the one resampling that a painting gets."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake_daemon.engines.temporal.flows import sample
from secondtake_daemon.engines.temporal.kinds import Colour
from secondtake_daemon.engines.temporal.proxy import Grid

__all__ = ["enlarged", "positions", "resampled"]

_SNAP_PX = 0.06

Vectors = NDArray[np.float32]


def enlarged(plane: NDArray[np.float32], *, small: Box, grid: Grid, box: Box) -> NDArray[np.float32]:
    """A box of the frame, (h, w) or (h, w, c), out of a plane over the proxy's box `small`, whose edge goes on."""
    x = (np.arange(box.x, box.right, dtype=np.float32) + 0.5) * (grid.proxy_width / grid.width) - 0.5
    y = (np.arange(box.y, box.bottom, dtype=np.float32) + 0.5) * (grid.proxy_height / grid.height) - 0.5
    return sample(plane, np.stack(np.meshgrid(x - small.x, y - small.y), axis=2).astype(np.float32))


def positions(to: Vectors, *, small: Box, grid: Grid, box: Box) -> Vectors:
    """A field's positions in plate pixels, for a box of the frame; whole pixels where the motion is that."""
    ratio = np.array([grid.width / grid.proxy_width, grid.height / grid.proxy_height], np.float32)
    full = (enlarged(to, small=small, grid=grid, box=box) + np.float32(0.5)) * ratio - np.float32(0.5)
    rows, columns = np.mgrid[box.y : box.bottom, box.x : box.right].astype(np.float32)
    place = np.stack([columns, rows], axis=2)
    whole = np.rint((full - place).mean(axis=(0, 1)))
    still = np.abs(full - place - whole).max() < _SNAP_PX
    return np.asarray(place + whole if still else full, np.float32)


def resampled(picture: Colour, *, to: Vectors) -> Colour:
    """Lanczos samples (Duchon, 1979), held to what the nearest 3 × 3 pixels span: edges stay hard and get no halo.

    picture: (h, w, 3); to: (…, 2) positions in it.
    """
    x, y = to[..., 0], to[..., 1]
    edge, square = cv2.BORDER_REPLICATE, np.ones((3, 3), np.uint8)
    found = cv2.remap(picture, x, y, cv2.INTER_LANCZOS4, borderMode=edge)
    least = cv2.remap(cv2.erode(picture, square), x, y, cv2.INTER_NEAREST, borderMode=edge)
    most = cv2.remap(cv2.dilate(picture, square), x, y, cv2.INTER_NEAREST, borderMode=edge)
    return np.clip(np.asarray(found, np.float32), np.asarray(least), np.asarray(most))
