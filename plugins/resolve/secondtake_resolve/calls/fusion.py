"""Masks in a clip's Fusion compositions, evaluated without rendering. Nothing is altered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from ..masks import KINDS, CurvePoint, MaskAt
from ..refusal import Refusal
from .base import number, text

if TYPE_CHECKING:
    import fusionscript as api

__all__ = ["mask_at", "masks_of"]

_PLAIN = {"BorderWidth": 0.0, "CornerRadius": 0.0}
_PLAIN_OF_CURVES = {**_PLAIN, "Size": 1.0, "XRotation": 0.0, "YRotation": 0.0, "ZRotation": 0.0}
_WORDS = {
    "BorderWidth": "a border", "CornerRadius": "rounded corners", "Size": "a size", "XRotation": "a rotation",
    "YRotation": "a rotation", "ZRotation": "a rotation", "Center": "a centre that was moved",
}  # fmt: skip


def masks_of(item: api.TimelineItem) -> Iterator[tuple[str, api.Tool]]:
    """Name and tool of the readable masks. Away from the Fusion page a composition may be out of reach."""
    for index in range(1, (item.GetFusionCompCount() or 0) + 1):
        comp = item.GetFusionCompByIndex(index)
        if comp is None:
            continue
        for kind in KINDS:
            for tool in (comp.GetToolList(False, kind) or {}).values():
                yield text((tool.GetAttrs() or {}).get("TOOLS_Name", "")), tool


def mask_at(name: str, tool: api.Tool, at: int) -> MaskAt:
    """A mask at a frame of its composition. Raises Refusal for an outline that cannot be understood."""
    kind, time = text((tool.GetAttrs() or {}).get("TOOLS_RegID", "")), float(at)

    def value(key: str, otherwise: float) -> float:
        found = tool.GetInput(key, time)
        return otherwise if found is None else number(found)

    is_curve = kind in ("PolylineMask", "BSplineMask")
    centre = _point(tool.GetInput("Center", time) or {1: 0.5, 2: 0.5})
    plain = _PLAIN_OF_CURVES if is_curve else _PLAIN
    odd = [_WORDS[key] for key, usual in plain.items() if abs(value(key, usual) - usual) > 1e-6]
    if is_curve and max(abs(part - 0.5) for part in centre) > 1e-6:
        odd.append(_WORDS["Center"])
    return MaskAt(
        name=name,
        kind=kind,
        level=value("Level", 1.0),
        soft_edge=value("SoftEdge", 0.0),
        is_inverted=value("Invert", 0.0) >= 0.5,
        centre=centre,
        width=0.0 if is_curve else value("Width", 0.0),
        height=0.0 if is_curve else value("Height", 0.0),
        angle_deg=0.0 if is_curve else value("Angle", 0.0),
        points=_outline(name, cast(Any, tool.GetBezierPolyline(time))) if is_curve else (),
        oddities=tuple(dict.fromkeys(odd)),
    )


def _outline(name: str, table: Any) -> tuple[CurvePoint, ...]:  # noqa: ANN401 — a table of Fusion
    """Points in order, from a table `{1: point, …}` or `{"Points": {…}}`. A point: X, Y and handles, or 1 and 2."""
    try:
        listed = table.get("Points", table)
        numbered = sorted((int(key), value) for key, value in listed.items() if isinstance(value, dict))
        return tuple(_curve_point(value) for _, value in numbered)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Refusal(f"The outline of {name} cannot be read", remedy="Render the matte instead") from error


def _curve_point(point: dict[Any, Any]) -> CurvePoint:
    if "X" not in point:
        return CurvePoint(_point(point))
    ways = ((float(point.get(side + "X", 0.0)), float(point.get(side + "Y", 0.0))) for side in "LR")
    before, after = ways
    return CurvePoint((float(point["X"]), float(point["Y"])), before, after)


def _point(table: Any) -> tuple[float, float]:  # noqa: ANN401 — a table of Fusion
    return float(table[1]), float(table[2])
