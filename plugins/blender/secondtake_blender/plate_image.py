"""An image datablock as a plate: of an Image node, or of the Image editor."""

from __future__ import annotations

import os

import bpy

from . import compat
from .colours import colourspace_for_daemon
from .compat import Rna
from .frames import Pair
from .paths import absolute_media
from .plate import PlateChoice, PlateKind
from .plate_camera import choose_camera
from .refusal import Refusal
from .sequence import split_name
from .studio import studio_ocio

__all__ = ["choose_image"]


def choose_image(scene: bpy.types.Scene, image: Rna | None, user: Rna = None) -> PlateChoice:
    """The plate that an image is over the scene's range.

    `user` says which frames of a sequence or movie are shown when: an Image node, or the `image_user` of an editor. The
    render result and the viewer stand for what the compositor makes of the scene, which is rendered. Raises Refusal.
    """
    if image is None:
        raise Refusal("No image is open", remedy="Open one in the Image editor, or select an Image node")
    if image.source == "VIEWER":
        return choose_camera(scene)
    if image.source in ("GENERATED", "TILED") or image.packed_file is not None or image.is_dirty:
        raise Refusal(f"'{image.name}' is not a file as it is now", remedy="Save the image to a file first")
    path = absolute_media(image.filepath, owner=image)
    first, last = scene.frame_start, scene.frame_end
    pairs = tuple(Pair(frame, 0) for frame in range(first, last + 1))
    kind = PlateKind.IMAGE
    if image.source in ("SEQUENCE", "MOVIE"):
        if user is None:
            raise Refusal(f"Nothing says which frames of '{image.name}' are shown", remedy="Select its Image node")
        first, last = max(first, user.frame_start), min(last, user.frame_start + user.frame_duration - 1)
        if last < first:
            raise Refusal(f"'{image.name}' has no frame in the scene's range", remedy="Set the node's start frame")
        pairs = tuple(Pair(frame, _number(frame, user)) for frame in range(first, last + 1))
        kind = PlateKind.MOVIE
    if image.source == "SEQUENCE":
        folder, name = os.path.split(path)
        named = split_name(name)
        if named is None:
            raise Refusal(
                f"The files of '{image.name}' have no numbers", remedy="Rename them, or use a strip", path=path
            )
        path, kind = os.path.join(folder, named[0]), PlateKind.IMAGES  # noqa: PTH118
    space = image.colorspace_settings.name
    return PlateChoice(
        kind=kind,
        name=image.name,
        scene=scene.name,
        path=path,
        pairs=pairs,
        first=first,
        last=last,
        blender_colourspace=space,
        colourspace=colourspace_for_daemon(space, ocio=studio_ocio(), working_space=compat.working_space()),
        notes=("One image, held over the scene's range",) if kind is PlateKind.IMAGE else (),
    )


def _number(frame: int, user: Rna) -> int:
    """The file number at a frame of the scene: absolute, unlike in a clip."""
    return int(frame - user.frame_start + 1 + user.frame_offset)
