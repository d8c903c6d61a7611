"""Mattes from what a .blend has. Reads Blender only; what has to be rendered is an order to a background Blender."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace

import bpy

from .compat import Rna
from .frames import Pair
from .matte import MatteChoice
from .orders import MatteOrder, MatteRoute
from .painting import Painting
from .paths import render_size, require_saved_media
from .plate import Placement, PlateChoice, PlateKind
from .plate_strip import choose_strip, placement_of
from .refusal import Refusal

__all__ = [
    "matte_of_index",
    "matte_of_mask",
    "matte_of_materials",
    "matte_of_objects",
    "matte_of_strip",
    "read_painting",
]

_ASPECT_TOLERANCE = 0.005


def matte_of_mask(
    scene: bpy.types.Scene, mask: bpy.types.Mask | None, plate: PlateChoice, *, size: tuple[int, int]
) -> MatteChoice:
    """A Mask datablock, as it lies on the plate in the Clip or Image editor; `size` is the plate's. Raises Refusal."""
    if mask is None:
        raise Refusal("No mask is chosen", remedy="Draw one in the Movie Clip or Image editor")
    if not any(len(spline.points) > 1 for layer in mask.layers if not layer.hide_render for spline in layer.splines):
        raise Refusal(f"The mask '{mask.name}' is empty", remedy="Draw a shape, and let its layer render")
    require_saved_media()
    order = MatteOrder(route=MatteRoute.MASK, scene=scene.name, names=(mask.name,), size=size, pairs=_once(plate.pairs))
    return MatteChoice(source=f"mask '{mask.name}'", path="", channel="V", order=order)


def matte_of_objects(
    scene: bpy.types.Scene, objects: Sequence[Rna], plate: PlateChoice, *, size: tuple[int, int]
) -> MatteChoice:
    """Objects as the scene's camera sees them, with soft edges (Cryptomatte). Raises Refusal."""
    named = [each for each in objects if each.type not in ("CAMERA", "LIGHT", "EMPTY", "SPEAKER", "LIGHT_PROBE")]
    if not named:
        raise Refusal("No object with a surface is selected", remedy="Select what shall change in the 3D View")
    hidden = [each.name for each in named if each.hide_render]
    if len(hidden) == len(named):
        raise Refusal(f"'{hidden[0]}' does not render", remedy="Switch its camera icon on in the Outliner")
    names = tuple(each.name for each in named)
    return _cryptomatte(scene, MatteRoute.OBJECTS, names, plate, size=size, what="object")


def matte_of_materials(
    scene: bpy.types.Scene, materials: Sequence[Rna], plate: PlateChoice, *, size: tuple[int, int]
) -> MatteChoice:
    """Whatever has these materials, as the scene's camera sees it, with soft edges (Cryptomatte). Raises Refusal."""
    names = tuple(each.name for each in materials if each is not None)
    if not names:
        raise Refusal("No material is chosen", remedy="Select an object with a material")
    return _cryptomatte(scene, MatteRoute.MATERIALS, names, plate, size=size, what="material")


def matte_of_index(scene: bpy.types.Scene, index: int, plate: PlateChoice, *, size: tuple[int, int]) -> MatteChoice:
    """Objects with this pass index, by their names: the index pass itself has no soft edges. Raises Refusal."""
    objects = [each for each in scene.objects if each.pass_index == index]
    if index < 1 or not objects:
        raise Refusal(f"No object has the pass index {index}", remedy="Set it under Object properties, Relations")
    choice = matte_of_objects(scene, objects, plate, size=size)
    return replace(choice, source=f"pass index {index}")


