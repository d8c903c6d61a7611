"""A box drawn in the Sequencer's preview."""

import bpy
from bpy.props import FloatVectorProperty

from .. import box_picture, plates
from ..paths import render_size
from ..refusal import Refusal
from ..settings import settings_of
from .action import UNDOABLE, Action, Ended

__all__ = ["CLASSES"]


class DrawBox(Action, bpy.types.Operator):
    """Draw a box round what shall change: press in the preview, pull, let go"""

    bl_idname = "secondtake.draw_box"
    bl_label = "Draw Box"
    bl_options = UNDOABLE

    box: FloatVectorProperty(name="Box", description="Left, bottom, right, top in the scene's frame, in pixels", size=4)

    @classmethod
    def _why_grey(cls, context: bpy.types.Context) -> str:
        return "" if not isinstance(plates.glance(context), Refusal) else str(plates.glance(context))

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> Ended:
        """Follow the mouse from now on."""
        area = context.area
        preview = next((each for each in area.regions if each.type == "PREVIEW"), None) if area is not None else None
        if preview is None or preview.width < 2:
            self.report({"WARNING"}, "There is no preview here: show Sequencer & Preview, or the Preview")
            return {"CANCELLED"}
        self._picture = box_picture.BoxPicture(preview, render_size(plates.scene_of(context)))
        context.window_manager.modal_handler_add(self)
        context.workspace.status_text_set("Press and pull a box in the preview. Esc: cancel")
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> Ended:
        """One event of the mouse or keyboard."""
        if event.type in {"ESC", "RIGHTMOUSE"}:
            return self._leave(context, {"CANCELLED"})
        if event.type == "LEFTMOUSE" and event.value == "PRESS":
            self._picture.begin(event.mouse_x, event.mouse_y)
        elif event.type == "MOUSEMOVE":
            self._picture.pull(event.mouse_x, event.mouse_y)
        elif event.type == "LEFTMOUSE" and event.value == "RELEASE" and self._picture.is_begun:
            self.box = self._picture.box()
            return self._leave(context, self.execute(context))
        elif event.type in {"MIDDLEMOUSE", "WHEELUPMOUSE", "WHEELDOWNMOUSE"}:
            return {"PASS_THROUGH"}
        return {"RUNNING_MODAL"}

    def _leave(self, context: bpy.types.Context, how: Ended) -> Ended:
        self._picture.end()
        context.workspace.status_text_set(None)
        return how

    def _run(self, context: bpy.types.Context) -> None:
        left, bottom, right, top = self.box
        if right - left < 1 or top - bottom < 1:
            raise Refusal("The box is smaller than a pixel", remedy="Pull it larger")
        settings = settings_of(plates.scene_of(context))
        settings.box, settings.matte = self.box, "BOX"


CLASSES = (DrawBox,)
