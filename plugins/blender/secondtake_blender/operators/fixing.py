"""Fix, and what goes with a job."""

import bpy
from bpy.props import StringProperty

from .. import asking, jobs, plates
from ..compat import Rna
from ..refusal import Refusal
from ..settings import settings_of
from ..state import live
from .action import INTERNAL, UNDOABLE, Action

__all__ = ["CLASSES"]


class Fix(Action, bpy.types.Operator):
    """Make a take: change what is in the matte, and nothing else. You can go on working; frames appear as they come"""

    bl_idname = "secondtake.fix"
    bl_label = "Fix"
    bl_options = UNDOABLE

    @classmethod
    def _why_grey(cls, context: bpy.types.Context) -> str:
        scene = plates.scene_of(context)
        settings = settings_of(scene)
        if settings.base != "PLATE" and not settings.base_take:
            return "Choose a take in the list to go on from"
        if settings.base == "REVISE":
            return "" if settings.instruction else "Say what shall be different"
        found = plates.glance(context)
        if isinstance(found, Refusal) and settings.base == "PLATE":
            return str(found)
        return asking.why_no_fix(scene, settings)

    def _run(self, context: bpy.types.Context) -> str:
        job = asking.prepare_fix(context)
        jobs.begin(job)
        settings = settings_of(plates.scene_of(context))
        settings.base, settings.base_take = "PLATE", ""
        return "Rendering first, then it is sent" if job.is_being_made else "Sent"


class Previz(Action, bpy.types.Operator):
    """Render the scene with all its passes in the background, and have a shot made of it: carried, restyled, or new"""

    bl_idname = "secondtake.previz"
    bl_label = "Previz"
    bl_options = UNDOABLE

    @classmethod
    def _why_grey(cls, context: bpy.types.Context) -> str:
        scene = plates.scene_of(context)
        return asking.why_no_previz(scene, settings_of(scene))

    def _run(self, context: bpy.types.Context) -> str:
        jobs.begin(asking.prepare_previz(context))
        return "Rendering in the background; it is sent then"


class ChooseEngine(Action, bpy.types.Operator):
    """Have this engine do it"""

    bl_idname = "secondtake.choose_engine"
    bl_label = "Choose Engine"
    bl_options = UNDOABLE

    engine: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def description(cls, _context: bpy.types.Context, properties: Rna) -> str:
        """What the engine says of itself."""
        return next((each.summary for each in live.engines if each.name == properties.engine), cls.__doc__ or "")

    def _run(self, context: bpy.types.Context) -> None:
        settings_of(plates.scene_of(context)).engine = self.engine


class CancelJob(Action, bpy.types.Operator):
    """Stop this job. What it showed goes away again"""

    bl_idname = "secondtake.cancel"
    bl_label = "Cancel"
    bl_options = INTERNAL

    job: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def _why_grey(cls, _context: bpy.types.Context) -> str:
        return "" if any(not job.is_final for job in live.jobs.values()) else "No job is under way"

    def _run(self, _context: bpy.types.Context) -> None:
        job = live.jobs.get(self.job)
        if job is None:
            raise Refusal("This job is over", remedy="Nothing needs to be done")
        jobs.cancel(job)


class DismissJob(Action, bpy.types.Operator):
    """Take the line of a failed job away"""

    bl_idname = "secondtake.dismiss"
    bl_label = "Dismiss"
    bl_options = INTERNAL

    job: StringProperty(options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def _why_grey(cls, _context: bpy.types.Context) -> str:
        return "" if any(job.is_final for job in live.jobs.values()) else "No job has failed"

    def _run(self, _context: bpy.types.Context) -> None:
        job = live.jobs.get(self.job)
        if job is not None and job.is_final:
            del live.jobs[self.job]


CLASSES = (Fix, Previz, ChooseEngine, CancelJob, DismissJob)
