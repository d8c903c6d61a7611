"""Worlds with a shot in them, a desk that answers for the daemon, and the parts of the plugin put together."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from standin.exr_file import write_exr
from standin.model_timeline import Item
from standin.world import World

from secondtake import host
from secondtake_resolve.calls import Host
from secondtake_resolve.fixing import Making
from secondtake_resolve.flow_bring_back import Result
from secondtake_resolve.flow_fix import MatteWish, Wish
from secondtake_resolve.refusal import Refusal
from secondtake_resolve.rendering import Clock
from secondtake_resolve.workplace import Workplace

JOB = "6f1c1e0f0b8a4f5f9a3b2c1d0e9f8a7b"
RENDERED = "Rec.709 Gamma 2.4"


class Time:
    """A clock that runs only while somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def clock(self) -> Clock:
        return Clock(now=lambda: self.now_s, sleep=self.sleep)


@dataclass
class Desk:
    """Answers as the daemon would, and remembers what it was asked."""

    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refusal: Refusal | None = None

    def ask(self, method: str, *, timeout_s: float, **params: Any) -> dict[str, Any]:
        self.asked.append((method, params))
        if self.refusal is not None and method == "survey":
            raise self.refusal
        return {"odd": []} if method == "survey" else {}

    def sent(self) -> dict[str, Any]:
        """What was sent to be fixed."""
        return next(params for method, params in self.asked if method == "fix")


def shot_scene(world: World, footage: Path, *, at: int = 48, count: int = 8, left: int = 4) -> Item:
    """Neighbours, and between them the clip that is parked on; artist's marks, queue and settings."""
    media = world.add_media(
        "sh010.[1001-1016].exr", str(footage / "sh010.[1001-1016].exr"), frames=16, Start="1001", Resolution="64x36"
    )
    other = world.add_media("other.mov", str(footage / "other.mov"), frames=500)
    (footage / "other.mov").write_bytes(b"a movie")
    world.add_item(other, at=0, count=48)
    world.add_item(other, at=100, count=48, left=60)
    world.add_item(other, at=90, count=20, track=2, name="overlay")
    item = world.add_item(media, at=at, count=count, left=left)
    item.grade, item.properties["Opacity"] = "warm", 100.0
    world.timeline.playhead = item.start + 2
    world.timeline.marks = {"video": {"in": 3, "out": 30}, "audio": {"in": 3, "out": 30}}
    world.project.AddRenderJob()
    world.project.presets["mine"] = ({"CustomName": "x"}, ("mov", "ProRes422HQ"), 0)
    return item


def write_launcher(home: Path, *bridge: str) -> Path:
    """Say in a home where the bridge's Python is; the launcher file. bridge: other arguments than its own."""
    launcher = host.find_launcher(str(home))
    launcher.parent.mkdir(parents=True, exist_ok=True)
    launcher.write_text(json.dumps({"python": sys.executable, **({"bridge": bridge} if bridge else {})}))
    return launcher


def make_host(world: World) -> Host:
    return Host(world.resolve, pause=lambda seconds: None)


def make_making(
    world: World, folder: Path, desk: Desk, *, progress: Callable[[str, float], bool] | None = None
) -> Making:
    return Making(
        host=make_host(world),
        talk=desk,  # type: ignore[arg-type]
        workplace=Workplace(folder),
        progress=progress or (lambda words, share: True),
        clock=Time().clock(),
    )


def file_matte(**choices: Any) -> Wish:
    """Remove something under a matte that lies on the disk."""
    return Wish(**{"matte": MatteWish(path="/mattes/roto.####.exr"), **choices})


def take_files(folder: Path, frames: range, *, name: str = "sh010") -> Result:
    """A finished take on the disk."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for frame in frames:
        write_exr(folder / f"{name}.t3k9x0c.{frame:04d}.exr", (4, 4), lambda x, y: (0.5, 0.5, 0.5))
    return Result(job=JOB, take="t3k9x0c", folder=str(folder), pattern=f"{name}.t3k9x0c.%04d.exr", frames=tuple(frames))
