"""Reference images: a file, a frame of the plate to paint on, another strip."""

import os
import shutil
from pathlib import Path

import bpy
from bpy.props import IntProperty, StringProperty

from .. import asking, compat, plates
from ..colour_set import set_colourspace
from ..compat import Rna
from ..paths import absolute_media
from ..plate import PlateKind
from ..plate_strip import choose_strip
from ..refusal import Refusal
from ..sequence import numbered
from ..settings import settings_of
from .action import UNDOABLE, Action, Ended

__all__ = ["CLASSES"]


class AddReference(Action, bpy.types.Operator):
    """Add an image to follow"""

    bl_idname = "secondtake.add_reference"
    bl_label = "Add Image"
    bl_options = UNDOABLE

    filepath: StringProperty(subtype="FILE_PATH")

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> Ended:
        """Open the file browser."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def _run(self, context: bpy.types.Context) -> None:
        scene = plates.scene_of(context)
        path = absolute_media(self.filepath)
        if not os.path.isfile(path):  # noqa: PTH113
            raise Refusal("There is no such image", remedy="Choose a file", path=path)
        settings_of(scene).references.add().path = self.filepath


class PaintFrame(Action, bpy.types.Operator):
    """Copy the plate's frame under the playhead, open the copy for an Image editor, and add it as reference"""

    bl_idname = "secondtake.paint_frame"
    bl_label = "Paint This Frame"
    bl_options = UNDOABLE

    @classmethod
    def _why_grey(cls, context: bpy.types.Context) -> str:
        found = plates.glance(context)
        if isinstance(found, Refusal):
            return str(found)
        is_files = found.choice.order is None and found.choice.kind is not PlateKind.MOVIE
        return "" if is_files else "The plate has no files to copy a frame from; render it to a sequence first"

    def _run(self, context: bpy.types.Context) -> str:
        scene = plates.scene_of(context)
        settings, choice = settings_of(scene), plates.choose(context).choice
        frame = scene.frame_current
        if not choice.pairs[0].timeline <= frame <= choice.pairs[-1].timeline:
            raise Refusal("The playhead is not over the plate", remedy="Move it onto the strip")
        source = Path(numbered(choice.path, choice.number_at(frame)))
        shot = plates.shot_name(choice, settings.shot)
        path = asking.takes_root(scene, settings) / shot / f"paint.{choice.number_at(frame):04d}{source.suffix}"
        if not path.exists():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, path)
            except OSError as error:
                raise Refusal(
                    "The frame could not be copied", remedy="Check that it is there, and the disk", path=str(source)
                ) from error
        image = bpy.data.images.load(str(path), check_existing=True)
        set_colourspace(image.colorspace_settings, choice.blender_colourspace)
        if all(absolute_media(each.path, owner=scene) != str(path) for each in settings.references):
            reference = settings.references.add()
            reference.path, reference.is_painted, reference.frame = str(path), True, frame
        return f"Paint '{image.name}' in an Image editor and save it"


class AddStripReference(Action, bpy.types.Operator):
    """Add what another selected strip shows under the playhead as an image to follow"""

    bl_idname = "secondtake.add_strip_reference"
    bl_label = "Add Selected Strip"
    bl_options = UNDOABLE

    @classmethod
    def _why_grey(cls, context: bpy.types.Context) -> str:
        return "" if _other_strip(plates.scene_of(context)) else "Select one image strip besides the plate's"

    def _run(self, context: bpy.types.Context) -> None:
        scene = plates.scene_of(context)
        choice = choose_strip(scene, _other_strip(scene))
        if choice.order is not None or choice.kind is not PlateKind.IMAGES:
            raise Refusal("Only a plain image strip can be a reference", remedy="Add the image's file instead")
        settings_of(scene).references.add().path = numbered(choice.path, choice.number_at(scene.frame_current))


class RemoveReference(Action, bpy.types.Operator):
    """Follow this image no more; its file stays"""

    bl_idname = "secondtake.remove_reference"
    bl_label = "Remove Reference"
    bl_options = UNDOABLE

    index: IntProperty(options={"HIDDEN", "SKIP_SAVE"}, min=0)

    @classmethod
    def _why_grey(cls, context: bpy.types.Context) -> str:
        return "" if settings_of(plates.scene_of(context)).references else "There are no references"

    def _run(self, context: bpy.types.Context) -> None:
        settings_of(plates.scene_of(context)).references.remove(self.index)


def _other_strip(scene: bpy.types.Scene) -> Rna:
    editor = scene.sequence_editor
    if editor is None:
        return None
    others = [
        each
        for each in compat.all_strips(editor)
        if each.select and each != editor.active_strip and each.type == "IMAGE"
    ]
    return others[0] if len(others) == 1 else None


CLASSES = (AddReference, PaintFrame, AddStripReference, RemoveReference)
