"""In the background Blender: all passes of the scene's camera, and the camera itself."""

from __future__ import annotations

import json
from pathlib import Path

import bpy

from . import compat
from .background import Writer
from .compat import Rna
from .orders import Beauty, PrevizOrder
from .previz import BEAUTY, CAMERA, PASSES
from .refusal import Refusal
from .sequence import numbered
from .work_scene import find_scene, plain_output, quiet_compositors, render_still, write_exr

__all__ = ["render_previz"]


def render_previz(order: PrevizOrder, folder: Path, writer: Writer) -> None:
    """Render `previz.####.exr`, if asked for `beauty.####.exr`, and `camera.json`. Raises Refusal.

    A frame counts as done when all of its files are there.
    """
    scene = find_scene(order.scene)
    quiet_compositors()
    plain_output(scene)
    render: Rna = scene.render
    render.use_sequencer = render.use_compositing = render.use_motion_blur = False
    if render.engine not in ("CYCLES", compat.eevee()):
        _use_cycles(scene, order.samples)
    elif render.engine == "CYCLES" and order.beauty is not Beauty.SCENE:
        _sample_less(scene, order.samples)
    _switch_passes_on(scene)
    engine, cameras = render.engine, {}
    for frame, number in order.pairs:
        render.engine = engine
        write_exr(scene, mode="RGBA", multilayer=True)
        render_still(scene, frame, folder / numbered(PASSES, number))
        cameras[str(number)] = _camera(scene)
        if order.beauty is Beauty.WORKBENCH:
            render.engine = "BLENDER_WORKBENCH"
            write_exr(scene, mode="RGBA")
            render_still(scene, frame, folder / numbered(BEAUTY, number))
        writer.frame()
    _write_cameras(scene, cameras, folder / CAMERA)


def _use_cycles(scene: bpy.types.Scene, samples: int) -> None:
    """Workbench and others have no vectors."""
    render: Rna = scene.render
    render.engine = "CYCLES"
    cycles: Rna = scene.cycles
    cycles.device, cycles.samples = "CPU", samples
    cycles.use_adaptive_sampling = cycles.use_denoising = False


def _sample_less(scene: bpy.types.Scene, samples: int) -> None:
    """Nobody looks at the light: passes need few samples."""
    cycles: Rna = scene.cycles
    cycles.samples = min(cycles.samples, samples)
    cycles.use_adaptive_sampling = cycles.use_denoising = False


def _switch_passes_on(scene: bpy.types.Scene) -> None:
    """All passes on one view layer: with several nobody could say which vectors count."""
    layer = next((each for each in scene.view_layers if each.use), scene.view_layers[0])
    for each in scene.view_layers:
        each.use = each == layer
    layer.use_pass_combined = layer.use_pass_z = layer.use_pass_normal = layer.use_pass_vector = True
    layer.use_pass_cryptomatte_object = layer.use_pass_cryptomatte_material = True
    layer.pass_cryptomatte_depth = 6


def _camera(scene: bpy.types.Scene) -> dict[str, object]:
    """The camera of the frame that was rendered last."""
    camera: Rna = scene.camera
    if camera is None:
        raise Refusal("The scene has no camera", remedy="Add a camera and make it the active one")
    data: Rna = camera.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    return {
        "name": camera.name,
        "world_from_camera": [list(row) for row in camera.matrix_world],
        "type": data.type,
        "lens_mm": data.lens,
        "sensor_mm": [data.sensor_width, data.sensor_height],
        "sensor_fit": data.sensor_fit,
        "shift": [data.shift_x, data.shift_y],
        "ortho_scale_m": data.ortho_scale,
        "clip_m": [data.clip_start, data.clip_end],
    }


def _write_cameras(scene: bpy.types.Scene, cameras: dict[str, dict[str, object]], path: Path) -> None:
    render = scene.render
    percentage = render.resolution_percentage
    values = {
        "version": 1,
        "size": [render.resolution_x * percentage // 100, render.resolution_y * percentage // 100],
        "pixel_aspect": render.pixel_aspect_x / render.pixel_aspect_y,
        "frames_per_second": render.fps / render.fps_base,
        "axes": "right-handed, Z up; a camera looks along its -Z with Y up; metres",
        "frames": cameras,
    }
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(values, indent=1), encoding="utf-8")
    part.replace(path)
