"""The list of takes: show, compare, accept, revise, on top, reject."""

import bpy
from bpy.props import StringProperty

from .. import connection, deletion, jobs, plates, records, show, takes_known, thumbnails
from ..compat import Rna
from ..host import Answer
from ..refusal import Refusal
from ..settings import settings_of
from ..state import live
from ..words import error_line
from .action import INTERNAL, UNDOABLE, Action, Ended

__all__ = ["CLASSES"]

_NO_TAKE = "Choose a take in the list"


def _chosen(context: bpy.types.Context) -> Rna:
    """The record that is active in the list, or None."""
    settings = settings_of(plates.scene_of(context))
    if not 0 <= settings.take_index < len(settings.takes):
        return None
    record = settings.takes[settings.take_index]
    return record if record.take else None


class TakeAction(Action):
    """A button that works on the take that is active in the list."""

    @classmethod
    def _why_grey(cls, context: bpy.types.Context) -> str:
        return "" if _chosen(context) else _NO_TAKE

    def _run(self, context: bpy.types.Context) -> Rna:
        record = _chosen(context)
        if record is None:
            raise Refusal("No take is chosen", remedy=_NO_TAKE)
        return self._with(context, record)

    def _with(self, context: bpy.types.Context, record: Rna) -> Rna:
        """Do it with this take."""
        raise NotImplementedError


class ShowTake(TakeAction, bpy.types.Operator):
    """Show this take above its plate, in the place of the one that is shown"""

    bl_idname = "secondtake.show_take"
    bl_label = "Show Take"
    bl_options = UNDOABLE

    def _with(self, _context: bpy.types.Context, record: Rna) -> None:
        show.show(records.take_in(record), records.place_in(record))


class ShowPlate(TakeAction, bpy.types.Operator):
    """Look at the plate, or at the take again"""

    bl_idname = "secondtake.show_plate"
    bl_label = "Plate or Take"
    bl_options = UNDOABLE

    def _with(self, _context: bpy.types.Context, record: Rna) -> None:
        show.toggle(records.place_in(record))


class CompareTake(TakeAction, bpy.types.Operator):
    """See where this take differs from its plate"""

    bl_idname = "secondtake.compare_take"
    bl_label = "Compare with Plate"
    bl_options = INTERNAL

    def _with(self, _context: bpy.types.Context, record: Rna) -> str:
        take = record.take
        connection.connect()
        connection.ask(
            "compare", lambda answer: _heard_compared(take, answer), a="plate", b=take, out=f"{record.folder}.compare"
        )
        return "Comparing"


class AcceptTake(TakeAction, bpy.types.Operator):
    """Keep this take: its strip is yours from now on, and the next take gets one of its own"""

    bl_idname = "secondtake.accept_take"
    bl_label = "Accept"
    bl_options = UNDOABLE

    def _with(self, _context: bpy.types.Context, record: Rna) -> str:
        place = records.place_in(record)
        if show.shown_take(place) != record.take:
            show.show(records.take_in(record), place)
        show.accept(place)
        if connection.is_there():
            connection.ask("accept", takes_known.hear_notes, take=record.take)
        return f"{record.label or record.take} is yours"


class RejectTake(TakeAction, bpy.types.Operator):
    """Take it away from the timeline and from this list. Its files stay, and nothing of yours is touched"""

    bl_idname = "secondtake.reject_take"
    bl_label = "Reject"
    bl_options = UNDOABLE

    def _with(self, _context: bpy.types.Context, record: Rna) -> str:
        label, folder = record.label or record.take, record.folder
        place = records.place_in(record)
        if show.shown_take(place) == record.take:
            show.reject(place)
        live.finished.pop(record.job, None)
        records.remove(record.job)
        return f"{label} is gone from this .blend; its files are in {folder}"


