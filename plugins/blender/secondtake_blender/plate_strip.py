"""A strip of the sequencer as a plate. Reads Blender only: no file is opened, nothing is altered."""

from __future__ import annotations

import os
from pathlib import Path

import bpy

from . import compat
from .colours import colourspace_for_daemon, rendered_colourspace
from .compat import Rna
from .frames import MediaTime, Pair, pairs_between
from .orders import PlateOrder, PlateRoute
from .paths import absolute_media, render_size, require_saved_media
from .plate import Placement, PlateChoice, PlateKind, rendered_numbers
from .refusal import Refusal
from .sequence import name_sequence
from .studio import studio_ocio

__all__ = ["choose_strip", "placement_of"]

_ALL_THE_PICTURE = frozenset({"REPLACE", "ALPHA_OVER", "CROSS"})
_MOVIES = frozenset({".mov", ".mp4", ".m4v", ".mkv", ".webm", ".avi", ".mxf", ".mpg", ".ts", ".mts", ".y4m"})
"""What the daemon reads as a movie."""
_MOST_RATE_DIFFERENCE = 1e-5


def choose_strip(scene: bpy.types.Scene, strip: Rna, *, handles: int = 0, rendered: bool = False) -> PlateChoice:
    """The plate that a strip of `scene` is.

    `handles` more frames at each end are taken where the media has them. With `rendered`, or where there is no other
    way, what the strip shows is rendered first (`PlateChoice.order`). Raises Refusal.
    """
    if strip is None:
        raise Refusal("No strip is active", remedy="Select a strip in the Sequencer")
    if strip.type == "SOUND":
        raise Refusal(f"'{strip.name}' has no picture", remedy="Select an image, movie, scene or meta strip")
    if strip.mute:
        raise Refusal(f"'{strip.name}' is muted", remedy="Unmute it, or select another strip")
    why = "You asked for it" if rendered else _why_rendered(scene, strip)
    if why:
        return _rendered(scene, strip, why)
    return _images(scene, strip, handles) if strip.type == "IMAGE" else _movie(scene, strip, handles)


def placement_of(strip: Rna) -> Placement:
    """How the strip lays its picture into the frame."""
    transform, crop = strip.transform, strip.crop
    return Placement(
        scale=(transform.scale_x, transform.scale_y),
        offset_px=(transform.offset_x, transform.offset_y),
        rotation_rad=transform.rotation,
        origin=(transform.origin[0], transform.origin[1]),
        crop_px=(crop.min_x, crop.max_x, crop.min_y, crop.max_y),
        flip=(strip.use_flip_x, strip.use_flip_y),
    )


def _why_rendered(scene: bpy.types.Scene, strip: Rna) -> str:
    """Why the frames cannot be taken from the strip's media as they are; "" if they can."""
    if strip.type not in ("IMAGE", "MOVIE"):
        return f"It is a {strip.type.replace('_', ' ').lower()} strip"
    if compat.is_retimed(strip):
        return "It is retimed"
    if strip.use_multiview:
        return "It is stereoscopic"
    if strip.type == "IMAGE":
        names = name_sequence([element.filename for element in strip.elements])
        return "" if names else "Its files are not numbered as one sequence"
    if strip.use_deinterlace:
        return "It is deinterlaced"
    if Path(strip.filepath).suffix.lower() not in _MOVIES:
        return "The daemon reads no movies of this kind"
    rate = scene.render.fps / scene.render.fps_base
    # Whether such a strip is conformed to the scene's rate is not to be seen from Python.
    if strip.fps and abs(strip.fps / rate - 1) > _MOST_RATE_DIFFERENCE:
        return f"It has {strip.fps:g} frames a second and the scene {rate:g}"
    return ""


def _time(strip: Rna) -> MediaTime:
    return MediaTime(
        start=compat.content_start(strip),
        count=compat.content_count(strip),
        trim=compat.trim_start(strip),
        is_reversed=strip.use_reverse_frames,
        strobe=strip.strobe,
    )


