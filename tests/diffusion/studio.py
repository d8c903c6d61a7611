"""A home with a tiny model, a bright little shot, and the command: what the tests through a real daemon share."""

from __future__ import annotations

import io
import json
import sys
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from secondtake import Client, FixRequest, Operation
from secondtake.messages import JobState, JobView
from secondtake_daemon.cli import app

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "pipeline"), str(TESTS / "journeys")]

from exr_shots import Layout, changed_outside, matte_on, read

FRAMES = list(range(1001, 1013))
"""Two windows of the tiny model: 1001-1007 and 1008-1012."""
SMALL = ("steps=2", "prompt_tokens=32", "longest=17", "head=4", "tail=5")
"""Settings of the tiny model."""
LAYOUT = Layout(width=64, height=48, channels=("R", "G", "B", "Z"), floats=("Z",))
BRIGHTEST = 1e4


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A command that ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return answer


def command(*arguments: object) -> Ran:
    """The `secondtake` command, in this process, which spares loading the image libraries each time."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        status = app.run([str(argument) for argument in arguments])
    return Ran(status=status, out=out.getvalue(), err=err.getvalue())


def added(folder: Path, name: str, *more: str) -> Ran:
    """`models add`, with the settings that make a model small enough for a test."""
    given = [word for setting in SMALL for word in ("--set", setting)]
    return command("models", "add", folder, "--name", name, *given, *more, "--json")


def write_bright_shot(root: Path, *, layout: Layout = LAYOUT, frames: Iterable[int] = FRAMES) -> None:
    """A smooth plate that moves, with lamps of up to 1e4 beside the matte, and a soft matte that moves too."""
    (root / "plate").mkdir(parents=True)
    (root / "matte").mkdir()
    for at, frame in enumerate(frames):
        planes = _planes(layout, at)
        header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION, "shotNote": "keep me"}
        OpenEXR.File(header, planes).write(str(root / "plate" / f"sh.{frame}.exr"))
        matte = np.zeros((layout.height, layout.width), np.float16)
        x, y = layout.width // 3 + at // 3, layout.height // 3
        matte[y : y + layout.height // 4, x : x + layout.width // 4] = 0.5
        matte[y + 1 : y + layout.height // 4 - 1, x + 1 : x + layout.width // 4 - 1] = 1
        OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": matte}).write(str(root / "matte" / f"m.{frame}.exr"))


def _planes(layout: Layout, at: int) -> dict[str, NDArray[Any]]:
    y, x = np.mgrid[: layout.height, : layout.width].astype(np.float32)
    waves = [0.4 + 0.3 * np.sin((x - at) / (5 + 2 * n)) * np.cos(y / (7 + n)) for n in range(len(layout.channels))]
    lamps = [(layout.height // 3 - 2, layout.width // 3 + 3, BRIGHTEST), (5, 5, 300.0), (2, 40, -0.5)]
    for wave in waves:
        for row, column, value in lamps:
            wave[row, column] = value
    return {
        name: wave.astype(np.float32 if name in layout.floats else np.float16)
        for name, wave in zip(layout.channels, waves, strict=True)
    }


class Studio:
    """One shot in one home. Each fix gets a folder of its own."""

    def __init__(self, root: Path, home: Path, engine: str) -> None:
        self.root = root
        self.home = home
        self.engine = engine
        if not (root / "plate").exists():
            write_bright_shot(root)

    @property
    def plate(self) -> Path:
        return self.root / "plate" / "sh.####.exr"

    @property
    def matte(self) -> Path:
        return self.root / "matte" / "m.####.exr"

    def fix(self, name: str, *more: object, operation: str = "replace", say: str = "a red hat") -> Ran:
        """`fix`; say "" leaves the instruction out."""
        words = ("--instruction", say) if say else ()
        return command(
            "fix", self.plate, "--matte", self.matte, "--out", self.root / name, "--engine", self.engine,
            "--operation", operation, *words, *more, "--json",
        )  # fmt: skip

    def request(self, name: str, **changes: Any) -> FixRequest:
        """The same as a message."""
        values: dict[str, Any] = {
            "job": uuid.uuid4().hex,
            "shot": "sh",
            "plate": str(self.plate),
            "matte": str(self.matte),
            "out": str(self.root / name),
            "operation": Operation.REPLACE,
            "instruction": "a red hat",
            "engine": self.engine,
        }
        return FixRequest(**{**values, **changes})

    def client(self) -> Client:
        return Client.connect(home=self.home, timeout_s=10)

    def wait(self, client: Client, job: str, wanted: Callable[[JobView], bool], *, timeout_s: float = 120.0) -> JobView:
        """The job's view as soon as it is as wanted."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            (view,) = client.jobs(job=job)
            if wanted(view):
                return view
            assert view.state not in (JobState.FAILED,), view.error
            assert time.monotonic() < deadline_s, view
            time.sleep(0.02)

    def outside_of(self, files: Iterable[str]) -> list[str]:
        """What is changed outside the matte, found without the product's code."""
        faults = []
        for file in map(Path, files):
            frame = file.name.split(".")[-2]
            inside = matte_on(LAYOUT, self.root / "matte" / f"m.{frame}.exr")
            before = self.root / "plate" / f"sh.{frame}.exr"
            faults += changed_outside(before, file, inside, ("R", "G", "B"))
        return faults

    def inside_of(self, files: Iterable[str]) -> NDArray[np.float32]:
        """All edited samples inside the matte, one after the other."""
        found = []
        for file in map(Path, files):
            inside = matte_on(LAYOUT, self.root / "matte" / f"m.{file.name.split('.')[-2]}.exr")
            planes = read(file)[0][1]
            found += [planes[name][inside].astype(np.float32) for name in "RGB"]
        return np.concatenate(found)


def content(files: Iterable[str]) -> list[bytes]:
    """The bytes of written frames, in order."""
    return [Path(file).read_bytes() for file in files]
