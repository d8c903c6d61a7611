"""How long the artist's Blender is held up: by a tick, and by the button."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import addon
import bpy
import extension
import numpy as np
import stage
from extension import press, settings, tick_until

MOST_TICK_S, MOST_SUBMIT_S = 0.005, 0.050
COUNT = 300


def measured(live: object, *, name: str) -> None:
    """Press Fix, tick for a while, and hold the times against the ceilings."""
    live.tick_s.clear()
    begun_s = time.perf_counter()
    press("fix")
    submit_s = time.perf_counter() - begun_s
    pump = extension.part("pump")
    while len(live.tick_s) < COUNT:
        pump.tick()
        time.sleep(0.01)
    ticks = sorted(live.tick_s)
    p99, worst = ticks[int(len(ticks) * 0.99)], ticks[-1]
    print(f"FIGURES {name}: submit {submit_s * 1e3:.1f} ms, tick p99 {p99 * 1e3:.2f} ms, worst {worst * 1e3:.2f} ms")
    assert submit_s < MOST_SUBMIT_S, f"{name}: submit took {submit_s * 1e3:.1f} ms"
    assert p99 < MOST_TICK_S, f"{name}: p99 of a tick is {p99 * 1e3:.2f} ms"


def check_healthy_slow_and_dead(folder: Path) -> None:
    """A daemon that works, one that is stopped, one that was killed."""
    with extension.enabled() as live:
        addon.shot(folder, engine="standin")
        press("connect")
        tick_until(lambda: live.daemon == "running")
        settings().engine_options = "frame_s=0.2"
        measured(live, name="healthy")
        tick_until(lambda: not live.jobs)
        pid = _pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            measured(live, name="slow")
        finally:
            os.kill(pid, signal.SIGCONT)
        os.kill(pid, signal.SIGKILL)
        measured(live, name="dead")


def check_black_hole(folder: Path) -> None:
    """The runtime file names a port where nobody ever answers."""
    with extension.enabled() as live:
        addon.shot(folder, engine="standin")
        measured(live, name="black hole")
        assert live.jobs and extension.part("connection").connection_line()[0]


def check_4k(folder: Path) -> None:
    """Frames of which Blender needs a quarter of a second to read one: none is read in a tick."""
    with extension.enabled() as live:
        stage.WIDTH, stage.HEIGHT = 3840, 2160
        addon.shot(folder, engine="standin")
        picture = stage.number_picture(1, width=3840, height=2160)
        picture = np.pad(picture, ((0, 0), (0, 3840 - picture.shape[1])))
        for number in addon.NUMBERS:
            stage.write_exr(folder / "plate" / f"sh010.{number:04d}.exr", picture + np.float32(number / 4096))
        settings().box = (1000, 500, 2000, 1500)
        press("connect")
        tick_until(lambda: live.daemon == "running")
        measured(live, name="4K")
        addon.finish(live)
        assert max(live.tick_s) < MOST_SUBMIT_S, max(live.tick_s)


def check_long_shot(folder: Path) -> None:
    """Pressing the button on a thousand frames, and drawing them."""
    with extension.enabled() as live:
        addon.NUMBERS[:] = range(1001, 2001)
        addon.shot(folder, engine="standin")
        press("connect")
        tick_until(lambda: live.daemon == "running")
        import addon_panel

        times = []
        for _ in range(20):
            begun_s = time.perf_counter()
            addon_panel.drawn()
            times.append(time.perf_counter() - begun_s)
        print(f"FIGURES long: draw {sorted(times)[10] * 1e3:.1f} ms")
        measured(live, name="1000 frames")
        assert bpy.context.scene.secondtake.takes[0].job


def _pid() -> int:
    pids: list[int] = []
    extension.part("connection").ask("status", lambda answer: pids.append(answer.result["pid"]))
    tick_until(lambda: pids)
    return pids[0]
