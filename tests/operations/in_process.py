"""Small shots, made in the pipeline's own process: no daemon, so that a test takes a second."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from secondtake.messages import FixRequest, FixResult, Operation
from secondtake_daemon.job.report import Report
from secondtake_daemon.pipeline import Folders, render_fix

WIDTH, HEIGHT = 64, 48


def write_plate(
    root: Path, frames: range, *, width: int = WIDTH, height: int = HEIGHT, light: float = 1.0, **header: Any
) -> str:
    """Float and half channels, an alpha, a bright gradient that moves. Returns the sequence name."""
    root.mkdir(parents=True, exist_ok=True)
    for frame in frames:
        rng = np.random.default_rng(frame)
        x = np.linspace(0, 1, width, dtype=np.float32)[None] + 0.02 * (frame - frames[0])
        picture = np.repeat(x, height, 0) + rng.normal(0, 0.01, (height, width)).astype(np.float32)
        picture *= light
        planes = {
            "R": picture.astype(np.float16), "G": (0.5 * picture).astype(np.float16), "B": np.abs(light - picture),
            "A": np.full((height, width), 0.5, np.float16), "Z": rng.random((height, width), np.float32),
        }  # fmt: skip
        head = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, "lensSerial": "a7", **header}
        OpenEXR.File(head, planes).write(str(root / f"sh010.{frame:04d}.exr"))
    return str(root / "sh010.####.exr")


def write_depth(root: Path, frames: range, *, width: int = WIDTH, height: int = HEIGHT, near: float = 2.0) -> str:
    """Blender's Z: a ball in front of a wall, and a sky."""
    root.mkdir(parents=True, exist_ok=True)
    for frame in frames:
        depth = np.full((height, width), 20.0, np.float32)
        depth[: height // 4] = 1e10
        depth[height // 3 : 2 * height // 3, 10 + frame - frames[0] : 30 + frame - frames[0]] = near
        OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Z": depth}).write(str(root / f"z.{frame:04d}.exr"))
    return str(root / "z.####.exr")


def write_picture(path: Path, *, width: int = 40, height: int = 24, seed: int = 0) -> Path:
    """A linear EXR of any size."""
    values = np.random.default_rng(seed).random((height, width, 3), np.float32)
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"RGB": values}).write(str(path))
    return path


def planes(path: Path | str) -> dict[str, NDArray[np.generic]]:
    """Channels by name."""
    found = OpenEXR.File(str(path), separate_channels=True)
    return {name: channel.pixels for name, channel in found.channels().items()}


def header(path: Path | str) -> dict[str, Any]:
    return dict(OpenEXR.File(str(path), separate_channels=True).header())


class Silent(Report):
    """Hears nothing."""

    def __init__(self) -> None:
        pass

    def __getattribute__(self, name: str) -> Any:
        return lambda *_args, **_kwargs: None


@dataclass(frozen=True)
class Studio:
    """A home, and takes made in this process."""

    root: Path
    models: Path | None = None
    made: list[FixResult] = field(default_factory=list)

    def request(self, operation: Operation, **values: Any) -> FixRequest:
        given = {
            "job": uuid4().hex, "shot": "sh010", "plate": "", "matte": "", "engine": "standin",
            "out": str(self.root / f"take{len(self.made)}"), "operation": operation,
        }  # fmt: skip
        return FixRequest(**{**given, **values})

    def make(self, operation: Operation, **values: Any) -> FixResult:
        return self.render(self.request(operation, **values))

    def render(self, request: FixRequest) -> FixResult:
        folders = Folders(
            cache=self.root / "cache", takes=self.root / "registry", cache_bytes=1 << 30, models=self.models
        )
        result = render_fix(request, take=f"t{len(self.made):06d}", folders=folders, report=Silent())
        self.made.append(result)
        return result
