"""What belongs to Second Take in a .blend: marked with ID properties, found by them, and nothing else is ever touched.

References to strips are garbage after an undo, and strips have no id of their own; a UUID in a property survives undo,
saving and loading, and means nothing to a Blender without the add-on.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import bpy

from . import compat
from .compat import Rna

__all__ = [
    "ACCEPTED",
    "PLATE",
    "TAKE",
    "UID",
    "StripPlace",
    "find_marked",
    "find_strip",
    "mark",
    "place_of",
    "strips_with",
]

UID = "secondtake_uid"
"""On a plate strip and on everything that was landed: its own id."""
PLATE = "secondtake_plate"
"""On what was landed: the UID of its plate."""
TAKE = "secondtake_take"
"""On what was landed: the take that it shows."""
ACCEPTED = "secondtake_accepted"
"""On what was landed: True once it was accepted; then it is the artist's."""


@dataclass(frozen=True, slots=True)
class StripPlace:
    """A strip, and where it is. To be used at once and not kept."""

    scene: bpy.types.Scene
    holder: Rna
    """The sequence editor, or the meta strip that it lies in."""
    strip: Rna


def mark(thing: Rna) -> str:
    """The thing's UID, given now if it has none."""
    if not thing.get(UID):
        thing[UID] = uuid.uuid4().hex
    return str(thing[UID])


def strips_with(key: str, value: str) -> Iterator[StripPlace]:
    """Strips of all scenes that have a property of this value."""
    for scene in bpy.data.scenes:
        if scene.sequence_editor is not None:
            yield from (place for place in _places(scene, scene.sequence_editor) if place.strip.get(key) == value)


def find_strip(uid: str) -> StripPlace | None:
    """The strip with this UID, wherever it is. A duplicate that the artist made has the same: the first one counts."""
    return next(strips_with(UID, uid), None)


def place_of(scene: bpy.types.Scene, strip: Rna) -> StripPlace | None:
    """Where a strip of a scene lies."""
    return next((place for place in _places(scene, scene.sequence_editor) if place.strip == strip), None)


def find_marked(things: Rna, key: str, value: str) -> list[Rna]:
    """Members of any collection that have a property of this value."""
    return [thing for thing in things if thing.get(key) == value]


def _places(scene: bpy.types.Scene, holder: Rna) -> Iterator[StripPlace]:
    for strip in compat.strips_of(holder):
        yield StripPlace(scene, holder, strip)
        if strip.type == "META":
            yield from _places(scene, strip)
