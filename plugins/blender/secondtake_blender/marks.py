"""The id of a plate, whatever it is: a strip, a clip, an image, a camera."""

from __future__ import annotations

from typing import Any

import bpy

from . import compat, ours
from .compat import Rna
from .place import Place, Target
from .plate import PlateKind

__all__ = ["mark_again", "mark_plate", "unmark"]


def mark_plate(thing: Rna) -> tuple[str, bool]:
    """Its UID, and whether it got it only now."""
    is_new = not thing.get(ours.UID)
    return ours.mark(thing), is_new


def mark_again(place: Place) -> None:
    """Give the plate its id once more, after an undo took it away; found by its name."""
    if _things(place.target, place.plate_uid):
        return
    choice = place.choice
    scene = bpy.data.scenes.get(choice.scene)
    if place.target is Target.CLIP:
        thing = bpy.data.movieclips.get(choice.name)
    elif choice.kind is PlateKind.CAMERA:
        thing = scene
    elif place.target is Target.NODE:
        thing = bpy.data.images.get(choice.name)
    else:
        strips: Any = compat.all_strips(scene.sequence_editor) if scene is not None and scene.sequence_editor else ()
        thing = next((strip for strip in strips if strip.name == choice.name), None)
    if thing is not None and not thing.get(ours.UID):
        thing[ours.UID] = place.plate_uid


def unmark(place: Place) -> None:
    """Take the id away again, if nothing that landed needs it."""
    if any(True for _ in ours.strips_with(ours.PLATE, place.plate_uid)):
        return
    for thing in _things(place.target, place.plate_uid):
        del thing[ours.UID]


def _things(target: Target, uid: str) -> list[Any]:
    if target is Target.CLIP:
        return ours.find_marked(bpy.data.movieclips, ours.UID, uid)
    if target is Target.NODE:
        return [
            *ours.find_marked(bpy.data.images, ours.UID, uid),
            *ours.find_marked(bpy.data.scenes, ours.UID, uid),
        ]
    strips = [place.strip for place in ours.strips_with(ours.UID, uid)]
    return strips or ours.find_marked(bpy.data.scenes, ours.UID, uid)
