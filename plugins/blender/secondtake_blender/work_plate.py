"""In the background Blender: a plate is what a strip shows, or what a camera sees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy

from . import compat, ours
from .background import Writer
from .colours import LINEAR
from .compat import Rna
from .orders import PlateOrder, PlateRoute
from .refusal import Refusal
from .sequence import numbered
from .work_scene import find_scene, plain_output, quiet_compositors, render_still, write_exr

__all__ = ["PLATE", "render_plate", "show_only"]

PLATE = "plate.####.exr"


def render_plate(order: PlateOrder, folder: Path, writer: Writer) -> None:
    """Render every frame of the order to `plate.####.exr`. Raises Refusal."""
    scene = find_scene(order.scene)
    quiet_compositors()
    plain_output(scene)
    write_exr(scene, mode="RGBA")
    if order.route is PlateRoute.STRIP:
        show_only(scene, order.name)
        linear_sequence(scene)
        scene.render.use_sequencer, scene.render.use_compositing = True, False
    else:
        scene.render.use_sequencer = False
        _require_camera(scene)
    for frame, number in order.pairs:
        render_still(scene, frame, folder / numbered(PLATE, number))
        writer.frame()


def linear_sequence(scene: Rna) -> None:
    """Have the sequencer work on linear numbers: its way through sRGB would cost the last digits."""
    settings = scene.sequencer_colorspace_settings
    if LINEAR in compat.enum_names(type(settings), "name"):
        settings.name = LINEAR


def show_only(scene: Rna, name: str) -> Rna:
    """Mute all strips but the one of this name and what it is made of; the strip. Raises Refusal if there is none.

    An adjustment strip is made of everything below it.
    """
    strip = next((each for each in compat.all_strips(scene.sequence_editor) if each.name == name), None)
    place = ours.place_of(scene, strip) if strip is not None else None
    if strip is None or place is None:
        raise Refusal(f"There is no strip '{name}'", remedy="Choose the plate again")
    kept = {each.name for each in (*_made_of(strip), *_around(strip, scene))}
    if strip.type in ("ADJUSTMENT", "MULTICAM"):
        below = [each for each in compat.strips_of(place.holder) if each.channel < strip.channel]
        kept |= {each.name for one in below for each in _made_of(one)}
    for each in compat.all_strips(scene.sequence_editor):
        # Its inputs are rendered even if they are muted, and must not show by themselves.
        each.mute = each.name not in kept
    for channel in scene.sequence_editor.channels:
        channel.mute = False
    strip.blend_type, strip.blend_alpha = "REPLACE", 1.0
    return strip


def _made_of(strip: Rna) -> Iterator[Rna]:
    yield strip
    if strip.type == "META":
        for child in compat.strips_of(strip):
            yield from _made_of(child)


def _around(strip: Rna, scene: bpy.types.Scene) -> Iterator[Rna]:
    """The metas that the strip lies in."""
    for each in compat.all_strips(scene.sequence_editor):
        if each.type == "META" and any(child == strip for child in _made_of(each)) and each != strip:
            yield each


def _require_camera(scene: bpy.types.Scene) -> None:
    if scene.camera is None and not any(marker.camera for marker in scene.timeline_markers):
        raise Refusal(f"The scene '{scene.name}' has no camera", remedy="Add a camera and make it the active one")
