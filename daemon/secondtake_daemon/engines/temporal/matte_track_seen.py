"""A frame as it looks in the coordinates of the drawn one, and how like two such views are."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake_daemon.engines.temporal.flows import sample
from secondtake_daemon.engines.temporal.kinds import Grey, Mask, Plane
from secondtake_daemon.engines.temporal.proxy import Picture
from secondtake_daemon.engines.temporal.pyramid import spread

__all__ = ["Seen", "Vectors", "agreement", "difference", "filled", "grid_of", "moved", "seen_at"]

_MATCH_GREY = 8.0
_LIGHT_PX = 8.0

Vectors = NDArray[np.float32]
"""(h, w, 2) x, y in proxy pixels."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame, brought to the drawn one's coordinates."""

    grey: Grey
    known: Mask


def seen_at(picture: Picture, place: Vectors) -> Seen:
    """A frame, looked at where each pixel of the drawn one is said to stand; the border is continued, as not known."""
    grey = cv2.remap(picture.grey, place[..., 0], place[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    known = cv2.remap(picture.known.astype(np.uint8), place[..., 0], place[..., 1], cv2.INTER_NEAREST)
    return Seen(np.asarray(grey, np.uint8), np.asarray(known, np.uint8) > 0)


def grid_of(box: Box) -> Vectors:
    """The position of each pixel of a box."""
    rows, columns = np.mgrid[box.y : box.bottom, box.x : box.right].astype(np.float32)
    return np.stack([columns, rows], axis=2)


def moved(place: Vectors, flow: Vectors) -> Vectors:
    """The place of each pixel, after a motion `flow` in the drawn frame's coordinates."""
    local = grid_of(Box(0, 0, place.shape[1], place.shape[0]))
    return np.asarray(local + flow + sample(place - local, local + flow), np.float32)


def filled(grey: Grey, inside: Mask) -> Grey:
    """Outside the thing its own tones go on, so that no edge stands still there."""
    soft = spread(values=grey.astype(np.float32), weight=inside.astype(np.float32))
    return np.ascontiguousarray(np.where(inside, grey, np.clip(np.rint(soft), 0, 255)).astype(np.uint8))


def difference(one: NDArray[np.generic], other: NDArray[np.generic]) -> Plane:
    """Local difference without that of the light; grain averages out."""
    apart = one.astype(np.float32) - other.astype(np.float32)
    return np.asarray(np.abs(cv2.blur(apart, (5, 5)) - cv2.GaussianBlur(apart, (0, 0), _LIGHT_PX)), np.float32)


def agreement(one: Seen, other: Seen, inside: Mask) -> Plane:
    """0 … 1 inside the thing where the two frames are alike, else 0."""
    apart = difference(filled(one.grey, inside), filled(other.grey, inside))
    return np.where(inside, np.exp(-((apart / _MATCH_GREY) ** 2)), 0).astype(np.float32)