def matte_of_strip(
    scene: bpy.types.Scene, strip: Rna, plate_strip: Rna, plate: PlateChoice, *, size: tuple[int, int]
) -> MatteChoice:
    """What another strip shows, as coverage: its red channel, and its numbers as they are. Raises Refusal.

    Its files are used in place if they are numbered as the plate's; else it is rendered.
    """
    if strip is None or strip == plate_strip:
        raise Refusal("No strip is chosen as matte", remedy="Choose another strip than the plate's")
    shown = choose_strip_as_data(scene, strip)
    short = [
        pair.timeline
        for pair in plate.pairs
        if not shown.first <= pair.timeline <= shown.last and not shown.stands_alone
    ]
    if short:
        raise Refusal(
            f"The matte strip '{strip.name}' does not reach over the whole plate",
            remedy=f"It lacks frames {short[0]} to {short[-1]} of the timeline"
            if len(short) > 1
            else f"It lacks frame {short[0]}",
        )
    is_rendered = plate.kind is PlateKind.RENDERED
    together = not is_rendered and placement_of(strip) == plate.placement
    in_frame = plate.placement == Placement() and size == render_size(scene)
    if not is_rendered and not together and not in_frame:
        raise Refusal(
            f"'{strip.name}' and the plate are placed differently",
            remedy="Give both the same transform and crop, or render the plate as it shows",
        )
    source = f"strip '{strip.name}'"
    if together and shown.order is None and shown.kind is PlateKind.IMAGES and _is_numbered_alike(shown, plate):
        return MatteChoice(source=source, path=shown.path, channel="")
    order = MatteOrder(
        route=MatteRoute.STRIP,
        scene=scene.name,
        names=(strip.name,),
        size=size,
        pairs=_once(plate.pairs),
        has_plain_placement=together and strip.type in ("IMAGE", "MOVIE"),
    )
    return MatteChoice(source=source, path="", channel="R", order=order)


def choose_strip_as_data(scene: bpy.types.Scene, strip: Rna) -> PlateChoice:
    """A strip whose numbers are coverage, so that no colour space of it matters. Raises Refusal."""
    try:
        return choose_strip(scene, strip)
    except Refusal as refusal:
        if "colour space" not in refusal.message:
            raise
        return choose_strip(scene, strip, rendered=True)


def read_painting(image: Rna | None, *, size: tuple[int, int]) -> Painting:
    """The pixels painted in an image, saved or not; `Painting.write` makes a matte of them. Raises Refusal."""
    if image is None or not image.has_data or image.channels < 1:
        raise Refusal("No painted image is chosen", remedy="Paint one in the Image editor")
    width, height = image.size
    if (width, height) != size:
        raise Refusal(
            f"The painted image is {width} × {height}, the plate {size[0]} × {size[1]}",
            remedy="Paint on an image of the plate's size",
        )
    values = array("f", bytes(4 * width * height * image.channels))
    image.pixels.foreach_get(values)
    return Painting(name=image.name, size=size, channels=image.channels, values=values)


def _cryptomatte(
    scene: bpy.types.Scene,
    route: MatteRoute,
    names: tuple[str, ...],
    plate: PlateChoice,
    *,
    size: tuple[int, int],
    what: str,
) -> MatteChoice:
    if scene.camera is None:
        raise Refusal("The scene has no camera", remedy="Add a camera and make it the active one")
    width, height = render_size(scene)
    if abs(size[0] * height / (size[1] * width) - 1) > _ASPECT_TOLERANCE:
        raise Refusal(
            f"The scene renders {width} × {height}, the plate is {size[0]} × {size[1]}",
            remedy="Give the scene the plate's format",
        )
    require_saved_media()
    order = MatteOrder(route=route, scene=scene.name, names=names, size=size, pairs=_once(plate.pairs))
    source = f"{what} '{names[0]}'" if len(names) == 1 else f"{len(names)} {what}s"
    return MatteChoice(source=source, path="", channel="V", order=order)


def _once(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """One pair for each file number: the first frame of the timeline that shows it."""
    first: dict[int, Pair] = {}
    for pair in pairs:
        first.setdefault(pair.number, pair)
    return tuple(first.values())


def _is_numbered_alike(shown: PlateChoice, plate: PlateChoice) -> bool:
    return all(shown.number_at(pair.timeline) == pair.number for pair in plate.pairs) and not plate.stands_alone
