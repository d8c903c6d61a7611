"""Keyed shapes: polygons, Béziers and ellipses with keys in time, as JSON, and their coverage per pixel.

The file format is described in docs/mattes.md. Coordinates are pixels of the display window, y down, counted from its
upper left corner; the centre of the first pixel is at 0.5, 0.5.
"""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from secondtake.errors import BadMatte
from secondtake_daemon.images.feather import feather_inward
from secondtake_daemon.images.polygons import polygon_coverage

__all__ = ["Bezier", "BezierKey", "BezierPoint", "Ellipse", "EllipseKey", "Mode", "Polygon", "PolygonKey", "ShapeFile"]
__all__ += ["load", "rasterise"]

_FloatPlane = NDArray[np.float32]
_Floats = NDArray[np.float64]
_MOST_BYTES = 16 << 20
_FLATNESS_PX = 0.002
_MOST_PIECES = 256

_Number = Annotated[float, msgspec.Meta(ge=-1e6, le=1e6)]
_Radius = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Feather = Annotated[float, msgspec.Meta(ge=0, le=10_000)]
_Frame = Annotated[int, msgspec.Meta(ge=-(10**9), le=10**9)]
_Side = Annotated[int, msgspec.Meta(ge=1, le=32_768)]
_Pair = tuple[_Number, _Number]

Mode = Literal["add", "subtract", "intersect"]


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class _Key(_Value, frozen=True, kw_only=True):
    """What every key has. Between keys all numbers change linearly; before the first and after the last they stay."""

    frame: _Frame
    opacity: _Share = 1.0
    feather_px: _Feather = 0.0
    """Softens the edge inward over so many pixels."""
    hold: bool = False
    """Keep these values until the next key instead of moving towards it."""


class PolygonKey(_Key, frozen=True, kw_only=True):
    """A closed polygon at one frame."""

    points: Annotated[tuple[_Pair, ...], msgspec.Meta(min_length=3, max_length=4_096)]


class BezierPoint(_Value, frozen=True, kw_only=True):
    """A corner of a closed cubic spline; both handles are relative to it."""

    at: _Pair
    into: _Pair = msgspec.field(default=(0.0, 0.0), name="in")
    out: _Pair = (0.0, 0.0)


class BezierKey(_Key, frozen=True, kw_only=True):
    """A closed cubic Bézier spline at one frame."""

    points: Annotated[tuple[BezierPoint, ...], msgspec.Meta(min_length=2, max_length=512)]


class EllipseKey(_Key, frozen=True, kw_only=True):
    """An ellipse at one frame. A positive rotation turns from +x to +y, clockwise on the screen."""

    centre: _Pair
    radii: tuple[_Radius, _Radius]
    rotation_deg: _Number = 0.0


class _Shape(_Value, frozen=True, kw_only=True, tag_field="kind"):
    mode: Mode = "add"
    invert: bool = False


class Polygon(_Shape, frozen=True, kw_only=True, tag="polygon"):
    """A polygon through time: every key has as many points."""

    keys: Annotated[tuple[PolygonKey, ...], msgspec.Meta(min_length=1)]


class Bezier(_Shape, frozen=True, kw_only=True, tag="bezier"):
    """A Bézier spline through time: every key has as many points."""

    keys: Annotated[tuple[BezierKey, ...], msgspec.Meta(min_length=1)]


class Ellipse(_Shape, frozen=True, kw_only=True, tag="ellipse"):
    """An ellipse through time."""

    keys: Annotated[tuple[EllipseKey, ...], msgspec.Meta(min_length=1)]


class ShapeFile(_Value, frozen=True, kw_only=True):
    """A whole file of keyed shapes. Each shape works on what those before it have left; it begins with nothing."""

    version: Literal[1]
    size: tuple[_Side, _Side]
    """Width and height of the display window it was drawn on."""
    shapes: Annotated[tuple[Polygon | Bezier | Ellipse, ...], msgspec.Meta(min_length=1, max_length=1_024)]


def load(path: Path) -> ShapeFile:
    """Read and check a file. Raises BadMatte that says where in the file it is wrong."""
    try:
        size_bytes = path.stat().st_size
        raw = path.read_bytes() if size_bytes <= _MOST_BYTES else b""
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadMatte(f"The matte's shapes cannot be read ({reason})", remedy="Check the name", path=path) from error
    if size_bytes > _MOST_BYTES:
        raise BadMatte("The matte's shapes are over 16 MiB", remedy="Draw with fewer points or keys", path=path)
    try:
        shapes = msgspec.json.decode(raw, type=ShapeFile)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        remedy = "Compare the file with docs/mattes.md"
        raise BadMatte(f"The matte's shapes cannot be understood: {error}", remedy=remedy, path=path) from error
    for number, shape in enumerate(shapes.shapes):
        _check(shape, number, path)
    return shapes


