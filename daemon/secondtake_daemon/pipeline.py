"""The life of one request, as one line: plate and matte → plan → engine, window by window → stitch → take.

Everything finished survives a crash: patches by content key in the cache, frames by the ledger in the output folder.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from secondtake.errors import DiskError
from secondtake.messages import FixRequest, FixResult, Phase
from secondtake_daemon.engines.catalogue import Catalogue, factory
from secondtake_daemon.engines.contract import Engine, FreshWorker, Replan
from secondtake_daemon.engines.fitting import fitted
from secondtake_daemon.job.confidence import KnownSamples
from secondtake_daemon.job.engine_used import engine_used
from secondtake_daemon.job.levels import Levels
from secondtake_daemon.job.line import find_line
from secondtake_daemon.job.line_proof import Sealed, seal
from secondtake_daemon.job.machine import configuration, hardware
from secondtake_daemon.job.outlook import job_of, plan_of
from secondtake_daemon.job.prepare import PlateFound, Prepared, find_plate, prepare
from secondtake_daemon.job.render import FrameWriter, PatchMaker, Samples
from secondtake_daemon.job.report import Report
from secondtake_daemon.job.so_far import SoFar
from secondtake_daemon.job.sound import invents, keep_sound, plate_track, sound_name
from secondtake_daemon.plan.fix import FixPlan
from secondtake_daemon.store.cache import MOVIES, Cache, patch_name
from secondtake_daemon.store.keys import FileDigests
from secondtake_daemon.store.leases import Lease
from secondtake_daemon.store.patches import StoredSound
from secondtake_daemon.takes.figures import figures_of
from secondtake_daemon.takes.ledger import Ledger, claim
from secondtake_daemon.takes.leftovers import scratch_folder
from secondtake_daemon.takes.manifest import Manifest, SoundUsed
from secondtake_daemon.takes.publish import knowledge_of, libraries, now, proof_of, publish, published, software
from secondtake_daemon.takes.supports import supports_name

__all__ = ["Folders", "render_fix"]

_LOG = logging.getLogger(__name__)
_MOST_THREADS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """Where a worker keeps what outlives a job."""

    cache: Path
    takes: Path
    """The registry of takes."""
    cache_bytes: int
    """Most bytes of patches and converted movies to keep."""
    models: Path | None = None
    """The records of installed models; None is none."""
    roots: tuple[Path, ...] = ()
    """Jobs may only name files below these; none allows everything."""


@dataclass(frozen=True, slots=True)
class _Rendered:
    notes: tuple[str, ...]
    """The engine's, each once."""
    sounds: tuple[StoredSound | None, ...]
    """Of each window, where the engine makes some."""


def render_fix(request: FixRequest, *, take: str, folders: Folders, report: Report) -> FixResult:
    """Make the take, or go on with it. Raises any SecondTakeError; after one, nothing of the job is left in `out`.

    Except after DiskError and FreshWorker: the job can go on when there is room (`takes.leftovers.sweep` removes it).
    """
    already = published(Path(request.out), job=request.job, registry=folders.takes)
    if already is not None:
        return already
    cache = Cache(folders.cache, most_bytes=folders.cache_bytes, takes=folders.takes)
    with Lease(scratch_folder(folders.cache, request.job)) as lease:
        result = None
        while result is None:
            with suppress(Replan):  # the engine has memory for a smaller form only: all of it anew
                result = _make(request, take=take, folders=folders, cache=cache, lease=lease, report=report)
    cache.evict()
    return result


def _make(request: FixRequest, *, take: str, folders: Folders, cache: Cache, lease: Lease, report: Report) -> FixResult:
    started, out, digests = time.monotonic(), Path(request.out), FileDigests()
    report.phase(Phase.PREPARE)
    lease.hold(MOVIES, *lease.earlier)  # all movies, until it is known what the job needs
    line = find_line(request, roots=folders.roots, movies=folders.cache / MOVIES)
    plate = find_plate(request, cache=folders.cache / MOVIES, digests=digests, report=report)
    ledger = claim(out, job=request.job, take=take, shot=request.shot, plate=plate.sequence.folder, digests=digests)
    with _discarded_on_error(ledger), _threads() as threads, _threads() as readers:
        card = Catalogue(folders.models).card_for(request.engine)
        report.phase(Phase.PREPARE, total=len(plate.frames))
        prepared = prepare(
            request,
            plate,
            line=line,
            card=card,
            roots=folders.roots,
            digests=digests,
            threads=threads,
            report=report,
        )
        job = job_of(prepared, plate, scratch=lease.scratch, kept=folders.cache / "engines", report=report)
        crop = plan_of(prepared, card).crop
        card = fitted(card, job=job, crop=crop, frames=len(prepared.shot.frames))
        engine: Engine = factory(card)(card)
        plan = plan_of(prepared, engine.card)
        maker = PatchMaker(engine, job, shot=prepared.shot, plan=plan, cache=cache)
        lease.hold(*map(patch_name, filter(None, maker.keys)), *_movie_names(plate))
        writer = _writer(prepared, folder=out, take=take, digests=digests)
        with maker:
            rendered = _render(maker, writer, plan, ledger, threads=threads, readers=readers, report=report)
        report.phase(Phase.PUBLISH, total=len(plate.frames))
        sealed = seal(
            prepared.shot,
            line,
            [ledger.finished[frame] for frame in prepared.shot.frames],
            supports=out / supports_name(shot=request.shot, take=take),
            threads=threads,
            report=report,
        )
        sound = keep_sound(
            out / sound_name(shot=request.shot, take=take),
            windows=plan.windows,
            made=rendered.sounds if invents(request.operation) else (),
            plate=plate_track(plate, line, frames=prepared.shot.frames, roots=folders.roots, digests=digests),
            digests=digests,
        )
        manifest = _manifest(
            prepared,
            plan,
            sealed,
            take=take,
            maker=maker,
            notes=rendered.notes,
            sound=sound,
            seconds=time.monotonic() - started,
        )
        return publish(manifest, ledger=ledger, registry=folders.takes)


