"""Takes shown where their plates are: each place has its own way to land."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import bpy

from . import compat, landing_clip, landing_node, landing_strip, ours, prefetch
from .compat import Rna
from .place import Place, Target
from .refusal import Refusal
from .take import Take

__all__ = ["accept", "arrived", "is_quiet", "name", "number_at_playhead", "reject", "show", "shown_take", "toggle"]


def show(take: Take, place: Place) -> None:
    """Show a take in the place of the one shown before. Raises Refusal."""
    choice, uid = place.choice, place.plate_uid
    if place.target is Target.STRIP:
        landing_strip.land_strip(take, choice, plate_uid=uid)
    elif place.target is Target.CLIP:
        landing_clip.land_clip(take, choice, plate_uid=uid)
    else:
        scene = bpy.data.scenes.get(choice.scene)
        if scene is None:
            raise Refusal("The take's scene is gone", remedy="Add its files by hand", path=take.folder)
        landing_node.land_node(take, choice, scene=scene, plate_uid=uid)


def name(take: Take, place: Place) -> None:
    """Say which take is shown, after the frames of a job became one; its files are the same."""
    thing = _shown(place)
    if thing is not None:
        thing[ours.TAKE] = take.take


def shown_take(place: Place) -> str:
    """The take, or the job of one that is under way, that is shown there; "" is none."""
    thing = _shown(place)
    return str(thing.get(ours.TAKE, "")) if thing is not None else ""


def is_quiet(place: Place) -> bool:
    """True if what is shown there can be altered without waiting for Blender; else the next ticks ask again."""
    if place.target is not Target.STRIP:
        return True
    return prefetch.is_quiet(landing_strip.plate_scene(place.plate_uid))


def number_at_playhead(place: Place) -> int | None:
    """The plate's frame number on which the playhead stands in what is shown there."""
    choice = place.choice
    if place.target is not Target.STRIP:
        scene = bpy.data.scenes.get(choice.scene)
        return choice.number_at(scene.frame_current) if scene is not None else None
    shown = landing_strip.shown_strip(place.plate_uid)
    if shown is None:
        return None
    index = 0 if choice.stands_alone else shown.scene.frame_current - round(compat.content_start(shown.strip))
    return choice.pairs[index].number if 0 <= index < len(choice.pairs) else None


def arrived(place: Place) -> None:
    """Look at the files of the shown take again."""
    _with_shown(place, _WAYS[place.target].arrived)


def accept(place: Place) -> None:
    """Leave what is shown to the artist. Raises Refusal."""
    _with_shown(place, _WAYS[place.target].accept)


def reject(place: Place) -> None:
    """Take away what is shown, and nothing else. Raises Refusal."""
    _with_shown(place, _WAYS[place.target].reject)


def toggle(place: Place) -> None:
    """Plate or take. Raises Refusal."""
    thing = _shown(place)
    if thing is None or place.target is Target.CLIP:
        raise Refusal("No take of this plate is shown that could be muted", remedy="Show one first")
    thing.mute = not thing.mute


@dataclass(frozen=True, slots=True)
class _Ways:
    """What can be done with what landed, by its UID."""

    arrived: Callable[[str], None]
    accept: Callable[[str], None]
    reject: Callable[[str], None]


_WAYS = {
    Target.STRIP: _Ways(landing_strip.frame_arrived, landing_strip.accept_strip, landing_strip.reject_strip),
    Target.CLIP: _Ways(landing_clip.clip_frame_arrived, landing_clip.accept_clip, landing_clip.reject_clip),
    Target.NODE: _Ways(landing_node.node_frame_arrived, landing_node.accept_node, landing_node.reject_node),
}


def _with_shown(place: Place, do: Callable[[str], None]) -> None:
    thing = _shown(place)
    if thing is None:
        raise Refusal("No take of this plate is shown", remedy="Show one from the list")
    do(str(thing[ours.UID]))


def _shown(place: Place) -> Rna:
    """What shows takes of this plate and is not the artist's yet."""
    found = (thing for thing in _things(place) if not thing.get(ours.ACCEPTED))
    return next(found, None)


def _things(place: Place) -> Iterator[Any]:
    if place.target is Target.STRIP:
        yield from (each.strip for each in ours.strips_with(ours.PLATE, place.plate_uid))
    elif place.target is Target.CLIP:
        yield from ours.find_marked(bpy.data.movieclips, ours.PLATE, place.plate_uid)
    else:
        for scene in bpy.data.scenes:
            tree = compat.compositor(scene)
            yield from ours.find_marked(tree.nodes, ours.PLATE, place.plate_uid) if tree is not None else ()
