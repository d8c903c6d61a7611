"""`secondtake fix … --plan`: what a request comes to — windows, crop, memory, time — with nothing queued or made."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import msgspec

from secondtake.boxes import Box
from secondtake.errors import SecondTakeError
from secondtake.figures import Figures
from secondtake.frames import FrameSet
from secondtake.home import Home
from secondtake.messages import FixRequest, Phase, Stage
from secondtake_daemon.cli.output import Answer, Output
from secondtake_daemon.cli.progress import Display, display
from secondtake_daemon.engines.fitting import Foreseen
from secondtake_daemon.job.outlook import Outlook, look_ahead
from secondtake_daemon.settings import load_settings, models_folder
from secondtake_daemon.takes import registry
from secondtake_daemon.takes.manifest import load

__all__ = ["PlanAnswer", "planned"]

_GIB = 1 << 30
_MOST_THREADS = 4
_PAST_TAKES = 8
"""Of the same engine that are looked at, the newest."""
_SOON_S = 5400


class MemoryPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Of one model; see `engines.fitting.Foreseen`."""

    model: str
    canvas: tuple[int, int]
    """Width and height."""
    frames_at_once: int
    tile_px: int
    storage: str
    way: str
    device: str
    needs_bytes: int
    total_bytes: int
    free_bytes: int
    ram_bytes: int
    seconds: float
    is_measured: bool
    waits: bool
    note: str


class PlanAnswer(Answer, frozen=True, kw_only=True):
    """`fix --plan --json`."""

    shot: str
    operation: str
    engine: str
    engine_version: str
    frames: tuple[int, ...]
    windows: tuple[tuple[int, int], ...]
    """First and last frame of each that has a matte."""
    anchor: int | None
    """The frame that is made first and shown to windows far from it."""
    crop: Box
    """What the engine works on, in pixels of the plate."""
    memory: tuple[MemoryPlan, ...]
    """Of each model that runs; none for an engine without one."""
    seconds: float | None
    """None if nothing is known."""
    basis: str
    """Of the seconds: `measured`, `estimated`, `past takes`, or ""."""
    notes: tuple[str, ...]


def planned(request: FixRequest, *, home: Home, output: Output) -> int:
    """Say it. Returns the exit status. Raises what is wrong with the request, as the job would."""
    models = models_folder(home, load_settings(home.settings_file))
    with display(output) as shown, ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS)) as threads:
        outlook = look_ahead(request, cache=home.cache, models=models, threads=threads, report=_Shown(shown))
    seconds, basis = _time(outlook, home.data / "takes")
    answer = PlanAnswer(
        shot=request.shot,
        operation=request.operation.value,
        engine=outlook.card.name,
        engine_version=outlook.card.version,
        frames=outlook.prepared.shot.frames,
        windows=_windows(outlook),
        anchor=outlook.plan.anchor.frame if outlook.plan.anchor else None,
        crop=outlook.plan.crop,
        memory=tuple(map(_memory, outlook.memory)),
        seconds=seconds,
        basis=basis,
        notes=(*outlook.prepared.notes, *(one.note for one in outlook.memory if one.note)),
    )
    _say(answer, outlook, output)
    output.answer(answer)
    return 0


class _Shown:
    """A `job.report.Report` for people."""

    def __init__(self, shown: Display) -> None:
        self._shown = shown
        self._done, self._total = 0, 0

    def phase(self, phase: Phase, total: int = 0) -> None:
        self._done, self._total = 0, total

    def frame(self, frame: int) -> None:
        self._done += 1
        self._shown.show("look", done=self._done, total=self._total, frame=frame)

    def figures(self, figures: Figures) -> None:
        """There are none."""

    def stage(self, stage: Stage) -> None:
        """There is none."""

    def step(self) -> None:
        """Nobody cancels but by the interrupt, which ends the command."""


def _windows(outlook: Outlook) -> tuple[tuple[int, int], ...]:
    facts = outlook.prepared.shot.facts
    return tuple(
        (window[0], window[-1]) for window in outlook.plan.windows if any(facts[frame].hole_count for frame in window)
    )


