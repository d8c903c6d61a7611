"""What a request comes to, before anything is made: its frames, its windows, and what its engine sees of it."""

from __future__ import annotations

import tempfile
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from secondtake.messages import FixRequest
from secondtake_daemon.engines.card import Card
from secondtake_daemon.engines.catalogue import Catalogue
from secondtake_daemon.engines.contract import Job
from secondtake_daemon.engines.fitting import Foreseen, foreseen
from secondtake_daemon.job.anchor import anchor_wish
from secondtake_daemon.job.control import control_of
from secondtake_daemon.job.line import find_line
from secondtake_daemon.job.prepare import PlateFound, Prepared, find_plate, prepare
from secondtake_daemon.job.report import Report
from secondtake_daemon.plan.fix import FixPlan, plan_fix
from secondtake_daemon.store.cache import MOVIES
from secondtake_daemon.store.keys import FileDigests

__all__ = ["Outlook", "job_of", "look_ahead", "plan_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Of a request that nobody works on."""

    prepared: Prepared
    card: Card
    """As the engine would run here."""
    plan: FixPlan
    memory: tuple[Foreseen, ...]
    """Of each model that it runs, in order; none for an engine without one."""


def look_ahead(request: FixRequest, *, cache: Path, models: Path | None, threads: Executor, report: Report) -> Outlook:
    """Open every frame of plate and matte, and plan; nothing is made but frames of a movie, in the cache.

    Raises whatever is wrong with the request, and GpuMemory if its model has no form that fits this machine.
    """
    card, digests = Catalogue(models).check_request(request), FileDigests()
    line = find_line(request, roots=(), movies=cache / MOVIES)
    plate = find_plate(request, cache=cache / MOVIES, digests=digests, report=report)
    prepared = prepare(request, plate, line=line, card=card, roots=(), digests=digests, threads=threads, report=report)
    with tempfile.TemporaryDirectory(prefix="secondtake-") as scratch:
        job = job_of(prepared, plate, scratch=Path(scratch), kept=cache / "engines", report=report)
        crop = plan_of(prepared, card).crop
        card, memory = foreseen(card, job=job, crop=crop, frames=len(prepared.shot.frames))
    return Outlook(prepared=prepared, card=card, plan=plan_of(prepared, card), memory=memory)


def plan_of(prepared: Prepared, card: Card) -> FixPlan:
    """The windows and the crop, for an engine of this card. Raises UsageError for an anchor that cannot be."""
    return plan_fix(
        mattes={frame: facts.hole_box for frame, facts in prepared.shot.facts.items()},
        bounds=prepared.shot.bounds,
        window_frames=card.window_frames,
        context_px=card.context_px,
        context_ratio=card.context_ratio,
        stride_px=card.stride_px,
        steady_crop=card.steady_crop,
        head_frames=card.head_frames,
        tail_frames=card.tail_frames,
        blind={frame for frame, facts in prepared.shot.facts.items() if facts.is_blind},
        painted=prepared.shot.references,
        anchor=anchor_wish(prepared.request, card, looks=len(prepared.guides.looks), painted=prepared.shot.references),
    )


def job_of(prepared: Prepared, plate: PlateFound, *, scratch: Path, kept: Path, report: Report) -> Job:
    """What the engine is told."""
    request, guides = prepared.request, prepared.guides
    return Job(
        operation=request.operation,
        instruction=request.said,
        quality=request.quality,
        seed=request.seed,
        options=request.engine_options,
        looks=guides.looks,
        control=control_of(request, guides.followed),
        fps=request.fps or (float(plate.movie.rate) if plate.movie is not None else 0.0),
        scratch=scratch,
        kept=kept,
        step=report.step,
        stage=report.stage,
    )
