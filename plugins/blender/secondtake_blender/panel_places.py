"""The one panel in four editors."""

from __future__ import annotations

from typing import Any, ClassVar

import bpy

from .panel_body import draw_body

__all__ = ["CLASSES"]


class _Place:
    """The tab, and the body."""

    bl_region_type: ClassVar[Any] = "UI"
    bl_category = "Second Take"
    bl_label = "Second Take"

    def draw(self, context: bpy.types.Context) -> None:
        """Blender calls it."""
        draw_body(self.layout, context)  # type: ignore[attr-defined]


class SequencerPanel(_Place, bpy.types.Panel):
    """In the Sequencer: the plate is the active strip."""

    bl_idname = "SECONDTAKE_PT_sequencer"
    bl_space_type = "SEQUENCE_EDITOR"


class ClipPanel(_Place, bpy.types.Panel):
    """In the Movie Clip editor: the plate is the open clip."""

    bl_idname = "SECONDTAKE_PT_clip"
    bl_space_type = "CLIP_EDITOR"


class ViewPanel(_Place, bpy.types.Panel):
    """In the 3D View: the plate is what the scene's camera sees."""

    bl_idname = "SECONDTAKE_PT_view"
    bl_space_type = "VIEW_3D"


class CompositorPanel(_Place, bpy.types.Panel):
    """In the Compositor: the plate is the selected Image node, else what the scene's camera sees."""

    bl_idname = "SECONDTAKE_PT_compositor"
    bl_space_type = "NODE_EDITOR"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Not in shaders and geometry."""
        return bool(context.space_data.tree_type == "CompositorNodeTree")


CLASSES = (SequencerPanel, ClipPanel, ViewPanel, CompositorPanel)
