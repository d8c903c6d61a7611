"""Hostile little shots, written with the EXR library itself, and a bit compare that shares no code with the product."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import OpenEXR
from numpy.typing import NDArray

HOSTILE = np.array([-0.0, 0.0, np.nan, np.inf, -np.inf, 65504, -65504, 6e-8, -6e-8, 1.5, 1e-3], np.float32)


@dataclass(frozen=True)
class Layout:
    """What a plate's file looks like."""

    width: int = 40
    height: int = 30
    data_min: tuple[int, int] = (0, 0)
    display: tuple[int, int] | None = None
    """Size of the display window; None: the data's."""
    channels: tuple[str, ...] = ("R", "G", "B")
    floats: tuple[str, ...] = ()
    """Channels stored as float32; the others are half."""
    compression: object = OpenEXR.ZIP_COMPRESSION
    tiled: bool = False
    extra_part: bool = False


def write_shot(root: Path, layout: Layout, frames: list[int], *, seed: int = 0) -> tuple[str, str]:
    """A plate full of hostile values and a moving soft matte. Returns the two sequence names."""
    (root / "plate").mkdir()
    (root / "matte").mkdir()
    for frame in frames:
        random = np.random.default_rng((seed, frame))
        write_plate(root / "plate" / f"sh.{frame:04d}.exr", layout, random)
        write_matte(root / "matte" / f"m.{frame:04d}.exr", layout, frame - frames[0])
    return str(root / "plate" / "sh.####.exr"), str(root / "matte" / "m.####.exr")


def header_of(layout: Layout) -> dict[str, object]:
    x, y = layout.data_min
    width, height = layout.display or (layout.width, layout.height)
    header: dict[str, object] = {
        "compression": layout.compression,
        "type": OpenEXR.tiledimage if layout.tiled else OpenEXR.scanlineimage,
        "dataWindow": (np.array([x, y], np.int32), np.array([x + layout.width - 1, y + layout.height - 1], np.int32)),
        "displayWindow": (np.array([0, 0], np.int32), np.array([width - 1, height - 1], np.int32)),
        "shotNote": "keep me",
        "cameraDistance": 4.25,
    }
    if layout.tiled:
        header["tiles"] = OpenEXR.TileDescription()
    return header


def write_plate(path: Path, layout: Layout, random: np.random.Generator) -> None:
    def plane(name: str) -> NDArray[np.float32]:
        values = random.random((layout.height, layout.width), np.float32) * 2
        spots = random.random(values.shape) < 0.2
        values[spots] = random.choice(HOSTILE, int(spots.sum()))
        return values.astype(np.float32 if name in layout.floats else np.float16)

    planes = {name: plane(name) for name in layout.channels}
    parts = [OpenEXR.Part({**header_of(layout), "name": "main"} if layout.extra_part else header_of(layout), planes)]
    if layout.extra_part:
        parts.append(OpenEXR.Part({**header_of(layout), "name": "depth"}, {"Z": plane("Z")}))
    OpenEXR.File(parts).write(str(path))


def write_matte(path: Path, layout: Layout, step: int) -> None:
    """A soft-edged box that moves one pixel a frame, in display-window coordinates."""
    width, height = layout.display or (layout.width, layout.height)
    matte = np.zeros((height, width), np.float16)
    x, y = width // 3 + step, height // 3
    matte[y : y + height // 4, x : x + width // 4] = 0.5
    matte[y + 1 : y + height // 4 - 1, x + 1 : x + width // 4 - 1] = 1
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": matte}).write(str(path))


def read(path: Path) -> list[tuple[dict[str, object], dict[str, NDArray[np.generic]]]]:
    """(header, planes) of each part."""
    file = OpenEXR.File(str(path), separate_channels=True)
    return [
        (dict(part.header), {name: channel.pixels for name, channel in part.channels.items()}) for part in file.parts
    ]


def bits(plane: NDArray[np.generic]) -> NDArray[np.generic]:
    """A view that tells −0 from +0 and one NaN from another."""
    return plane.view({2: np.uint16, 4: np.uint32}[plane.dtype.itemsize])


def matte_on(layout: Layout, path: Path) -> NDArray[np.bool_]:
    """Where the matte is above 0, on the plate's data window."""
    ((_, planes),) = read(path)
    matte = planes["Y"] > 0
    canvas = np.zeros((layout.height, layout.width), bool)
    x, y = layout.data_min
    for row in range(layout.height):
        for column in range(layout.width):
            if 0 <= row + y < matte.shape[0] and 0 <= column + x < matte.shape[1]:
                canvas[row, column] = matte[row + y, column + x]
    return canvas


def changed_outside(plate: Path, result: Path, inside: NDArray[np.bool_], edited: tuple[str, ...]) -> list[str]:
    """Everything that should be equal and is not, in words."""
    faults = []
    before, after = read(plate), read(result)
    if len(before) != len(after):
        return ["number of parts"]
    for index, ((head_a, planes_a), (head_b, planes_b)) in enumerate(zip(before, after, strict=True)):
        faults += [
            f"attribute {key}" for key in head_a if key != "channels" and str(head_a[key]) != str(head_b.get(key))
        ]
        if list(planes_a) != list(planes_b):
            return [*faults, "channels"]
        for name in planes_a:
            differ = bits(planes_a[name]) != bits(planes_b[name])
            if index == 0 and name in edited:
                differ &= ~inside
            if planes_a[name].dtype != planes_b[name].dtype or differ.any():
                faults.append(f"channel {name}")
    return faults
