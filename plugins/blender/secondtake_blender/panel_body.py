"""What the panel says, the same in every editor. Reads what is known; asks nobody and opens nothing."""

from __future__ import annotations

from typing import Any

import bpy

from . import connection, mattes, plates, surveys, thumbnails
from .compat import Rna
from .engines_menu import EnginesMenu
from .longer import VERB
from .panel_previz import draw_previz
from .panel_rows import wrapped as _wrapped
from .refusal import Refusal
from .settings import settings_of
from .state import live
from .takes_list import TakesList

__all__ = ["draw_body"]

_WRAP_PX = 7.0
"""About a letter's width in a panel, at 100 %."""
_MATTE_FIELDS = {
    "MASK": ("mask",),
    "MATERIAL": ("material",),
    "INDEX": ("pass_index",),
    "PAINTED": ("painted",),
    "FILE": ("matte_path",),
}


def draw_body(layout: Rna, context: bpy.types.Context) -> None:
    """Draw everything into a layout."""
    scene = plates.scene_of(context)
    settings = settings_of(scene)
    width = _letters(context)
    layout.use_property_split, layout.use_property_decorate = True, False
    _draw_connection(layout, width)
    _draw_line(layout, width)
    _draw_jobs(layout, width)
    for name, title, draw in (("plate", "Plate", _draw_plate), ("matte", "Matte", _draw_matte)):
        if settings.base == "REVISE":
            break
        header, body = layout.panel(f"secondtake_{name}", default_closed=False)
        header.label(text=title)
        if body is not None:
            draw(body, context, scene, settings, width)
    _draw_wish(layout, settings)
    _draw_references(layout, settings)
    _draw_buttons(layout, settings)
    if settings.base == "PLATE":
        draw_previz(layout, scene, settings, width)
    _draw_takes(layout, settings, width)


def _draw_connection(layout: Rna, width: int) -> None:
    line, is_well = connection.connection_line()
    row = layout.row()
    _wrapped(row.column(align=True), line, width - 12, icon="LINKED" if is_well else "UNLINKED")
    if connection.is_there() and is_well:
        row.operator("secondtake.disconnect", text="", icon="X", emboss=False)
    else:
        row.operator("secondtake.connect")


def _draw_line(layout: Rna, width: int) -> None:
    if live.line is not None:
        _wrapped(layout.column(align=True), live.line.text, width, icon="ERROR" if live.line.is_problem else "INFO")


def _draw_jobs(layout: Rna, width: int) -> None:
    for job in live.jobs_here():
        box = layout.box()
        row = box.row(align=True)
        if job.is_final:
            _wrapped(row.column(align=True), job.line, width - 8, icon="ERROR")
            row.operator("secondtake.dismiss", text="", icon="X", emboss=False).job = job.job
            continue
        row.progress(factor=job.factor, text=job.line)
        row.operator("secondtake.cancel", text="", icon="X").job = job.job
        box.label(text=job.place.choice.name)


def _draw_plate(layout: Rna, context: bpy.types.Context, scene: bpy.types.Scene, settings: Rna, width: int) -> None:
    if settings.base == "ON":
        layout.label(text=f"On top of take {settings.base_take}", icon="LINENUMBERS_ON")
        return
    layout.prop(settings, "source")
    found = plates.glance(context)
    if isinstance(found, Refusal):
        _wrapped(layout.column(align=True), str(found), width, icon="ERROR")
        return
    column = layout.column(align=True)
    for label, text in found.choice.words():
        _wrapped(
            column, text if label == "Note" else f"{label}: {text}", width, icon="INFO" if label == "Note" else "NONE"
        )
    surveys.want(found.choice)
    odd, wrong = surveys.said_of(found.choice)
    for line in odd:
        _wrapped(column, line, width, icon="INFO")
    if wrong:
        _wrapped(column, wrong, width, icon="ERROR")
    if context.area is not None and context.area.type == "SEQUENCE_EDITOR":
        layout.prop(settings, "is_rendered")
    layout.prop(settings, "handles")


def _draw_matte(layout: Rna, context: bpy.types.Context, scene: bpy.types.Scene, settings: Rna, width: int) -> None:
    if settings.operation == VERB:
        _wrapped(layout.column(align=True), "New frames are whole, the plate's stay as they are", width, icon="INFO")
        return
    layout.prop(settings, "matte", text="From")
    if settings.matte == "BOX":
        if context.area is not None and context.area.type == "SEQUENCE_EDITOR":
            layout.operator("secondtake.draw_box", icon="SELECT_SET")
        grid = layout.grid_flow(columns=2, even_columns=True, align=True, row_major=True)
        for place, text in enumerate(("Left", "Bottom", "Right", "Top")):
            grid.prop(settings, "box", index=place, text=text)
    elif settings.matte == "STRIP" and scene.sequence_editor is not None:
        strips = "strips_all" if hasattr(scene.sequence_editor, "strips_all") else "sequences_all"
        layout.prop_search(settings, "matte_strip", scene.sequence_editor, strips)
    for name in _MATTE_FIELDS.get(settings.matte, ()):
        layout.prop(settings, name)
    why = mattes.why_no_matte(scene, settings)
    if why:
        _wrapped(layout.column(align=True), why, width, icon="INFO")
    layout.prop(settings, "grow_px")
    layout.prop(settings, "feather_px")


