"""In the background Blender: mattes, each a sequence of the plate's size with one float channel."""

from __future__ import annotations

import tempfile
from pathlib import Path

import bpy

from . import compat
from .background import Writer
from .compat import Rna
from .matte import MATTE
from .orders import MatteOrder, MatteRoute
from .refusal import Refusal
from .sequence import numbered
from .work_plate import linear_sequence, show_only
from .work_scene import find_scene, plain_output, quiet_compositors, render_still, write_exr

__all__ = ["render_matte"]

_CRYPTOMATTE = {MatteRoute.OBJECTS: "CryptoObject", MatteRoute.MATERIALS: "CryptoMaterial"}


def render_matte(order: MatteOrder, folder: Path, writer: Writer) -> None:
    """Render every frame of the order to `matte.####.exr`. Raises Refusal."""
    quiet_compositors()
    if order.route is MatteRoute.STRIP:
        _render_strip(order, folder, writer)
        return
    if order.route is MatteRoute.MASK:
        scene, node, socket = _mask_scene(order)
    else:
        scene, node, socket = _cryptomatte_scene(order)
    plain_output(scene)
    _set_size(scene, order.size)
    scene.render.use_sequencer = False
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        _write_socket(scene, node.outputs[socket], Path(scratch))
        for frame, number in order.pairs:
            scene.frame_set(frame)
            bpy.ops.render.render(scene=scene.name)
            written = list(Path(scratch).iterdir())
            if len(written) != 1:
                raise Refusal(f"Frame {frame} of the matte was not written", remedy="Look at the log", path=str(folder))
            written[0].replace(folder / numbered(MATTE, number))
            writer.frame()


def _render_strip(order: MatteOrder, folder: Path, writer: Writer) -> None:
    scene = find_scene(order.scene)
    plain_output(scene)
    write_exr(scene, mode="RGB", is_colour=False)
    strip = show_only(scene, order.names[0])
    linear_sequence(scene)
    for each in compat.all_strips(scene.sequence_editor):
        # Coverage is numbers: no colour space may bend them.
        if hasattr(each, "colorspace_settings"):
            each.colorspace_settings.name = "Non-Color"
    if order.has_plain_placement:
        _place_plainly(strip)
    _set_size(scene, order.size)
    scene.render.use_sequencer, scene.render.use_compositing = True, False
    for frame, number in order.pairs:
        render_still(scene, frame, folder / numbered(MATTE, number))
        writer.frame()


def _place_plainly(strip: Rna) -> None:
    transform, crop = strip.transform, strip.crop
    transform.scale_x = transform.scale_y = 1.0
    transform.offset_x = transform.offset_y = transform.rotation = 0
    crop.min_x = crop.max_x = crop.min_y = crop.max_y = 0
    strip.use_flip_x = strip.use_flip_y = False


def _set_size(scene: bpy.types.Scene, size: tuple[int, int]) -> None:
    render = scene.render
    render.resolution_x, render.resolution_y = size
    render.resolution_percentage = 100


def _mask_scene(order: MatteOrder) -> tuple[bpy.types.Scene, Rna, str]:
    """A scene of its own, with nothing but the mask: no camera is needed and nothing 3D is rendered."""
    mask = bpy.data.masks.get(order.names[0])
    if mask is None:
        raise Refusal(f"There is no mask '{order.names[0]}'", remedy="Choose the matte again")
    asked = find_scene(order.scene)
    scene = bpy.data.scenes.new("Second Take matte")
    scene.render.fps, scene.render.fps_base = asked.render.fps, asked.render.fps_base
    # Keys and tracks of a mask are followed only in the scene of a window.
    compat.a_window().scene = scene
    tree = compat.clear_compositor(scene)
    node = tree.nodes.new("CompositorNodeMask")
    node.mask = mask
    if hasattr(node, "size_source"):
        node.size_source, node.use_feather = "SCENE", True
    else:
        node.inputs["Size Source"].default_value = "Scene Size"
        node.inputs["Feather"].default_value = True
    return scene, node, node.outputs[0].name


def _cryptomatte_scene(order: MatteOrder) -> tuple[bpy.types.Scene, Rna, str]:
    """The scene itself, with Cycles, no bounces and fixed samples: coverage comes from the camera's rays alone."""
    scene: Rna = find_scene(order.scene)
    scene.render.engine = "CYCLES"
    cycles = scene.cycles
    cycles.device, cycles.samples, cycles.max_bounces = "CPU", order.samples, 0
    cycles.use_adaptive_sampling = cycles.use_denoising = False
    scene.render.film_transparent = True
    layer = next((each for each in scene.view_layers if each.use), scene.view_layers[0])
    for each in scene.view_layers:
        each.use = each == layer
    layer.use_pass_cryptomatte_object = order.route is MatteRoute.OBJECTS
    layer.use_pass_cryptomatte_material = order.route is MatteRoute.MATERIALS
    layer.pass_cryptomatte_depth = 6
    things = bpy.data.objects if order.route is MatteRoute.OBJECTS else bpy.data.materials
    tree = compat.clear_compositor(scene)
    node = tree.nodes.new("CompositorNodeCryptomatteV2")
    node.source, node.scene = "RENDER", scene
    node.layer_name = f"{layer.name}.{_CRYPTOMATTE[order.route]}"
    node.matte_id = ",".join(_without_comma(things, name) for name in order.names)
    return scene, node, "Matte"


def _without_comma(things: Rna, name: str) -> str:
    """The node separates names by commas, so in this copy a thing with a comma in its name gets another one."""
    thing = things.get(name)
    if thing is None:
        raise Refusal(f"'{name}' is not in the .blend any more", remedy="Choose the matte again")
    if "," in name:
        thing.name = name.replace(",", "_")
    return str(thing.name)


def _write_socket(scene: bpy.types.Scene, socket: Rna, folder: Path) -> None:
    """Have the scene's compositor write a socket as one float channel to a file in `folder`, whatever its name."""
    tree = compat.compositor(scene)
    output = compat.group_output(tree)
    tree.links.new(socket, output.inputs[0])
    node = tree.nodes.new("CompositorNodeOutputFile")
    settings = node.format
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format = "OPEN_EXR"
    modes = ["BW", "RGB"]
    while settings.color_mode != modes[0]:
        try:
            settings.color_mode = modes[0]
        except TypeError:  # EXR of one channel is unknown to 4.2, which then writes one all the same
            modes.pop(0)
    settings.color_depth, settings.exr_codec = "32", "ZIP"
    if hasattr(node, "file_output_items"):
        node.directory, node.file_name = str(folder), ""
        node.file_output_items.new("FLOAT", "matte")
    else:
        node.base_path = str(folder)
        node.file_slots.clear()
        node.file_slots.new("matte.")
    tree.links.new(socket, node.inputs[0])