def rasterise(shapes: ShapeFile, frame: int) -> _FloatPlane:
    """The coverage of a frame: (height, width) float32, 0..1, of the size the file names; exactly 0 outside.

    Area coverage, exact to better than 1/255. `add` is a + s − a·s, `subtract` a·(1 − s), `intersect` a·s.
    """
    width, height = shapes.size
    total = np.zeros((height, width), np.float32)
    one = np.float32(1)
    for shape in shapes.shapes:
        drawn = _draw(shape, frame, width=width, height=height)
        if shape.mode == "add":
            total = one - (one - total) * (one - drawn) if total.any() else drawn
        else:
            total = total * (drawn if shape.mode == "intersect" else one - drawn)
    return total


def _check(shape: Polygon | Bezier | Ellipse, number: int, path: Path) -> None:
    frames = [key.frame for key in shape.keys]
    if any(later <= earlier for earlier, later in pairwise(frames)):
        raise BadMatte(
            f"The keys of shape {number} of the matte are not in the order of their frames",
            remedy="Sort them, one key a frame",
            path=path,
        )
    if isinstance(shape, Ellipse):
        return
    counts = {len(key.points) for key in shape.keys}
    if len(counts) > 1:
        raise BadMatte(
            f"The keys of shape {number} of the matte have unequal numbers of points: {min(counts)} and {max(counts)}",
            remedy="Give every key of a shape as many points",
            path=path,
        )


def _draw(shape: Polygon | Bezier | Ellipse, frame: int, *, width: int, height: int) -> _FloatPlane:
    before, after, share = _between(shape.keys, frame)
    coverage = polygon_coverage(_outline(before, after, share), width=width, height=height)
    if shape.invert:
        coverage = np.float32(1) - coverage
    coverage = feather_inward(coverage, feather_px=_mix(before.feather_px, after.feather_px, share))
    return coverage * np.float32(_mix(before.opacity, after.opacity, share))


_K = TypeVar("_K", bound=_Key)


def _between(keys: tuple[_K, ...], frame: int) -> tuple[_K, _K, float]:
    """The keys around a frame, and how far it is from the first to the second."""
    if frame <= keys[0].frame:
        return keys[0], keys[0], 0.0
    for before, after in pairwise(keys):
        if frame < after.frame:
            share = 0.0 if before.hold else (frame - before.frame) / (after.frame - before.frame)
            return before, after, share
    return keys[-1], keys[-1], 0.0


def _mix(a: float, b: float, share: float) -> float:
    return a if share == 0 else a + (b - a) * share


def _outline(before: _Key, after: _Key, share: float) -> _Floats:
    """The shape at this moment as (n, 2) points of a closed polygon, at most 0.002 px from the true curve."""
    here, there = _geometry(before), _geometry(after)
    moment = here if share == 0 else here + (there - here) * share
    if isinstance(before, PolygonKey):
        return moment
    if isinstance(before, BezierKey):
        return _flatten(moment.reshape(-1, 3, 2))
    return _ellipse(*moment.ravel().tolist())


def _geometry(key: _Key) -> _Floats:
    match key:
        case PolygonKey(points=points):
            return np.array(points, np.float64)
        case BezierKey(points=points):
            return np.array([(point.into, point.at, point.out) for point in points], np.float64)
        case EllipseKey():
            return np.array([*key.centre, *key.radii, key.rotation_deg], np.float64)
    raise TypeError(f"{type(key).__name__} has no geometry")


def _flatten(points: _Floats) -> _Floats:
    """(n, 3, 2) in-handle, point, out-handle → points of the closed curve."""
    start, end = points[:, 1], np.roll(points[:, 1], -1, axis=0)
    control = start + points[:, 2], end + np.roll(points[:, 0], -1, axis=0)
    bend = np.maximum(
        np.hypot(*(start - 2 * control[0] + control[1]).T), np.hypot(*(control[0] - 2 * control[1] + end).T)
    )
    # A cubic cut into n chords is off by at most 6/8 · bend / n² (its second derivative is at most 6 · bend).
    counts = np.clip(np.ceil(np.sqrt(0.75 * bend / _FLATNESS_PX)), 1, _MOST_PIECES).astype(int)
    curves: list[_Floats] = []
    for p0, p1, p2, p3, count in zip(start, *control, end, counts, strict=True):
        t = (np.arange(count) / count)[:, None]
        curves.append((1 - t) ** 3 * p0 + 3 * (1 - t) ** 2 * t * p1 + 3 * (1 - t) * t**2 * p2 + t**3 * p3)
    return np.concatenate(curves)


def _ellipse(x: float, y: float, radius_x: float, radius_y: float, rotation_deg: float) -> _Floats:
    count = int(min(max(8, math.ceil(math.pi * math.sqrt(max(radius_x, radius_y) / (2 * _FLATNESS_PX)))), 4_096))
    angle = np.arange(count) * (2 * math.pi / count)
    turn = math.radians(rotation_deg)
    across, along = radius_x * np.cos(angle), radius_y * np.sin(angle)
    return np.column_stack(
        [
            x + across * math.cos(turn) - along * math.sin(turn),
            y + across * math.sin(turn) + along * math.cos(turn),
        ]
    )
