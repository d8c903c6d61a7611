"""A box drawn over the preview, as keyed shapes on the plate's own pixels. Pure arithmetic.

The sequencer lays a picture into the frame so (measured in renders of every version): the picture's centre comes to the
frame's centre plus the offset; scale and rotation work around the origin, which is a share of the picture's size; a
flip mirrors the whole frame after that. Coordinates: frame pixels from its lower left corner, y up, as the preview
counts; plate pixels from the upper left corner, y down, as keyed shapes count.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable

from .plate import Placement

__all__ = ["Point", "frame_to_plate", "polygon_shapes"]

Point = tuple[float, float]


def frame_to_plate(point: Point, *, placement: Placement, plate: tuple[int, int], frame: tuple[int, int]) -> Point:
    """Where a point of the scene's frame lies on the plate."""
    width, height = plate
    origin = (placement.origin[0] * width - width / 2, placement.origin[1] * height - height / 2)
    from_centre = (point[0] - frame[0] / 2, point[1] - frame[1] / 2)
    x, y = (-at if flip else at for at, flip in zip(from_centre, placement.flip, strict=True))
    x -= placement.offset_px[0] + origin[0]
    y -= placement.offset_px[1] + origin[1]
    turn, (scale_x, scale_y) = placement.rotation_rad, placement.scale
    cos, sin = math.cos(turn), math.sin(turn)
    x, y = (x * cos + y * sin) / _apart_from_0(scale_x), (y * cos - x * sin) / _apart_from_0(scale_y)
    x, y = x + origin[0], y + origin[1]
    return x + width / 2, height / 2 - y


def polygon_shapes(corners: Iterable[Point], *, plate: tuple[int, int], frame: int) -> str:
    """The text of a keyed-shapes file with one polygon of plate pixels, the same in all frames."""
    points = [[round(x, 4), round(y, 4)] for x, y in corners]
    shape = {"kind": "polygon", "keys": [{"frame": frame, "points": points}]}
    return json.dumps({"version": 1, "size": list(plate), "shapes": [shape]}, indent=1)


def _apart_from_0(scale: float) -> float:
    return math.copysign(max(abs(scale), 1e-9), scale)
