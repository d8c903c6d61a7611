"""What differs between Blender 4.2 and 5.2. The only place that asks which names this Blender has.

An empty collection of Blender is falsy, so every question is a `hasattr`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import bpy

__all__ = [
    "Rna",
    "a_window",
    "all_strips",
    "clear_compositor",
    "compositor",
    "content_count",
    "content_start",
    "editing",
    "eevee",
    "enum_names",
    "group_output",
    "is_retimed",
    "left_handle",
    "right_handle",
    "sequencer_scene",
    "set_content_start",
    "set_handles",
    "strips_of",
    "trim_start",
    "working_space",
]


Rna: TypeAlias = Any
"""A thing of Blender whose type or properties have other names in another version."""


def strips_of(holder: Rna) -> Rna:
    """The strips of a sequence editor or a meta strip, as a collection that can be added to."""
    return holder.strips if hasattr(holder, "strips") else holder.sequences


def all_strips(editor: Rna) -> Rna:
    """Every strip of an editor, those inside metas too."""
    return editor.strips_all if hasattr(editor, "strips_all") else editor.sequences_all


def left_handle(strip: Rna) -> int:
    """First timeline frame that shows."""
    return int(strip.left_handle if hasattr(strip, "left_handle") else strip.frame_final_start)


def right_handle(strip: Rna) -> int:
    """Timeline frame after the last that shows."""
    return int(strip.right_handle if hasattr(strip, "right_handle") else strip.frame_final_end)


def set_handles(strip: Rna, *, left: int, right: int) -> None:
    """Trim a strip without moving its content."""
    if hasattr(strip, "left_handle"):
        strip.left_handle, strip.right_handle = left, right
    else:
        strip.frame_final_start, strip.frame_final_end = left, right


def content_start(strip: Rna) -> float:
    """Timeline frame of the content's first frame."""
    return float(strip.content_start if hasattr(strip, "content_start") else strip.frame_start)


def set_content_start(strip: Rna, frame: int) -> None:
    """Move a strip with its content."""
    if hasattr(strip, "content_start"):
        strip.content_start = frame
    else:
        strip.frame_start = frame


def content_count(strip: Rna) -> int:
    """Frames of content, without the soft trims."""
    return int(strip.content_duration if hasattr(strip, "content_duration") else strip.frame_duration)


def trim_start(strip: Rna) -> int:
    """Frames of the media before the content."""
    if hasattr(strip, "content_trim_start"):
        return int(strip.content_trim_start)
    return int(getattr(strip, "animation_offset_start", 0))


def sequencer_scene(context: Rna) -> Rna:
    """The scene whose sequence is edited."""
    return getattr(context, "sequencer_scene", None) or context.scene


@contextmanager
def editing(scene: Rna, strip: Rna) -> Iterator[None]:
    """Make scene and strip those that sequencer operators work on, and put back what the artist had.

    A timer has no window in its context. Without the scene in the workspace operators find nothing from 5.0 on, and
    5.0.1 crashes on strip modifiers.
    """
    editor = scene.sequence_editor
    window = bpy.context.window or a_window()
    workspace: Rna = window.workspace
    has_scene = hasattr(workspace, "sequencer_scene")
    scene_before = workspace.sequencer_scene if has_scene else None
    name_before = editor.active_strip.name if editor.active_strip else ""
    if has_scene:
        workspace.sequencer_scene = scene
    editor.active_strip = strip
    try:
        # One after the other: a window brings its own scene along.
        with bpy.context.temp_override(window=window), bpy.context.temp_override(scene=scene):
            yield
    finally:
        # By name: an operator may have replaced what a reference points to.
        editor.active_strip = next((each for each in all_strips(editor) if each.name == name_before), None)
        if has_scene:
            workspace.sequencer_scene = scene_before


def is_retimed(strip: Rna) -> bool:
    """True if the strip runs at another speed somewhere. Image strips of 4.2 show it only in their length."""
    if hasattr(strip, "retiming_keys"):
        return len(strip.retiming_keys) > 0
    plain = strip.frame_duration - strip.frame_offset_start - strip.frame_offset_end
    return bool(right_handle(strip) - left_handle(strip) != round(plain))


def compositor(scene: Rna, *, make: bool = False) -> Rna:
    """The scene's compositor tree, or None; with `make` a new one is set up if there is none."""
    if hasattr(scene, "compositing_node_group"):
        if scene.compositing_node_group is None and make:
            scene.compositing_node_group = bpy.data.node_groups.new("Compositor", "CompositorNodeTree")
        return scene.compositing_node_group
    if make:
        scene.use_nodes = True
    return scene.node_tree if scene.use_nodes else None


def clear_compositor(scene: Rna) -> Rna:
    """An empty compositor tree for the scene."""
    if hasattr(scene, "compositing_node_group"):
        scene.compositing_node_group = bpy.data.node_groups.new("Second Take", "CompositorNodeTree")
        tree = scene.compositing_node_group
    else:
        scene.use_nodes = True
        tree = scene.node_tree
        tree.nodes.clear()
    scene.render.use_compositing = True
    return tree


def group_output(tree: Rna) -> Rna:
    """A new output node of an empty compositor tree, with an Image socket."""
    if "compositing_node_group" in bpy.types.Scene.bl_rna.properties:
        tree.interface.new_socket(name="Image", in_out="OUTPUT", socket_type="NodeSocketColor")
        return tree.nodes.new("NodeGroupOutput")
    return tree.nodes.new("CompositorNodeComposite")


def eevee() -> str:
    """EEVEE's name among the engines."""
    names = enum_names(bpy.types.RenderSettings, "engine")
    return "BLENDER_EEVEE_NEXT" if "BLENDER_EEVEE_NEXT" in names else "BLENDER_EEVEE"


def enum_names(kind: Rna, name: str) -> frozenset[str]:
    """The values that a property of a type of Blender's can have."""
    return frozenset(kind.bl_rna.properties[name].enum_items.keys())


def a_window() -> Rna:
    """Some window: Blender has one in the background too."""
    manager: Rna = bpy.context.window_manager
    return manager.windows[0]


def working_space() -> str:
    """Blender's name of the space it renders in."""
    settings = getattr(bpy.data, "colorspace", None)
    return str(settings.working_space) if settings is not None else "Linear Rec.709"
