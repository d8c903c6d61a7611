"""The list of a scene's takes."""

from __future__ import annotations

import bpy

from . import compat, ours, records, show, thumbnails
from .compat import Rna
from .refusal import Refusal
from .state import live

__all__ = ["TakesList"]


class TakesList(bpy.types.UIList):
    """One row a take: its picture, its name, whether it is shown and starred."""

    bl_idname = "SECONDTAKE_UL_takes"

    def draw_item(
        self,
        context: Rna,
        layout: Rna,
        data: Rna,
        item: Rna,
        icon: Rna,
        active_data: Rna,
        active_property: Rna,
        index: Rna = 0,
        flt_flag: Rna = 0,
    ) -> None:
        """Blender calls it for each row."""
        said = live.takes.get(item.take, {})
        row = layout.row(align=True)
        picture = thumbnails.icon(item.take)
        text = item.label or item.take
        if picture:
            row.label(text=text, icon_value=picture)
        else:
            row.label(text=text, icon="IMAGE_DATA")
        if said.get("is_gone"):
            row.label(text="", icon="ERROR")
        if said.get("starred"):
            row.label(text="", icon="SOLO_ON")
        row.label(text="", icon="HIDE_OFF" if _is_shown(item) else "BLANK1")

    def filter_items(self, context: Rna, data: Rna, name: str | None) -> Rna:
        """Takes only, no jobs; those of the active plate, unless all are asked for."""
        uid = "" if data.are_all_shown else _active_uid(context)
        flags = []
        for record in getattr(data, str(name)):
            is_wanted = bool(record.take) and (not uid or record.plate_uid == uid)
            flags.append(self.bitflag_filter_item if is_wanted else 0)
        return flags, []


def _is_shown(record: Rna) -> bool:
    try:
        return show.shown_take(records.place_in(record)) == str(record.take)
    except Refusal:
        return False


def _active_uid(context: bpy.types.Context) -> str:
    """UID of the plate that is active in this editor; "" if there is none with takes."""
    area = context.area
    if area is not None and area.type == "SEQUENCE_EDITOR":
        editor = compat.sequencer_scene(context).sequence_editor
        strip = editor.active_strip if editor is not None else None
        return str(strip.get(ours.PLATE) or strip.get(ours.UID) or "") if strip is not None else ""
    if area is not None and area.type == "CLIP_EDITOR" and context.space_data.clip is not None:
        return str(context.space_data.clip.get(ours.UID, ""))
    return ""
