"""The extension as an artist has it: installed, enabled, its buttons pressed, its ticks counted."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import addon_utils
import bpy

from secondtake_blender.compat import Rna

NAME = "bl_ext.user_default.secondtake_blender"


def part(name: str) -> ModuleType:
    """A module of the enabled extension."""
    return importlib.import_module(f"{NAME}.{name}")


@contextmanager
def enabled() -> Iterator[Any]:
    """The extension, enabled; its session state."""
    assert addon_utils.enable(NAME, default_set=True) is not None, "it was not enabled"
    try:
        yield part("state").live
    finally:
        addon_utils.disable(NAME, default_set=True)


def tick_until(done: Callable[[], object], *, timeout_s: float = 40.0, every_s: float = 0.01) -> int:
    """Tick as Blender's timer would; how many ticks it took."""
    pump, ticks, end_s = part("pump"), 0, time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < end_s, told()
        pump.tick()
        ticks += 1
        time.sleep(every_s)
    return ticks


def told() -> str:
    """All that the session knows, for a failure."""
    live = part("state").live
    jobs = [(job.state, job.step, job.line, job.arrived) for job in live.jobs.values()]
    bridge = live.bridge and (live.bridge.state, live.bridge.why)
    return f"{live.line} {jobs} bridge {bridge} daemon {live.daemon!r} {live.daemon_why!r}"


@contextmanager
def editor(kind: str = "SEQUENCE_EDITOR") -> Iterator[Any]:
    """An area of this kind as the context."""
    window = bpy.context.window_manager.windows[0]
    area = window.screen.areas[0]
    area.type = kind
    region = next(each for each in area.regions if each.type == "WINDOW")
    with bpy.context.temp_override(window=window, screen=window.screen, area=area, region=region):
        yield area


def press(name: str, /, **values: object) -> set[str]:
    """Press a button in the Sequencer."""
    with editor():
        return getattr(bpy.ops.secondtake, name)(**values)


def settings() -> Rna:
    return bpy.context.scene.secondtake