def _draw_wish(layout: Rna, settings: Rna) -> None:
    header, body = layout.panel("secondtake_wish", default_closed=False)
    header.label(text="What")
    if body is None:
        return
    body.prop(
        settings, "instruction", text="", placeholder="What you want, in words"
    ) if _HAS_PLACEHOLDER else body.prop(settings, "instruction")
    body.prop(settings, "operation")
    if settings.operation == VERB:
        row = body.row(align=True)
        row.prop(settings, "frames_before")
        row.prop(settings, "frames_after")
    row = body.row(align=True)
    row.prop(settings, "engine")
    row.menu(EnginesMenu.bl_idname, text="", icon="DOWNARROW_HLT")
    engine = next((each for each in live.engines if each.name == settings.engine), None)
    if engine is not None and not engine.is_available:
        body.label(text=engine.why_not, icon="ERROR")
    body.prop(settings, "quality")
    header, more = body.panel("secondtake_more", default_closed=True)
    header.label(text="More")
    if more is not None:
        for name in ("seed", "engine_options", "shot", "folder"):
            more.prop(settings, name)


def _draw_references(layout: Rna, settings: Rna) -> None:
    header, body = layout.panel("secondtake_references", default_closed=True)
    count = len(settings.references)
    header.label(text=f"References ({count})" if count else "References")
    if body is None:
        return
    for place, reference in enumerate(settings.references):
        box = body.box()
        row = box.row(align=True)
        row.prop(reference, "path", text="")
        row.operator("secondtake.remove_reference", text="", icon="X").index = place
        row = box.row(align=True)
        row.prop(reference, "is_painted")
        if reference.is_painted:
            row.prop(reference, "frame", text="")
    column = body.column(align=True)
    for name in ("paint_frame", "add_reference", "add_strip_reference"):
        column.operator(f"secondtake.{name}")


def _draw_buttons(layout: Rna, settings: Rna) -> None:
    if settings.base != "PLATE":
        row = layout.row()
        what = "Revises" if settings.base == "REVISE" else "Goes on top of"
        row.label(text=f"{what} {settings.base_take}")
        row.operator("secondtake.on_plate", text="", icon="LOOP_BACK")
    row = layout.row()
    row.scale_y = 1.4
    row.operator("secondtake.fix", icon="SHADERFX", text="Revise" if settings.base == "REVISE" else "Fix")


def _draw_takes(layout: Rna, settings: Rna, width: int) -> None:
    header, body = layout.panel("secondtake_takes", default_closed=False)
    header.label(text="Takes")
    if body is None:
        return
    row = body.row()
    row.template_list(TakesList.bl_idname, "", settings, "takes", settings, "take_index", rows=3)
    side = row.column(align=True)
    for name, icon in (
        ("refresh_takes", "FILE_REFRESH"),
        ("show_plate", "HIDE_OFF"),
        ("rename_take", "GREASEPENCIL"),
        ("delete_take", "TRASH"),
    ):
        side.operator(f"secondtake.{name}", text="", icon=icon)
    body.prop(settings, "are_all_shown")
    grid = body.grid_flow(columns=3, even_columns=True, align=True, row_major=True)
    for name, text in (
        ("show_take", "Show"),
        ("accept_take", "Accept"),
        ("reject_take", "Reject"),
        ("revise_take", "Revise"),
        ("on_top", "On Top"),
        ("compare_take", "Compare"),
    ):
        grid.operator(f"secondtake.{name}", text=text)
    record = settings.takes[settings.take_index] if 0 <= settings.take_index < len(settings.takes) else None
    if record is not None and record.take:
        _draw_take(body, record, width)


def _draw_take(layout: Rna, record: Rna, width: int) -> None:
    picture = thumbnails.icon(f"compare {record.take}") or thumbnails.icon(record.take)
    if picture:
        layout.template_icon(icon_value=picture, scale=7.0)
    column = layout.column(align=True)
    what = ", ".join(filter(None, (record.operation, record.engine, record.instruction)))
    _wrapped(column, f"{record.take}{': ' if what else ''}{what}", width)
    said = live.compared.get(record.take)
    if said is not None:
        frames = said["differing"]
        text = f"{len(frames)} frames differ, most of all {said['worst']}" if frames else "No frame differs"
        _wrapped(column, text, width)


_RNA: Any = bpy.types.UILayout.bl_rna
_HAS_PLACEHOLDER = "placeholder" in _RNA.functions["prop"].parameters


def _letters(context: bpy.types.Context) -> int:
    region = context.region
    scale = max(context.preferences.system.ui_scale, 0.5)
    return max(int(region.width / scale / _WRAP_PX) - 6, 20) if region is not None else 40
