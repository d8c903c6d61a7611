"""A small shot with a soft matte, and real takes of it through the stand-in engine."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from msgspec.structs import replace
from numpy.typing import NDArray

from secondtake.figures import Figures
from secondtake.messages import FixRequest, FixResult, Operation, Phase
from secondtake_daemon.pipeline import Folders, render_fix
from secondtake_daemon.takes.manifest import Manifest, load
from secondtake_daemon.takes.recipe import on_take

FRAMES = (1001, 1002, 1003)
WIDTH, HEIGHT = 48, 32
DATA_MIN = (-4, -2)


class Silent:
    def phase(self, phase: Phase, total: int = 0) -> None: ...

    def frame(self, frame: int) -> None: ...

    def figures(self, figures: Figures) -> None: ...

    def stage(self, stage: object) -> None: ...

    def step(self) -> None: ...


class Desk:
    """The shot, and takes of it in folders named as they are."""

    def __init__(self, root: Path, *, dtype: str = "float16", channels: str = "RGB") -> None:
        self.root = root
        self.dtype, self.channels = dtype, channels
        self.plate = self.write_plate("plate", WIDTH, HEIGHT)
        self.matte = self.write_matte("matte", soft=0.3)

    def write_plate(self, name: str, width: int, height: int, *, seed: int = 0) -> str:
        (self.root / name).mkdir()
        (x, y), high = DATA_MIN, np.array([width - 9, height - 5], np.int32)
        for frame in FRAMES:
            random = np.random.default_rng((seed, frame))
            header = {
                "compression": OpenEXR.ZIP_COMPRESSION,
                "type": OpenEXR.scanlineimage,
                "dataWindow": (np.array([x, y], np.int32), np.array([x + width - 1, y + height - 1], np.int32)),
                "displayWindow": (np.zeros(2, np.int32), high),
                "chromaticities": (0.713, 0.293, 0.165, 0.830, 0.128, 0.044, 0.32168, 0.33767),
                "pixelAspectRatio": 2.0,
            }
            values = {letter: random.lognormal(-1, 1.5, (height, width)).astype(self.dtype) for letter in self.channels}
            OpenEXR.File(header, values).write(str(self.root / name / f"sh.{frame}.exr"))
        return str(self.root / name / "sh.####.exr")

    def write_matte(self, name: str, *, soft: float, left: int = 8) -> str:
        """A box with a soft rim that moves a pixel a frame, over the display window."""
        (self.root / name).mkdir(exist_ok=True)
        for step, frame in enumerate(FRAMES):
            matte = np.zeros((HEIGHT - 4, WIDTH - 8), np.float16)
            matte[4:18, left + step : left + step + 14] = soft
            matte[6:16, left + 2 + step : left + 12 + step] = 1
            OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": matte}).write(str(self.root / name / f"m.{frame}.exr"))
        return str(self.root / name / "m.####.exr")

    def fix(self, take: str, **values: object) -> FixResult:
        request: dict[str, Any] = {"shot": "sh", "plate": self.plate, "matte": self.matte, **values}
        return self._make(take, FixRequest(job="", out="", operation=Operation.REPLACE, engine="standin", **request))

    def on(self, parent: str, take: str, matte: str) -> FixResult:
        request = on_take(load(self.root / parent), self.root / parent)
        return self._make(take, replace(request, matte=matte, engine="standin", operation=Operation.REPLACE))

    def load(self, take: str) -> Manifest:
        return load(self.root / take)

    def _make(self, take: str, request: FixRequest) -> FixResult:
        folders = Folders(cache=self.root / "cache", takes=self.root / "takes", cache_bytes=1 << 30)
        sent = replace(request, job=uuid.uuid4().hex, out=str(self.root / take))
        return render_fix(sent, take=take, folders=folders, report=Silent())


def planes_of(path: str | Path) -> dict[str, NDArray[np.generic]]:
    """By the EXR library itself."""
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return {name: np.array(channel.pixels) for name, channel in file.parts[0].channels.items()}


def header_of(path: str | Path) -> dict[str, Any]:
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return dict(file.parts[0].header)
