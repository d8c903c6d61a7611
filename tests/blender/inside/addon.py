"""Strip → fix → strip, and everything round it, in a real Blender with a real daemon."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import bpy
import extension
import stage
from extension import press, settings, tick_until

from secondtake_blender import compat

NUMBERS = list(range(1001, 1007))


def shot(folder: Path, *, start: int = 11, engine: str = "temporal") -> bpy.types.Scene:
    """A scene with an EXR strip and a box on it."""
    names = stage.sequence(folder / "plate", NUMBERS, suffix=".exr")
    made = stage.scene()
    made.frame_start, made.frame_end = start, start + len(NUMBERS) - 1
    strip = stage.image_strip(made, folder / "plate", names, start=start)
    made.sequence_editor.active_strip = strip
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "shot.blend"))
    made = bpy.context.scene
    wanted = made.secondtake
    wanted.matte, wanted.box, wanted.engine, wanted.handles = "BOX", (20, 10, 60, 40), engine, 0
    return made


def strips() -> list[str]:
    return sorted(strip.name for strip in compat.strips_of(bpy.context.scene.sequence_editor))


def finish(live: object) -> object:
    """Tick until no job is left; the record of the last take."""
    tick_until(lambda: not live.jobs)
    record = settings().takes[-1]
    assert record.take, extension.told()
    return record


def check_fix(folder: Path) -> None:
    with extension.enabled() as live:
        made = shot(folder)
        assert press("fix") == {"FINISHED"}
        tick_until(lambda: any(job.arrived for job in live.jobs.values()) or not live.jobs)
        assert threading.active_count() == 1, "Blender's Python is not made for threads"
        record = finish(live)
        assert strips() == ["plate", "plate take"], strips()
        take = compat.strips_of(made.sequence_editor)["plate take"]
        plate = compat.strips_of(made.sequence_editor)["plate"]
        assert (compat.left_handle(take), compat.right_handle(take)) == (
            compat.left_handle(plate),
            compat.right_handle(plate),
        )
        assert take.channel == plate.channel + 1 and take.blend_type == "ALPHA_OVER"
        assert [element.filename for element in take.elements] == [record.pattern % number for number in NUMBERS]
        seen = stage.shown(made, 13, folder)
        file = stage.read_exr(Path(record.folder) / (record.pattern % 1003))
        assert abs(seen[..., 0] - file["R"]).max() < 1e-4
        print(json.dumps({"folder": record.folder, "take": record.take}))


def check_register_twice(folder: Path) -> None:
    handlers = [
        len(getattr(bpy.app.handlers, name))
        for name in dir(bpy.app.handlers)
        if isinstance(getattr(bpy.app.handlers, name), list)
    ]
    types = set(dir(bpy.types))
    for _ in range(2):
        with extension.enabled() as live:
            assert hasattr(bpy.context.scene, "secondtake")
            assert live.bridge is None and threading.active_count() == 1, "register() started something"
            assert not bpy.app.timers.is_registered(extension.part("pump").tick)
            assert {
                "SECONDTAKE_PT_sequencer",
                "SECONDTAKE_PT_clip",
                "SECONDTAKE_PT_view",
                "SECONDTAKE_PT_compositor",
            } <= set(dir(bpy.types))
        assert not hasattr(bpy.context.scene, "secondtake")
        assert set(dir(bpy.types)) == types
        assert [
            len(getattr(bpy.app.handlers, name))
            for name in dir(bpy.app.handlers)
            if isinstance(getattr(bpy.app.handlers, name), list)
        ] == handlers
        assert threading.active_count() == 1


def check_cancel(folder: Path) -> None:
    """What landed goes away again, the take shown before comes back, and the plate is as it was."""
    with extension.enabled() as live:
        made = shot(folder, engine="standin")
        press("fix")
        first = finish(live)
        files = [element.filename for element in compat.strips_of(made.sequence_editor)["plate take"].elements]
        settings().engine_options, settings().seed = "frame_s=0.4", 2
        press("fix")
        (job,) = live.jobs
        tick_until(lambda: live.jobs[job].is_shown)
        take = compat.strips_of(made.sequence_editor)["plate take"]
        assert [element.filename for element in take.elements] != files
        press("cancel", job=job)
        tick_until(lambda: not live.jobs)
        take = compat.strips_of(made.sequence_editor)["plate take"]
        assert [element.filename for element in take.elements] == files, "the take before is not shown again"
        assert [record.take for record in settings().takes] == [first.take]
        assert live.line.text == "Cancelled"
        press("reject_take")
        assert strips() == ["plate"] and not settings().takes
        assert len(list(Path(folder / "takes" / "sh010").glob("take_*/take.json"))) == 1, "reject deleted files"


def check_daemon_killed(folder: Path) -> None:
    """The daemon dies in the middle; another one comes and the take lands all the same."""
    with extension.enabled() as live:
        shot(folder, engine="standin")
        settings().engine_options = "frame_s=0.3"
        press("fix")
        tick_until(lambda: any(job.arrived for job in live.jobs.values()))
        pids: list[int] = []
        extension.part("connection").ask("status", lambda answer: pids.append(answer.result["pid"]))
        tick_until(lambda: pids)
        os.kill(pids[0], signal.SIGKILL)
        finish(live)
        assert strips() == ["plate", "plate take"]


def check_bridge_killed(folder: Path) -> None:
    """The same with the bridge."""
    with extension.enabled() as live:
        shot(folder, engine="standin")
        settings().engine_options = "frame_s=0.2"
        press("fix")
        tick_until(lambda: any(job.arrived for job in live.jobs.values()))
        os.kill(live.bridge.pid, signal.SIGKILL)
        finish(live)
        assert strips() == ["plate", "plate take"]


def check_takes(folder: Path) -> None:
    """Show, accept, revise, on top, compare, rename: each does its one thing."""
    with extension.enabled() as live:
        made = shot(folder, engine="standin")
        press("fix")
        first = finish(live).take
        settings().seed = 7
        press("fix")
        second = finish(live).take
        assert strips() == ["plate", "plate take"], "the second take has a strip of its own"

        def shown() -> str:
            return compat.strips_of(made.sequence_editor)["plate take"]["secondtake_take"]

        assert shown() == second
        settings().take_index = 0
        press("show_take")
        assert shown() == first
        press("show_plate")
        assert compat.strips_of(made.sequence_editor)["plate take"].mute
        press("show_plate")
        press("compare_take")
        tick_until(lambda: first in live.compared and not live.later)
        assert live.compared[first]["differing"] == NUMBERS
        press("rename_take", name="the good one")
        press("accept_take")
        tick_until(lambda: live.takes.get(first, {}).get("starred") and live.takes[first]["name"] == "the good one")
        assert settings().takes[0].label == "the good one"
        press("revise_take")
        settings().instruction = "darker"
        press("fix")
        third = finish(live)
        assert json.loads((Path(third.folder) / "take.json").read_text())["revises"] == first
        assert strips() == ["plate", "plate take", "plate take.001"], strips()
        settings().take_index = 2
        press("on_top")
        settings().box = (5, 5, 15, 15)
        press("fix")
        fourth = finish(live)
        assert json.loads((Path(fourth.folder) / "take.json").read_text())["parent"] == third.take
        settings().take_index = 3
        press("reject_take")
        assert strips() == ["plate", "plate take"], strips()
