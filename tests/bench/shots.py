"""Plates for the benchmarks, made on the spot: a smooth picture with grain, which no codec can shrink by much."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenEXR
from numpy.typing import NDArray

__all__ = ["write_matte", "write_plate", "write_shot"]


def write_plate(folder: Path, *, frames: int, width: int, height: int) -> str:
    """Half RGB, ZIP. Returns the sequence's name."""
    folder.mkdir(parents=True)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    picture = np.dstack([0.2 + 0.1 * np.sin(x / 97 + c) * np.cos(y / 61 - c) for c in range(3)])
    for frame in range(1001, 1001 + frames):
        grain = np.random.default_rng(frame).standard_normal(picture.shape, np.float32) * 0.01
        _write(folder / f"plate.{frame}.exr", dict(zip("RGB", np.moveaxis(picture + grain, 2, 0), strict=True)))
    return str(folder / "plate.####.exr")


def write_matte(folder: Path, *, frames: int, width: int, height: int, share: float, rows: float) -> str:
    """A box that covers `share` of the frame on `rows` of its rows, moving a little. Returns the sequence's name."""
    folder.mkdir(parents=True)
    deep = round(height * rows)
    wide = round(width * share / rows)
    for frame in range(1001, 1001 + frames):
        matte = np.zeros((height, width), np.float32)
        left = 100 + 8 * (frame - 1001)
        matte[height // 3 : height // 3 + deep, left : left + wide] = 1
        _write(folder / f"matte.{frame}.exr", {"Y": matte})
    return str(folder / "matte.####.exr")


def write_shot(
    folder: Path, plates: NDArray[np.float32], holes: NDArray[np.float32], *, frames: int
) -> tuple[str, str]:
    """A shot from memory, half RGB, ZIP; a longer one goes there and back. Returns the sequences of plate and matte."""
    for name in ("plate", "matte"):
        (folder / name).mkdir(parents=True)
    there_and_back = [*range(len(plates)), *range(len(plates) - 2, 0, -1)]
    for number in range(frames):
        at = there_and_back[number % len(there_and_back)]
        pixels = dict(zip("RGB", np.moveaxis(plates[at], 2, 0), strict=True))
        _write(folder / "plate" / f"plate.{1001 + number}.exr", pixels)
        _write(folder / "matte" / f"matte.{1001 + number}.exr", {"Y": holes[at]})
    return str(folder / "plate" / "plate.####.exr"), str(folder / "matte" / "matte.####.exr")


def _write(path: Path, planes: dict[str, np.ndarray]) -> None:
    channels = {name: np.ascontiguousarray(plane, np.float16) for name, plane in planes.items()}
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}, channels).write(str(path))
