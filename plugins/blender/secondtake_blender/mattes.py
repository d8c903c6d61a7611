"""The matte that the settings mean, for a plate of a known size."""

from __future__ import annotations

import json
from typing import Any

import bpy

from . import compat
from .compat import Rna
from .matte import MatteChoice
from .matte_choose import (
    matte_of_index,
    matte_of_mask,
    matte_of_materials,
    matte_of_objects,
    matte_of_strip,
    read_painting,
)
from .matte_shapes import frame_to_plate, polygon_shapes
from .painting import Painting
from .paths import absolute_media, render_size
from .plate import PlateChoice
from .plates import Plate, size_of
from .refusal import Refusal

__all__ = ["all_shapes", "box_shapes", "choose_matte", "why_no_matte"]


def why_no_matte(scene: bpy.types.Scene, settings: Rna) -> str:
    """Why there is no matte yet, for a grey button; "" if there is one. Opens nothing."""
    kind = settings.matte
    if kind == "BOX" and not _has_area(settings.box):
        return "Draw a box in the preview, or choose another matte"
    missing = {
        "MASK": settings.mask is None and "Choose a mask",
        "MATERIAL": settings.material is None and "Choose a material",
        "PAINTED": settings.painted is None and "Choose the painted image",
        "STRIP": not settings.matte_strip and "Choose the strip that is the matte",
        "FILE": not settings.matte_path and "Choose the matte's file",
        "OBJECTS": not bpy.context.selected_objects and "Select objects in the 3D View",
    }.get(kind)
    return str(missing or "")


def choose_matte(
    context: bpy.types.Context, scene: bpy.types.Scene, settings: Rna, plate: Plate
) -> MatteChoice | Painting:
    """The matte, or the painting that becomes one. A box has neither path nor order. Raises Refusal."""
    choice, kind = plate.choice, settings.matte
    if kind == "FILE":
        return MatteChoice(source="file", path=absolute_media(settings.matte_path, owner=scene))
    if kind in ("BOX", "ALL"):
        return MatteChoice(source="box", path="")
    size = size_of(choice)
    if kind == "MASK":
        return matte_of_mask(scene, settings.mask, choice, size=size)
    if kind == "OBJECTS":
        return matte_of_objects(scene, list(context.selected_objects), choice, size=size)
    if kind == "MATERIAL":
        return matte_of_materials(scene, [settings.material], choice, size=size)
    if kind == "INDEX":
        return matte_of_index(scene, settings.pass_index, choice, size=size)
    if kind == "PAINTED":
        return read_painting(settings.painted, size=size)
    strips = compat.all_strips(scene.sequence_editor) if scene.sequence_editor else ()
    strip = next((each for each in strips if each.name == settings.matte_strip), None)
    return matte_of_strip(scene, strip, plate.thing, choice, size=size)


def box_shapes(scene: bpy.types.Scene, box: tuple[float, float, float, float], choice: PlateChoice) -> dict[str, Any]:
    """A box in the scene's frame (left, bottom, right, top; pixels, y up) as shapes on the plate. Raises Refusal."""
    if not _has_area(box):
        raise Refusal("The box is empty", remedy="Draw it in the preview")
    size, frame = size_of(choice), render_size(scene)
    left, bottom, right, top = box
    corners = [
        frame_to_plate(corner, placement=choice.placement, plate=size, frame=frame)
        for corner in ((left, bottom), (right, bottom), (right, top), (left, top))
    ]
    xs, ys = [corner[0] for corner in corners], [corner[1] for corner in corners]
    if max(xs) <= 0 or max(ys) <= 0 or min(xs) >= size[0] or min(ys) >= size[1]:
        raise Refusal("The box lies beside the picture", remedy="Draw it over the plate")
    shapes: dict[str, Any] = json.loads(polygon_shapes(corners, plate=size, frame=choice.pairs[0].number))
    return shapes


def all_shapes(choice: PlateChoice) -> dict[str, Any]:
    """The whole plate as keyed shapes. Raises Refusal."""
    width, height = size = size_of(choice)
    corners = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))
    shapes: dict[str, Any] = json.loads(polygon_shapes(corners, plate=size, frame=choice.pairs[0].number))
    return shapes


def _has_area(box: Rna) -> bool:
    return bool(box[2] - box[0] >= 1 and box[3] - box[1] >= 1)
