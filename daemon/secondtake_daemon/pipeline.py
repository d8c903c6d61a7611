"""The life of one request, as one line: plate and matte → plan → engine, window by window → stitch → take.

Everything finished survives a crash: patches by content key in the cache, frames by the ledger in the output folder.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from secondtake.messages import FixRequest, FixResult, Phase
from secondtake_daemon.engines.card import Card
from secondtake_daemon.engines.catalogue import card_for, factory
from secondtake_daemon.engines.contract import Engine, Job
from secondtake_daemon.job.prepare import Prepared, find_plate, prepare
from secondtake_daemon.job.render import FrameWriter, PatchMaker, Samples
from secondtake_daemon.job.report import Report
from secondtake_daemon.plan.fix import FixPlan, plan_fix
from secondtake_daemon.store.io import disk_errors
from secondtake_daemon.store.keys import FileDigests
from secondtake_daemon.store.patches import PatchStore
from secondtake_daemon.takes.ledger import Ledger, claim
from secondtake_daemon.takes.leftovers import scratch_folder
from secondtake_daemon.takes.manifest import EngineUsed, Manifest
from secondtake_daemon.takes.publish import libraries, now, proof_of, publish, published, software

__all__ = ["Folders", "render_fix"]

_MOST_THREADS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """Where a worker keeps what outlives a job."""

    cache: Path
    takes: Path
    """The registry of takes."""
    cache_bytes: int
    """Most bytes of finished patches to keep."""
    roots: tuple[Path, ...] = ()
    """Jobs may only name files below these; none allows everything."""


def render_fix(request: FixRequest, *, take: str, folders: Folders, report: Report) -> FixResult:
    """Make the take, or go on with it. Raises any SecondTakeError; after one, nothing of the job is left in `out`."""
    started, out, digests = time.monotonic(), Path(request.out), FileDigests()
    already = published(out, job=request.job, registry=folders.takes)
    if already is not None:
        return already
    report.phase(Phase.PREPARE)
    plate = find_plate(request, cache=folders.cache / "movies", report=report)
    ledger = claim(out, job=request.job, take=take, shot=request.shot, plate=plate.sequence.folder, digests=digests)
    with _discarded_on_error(ledger), _threads() as threads:
        engine: Engine = factory(card_for(request.engine))()
        report.phase(Phase.PREPARE, total=len(plate.frames))
        prepared = prepare(
            request, plate, card=engine.card, roots=folders.roots, digests=digests, threads=threads, report=report
        )
        plan = _plan(prepared, engine.card)
        store = PatchStore(folders.cache / "patches", most_bytes=folders.cache_bytes)
        job = _job(request, scratch=scratch_folder(folders.cache, request.job), report=report)
        maker = PatchMaker(
            engine, job, request=request, shot=prepared.shot, crop=plan.crop, store=store, digests=digests
        )
        writer = FrameWriter(shot=prepared.shot, folder=out, names=prepared.file_names(take), digests=digests)
        with maker:
            notes = _render(maker, writer, plan, ledger, threads=threads, report=report)
        report.phase(Phase.PUBLISH)
        manifest = _manifest(prepared, plan, ledger, card=engine.card, notes=notes, seconds=time.monotonic() - started)
        result = publish(manifest, ledger=ledger, registry=folders.takes)
    store.evict()
    return result


def _render(
    maker: PatchMaker,
    writer: FrameWriter,
    plan: FixPlan,
    ledger: Ledger,
    *,
    threads: ThreadPoolExecutor,
    report: Report,
) -> tuple[str, ...]:
    """Make and write what is not there yet, window by window. Returns the engine's notes, each once."""
    notes: dict[str, None] = {}
    if maker.needs_engine(plan.windows):
        report.phase(Phase.LOAD)
        maker.load()
    report.phase(Phase.RENDER, total=sum(map(len, plan.windows)))
    writing: dict[int, Future[None]] = {}
    for index, window in enumerate(plan.windows):
        patch = maker.patch(index, window, threads)  # meanwhile the frames of the window before are written
        notes.update(dict.fromkeys(patch.notes))
        _finish(writing, report)
        for frame, samples in zip(window, patch.samples, strict=True):
            writing[frame] = threads.submit(_write, frame, samples, writer, ledger)
    _finish(writing, report)
    return tuple(notes)


def _write(frame: int, samples: Samples, writer: FrameWriter, ledger: Ledger) -> None:
    if frame not in ledger.finished:
        ledger.add(writer.write(frame, samples))


def _finish(writing: dict[int, Future[None]], report: Report) -> None:
    """Wait for the frames that are being written, in order."""
    for frame, future in writing.items():
        future.result()
        report.frame(frame)
    writing.clear()


def _plan(prepared: Prepared, card: Card) -> FixPlan:
    return plan_fix(
        frames=prepared.shot.frames,
        matte=prepared.shot.hole_bounds,
        bounds=prepared.shot.bounds,
        window_frames=card.window_frames,
        context_px=card.context_px,
        context_ratio=card.context_ratio,
        stride_px=card.stride_px,
    )


def _job(request: FixRequest, *, scratch: Path, report: Report) -> Job:
    with disk_errors(scratch):
        scratch.mkdir(parents=True, exist_ok=True)
    return Job(
        operation=request.operation,
        instruction=request.instruction,
        quality=request.quality,
        seed=request.seed,
        options=request.engine_options,
        scratch=scratch,
        step=report.step,
    )


def _manifest(
    prepared: Prepared, plan: FixPlan, ledger: Ledger, *, card: Card, notes: tuple[str, ...], seconds: float
) -> Manifest:
    records = tuple(ledger.finished[frame] for frame in prepared.shot.frames)
    return Manifest(
        take=ledger.head.take,
        shot=prepared.request.shot,
        made=now(),
        software=software(),
        libraries=libraries(),
        request=prepared.request,
        engine=EngineUsed(name=card.name, version=card.version),
        plate=prepared.plate_used,
        matte=prepared.matte_used,
        crop=plan.crop,
        windows=plan.windows,
        frames=records,
        proof=proof_of(records),
        seconds=round(seconds, 3),
        notes=(*prepared.notes, *notes),
    )


@contextmanager
def _discarded_on_error(ledger: Ledger) -> Iterator[None]:
    try:
        yield
    except BaseException:
        ledger.discard()
        raise


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """Threads for reading and writing frames; on an error, what they have not begun is dropped."""
    pool = ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