def _writer(prepared: Prepared, *, folder: Path, take: str, digests: FileDigests) -> FrameWriter:
    return FrameWriter(
        shot=prepared.shot,
        folder=folder,
        names=prepared.file_names(take),
        digests=digests,
        levels=Levels(prepared.plate_used.colourspace, channels=prepared.shot.channels),
        aovs=prepared.request.aovs,
    )


def _render(
    maker: PatchMaker,
    writer: FrameWriter,
    plan: FixPlan,
    ledger: Ledger,
    *,
    threads: ThreadPoolExecutor,
    readers: ThreadPoolExecutor,
    report: Report,
) -> _Rendered:
    """Make and write what is not there yet, window by window.

    readers: other threads than those that write, so that a window need not wait until the one before is written.
    """
    notes: dict[str, None] = {}
    sounds: dict[int, StoredSound | None] = {}
    so_far = SoFar(ledger, windows=plan.windows, report=report)
    if maker.needs_engine:
        report.phase(Phase.LOAD)
        maker.load()
    report.phase(Phase.RENDER, total=sum(map(len, plan.windows)))
    writing: dict[int, Future[None]] = {}
    for nth, index in enumerate(plan.order):
        window, began = plan.windows[index], time.monotonic()
        patch = maker.patch(index, readers)  # meanwhile the frames of the window before are written
        sounds[index] = patch.sound
        said = {"window": index, "first": window[0], "last": window[-1], "seconds": round(time.monotonic() - began, 3)}
        _LOG.info("window made", extra={"fields": said})
        notes.update(dict.fromkeys(patch.notes))
        _finish(writing, report, so_far)
        for at, (frame, samples) in enumerate(zip(window, patch.samples, strict=True)):
            known = patch.known[at] if patch.known is not None else None
            writing[frame] = threads.submit(_write, frame, samples, known, writer, ledger)
        if nth == 0:
            _finish(writing, report, so_far)  # the artist waits for something to look at
    _finish(writing, report, so_far)
    return _Rendered(tuple(notes), tuple(sounds[index] for index in range(len(plan.windows))))


def _write(frame: int, samples: Samples, known: KnownSamples | None, writer: FrameWriter, ledger: Ledger) -> None:
    if frame not in ledger.finished:
        ledger.add(writer.write(frame, samples, known))


def _finish(writing: dict[int, Future[None]], report: Report, so_far: SoFar) -> None:
    """Wait for the frames that are being written, in order."""
    for frame, future in writing.items():
        future.result()
        so_far.tell()
        report.frame(frame)
    writing.clear()


def _movie_names(plate: PlateFound) -> tuple[str, ...]:
    """What the plate's frames are called in the cache, if they were converted from a movie."""
    folders = [plate.sequence.folder] if plate.movie else []
    folders += [path.parent for path in plate.added.values()]
    return tuple(dict.fromkeys(f"{MOVIES}/{folder.name}" for folder in folders))


def _manifest(
    prepared: Prepared,
    plan: FixPlan,
    sealed: Sealed,
    *,
    take: str,
    maker: PatchMaker,
    notes: tuple[str, ...],
    sound: SoundUsed | None,
    seconds: float,
) -> Manifest:
    request, line, records, card = prepared.request, prepared.line, sealed.records, maker.card
    proof = proof_of(records)
    return Manifest(
        take=take,
        shot=request.shot,
        parent=request.parent,
        made=now(),
        software=software(),
        libraries=libraries(),
        request=request,
        engine=engine_used(card),
        plate=prepared.plate_used,
        matte=prepared.matte_used,
        crop=plan.crop,
        windows=plan.windows,
        frames=records,
        proof=proof,
        knowledge=knowledge_of(records),
        seconds=round(seconds, 3),
        notes=(*prepared.notes, *notes),
        references=prepared.guides.references_used,
        motion=prepared.guides.motion_used,
        control=prepared.guides.control_used,
        anchor=plan.anchor.frame if plan.anchor else None,
        revises=request.revises,
        instructions=(*request.instructions, *filter(None, [request.instruction])),
        line=line.takes if line else (),
        root_plate=line.parent.root_name if line else "",
        supports=sealed.supports,
        sound=sound,
        line_proof=sealed.line_proof or proof,
        patches=maker.keys,
        hardware=hardware(),
        configuration=configuration(request.ocio),
        figures=figures_of(
            frames={record.frame: record.figures for record in records if record.figures is not None},
            wanted=prepared.shot.frames,
            windows=plan.windows,
            outside_changed=proof.outside_changed,
        ),
    )


@contextmanager
def _discarded_on_error(ledger: Ledger) -> Iterator[None]:
    try:
        yield
    except (DiskError, FreshWorker):  # the job goes on when there is room, or the daemon has this swept
        raise
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