def _images(scene: bpy.types.Scene, strip: Rna, handles: int) -> PlateChoice:
    first, last = _shown(strip)
    time = _time(strip)
    names = [element.filename for element in strip.elements]
    timeline = pairs_between(first, last, handles=handles, number=time.index, holds=time.holds)
    seen = name_sequence([names[min(pair.number, len(names) - 1)] for pair in timeline])
    if seen is None:
        raise Refusal(f"'{strip.name}' shows no frame", remedy="Select a strip that is at least one frame long")
    folder = absolute_media(strip.directory, owner=scene)
    pairs = tuple(Pair(pair.timeline, number) for pair, number in zip(timeline, seen.numbers, strict=True))
    return _in_place(scene, strip, PlateKind.IMAGES, path=os.path.join(folder, seen.pattern), pairs=pairs)  # noqa: PTH118


def _movie(scene: bpy.types.Scene, strip: Rna, handles: int) -> PlateChoice:
    first, last = _shown(strip)
    time = _time(strip)
    # The daemon numbers the frames of a movie from 1.
    pairs = pairs_between(first, last, handles=handles, number=lambda frame: time.index(frame) + 1, holds=time.holds)
    path = absolute_media(strip.filepath, owner=scene)
    element = strip.elements[0] if len(strip.elements) else None
    size = (element.orig_width, element.orig_height) if element is not None and element.orig_width > 0 else None
    return _in_place(scene, strip, PlateKind.MOVIE, path=path, pairs=pairs, size=size)


def _in_place(
    scene: bpy.types.Scene,
    strip: Rna,
    kind: PlateKind,
    *,
    path: str,
    pairs: tuple[Pair, ...],
    size: tuple[int, int] | None = None,
) -> PlateChoice:
    first, last = _shown(strip)
    space = strip.colorspace_settings.name
    return PlateChoice(
        kind=kind,
        name=strip.name,
        scene=scene.name,
        path=path,
        pairs=pairs,
        first=first,
        last=last,
        anchor=compat.content_start(strip),
        size=size,
        blender_colourspace=space,
        colourspace=colourspace_for_daemon(space, ocio=studio_ocio(), working_space=compat.working_space()),
        placement=placement_of(strip),
        notes=_notes(strip),
    )


def _rendered(scene: bpy.types.Scene, strip: Rna, why: str) -> PlateChoice:
    first, last = _shown(strip)
    _require_saved(scene)
    pairs, space = rendered_numbers(first, last), rendered_colourspace(studio_ocio())
    return PlateChoice(
        kind=PlateKind.RENDERED,
        name=strip.name,
        scene=scene.name,
        path="",
        pairs=pairs,
        first=first,
        last=last,
        anchor=compat.content_start(strip),
        size=render_size(scene),
        blender_colourspace=space[0],
        colourspace=space[1],
        order=PlateOrder(route=PlateRoute.STRIP, scene=scene.name, name=strip.name, pairs=pairs),
        notes=(f"{why}: what it shows is rendered in the background, by itself and at full opacity",),
    )


def _shown(strip: Rna) -> tuple[int, int]:
    return compat.left_handle(strip), compat.right_handle(strip) - 1


def _require_saved(scene: bpy.types.Scene) -> None:
    """A copy of the .blend lies elsewhere, so media that is named relative to nothing would be lost."""
    if bpy.data.filepath:
        return
    require_saved_media()
    for each in compat.all_strips(scene.sequence_editor):
        named = getattr(each, "filepath", "") or getattr(each, "directory", "")
        if named:
            absolute_media(named, owner=scene)


def _notes(strip: Rna) -> tuple[str, ...]:
    said = []
    if strip.use_reverse_frames:
        said.append(
            "The strip runs backwards: frames are sent in the order of their numbers, the take runs backwards too"
        )
    if strip.strobe > 1:
        said.append(f"Strobe {strip.strobe:g}: only the frames that show are sent")
    if strip.blend_type not in _ALL_THE_PICTURE or strip.blend_alpha < 1:
        blend = strip.blend_type.replace("_", " ").title()
        said.append(f"Blend {blend} at {strip.blend_alpha:.0%}: the take lies over it as a whole picture")
    if strip.color_multiply != 1 or strip.color_saturation != 1 or len(strip.modifiers):
        said.append("Colour changes and modifiers of the strip are not sent and not on the take")
    return tuple(said)
