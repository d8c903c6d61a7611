"""Fusion masks, evaluated frame by frame, as the daemon's keyed shapes. Pure arithmetic.

Fusion places a mask in shares of the picture: x of its width from the left, y of its height from the bottom. Widths,
heights and soft edges are shares of the picture's width. An angle turns counter-clockwise, in degrees. Keyed shapes
(`docs/mattes.md`) count pixels from the upper left corner, and turn clockwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .ranges import SourceFrame
from .refusal import Refusal

__all__ = ["KINDS", "CurvePoint", "MaskAt", "is_ours", "keyed_shapes"]

KINDS = ("PolylineMask", "BSplineMask", "EllipseMask", "RectangleMask")
"""Masks that can be read without rendering."""
_PREFIX = "FIX_"
_RENDER = "Render the matte instead: choose a matte track"
_FEWEST = {"PolylineMask": 2, "BSplineMask": 2}

Json = dict[str, Any]
Point = tuple[float, float]


@dataclass(frozen=True)
class CurvePoint:
    """A point of a closed outline with its handles, which are relative to it. In shares of the picture, y up."""

    at: Point
    before: Point = (0.0, 0.0)
    after: Point = (0.0, 0.0)


@dataclass(frozen=True)
class MaskAt:
    """A mask at one frame, after all trackers and expressions."""

    name: str
    kind: str
    level: float = 1.0
    soft_edge: float = 0.0
    is_inverted: bool = False
    centre: Point = (0.5, 0.5)
    width: float = 0.0
    height: float = 0.0
    angle_deg: float = 0.0
    points: tuple[CurvePoint, ...] = ()
    oddities: tuple[str, ...] = ()
    """Inputs that do what keyed shapes cannot."""


def is_ours(name: str) -> bool:
    """Whether a mask is chosen by its name: `FIX_sign`."""
    return name.upper().startswith(_PREFIX)


def keyed_shapes(masks: Sequence[Sequence[MaskAt]], *, first: SourceFrame, size_px: tuple[int, int]) -> Json:
    """Keyed shapes, in the daemon's form. masks: of each mask one value a frame; first: the plate's number of frame 0.

    Soft edges become feathers, which go inward only. Raises Refusal for what keyed shapes cannot say.
    """
    shapes = [_shape(frames, first, size_px) for frames in masks]
    return {"version": 1, "size": list(size_px), "shapes": shapes}


def _shape(frames: Sequence[MaskAt], first: SourceFrame, size_px: tuple[int, int]) -> Json:
    start = frames[0]
    for mask in frames:
        _require_sayable(mask, start)
    keys = [{"frame": first + at, **_key(mask, size_px)} for at, mask in enumerate(frames)]
    shape: Json = {"kind": _shape_kind(start), "keys": _without_repeats(keys)}
    if start.is_inverted:
        shape["invert"] = True
    return shape


def _require_sayable(mask: MaskAt, start: MaskAt) -> None:
    if mask.kind not in KINDS:
        raise Refusal(f"The mask {mask.name} is a {mask.kind}, which cannot be read as a shape", remedy=_RENDER)
    if mask.oddities:
        raise Refusal(f"The mask {mask.name} uses {', '.join(mask.oddities)}", remedy=_RENDER)
    if mask.is_inverted != start.is_inverted:
        raise Refusal(f"The mask {mask.name} is inverted in some frames only", remedy=_RENDER)
    if len(mask.points) != len(start.points):
        raise Refusal(f"The mask {mask.name} does not have the same points in all frames", remedy=_RENDER)
    if len(mask.points) < _FEWEST.get(mask.kind, 0):
        raise Refusal(f"The mask {mask.name} has no outline", remedy="Draw it, or choose another")
    if not mask.points and not (mask.width > 0 and mask.height > 0):
        raise Refusal(f"The mask {mask.name} has no area", remedy="Make it larger, or choose another")
    numbers = (mask.level, mask.soft_edge, *mask.centre, mask.width, mask.height, mask.angle_deg)
    if not all(map(math.isfinite, (*numbers, *(number for point in mask.points for number in _numbers(point))))):
        raise Refusal(f"The mask {mask.name} has a value that is no number", remedy="Look at its animation")


def _shape_kind(mask: MaskAt) -> str:
    return {"EllipseMask": "ellipse", "RectangleMask": "polygon"}.get(mask.kind, "bezier")


def _key(mask: MaskAt, size_px: tuple[int, int]) -> Json:
    width, _ = size_px
    key: Json = {"opacity": _round(min(max(mask.level, 0.0), 1.0))}
    if mask.soft_edge > 0:
        key["feather_px"] = round(mask.soft_edge * width)
    centre = _pixel(mask.centre, size_px)
    half = mask.width * width / 2, mask.height * width / 2
    if mask.kind == "EllipseMask":
        radii = [_round(part) for part in half]
        return {**key, "centre": centre, "radii": radii, "rotation_deg": _round(-mask.angle_deg)}
    if mask.kind == "RectangleMask":
        return {**key, "points": _corners(centre, half, -mask.angle_deg)}
    return {**key, "points": [_curve_point(point, size_px) for point in mask.points]}


def _corners(centre: list[float], half: Point, turn_deg: float) -> list[list[float]]:
    """Of a rectangle in pixels, y down, turned clockwise."""
    cos, sin = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    ways = ((-half[0], -half[1]), (half[0], -half[1]), (half[0], half[1]), (-half[0], half[1]))
    return [[_round(centre[0] + x * cos - y * sin), _round(centre[1] + x * sin + y * cos)] for x, y in ways]


def _curve_point(point: CurvePoint, size_px: tuple[int, int]) -> Json:
    width, height = size_px
    before, after = ([_round(way[0] * width), _round(-way[1] * height)] for way in (point.before, point.after))
    return {"at": _pixel(point.at, size_px), "in": before, "out": after}


def _pixel(at: Point, size_px: tuple[int, int]) -> list[float]:
    return [_round(at[0] * size_px[0]), _round((1 - at[1]) * size_px[1])]


def _round(value: float) -> float:
    return round(value, 4) + 0.0  # no -0.0


def _numbers(point: CurvePoint) -> tuple[float, ...]:
    return (*point.at, *point.before, *point.after)


def _without_repeats(keys: list[Json]) -> list[Json]:
    """Without the keys that stand between two like them, and those after the last change."""

    def value(key: Json | None) -> Json | None:
        return None if key is None else {name: part for name, part in key.items() if name != "frame"}

    ends = [None, *keys[:-1]], [*keys[1:], None]
    kept = [
        key for before, key, after in zip(ends[0], keys, ends[1]) if not value(before) == value(key) == value(after)
    ]
    while len(kept) > 1 and value(kept[-1]) == value(kept[-2]):
        kept.pop()
    return kept
