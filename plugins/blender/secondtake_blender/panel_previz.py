"""The previz part of the panel: what can be made of the scene with this engine, and what would be sent."""

from __future__ import annotations

from dataclasses import replace

import bpy

from . import previz_way
from .asking import previz_wish, why_no_previz
from .compat import Rna
from .engine import found_engine
from .panel_rows import wrapped
from .paths import render_size
from .previz_way import Way
from .state import live

__all__ = ["draw_previz"]


def draw_previz(layout: Rna, scene: bpy.types.Scene, settings: Rna, width: int) -> None:
    """Draw it. A way that the engine cannot go is grey; the line below says why of the chosen one."""
    header, body = layout.panel("secondtake_previz", default_closed=False)
    header.label(text="Previz")
    if body is None:
        return
    wish = previz_wish(settings)
    engine = found_engine(wish.engine, live.engines)
    row = body.row(align=True)
    row.use_property_split = False
    for way in Way:
        one = row.row(align=True)
        one.active = not previz_way.why_not(replace(wish, way=way), live.engines)
        one.prop_enum(settings, "previz", way.value)
    if wish.way is not Way.CARRY:
        body.prop(settings, "follow")
    if wish.way is not Way.GENERATE:
        body.prop(settings, "beauty")
    body.operator("secondtake.previz", icon="SCENE")
    why = why_no_previz(scene, settings)
    column = body.column(align=True)
    wrapped(column, why or previz_way.said(wish, engine), width, icon="INFO")
    if wish.way is Way.GENERATE and not why:
        size, fps = render_size(scene), scene.render.fps / scene.render.fps_base
        wrapped(column, f"{size[0]} × {size[1]}, {fps:.5g} frames a second, every frame is new", width)