def _time(outlook: Outlook, takes: Path) -> tuple[float | None, str]:
    if outlook.memory:
        measured = all(one.is_measured for one in outlook.memory)
        return round(sum(one.seconds for one in outlook.memory), 1), "measured" if measured else "estimated"
    past = _past_seconds(takes, outlook.card.name)
    if past is None:
        return None, ""
    crop, frames = outlook.plan.crop, len(outlook.prepared.shot.frames)
    return round(past * crop.width * crop.height * frames, 1), "past takes"


def _past_seconds(takes: Path, engine: str) -> float | None:
    """Of a pixel of a crop in a frame: the median of the newest takes by this engine, on this machine or another."""
    found = []
    for entry in [entry for entry in registry.entries(takes) if entry.engine == engine][:_PAST_TAKES]:
        try:
            take = load(Path(entry.folder))
        except SecondTakeError:  # it was moved, or is damaged: others tell as well
            continue
        pixels = take.crop.width * take.crop.height * len(take.frames)
        if pixels and take.seconds:
            found.append(take.seconds / pixels)
    return median(found) if found else None


def _memory(one: Foreseen) -> MemoryPlan:
    return MemoryPlan(
        model=one.model,
        canvas=(one.width, one.height),
        frames_at_once=one.frames,
        tile_px=one.tile_px,
        storage=one.storage,
        way=one.way,
        device=one.device,
        needs_bytes=one.needs_bytes,
        total_bytes=one.total_bytes,
        free_bytes=one.free_bytes,
        ram_bytes=one.ram_bytes,
        seconds=one.seconds,
        is_measured=one.is_measured,
        waits=one.waits,
        note=one.note,
    )


def _say(answer: PlanAnswer, outlook: Outlook, output: Output) -> None:
    crop, windows = answer.crop, answer.windows
    spans = ", ".join(f"{first}-{last}" if first != last else str(first) for first, last in windows[:6])
    facts = [
        ("engine", f"{answer.engine}, {answer.operation}"),
        ("frames", f"{len(answer.frames)}: {FrameSet(answer.frames)}"),
        ("windows", f"{len(windows)}: {spans}{' …' if len(windows) > 6 else ''}"),
        ("crop", f"{crop.width} × {crop.height} at {crop.x}, {crop.y}"),
    ]
    if answer.anchor is not None:
        facts.append(("anchor", f"frame {answer.anchor}, made first and shown to the windows far from it"))
    for one in outlook.memory:
        facts += _said(one)
    facts.append(("time", _duration(answer.seconds, answer.basis)))
    for name, text in facts:
        output.line(f"{name:<12}{text}")
    for note in answer.notes:
        output.line(f"Note: {note}")
    output.line("Nothing was queued; the same command without --plan makes it.")


def _said(one: Foreseen) -> list[tuple[str, str]]:
    tiles = f", its VAE in tiles of {one.tile_px} px" if one.tile_px else ""
    storage = ", numbers in 8 bits" if one.storage != "full" else ""
    what = "GPU memory" if one.has_gpu else "memory"
    ram = f"; {one.ram_bytes / _GIB:.1f} GiB of weights in RAM" if one.ram_bytes else ""
    waits = "; it waits until other programs give some back" if one.waits else ""
    basis = "measured here" if one.is_measured else "estimated"
    return [
        ("model", f"{one.model}: {one.width} × {one.height}, {one.frames} frames at once{tiles}{storage}"),
        (
            what,
            f"{one.needs_bytes / _GIB:.1f} GiB ({basis}) of {one.total_bytes / _GIB:.1f}, of which "
            f"{one.free_bytes / _GIB:.1f} are free, on {one.device}; {one.how}{ram}{waits}",
        ),
    ]


def _duration(seconds: float | None, basis: str) -> str:
    if seconds is None:
        return "not known: no take was made with this engine yet"
    if seconds < 90:
        text = f"{seconds:.0f} s"
    else:
        text = f"{seconds / 60:.0f} min" if seconds < _SOON_S else f"{seconds / 3600:.1f} h"
    told = {
        "measured": "from a step that was measured here",
        "estimated": "an estimate: nothing was measured here yet",
        "past takes": "as past takes of this engine took",
    }
    return f"about {text}, {told[basis]}"
