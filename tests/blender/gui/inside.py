"""Runs in a Blender with a window: strip → fix → strip by the panel's own buttons, with pictures and the ticks' times.

A chain of steps on a timer: each `yield` has the seconds until the next. Pictures are taken from outside: a name is
written to `want`, and waited for until it is gone. Any failure is written down and ends Blender.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import addon_utils
import bpy

Thing: TypeAlias = Any
"""Something of Blender's."""
WORK = Path(os.environ["SECONDTAKE_GUI"])
NAME = "bl_ext.user_default.secondtake_blender"
NUMBERS = range(1001, 1013)
TICKS = 200
"""So many are measured, from the press of Fix on; a percentile of fewer says nothing."""
BOX = (560.0, 200.0, 760.0, 420.0)
_STEP_S = 0.25
_LONGEST_STEPS = 400


def part(name: str) -> Thing:
    return sys.modules[f"{NAME}.{name}"]


def area_of(kind: str) -> Thing:
    return next(area for area in bpy.context.window_manager.windows[0].screen.areas if area.type == kind)


def region_of(area: Thing, kind: str) -> Thing:
    return next(region for region in area.regions if region.type == kind)


def press(name: str, *, how: str = "EXEC_DEFAULT", **values: object) -> None:
    window = bpy.context.window_manager.windows[0]
    area = area_of("SEQUENCE_EDITOR")
    with bpy.context.temp_override(window=window, screen=window.screen, area=area, region=region_of(area, "WINDOW")):
        getattr(bpy.ops.secondtake, name)(how, **values)


def picture(name: str) -> Iterator[float]:
    """Have a picture taken, after two redraws."""
    for area in bpy.context.window_manager.windows[0].screen.areas:
        area.tag_redraw()
    yield 1.0
    (WORK / "want").write_text(name)
    for _ in range(_LONGEST_STEPS):
        if not (WORK / "want").exists():
            return
        yield 0.1
    raise AssertionError(f"nobody took the picture {name}")


def until(done: Callable[[], object], what: str) -> Iterator[float]:
    """Wait for it, as an artist would: the add-on's own timer ticks."""
    for _ in range(_LONGEST_STEPS):
        if done():
            return
        yield _STEP_S
    live = part("state").live
    raise AssertionError(f"{what} did not come: {live.line} {[job.line for job in live.jobs.values()]}")


def prepare() -> Iterator[float]:
    assert addon_utils.enable(NAME, default_set=True) is not None, "the extension was not enabled"
    window = bpy.context.window_manager.windows[0]
    areas = sorted(window.screen.areas, key=lambda area: area.width * area.height, reverse=True)
    areas[0].type = "SEQUENCE_EDITOR"
    areas[0].spaces.active.view_type = "SEQUENCER_PREVIEW"
    scene = bpy.context.scene
    window.workspace.sequencer_scene = scene
    scene.render.resolution_x, scene.render.resolution_y, scene.render.fps = 960, 540, 24
    scene.view_settings.view_transform = "Standard"
    scene.frame_start, scene.frame_end = 1, len(NUMBERS)
    scene.frame_set(6)
    editor = scene.sequence_editor_create()
    names = [f"sh010.{number:04d}.exr" for number in NUMBERS]
    folder = WORK / "plate"
    strip = editor.strips.new_image(
        name="sh010", filepath=str(folder / names[0]), channel=1, frame_start=1, fit_method="ORIGINAL"
    )
    for name in names[1:]:
        strip.elements.append(name)
    editor.active_strip = strip
    bpy.ops.wm.save_as_mainfile(filepath=str(WORK / "shot.blend"))
    yield 0.5
    area = area_of("SEQUENCE_EDITOR")
    area.spaces.active.show_region_ui = True
    area.tag_redraw()
    yield 1.0
    region_of(area, "UI").active_panel_category = "Second Take"
    area.tag_redraw()
    (WORK / "ready").touch()
    yield 4.0


def draw_box() -> Iterator[float]:
    """Events of the mouse, made outside: the corners in pixels of the window are written for whoever has the mouse."""
    preview = region_of(area_of("SEQUENCE_EDITOR"), "PREVIEW")
    width, height = bpy.context.scene.render.resolution_x, bpy.context.scene.render.resolution_y

    def at(x: float, y: float) -> tuple[int, int]:
        inside = preview.view2d.view_to_region(x - width / 2, y - height / 2, clip=False)
        return preview.x + inside[0], bpy.context.window_manager.windows[0].height - 1 - (preview.y + inside[1])

    corners = [at(BOX[0], BOX[1]), at(BOX[2], BOX[3])]
    press("draw_box", how="INVOKE_DEFAULT")
    yield 0.5
    (WORK / "drag").write_text(" ".join(str(value) for corner in corners for value in corner))
    settings = bpy.context.scene.secondtake
    yield from until(lambda: settings.box[2] > settings.box[0], "the box")
    assert all(abs(a - b) < 6 for a, b in zip(settings.box, BOX, strict=True)), tuple(settings.box)


def story() -> Iterator[float]:
    """The tutorial of docs/blender.md, step by step."""
    yield from prepare()
    live, settings = part("state").live, bpy.context.scene.secondtake
    yield from picture("panel.png")
    press("connect")
    yield from until(lambda: live.daemon == "running", "the daemon")
    yield from draw_box()
    yield from picture("box.png")
    live.tick_s.clear()
    begun_s = time.perf_counter()
    press("fix")
    submit_s = time.perf_counter() - begun_s
    yield from until(lambda: any(job.arrived for job in live.jobs.values()), "a frame")
    yield from picture("working.png")
    yield from until(lambda: not live.jobs, "the take")
    yield from until(lambda: len(live.tick_s) >= TICKS, f"tick {TICKS}")
    ticks = sorted(live.tick_s)
    take = next(strip for strip in bpy.context.scene.sequence_editor.strips if strip.name != "sh010")
    assert (take.left_handle, take.right_handle, take.channel) == (1, len(NUMBERS) + 1, 2)
    yield from until(lambda: part("thumbnails").has(settings.takes[0].take) or press("refresh_takes"), "the thumbnail")
    yield from picture("take.png")
    press("accept_take")
    yield from picture("accepted.png")
    for kind, name in (("CLIP_EDITOR", "clip.png"), ("VIEW_3D", "view.png")):
        area = area_of("SEQUENCE_EDITOR")
        area.type = kind
        area.spaces.active.show_region_ui = True
        area.tag_redraw()
        yield 1.0
        region_of(area, "UI").active_panel_category = "Second Take"
        yield from picture(name)
        area.type = "SEQUENCE_EDITOR"
        yield 0.5
    figures = {
        "blender": bpy.app.version_string,
        "ticks": len(ticks),
        "p99_ms": ticks[int(len(ticks) * 0.99)] * 1e3,
        "submit_ms": submit_s * 1e3,
        "worst_ms": ticks[-1] * 1e3,
    }
    (WORK / "result.json").write_text(json.dumps(figures))


_story = story()


def step() -> float | None:
    try:
        return next(_story)
    except StopIteration:
        pass
    except Exception:  # noqa: BLE001 — whatever it was, Blender has to end
        (WORK / "failure.txt").write_text(traceback.format_exc())
    bpy.ops.wm.quit_blender()
    return None


bpy.app.timers.register(step, first_interval=2.0, persistent=True)
