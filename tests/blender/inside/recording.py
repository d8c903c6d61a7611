"""A layout that draws nothing and refuses what Blender would refuse: unknown properties, icons and operators."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, TypeAlias

import bpy

Thing: TypeAlias = Any
"""Something of Blender's."""
_ICONS = set(bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items.keys())
_HOLDERS = ("row", "column", "box", "split", "grid_flow", "column_flow")


class Recording:
    """Stands for a UILayout; `said` has every text, `pressed` every operator, `drawn` every property."""

    def __init__(self, root: Recording | None = None) -> None:
        self.root = root or self
        if root is None:
            self.said: list[str] = []
            self.pressed: list[str] = []
            self.drawn: list[str] = []
            self.icons: set[str] = set()

    def __getattr__(self, name: str) -> Thing:
        parameters = bpy.types.UILayout.bl_rna.functions
        if name in _HOLDERS:
            return lambda **values: self._child(name, values)
        raise AttributeError(f"UILayout.{name}, of {len(parameters)} functions")

    def _child(self, name: str, values: dict[str, Any]) -> Recording:
        self._check(name, values)
        return Recording(self.root)

    def _check(self, name: str, values: dict[str, Any]) -> None:
        known = bpy.types.UILayout.bl_rna.functions[name].parameters.keys()
        unknown = set(values) - set(known)
        assert not unknown, f"UILayout.{name} knows no {unknown}"
        icon = values.get("icon", "NONE")
        assert icon in _ICONS, f"there is no icon {icon}"
        if values.get("text"):
            assert isinstance(values["text"], str)
            self.root.said.append(values["text"])

    def label(self, **values: Thing) -> None:
        self._check("label", values)

    def progress(self, **values: Thing) -> None:
        self._check("progress", values)
        assert 0 <= values["factor"] <= 1

    def prop(self, data: Thing, name: str, **values: Thing) -> None:
        self._check("prop", values)
        assert name in data.bl_rna.properties, f"{data!r} has no {name}"
        self.root.drawn.append(name)

    def prop_enum(self, data: Thing, name: str, value: str, **values: Thing) -> None:
        self._check("prop_enum", values)
        known = {each.identifier for each in data.bl_rna.properties[name].enum_items}
        assert value in known, f"{data!r}.{name} is never {value}"
        self.root.drawn.append(f"{name} {value}")

    def prop_search(self, data: Thing, name: str, where: Thing, collection: str, **values: Thing) -> None:
        assert name in data.bl_rna.properties and collection in where.bl_rna.properties
        self.root.drawn.append(name)

    def operator(self, name: str, **values: Thing) -> Thing:
        self._check("operator", values)
        kind, verb = name.split(".")
        rna = getattr(getattr(bpy.ops, kind), verb).get_rna_type()
        self.root.pressed.append(name)
        return _Values({each.identifier for each in rna.properties})

    def panel(self, idname: str, *, default_closed: bool = False) -> tuple[Recording, Recording]:
        return Recording(self.root), Recording(self.root)

    def template_list(
        self, kind: str, _id: str, data: Thing, name: str, active: Thing, index: str, **values: Thing
    ) -> None:
        assert hasattr(bpy.types, kind) and name in data.bl_rna.properties and index in active.bl_rna.properties
        self._check("template_list", values)
        drawer = getattr(bpy.types, kind)
        for item in getattr(data, name):
            drawer.draw_item(None, bpy.context, Recording(self.root), data, item, 0, active, index)

    def menu(self, kind: str, **values: Thing) -> None:
        self._check("menu", values)
        drawer = getattr(bpy.types, kind)
        drawer.draw(SimpleNamespace(layout=Recording(self.root)), bpy.context)

    def template_icon(self, **values: Thing) -> None:
        self._check("template_icon", values)


class _Values:
    """What `operator` returns: a value is set on each press."""

    def __init__(self, known: set[str]) -> None:
        object.__setattr__(self, "_known", known)

    def __setattr__(self, name: str, value: object) -> None:
        assert name in self._known, f"the operator has no {name}"
