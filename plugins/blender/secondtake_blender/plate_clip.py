"""A movie clip as a plate."""

from __future__ import annotations

import os

import bpy

from . import compat
from .colours import colourspace_for_daemon
from .compat import Rna
from .frames import Pair, clip_file_index, pairs_between
from .paths import absolute_media
from .plate import PlateChoice, PlateKind
from .refusal import Refusal
from .sequence import split_name
from .studio import studio_ocio

__all__ = ["choose_clip"]


def choose_clip(scene: bpy.types.Scene, clip: Rna | None, *, handles: int = 0) -> PlateChoice:
    """The plate that a clip is, over the scene's frames that it covers. Raises Refusal."""
    if clip is None:
        raise Refusal("No movie clip is open", remedy="Open one in the Movie Clip editor")
    path = absolute_media(clip.filepath, owner=clip)
    start, offset, count = clip.frame_start, clip.frame_offset, clip.frame_duration

    def holds(frame: int) -> bool:
        return 0 <= clip_file_index(frame, frame_start=start, frame_offset=offset) < int(count)

    covered = range(max(scene.frame_start, start - offset), min(scene.frame_end, start - offset + count - 1) + 1)
    if not covered:
        raise Refusal(
            f"'{clip.name}' has no frame in the scene's range", remedy="Set its start frame, or the scene's range"
        )
    first, last = covered[0], covered[-1]
    pairs = pairs_between(
        first,
        last,
        handles=handles,
        number=lambda frame: clip_file_index(frame, frame_start=start, frame_offset=offset) + 1,
        holds=holds,
    )
    if clip.source == "SEQUENCE":
        folder, name = os.path.split(path)
        named = split_name(name)
        if named is None:
            raise Refusal(
                f"The files of '{clip.name}' have no numbers", remedy="Rename them, or use a strip", path=path
            )
        # Counted from the file that the clip names.
        pattern, begin = named
        pairs = tuple(Pair(pair.timeline, begin + pair.number - 1) for pair in pairs)
        path = os.path.join(folder, pattern)  # noqa: PTH118
    space = clip.colorspace_settings.name
    return PlateChoice(
        kind=PlateKind.CLIP,
        name=clip.name,
        scene=scene.name,
        path=path,
        pairs=pairs,
        first=first,
        last=last,
        size=(clip.size[0], clip.size[1]) if clip.size[0] > 0 else None,
        blender_colourspace=space,
        colourspace=colourspace_for_daemon(space, ocio=studio_ocio(), working_space=compat.working_space()),
        notes=("The clip shows a proxy; the full picture is sent",) if clip.use_proxy else (),
    )
