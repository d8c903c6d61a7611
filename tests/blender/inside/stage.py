"""Plates with their frame numbers in the picture, and what Blender makes of them."""

from __future__ import annotations

import struct
import time
import zlib
from pathlib import Path

import bpy
import numpy as np
import OpenEXR

from secondtake_blender import compat
from secondtake_blender.background import LOG, State
from secondtake_blender.rendering import start_rendering

BITS = 11
WIDTH, HEIGHT = 88, 48


def number_picture(number: int, *, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """(height, width) float32, 0 or 1: the number's bits as bars from left to right, the lowest bit first."""
    bars = np.array([(number >> bit) & 1 for bit in range(BITS)], np.float32)
    return np.repeat(bars, width // BITS)[None, :].repeat(height, axis=0)


def read_number(picture: np.ndarray) -> int:
    """The number that a picture shows, whatever its size."""
    height, width = picture.shape[:2]
    row = picture[height // 2] if picture.ndim == 2 else picture[height // 2, :, 0]
    centres = (np.arange(BITS) + 0.5) * width / BITS
    return sum(int(row[int(x)] > 0.4) << bit for bit, x in enumerate(centres))


def write_png(path: Path, picture: np.ndarray) -> None:
    codes = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    if codes.ndim == 2:
        codes = codes[..., None].repeat(3, axis=2)
    height, width, _ = codes.shape
    rows = b"".join(b"\0" + codes[y].tobytes() for y in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


def write_exr(path: Path, picture: np.ndarray) -> None:
    planes = picture[..., None].repeat(3, axis=2) if picture.ndim == 2 else picture
    channels = {name: np.ascontiguousarray(planes[..., place], np.float32) for place, name in enumerate("RGB")}
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}, channels).write(str(path))


def read_exr(path: Path) -> dict[str, np.ndarray]:
    """All channels of all parts by their full name."""
    file = OpenEXR.File(str(path), separate_channels=True)
    return {name: channel.pixels for part in file.parts for name, channel in part.channels.items()}


def sequence(folder: Path, numbers: list[int], *, name: str = "sh010.", suffix: str = ".png") -> list[str]:
    """Write numbered pictures; their names."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{name}{number:04d}{suffix}" for number in numbers]
    write = write_exr if suffix == ".exr" else write_png
    for number, file in zip(numbers, names, strict=True):
        write(folder / file, number_picture(number))
    return names


def scene(*, first: int = 1, last: int = 60) -> bpy.types.Scene:
    """The scene, at the pictures' size, rendering its sequence to linear EXR."""
    made = bpy.context.scene
    made.render.resolution_x, made.render.resolution_y, made.render.resolution_percentage = WIDTH, HEIGHT, 100
    made.render.fps, made.render.fps_base = 24, 1.0
    made.frame_start, made.frame_end = first, last
    made.sequence_editor_create()
    made.sequencer_colorspace_settings.name = "Linear Rec.709"
    made.view_settings.view_transform = "Standard"
    made.render.dither_intensity = 0
    if hasattr(bpy.context.workspace, "sequencer_scene"):
        bpy.context.workspace.sequencer_scene = made
    return made


def image_strip(
    made: bpy.types.Scene, folder: Path, names: list[str], *, start: int = 1, channel: int = 1, name: str = "plate"
) -> object:
    strip = compat.strips_of(made.sequence_editor).new_image(
        name=name, filepath=str(folder / names[0]), channel=channel, frame_start=start, fit_method="ORIGINAL"
    )
    for each in names[1:]:
        strip.elements.append(each)
    files = [{"name": each} for each in names]
    with compat.editing(made, strip):
        bpy.ops.sequencer.change_path(directory=f"{folder}/", files=files)
    found = compat.strips_of(made.sequence_editor)[name]
    compat.set_handles(found, left=start, right=start + len(names))
    return found


def shown(made: bpy.types.Scene, frame: int, folder: Path) -> np.ndarray:
    """(height, width, 4) float32: what the sequence shows."""
    path = folder / "shown.exr"
    settings = made.render.image_settings
    if hasattr(settings, "media_type"):
        settings.media_type = "IMAGE"
    settings.file_format, settings.color_mode, settings.color_depth = "OPEN_EXR", "RGBA", "32"
    settings.exr_codec = "ZIP"
    made.render.film_transparent = True
    made.render.filepath = str(path)
    made.frame_set(frame)
    bpy.ops.render.render(write_still=True, scene=made.name)
    planes = read_exr(path)
    return np.stack([planes[name] for name in "RGBA"], axis=-1)


def shown_number(made: bpy.types.Scene, frame: int, folder: Path) -> int:
    return read_number(shown(made, frame, folder))


def rendered(order: object, folder: Path, *, timeout_s: float = 100) -> Path:
    """Have a background Blender carry out an order; the folder with what it wrote."""
    target = folder / f"work{len(list(folder.glob('work*')))}"
    job = start_rendering(order, target)
    end = time.monotonic() + timeout_s
    while (progress := job.poll()).state is State.RUNNING:
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.02)
    assert progress.state is State.DONE, (progress, (target / LOG).read_text()[-3000:])
    assert progress.done == progress.total == len(order.pairs)
    return target
