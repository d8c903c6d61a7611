"""A take as a strip above its plate.

All files are listed at once; one that is not there yet is transparent, so the plate shows until its frame arrives. The
next take of the plate is shown by the same strip. What was accepted is the artist's and is not touched again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import bpy

from . import compat, ours
from .colour_set import require_colourspace, set_colourspace
from .compat import Rna
from .plate import Placement, PlateChoice
from .refusal import Refusal
from .take import Take

__all__ = ["accept_strip", "frame_arrived", "land_strip", "plate_scene", "reject_strip", "shown_strip"]

_MOST_CHANNELS = 128
_NO_FILE = "not-read"


def land_strip(take: Take, choice: PlateChoice, *, plate_uid: str) -> str:
    """Show a take above the plate strip with this UID, in the place of the take shown before; the UID of its strip.

    If the plate is a scene's camera, its take goes into that scene's sequence. Raises Refusal if the plate is gone, or
    no channel above it is free.
    """
    plate = ours.find_strip(plate_uid) or _sequence_of(plate_uid)
    if plate is None:
        raise Refusal(
            "The plate's strip is gone", remedy="Undo its removal, or add the take's files by hand", path=take.folder
        )
    require_colourspace(choice.blender_colourspace)
    names = take.timeline_names(choice)
    shown = shown_strip(plate_uid)
    place = shown or _add(plate, choice, take.folder)
    uid = ours.mark(place.strip)
    is_other_length = len(place.strip.elements) != len(names)
    _list_files(place, take.folder, names)
    strip = _require(uid).strip
    _put_in_order(strip, names)
    if shown is None or is_other_length:
        moved = round(compat.content_start(plate.strip) - choice.anchor) if plate.strip is not None else 0
        _set_time(strip, choice, moved=moved)
    strip[ours.PLATE], strip[ours.TAKE] = plate_uid, take.take
    set_colourspace(strip.colorspace_settings, choice.blender_colourspace)
    return uid


def plate_scene(plate_uid: str) -> bpy.types.Scene | None:
    """The scene whose sequence the take lands in: it has the plate strip, or is the plate. None if that is gone."""
    plate = ours.find_strip(plate_uid)
    scenes = [plate.scene] if plate is not None else ours.find_marked(bpy.data.scenes, ours.UID, plate_uid)
    return scenes[0] if scenes else None


def shown_strip(plate_uid: str) -> ours.StripPlace | None:
    """The strip that shows takes of a plate and was not accepted yet."""
    return next((each for each in ours.strips_with(ours.PLATE, plate_uid) if not each.strip.get(ours.ACCEPTED)), None)


def frame_arrived(uid: str) -> None:
    """Have a take's strip read its files again; from 5.0 on Blender keeps what it found missing."""
    place = ours.find_strip(uid)
    if place is not None:
        place.strip.invalidate_cache("RAW")


def accept_strip(uid: str) -> None:
    """Give the take's strip to the artist: the next take gets one of its own. Raises Refusal if it is gone."""
    _require(uid).strip[ours.ACCEPTED] = True


def reject_strip(uid: str) -> None:
    """Remove the take's strip and nothing else. Raises Refusal if it is gone or accepted."""
    place = _require(uid)
    if place.strip.get(ours.ACCEPTED):
        raise Refusal("This take was accepted, so its strip is yours", remedy="Delete the strip if it shall go")
    compat.strips_of(place.holder).remove(place.strip)


def _sequence_of(scene_uid: str) -> ours.StripPlace | None:
    """The place for a take of what a scene's camera sees: no strip is below it."""
    scene = plate_scene(scene_uid)
    if scene is None:
        return None
    return ours.StripPlace(scene, scene.sequence_editor or scene.sequence_editor_create(), None)


def _require(uid: str) -> ours.StripPlace:
    place = ours.find_strip(uid)
    if place is None:
        raise Refusal("The take's strip is gone", remedy="Show the take again from the list")
    return place


def _add(plate: ours.StripPlace, choice: PlateChoice, folder: str) -> ours.StripPlace:
    channel = _free_channel(plate, choice)
    # Blender reads the whole file that is named here, 0.3 s in 4K; the strip gets its files a moment later.
    strip = compat.strips_of(plate.holder).new_image(
        name=f"{choice.name} take",
        filepath=os.path.join(folder, _NO_FILE),  # noqa: PTH118
        channel=channel,
        frame_start=choice.pairs[0].timeline,
        fit_method="ORIGINAL",
    )
    strip.blend_type, strip.alpha_mode = "ALPHA_OVER", "PREMUL"
    _place(strip, choice.placement)
    return ours.StripPlace(plate.scene, plate.holder, strip)


def _list_files(place: ours.StripPlace, folder: str, names: Sequence[str]) -> None:
    """Give the strip these files. Appended elements would have undefined sizes, and with those a missing file can end
    Blender; this operator clears them."""
    files: Rna = [{"name": name} for name in names]
    with compat.editing(place.scene, place.strip):
        bpy.ops.sequencer.change_path(directory=os.path.join(folder, ""), files=files)  # noqa: PTH118


def _put_in_order(strip: Rna, names: Sequence[str]) -> None:
    """Blender 5.2 sorts the files by name; a plate that runs backwards or repeats frames has another order."""
    if [element.filename for element in strip.elements] == list(names):
        return
    for element, name in zip(strip.elements, names, strict=True):
        element.filename = name
    strip.invalidate_cache("RAW")


def _set_time(strip: Rna, choice: PlateChoice, *, moved: int) -> None:
    start = choice.first if choice.stands_alone else choice.pairs[0].timeline
    compat.set_content_start(strip, start + moved)
    compat.set_handles(strip, left=choice.first + moved, right=choice.last + 1 + moved)


def _place(strip: Rna, placement: Placement) -> None:
    transform, crop = strip.transform, strip.crop
    transform.scale_x, transform.scale_y = placement.scale
    transform.offset_x, transform.offset_y = placement.offset_px
    transform.rotation = placement.rotation_rad
    transform.origin = placement.origin
    crop.min_x, crop.max_x, crop.min_y, crop.max_y = placement.crop_px
    strip.use_flip_x, strip.use_flip_y = placement.flip


def _free_channel(plate: ours.StripPlace, choice: PlateChoice) -> int:
    """The first channel above the plate in which nothing overlaps it."""
    taken = {
        strip.channel
        for strip in compat.strips_of(plate.holder)
        if compat.left_handle(strip) <= choice.last and compat.right_handle(strip) > choice.first
    }
    above = plate.strip.channel if plate.strip is not None else 0
    for channel in range(above + 1, _MOST_CHANNELS + 1):
        if channel not in taken:
            return channel
    raise Refusal("No channel above the plate is free", remedy="Make room above its strip")
