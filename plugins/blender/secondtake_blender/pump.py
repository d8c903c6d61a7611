"""The tick: what comes from outside reaches Blender here, a little at a time. Nothing else touches `bpy` by itself."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import Any

import bpy

from . import connection, jobs, prefetch, show, surveys
from .live import LiveJob
from .refusal import Refusal
from .state import live
from .words import error_line

__all__ = ["ensure", "stop", "tick"]

_BUDGET_S = 0.003
_CHORE_S = 0.01
_BUSY_S = 0.1
_IDLE_S = 0.5
_EDITORS = frozenset({"SEQUENCE_EDITOR", "CLIP_EDITOR", "NODE_EDITOR", "VIEW_3D"})


def ensure() -> None:
    """Tick from now on. It ends by itself when nothing is left to wait for."""
    if not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=_BUSY_S, persistent=True)


def stop() -> None:
    """No more ticks."""
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)


def tick() -> float | None:
    """One tick; seconds until the next, or None for no more."""
    begun_s = time.perf_counter()
    end_s = begun_s + _BUDGET_S
    is_changed = _drain(end_s)
    if not _is_rendering():  # Blender reads its data in a thread then
        is_changed |= _each(_due(), end_s)
    prefetch.end_tick()
    if is_changed:
        _redraw()
    live.tick_s.append(time.perf_counter() - begun_s)
    jobs_now = live.jobs.values()
    if live.chores or any(job.chore is not None for job in jobs_now):
        return _CHORE_S
    if live.bridge is None and not live.later and not any(job.is_being_made for job in jobs_now):
        return None
    return _BUSY_S if is_changed or live.later or live.jobs else _IDLE_S


def _is_rendering() -> bool:
    is_running: Any = bpy.app.is_job_running
    return bool(is_running("RENDER"))


def _drain(end_s: float) -> bool:
    if live.bridge is None:
        return False
    was = live.bridge.state, live.bridge.why
    messages = live.bridge.drain(budget_s=max(end_s - time.perf_counter(), 0.0), limit=64)
    for message in messages:
        _guarded(lambda message=message: connection.hear(message))  # type: ignore[misc]
    return bool(messages) or was != (live.bridge.state, live.bridge.why)


def _due() -> list[Callable[[], bool]]:
    """What is to be done in the .blend, the most urgent first."""
    due: list[Callable[[], bool]] = []
    for job in list(live.jobs.values()):
        if job.is_final and job.is_ours and not job.is_settled:
            due.append(lambda job=job: _settle(job))  # type: ignore[misc]
        elif not job.is_final:
            due.append(lambda job=job: jobs.step(job))  # type: ignore[misc]
    due.append(_survey)
    if live.later:
        due.append(_do_later)
    if live.chores:
        due.append(_do_chore)
    return due


def _settle(job: LiveJob) -> bool:
    if not show.is_quiet(job.place):
        return False
    job.is_settled = True
    jobs.settle(job)
    return True


def _survey() -> bool:
    surveys.ask_if_wanted()
    return False


def _do_later() -> bool:
    live.later.popleft()()
    return True


def _do_chore() -> bool:
    chore = live.chores[0]
    if not chore.step(budget_s=_BUDGET_S / 2):
        return False
    del live.chores[0]
    if chore.problem is not None:
        raise chore.problem
    return True


def _each(due: list[Callable[[], bool]], end_s: float) -> bool:
    """At least one of them in each tick, more while there is time."""
    is_changed = False
    for each in due:
        is_changed |= _guarded(each)
        if is_changed and time.perf_counter() > end_s:
            break
    return is_changed


def _guarded(work: Callable[[], object]) -> bool:
    """Do one piece; True if something changed. A tick that raises would be Blender's last."""
    try:
        return bool(work())
    except Refusal as refusal:
        live.say(error_line(refusal))
    except Exception as error:  # noqa: BLE001
        traceback.print_exc()
        live.say(f"Something went wrong: {error_line(error)}. Blender's console has more")
    return True


def _redraw() -> None:
    """Only our sidebars' regions."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in _EDITORS:
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()
