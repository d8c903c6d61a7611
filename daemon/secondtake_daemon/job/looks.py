"""Pictures of what is wanted: any size, brought to the engine's colour once, and held for the whole job."""

from __future__ import annotations

import cv2
import numpy as np

from secondtake_daemon.engines.contract import FloatImage
from secondtake_daemon.images.colour import Transform
from secondtake_daemon.images.reference import Reference

__all__ = ["read_look"]

_MOST_SIDE_PX = 1536
"""No model sees more of a picture."""
_MOST_LIGHT = 1e4


def read_look(image: Reference, transform: Transform) -> FloatImage:
    """(height, width, 3) float32 in the engine's encoding, finite; averaged down where a side is very long.

    Raises BadImage if the file is damaged, UnknownColour if its colour cannot be brought to the engine's.
    """
    window = image.window
    pixels = transform.bring(image.read((window.y, window.bottom)).values, space=image.space)
    known = np.nan_to_num(pixels, nan=0.0, posinf=_MOST_LIGHT, neginf=-_MOST_LIGHT).clip(-_MOST_LIGHT, _MOST_LIGHT)
    scale = min(1.0, _MOST_SIDE_PX / max(window.width, window.height))
    if scale == 1.0:
        return known
    size = max(round(window.width * scale), 1), max(round(window.height * scale), 1)
    return np.asarray(cv2.resize(known, size, interpolation=cv2.INTER_AREA), np.float32)
