"""Fusion compositions with masks whose inputs are functions of time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Value = Any


class Tool:
    """A mask. An input is a value, or a function of the composition's time, which begins at 0."""

    API = "Tool"

    def __init__(self, kind: str, name: str, **inputs: Value) -> None:
        self.kind, self.name, self.inputs = kind, name, inputs
        self.outline: Callable[[float], list[tuple[float, ...]]] | None = None

    def GetAttrs(self) -> dict[str, Any]:
        return {"TOOLS_Name": self.name, "TOOLS_RegID": self.kind}

    def GetInput(self, name: str, time: float) -> Value:
        found = self.inputs.get(name)
        return found(time) if callable(found) else found

    def GetBezierPolyline(self, time: float) -> dict[Any, Any] | None:
        """Points with handles: x, y and, if they are there, the ways of both handles."""
        if self.outline is None:
            return None
        names = "X", "Y", "LX", "LY", "RX", "RY"
        points = self.outline(time)
        return {"Points": {at: dict(zip(names, point)) for at, point in enumerate(points, start=1)}, "Closed": True}


class Comp:
    """A composition of an item."""

    API = "FusionComp"

    def __init__(self, *tools: Tool) -> None:
        self.tools = list(tools)

    def GetToolList(self, selected: bool, kind: str) -> dict[int, Tool] | None:
        found = [tool for tool in self.tools if tool.kind == kind and not selected]
        return dict(enumerate(found, start=1)) or None

    def FindTool(self, name: str) -> Tool | None:
        return next((tool for tool in self.tools if tool.name == name), None)

    def AddTool(self, kind: str, x: int, y: int) -> Tool | None:
        plain = {"Center": {1: 0.5, 2: 0.5, 3: 0.0}, "Width": 0.5, "Height": 0.5, "SoftEdge": 0.0, "Angle": 0.0}
        self.tools.append(Tool(kind, f"{kind}{len(self.tools) + 1}", **plain))
        return self.tools[-1]

    def GetAttrs(self) -> dict[str, Any]:
        return {}


class Fusion:
    """The Fusion object. On free editions from 19.1 on it has no UIManager."""

    API = "Fusion"

    def __init__(self) -> None:
        self.UIManager = None

    def GetCurrentComp(self) -> Comp | None:
        return None
