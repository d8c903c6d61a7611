"""Orders to a background Blender, as JSON beside the copy of the .blend. Nothing of Blender."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from enum import Enum
from pathlib import Path
from typing import Any

from .frames import Pair

__all__ = [
    "Beauty",
    "MatteOrder",
    "MatteRoute",
    "Order",
    "PlateOrder",
    "PlateRoute",
    "PrevizOrder",
    "read_order",
    "write_order",
]


class PlateRoute(str, Enum):
    """What is rendered as a plate."""

    STRIP = "strip"
    """What a strip shows, through the sequencer."""
    CAMERA = "camera"
    """The scene through its camera, with the scene's own engine."""


class MatteRoute(str, Enum):
    """What is rendered as a matte."""

    MASK = "mask"
    """A Mask datablock, through the compositor."""
    OBJECTS = "objects"
    """Cryptomatte of objects."""
    MATERIALS = "materials"
    """Cryptomatte of materials."""
    STRIP = "strip"
    """What a strip shows, its red channel as coverage."""


class Beauty(str, Enum):
    """Which engine makes the picture of a previz."""

    SCENE = "scene"
    WORKBENCH = "workbench"
    NONE = "none"
    """Nobody looks at it: the passes are enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateOrder:
    """Render a plate: linear Rec.709, float, `plate.####.exr`."""

    route: PlateRoute
    scene: str
    name: str = ""
    """The strip's."""
    pairs: tuple[Pair, ...]
    """Scene frame and number of the file to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatteOrder:
    """Render a matte of the plate's size: one channel V, float, `matte.####.exr`."""

    route: MatteRoute
    scene: str
    names: tuple[str, ...] = ()
    """The mask, the strip, the objects or the materials."""
    size: tuple[int, int]
    """Of the plate, in pixels."""
    pairs: tuple[Pair, ...]
    has_plain_placement: bool = False
    """For STRIP: leave the strip's own transform and crop away, because it is placed as the plate."""
    samples: int = 32
    """A pixel, for Cryptomatte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrevizOrder:
    """Render what a controlled engine needs: `previz.####.exr` with all passes, and `camera.json`."""

    scene: str
    pairs: tuple[Pair, ...]
    beauty: Beauty = Beauty.SCENE
    samples: int = 16
    """A pixel, where Cycles renders passes only."""


Order = PlateOrder | MatteOrder | PrevizOrder

_KINDS: dict[str, type[PlateOrder] | type[MatteOrder] | type[PrevizOrder]] = {
    "plate": PlateOrder,
    "matte": MatteOrder,
    "previz": PrevizOrder,
}
_ENUMS: dict[tuple[str, str], type[Enum]] = {
    ("plate", "route"): PlateRoute,
    ("matte", "route"): MatteRoute,
    ("previz", "beauty"): Beauty,
}


def write_order(path: Path, order: Order) -> None:
    """Write an order for `read_order` of the same version."""
    kind = next(name for name, each in _KINDS.items() if isinstance(order, each))
    path.write_text(json.dumps({"kind": kind, **asdict(order)}), encoding="utf-8")


def read_order(path: Path) -> Order:
    """Read an order. Raises ValueError or KeyError if it is none."""
    values = json.loads(path.read_text(encoding="utf-8"))
    kind = values.pop("kind")
    made: dict[str, Any] = {each.name: _value(kind, each.name, values[each.name]) for each in fields(_KINDS[kind])}
    return _KINDS[kind](**made)


def _value(kind: str, name: str, value: object) -> object:
    if enum := _ENUMS.get((kind, name)):
        return enum(value)
    if name == "pairs" and isinstance(value, list):
        return tuple(Pair(*each) for each in value)
    return tuple(value) if isinstance(value, list) else value
