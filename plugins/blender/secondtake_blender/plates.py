"""Which plate an editor means, and what it is to be called."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import bpy

from . import compat, ours
from .compat import Rna
from .media_size import image_size
from .place import Target
from .plate import PlateChoice, PlateKind
from .plate_camera import choose_camera
from .plate_clip import choose_clip
from .plate_image import choose_image
from .plate_strip import choose_strip
from .refusal import Refusal
from .sequence import numbered
from .settings import settings_of

__all__ = ["Plate", "choose", "forget_glance", "glance", "scene_of", "shot_name", "size_of"]

_GLANCE_S = 0.25
_UNSAFE = re.compile(r"[^\w-]+")
_LONGEST_SHOT = 60


class Plate:
    """A plate and the thing in Blender that it is; to be used at once, and not kept."""

    def __init__(self, choice: PlateChoice, thing: Rna, target: Target) -> None:
        self.choice = choice
        self.thing = thing
        self.target = target


def scene_of(context: bpy.types.Context) -> bpy.types.Scene:
    """The scene whose settings count: in the Sequencer the one that is edited there."""
    scene: Any = compat.sequencer_scene(context) if _editor(context) == "SEQUENCE_EDITOR" else context.scene
    found: bpy.types.Scene = scene
    return found


def choose(context: bpy.types.Context) -> Plate:
    """The plate that the open editor means. Reads Blender only. Raises Refusal."""
    scene = scene_of(context)
    settings = settings_of(scene)
    editor = _editor(context) if settings.source == "AUTO" else ""
    if editor == "SEQUENCE_EDITOR":
        strip = scene.sequence_editor.active_strip if scene.sequence_editor else None
        strip = _of_take(scene, strip)
        return Plate(
            choose_strip(scene, strip, handles=settings.handles, rendered=settings.is_rendered), strip, Target.STRIP
        )
    if editor == "CLIP_EDITOR":
        clip = context.space_data.clip
        return Plate(choose_clip(scene, clip, handles=settings.handles), clip, Target.CLIP)
    node = getattr(context, "active_node", None) if editor == "NODE_EDITOR" else None
    if node is not None and node.bl_idname == "CompositorNodeImage":
        return Plate(choose_image(scene, node.image, node), node.image, Target.NODE)
    return Plate(choose_camera(scene), scene, Target.NODE)


def glance(context: bpy.types.Context) -> Plate | Refusal:
    """The same for panels: not looked up again within a moment, and a refusal is returned."""
    scene = scene_of(context)
    key = (scene.name, _editor(context), settings_of(scene).source)
    if _glanced.key != key or time.monotonic() > _glanced.until_s:
        try:
            found: Plate | Refusal = choose(context)
        except Refusal as refusal:
            found = refusal
        _glanced.key, _glanced.found, _glanced.until_s = key, found, time.monotonic() + _GLANCE_S
        if isinstance(found, Plate):
            # Nothing of Blender is kept: an undo may end it before the next look.
            _glanced.found = Plate(found.choice, None, found.target)
    return _glanced.found


def forget_glance() -> None:
    """Look anew at the next draw."""
    _glanced.until_s = 0.0


def size_of(choice: PlateChoice) -> tuple[int, int]:
    """Width and height of a plate; reads the first bytes of a file if Blender does not know. Raises Refusal."""
    if choice.size is not None:
        return choice.size
    path = numbered(choice.path, choice.pairs[0].number)
    size = image_size(Path(path))
    if size is None:
        choice.require_media()
        raise Refusal(
            "The plate's size cannot be told from its file", remedy="Check that the file is there and whole", path=path
        )
    return size


def shot_name(choice: PlateChoice, wanted: str) -> str:
    """A name for folders and files: as wanted, else after the plate."""
    source = wanted or (choice.name if not choice.path else Path(choice.path).name.split("#")[0].split("%")[0])
    if choice.path and not wanted and choice.kind in (PlateKind.MOVIE, PlateKind.IMAGE):
        source = Path(choice.path).stem
    return _UNSAFE.sub("_", source).strip("_-")[:_LONGEST_SHOT] or "shot"


def _of_take(scene: bpy.types.Scene, strip: Rna) -> Rna:
    """The plate's strip for the strip of a take: who has the take selected means its plate."""
    uid = strip.get(ours.PLATE) if strip is not None else None
    place = ours.find_strip(str(uid)) if uid and not strip.get(ours.ACCEPTED) else None
    return place.strip if place is not None and place.scene == scene else strip


def _editor(context: bpy.types.Context) -> str:
    return context.area.type if context.area is not None else "SEQUENCE_EDITOR"


class _Glanced:
    key: tuple[str, str, str] | None = None
    found: Plate | Refusal = Refusal("Nothing is open", remedy="Open an editor")
    until_s: float = 0.0


_glanced = _Glanced()
