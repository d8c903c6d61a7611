"""A take as a movie clip: in the Movie Clip editor, or behind what a camera sees."""

from __future__ import annotations

import bpy

from . import ours
from .colour_set import require_colourspace, set_colourspace
from .compat import Rna
from .plate import PlateChoice
from .refusal import Refusal
from .take import Take

__all__ = ["accept_clip", "clip_frame_arrived", "land_clip", "reject_clip", "show_behind"]


def land_clip(take: Take, choice: PlateChoice, *, plate_uid: str) -> str:
    """Show a take as a clip, in the place of the take of this plate shown before; the clip's UID.

    A clip counts the files that are there when it is opened, so at least the first has to be. Raises Refusal.
    """
    require_colourspace(choice.blender_colourspace)
    numbers = [pair.number for pair in choice.pairs]
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise Refusal(
            "The plate runs backwards or repeats frames, which a clip cannot", remedy="Show the take as a strip"
        )
    before = _shown(plate_uid)
    clip = _load(take.path_at(choice, numbers[0]), choice, before)
    clip[ours.PLATE], clip[ours.TAKE] = plate_uid, take.take
    return str(clip[ours.UID])


def clip_frame_arrived(uid: str) -> None:
    """Open the clip's files anew: its length stays what it was when it was opened."""
    clip = _require(uid)
    values = {key: clip[key] for key in (ours.PLATE, ours.TAKE) if key in clip}
    fresh = _reopen(clip, clip.filepath)
    for key, value in values.items():
        fresh[key] = value


def show_behind(uid: str, camera: bpy.types.Object) -> None:
    """Show the clip behind what the camera sees, once. Raises Refusal if it is gone."""
    clip = _require(uid)
    data: Rna = camera.data
    data.show_background_images = True
    if any(each.clip == clip for each in data.background_images):
        return
    background = data.background_images.new()
    background.source, background.clip, background.alpha = "MOVIE_CLIP", clip, 1.0


def accept_clip(uid: str) -> None:
    """Give the clip to the artist: the next take gets one of its own. Raises Refusal if it is gone."""
    _require(uid)[ours.ACCEPTED] = True


def reject_clip(uid: str) -> None:
    """Remove the clip, and the backgrounds that show it. Raises Refusal if it is gone or accepted."""
    clip = _require(uid)
    if clip.get(ours.ACCEPTED):
        raise Refusal("This take was accepted, so its clip is yours", remedy="Delete the clip if it shall go")
    for camera in bpy.data.cameras:
        for background in [each for each in camera.background_images if each.clip == clip]:
            camera.background_images.remove(background)
    bpy.data.movieclips.remove(clip)


def _load(path: str, choice: PlateChoice, before: Rna | None) -> Rna:
    try:
        if before is None:
            clip = bpy.data.movieclips.load(path, check_existing=False)
            clip.name = f"{choice.name} take"
            ours.mark(clip)
        else:
            clip = _reopen(before, path)
    except RuntimeError as error:
        raise Refusal("The take's first frame is not there yet", remedy="Wait for it", path=path) from error
    clip.frame_start, clip.frame_offset = choice.pairs[0].timeline, 0
    set_colourspace(clip.colorspace_settings, choice.blender_colourspace)
    return clip


def _reopen(clip: Rna, path: str) -> Rna:
    """Another clip in the place of this one, everywhere. Blender's own reload asks for a Clip editor."""
    fresh: Rna = bpy.data.movieclips.load(path, check_existing=False)
    fresh.frame_start, fresh.frame_offset = clip.frame_start, clip.frame_offset
    fresh.colorspace_settings.name = clip.colorspace_settings.name
    fresh[ours.UID], name = clip[ours.UID], clip.name
    # Left to user_remap alone, 4.2 at times keeps a background's pointer to the clip that is freed below, and crashes.
    for camera in bpy.data.cameras:
        for background in camera.background_images:
            if background.clip == clip:
                background.clip = fresh
    clip.user_remap(fresh)
    bpy.data.movieclips.remove(clip)
    fresh.name = name
    return fresh


def _shown(plate_uid: str) -> Rna | None:
    found = ours.find_marked(bpy.data.movieclips, ours.PLATE, plate_uid)
    return next((clip for clip in found if not clip.get(ours.ACCEPTED)), None)


def _require(uid: str) -> Rna:
    found = ours.find_marked(bpy.data.movieclips, ours.UID, uid)
    if not found:
        raise Refusal("The take's clip is gone", remedy="Show the take again from the list")
    return found[0]
