"""The engines that the daemon has, to choose from."""

from __future__ import annotations

import bpy

from .compat import Rna
from .state import live

__all__ = ["EnginesMenu"]


class EnginesMenu(bpy.types.Menu):
    """One entry an engine."""

    bl_idname = "SECONDTAKE_MT_engines"
    bl_label = "Engine"

    def draw(self, context: bpy.types.Context) -> None:
        """Blender calls it."""
        layout: Rna = self.layout
        if not live.engines:
            layout.label(text="Press Connect to see the engines")
        for engine in live.engines:
            row = layout.row()
            row.enabled = engine.is_available
            text = engine.name if engine.is_available else f"{engine.name}: {engine.why_not}"
            row.operator("secondtake.choose_engine", text=text).engine = engine.name