class DeleteTake(TakeAction, bpy.types.Operator):
    """Delete this take's files for good, and take it away from here. It asks first, and cannot be undone"""

    bl_idname = "secondtake.delete_take"
    bl_label = "Delete Take"
    bl_options = INTERNAL

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> Ended:
        """Ask first."""
        record = _chosen(context)
        if record is None:
            return {"CANCELLED"}
        return context.window_manager.invoke_confirm(
            self,
            event,
            title=f"Delete {record.label or record.take}?",
            message="Its files go for good, whether other .blend files show it or not.",
            confirm_text="Delete",
            icon="WARNING",
        )

    def _with(self, _context: bpy.types.Context, record: Rna) -> str:
        deletion.delete(record)
        return "Deleting"


class ReviseTake(TakeAction, bpy.types.Operator):
    """Say it again with more words: Fix then makes a sibling of this take, from the same plate and matte"""

    bl_idname = "secondtake.revise_take"
    bl_label = "Revise"
    bl_options = UNDOABLE

    def _with(self, context: bpy.types.Context, record: Rna) -> None:
        settings = settings_of(plates.scene_of(context))
        settings.base, settings.base_take, settings.instruction = "REVISE", record.take, ""


class OnTop(TakeAction, bpy.types.Operator):
    """Go on from this take: Fix then makes an edit on top of it, in a matte of its own"""

    bl_idname = "secondtake.on_top"
    bl_label = "On Top"
    bl_options = UNDOABLE

    def _with(self, context: bpy.types.Context, record: Rna) -> None:
        settings = settings_of(plates.scene_of(context))
        settings.base, settings.base_take = "ON", record.take


class OnPlate(Action, bpy.types.Operator):
    """Fix makes a take of the plate again"""

    bl_idname = "secondtake.on_plate"
    bl_label = "Back to the Plate"
    bl_options = UNDOABLE

    @classmethod
    def _why_grey(cls, context: bpy.types.Context) -> str:
        return "Fix is made on the plate" if settings_of(plates.scene_of(context)).base == "PLATE" else ""

    def _run(self, context: bpy.types.Context) -> None:
        settings = settings_of(plates.scene_of(context))
        settings.base, settings.base_take = "PLATE", ""


class RenameTake(TakeAction, bpy.types.Operator):
    """Give this take a name of its own, here and in the daemon's store"""

    bl_idname = "secondtake.rename_take"
    bl_label = "Rename Take"
    bl_options = UNDOABLE

    name: StringProperty(name="Name")

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> Ended:
        """Ask for the name."""
        record = _chosen(context)
        self.name = record.label if record is not None else ""
        return context.window_manager.invoke_props_dialog(self)

    def _with(self, _context: bpy.types.Context, record: Rna) -> None:
        connection.connect()
        connection.ask("rename", takes_known.hear_notes, take=record.take, name=self.name)
        record.label = self.name or record.take


class RefreshTakes(Action, bpy.types.Operator):
    """Ask for names, stars and pictures of all takes of this .blend"""

    bl_idname = "secondtake.refresh_takes"
    bl_label = "Refresh Takes"
    bl_options = INTERNAL

    @classmethod
    def _why_grey(cls, _context: bpy.types.Context) -> str:
        has_takes = live.finished or any(record.take for record in records.records())
        return "" if has_takes else "This .blend has no takes yet"

    def _run(self, _context: bpy.types.Context) -> None:
        jobs.recover()
        connection.connect()
        takes_known.refresh()


def _heard_compared(take: str, answer: Answer) -> None:
    if answer.error is not None:
        live.say(error_line(answer.error))
        return
    said = answer.result or {}
    live.compared[take] = said
    live.line = None
    if said["sheet"]:
        live.later.append(lambda: thumbnails.load(f"compare {take}", str(said["sheet"])))


CLASSES = (
    ShowTake,
    ShowPlate,
    CompareTake,
    AcceptTake,
    RejectTake,
    DeleteTake,
    ReviseTake,
    OnTop,
    OnPlate,
    RenameTake,
    RefreshTakes,
)
