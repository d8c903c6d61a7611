"""What the bridge answers, and the events it sends by itself. New fields have defaults; none changes its meaning."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from secondtake.errors import ErrorBody
from secondtake.figures import Figures
from secondtake.messages import EngineCard, FixRequest, FixResult, JobState, JobView, Knowledge, Proof

__all__ = [
    "CardsAnswer",
    "ComparedAnswer",
    "DaemonEvent",
    "DeletedAnswer",
    "DroppedEvent",
    "HelloAnswer",
    "HelloEvent",
    "Job",
    "JobEvent",
    "JobsAnswer",
    "Landed",
    "ListedTake",
    "Made",
    "NotesAnswer",
    "Nothing",
    "ShownTake",
    "StatusAnswer",
    "SurveyAnswer",
    "TakesAnswer",
    "ThumbnailAnswer",
    "VerifiedAnswer",
    "WaitingEvent",
    "bare_job",
    "job_of",
    "pattern_of",
    "words",
]


class _Value(msgspec.Struct, frozen=True, kw_only=True):
    """Base of results and what stands in them."""


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event"):
    """Base of what the bridge says unasked."""


class Nothing(_Value, frozen=True, kw_only=True):
    """Done."""


class HelloAnswer(_Value, frozen=True, kw_only=True):
    """The version both speak."""

    protocol: int
    name: str
    version: str
    line_bytes: int


class StatusAnswer(_Value, frozen=True, kw_only=True):
    """How the daemon is."""

    daemon: str
    """`running`, `none`, or `lost`: it runs and does not answer."""
    why: str = ""
    version: str = ""
    pid: int = 0
    home: str = ""
    queued: int = 0
    running: int = 0
    finished: int = 0
    condition: str = ""
    engines: tuple[EngineCard, ...] = ()


class CardsAnswer(_Value, frozen=True, kw_only=True):
    """All engines."""

    engines: tuple[EngineCard, ...]


class SurveyAnswer(_Value, frozen=True, kw_only=True):
    """What would be sent."""

    shot: str
    plate: str
    kind: str
    """`sequence`, `still`, `movie` or `take`."""
    frames: str
    """With the handles."""
    count: int
    size_px: tuple[int, int]
    """Of the display window."""
    channels: tuple[str, ...]
    """Those that are edited."""
    sample: str
    colourspace: str
    colourspace_assumed: bool
    frames_per_s: float | None
    """None if the files do not say."""
    matte: str
    """`sequence`, `still`, `keyed shapes` or ""."""
    lines: tuple[str, ...]
    odd: tuple[str, ...]


class Made(_Value, frozen=True, kw_only=True):
    """A published take. `files` and `pattern` lie in `folder`."""

    take: str
    shot: str
    folder: str
    pattern: str
    frames: tuple[int, ...]
    files: tuple[str, ...]
    manifest: str
    engine: str
    seconds: float
    proof: Proof
    knowledge: Knowledge | None
    figures: Figures | None
    notes: tuple[str, ...]
    parent: str
    line_proof: Proof | None


class Job(_Value, frozen=True, kw_only=True):
    """A job as a host shows it."""

    job: str
    shot: str
    state: str
    words: str
    operation: str
    engine: str
    out: str
    parent: str
    submitted: float
    host: str
    phase: str
    frame: int | None
    done: int
    total: int
    eta_s: float | None
    waits: str
    attempts: int
    result: Made | None
    error: ErrorBody | None


class JobsAnswer(_Value, frozen=True, kw_only=True):
    """Newest first."""

    jobs: tuple[Job, ...]


class ListedTake(_Value, frozen=True, kw_only=True):
    """A take in the list."""

    take: str
    shot: str
    name: str
    note: str
    starred: bool
    is_gone: bool
    parent: str
    revises: str
    depth: int
    made: str
    folder: str
    frames: int
    engine: str
    operation: str
    instruction: str
    knowledge: Knowledge | None
    thumbnail: str


class TakesAnswer(_Value, frozen=True, kw_only=True):
    """Each below the one it was made on."""

    takes: tuple[ListedTake, ...]


class ShownTake(_Value, frozen=True, kw_only=True):
    """One take."""

    take: str
    shot: str
    name: str
    note: str
    starred: bool
    folder: str
    pattern: str
    frames: tuple[int, ...]
    files: tuple[str, ...]
    plate: str
    """The plate that its line begins with."""
    colourspace: str
    colourspace_assumed: bool
    parent: str
    revises: str
    line: tuple[str, ...]
    instructions: tuple[str, ...]
    engine: str
    made: str
    seconds: float
    proof: Proof
    line_proof: Proof | None
    knowledge: Knowledge | None
    figures: Figures | None
    notes: tuple[str, ...]
    thumbnail: str
    request: FixRequest


class NotesAnswer(_Value, frozen=True, kw_only=True):
    """What people say of a take."""

    take: str
    shot: str
    name: str
    note: str
    starred: bool


class Deleted(_Value, frozen=True, kw_only=True):
    """A take that is gone."""

    take: str
    folder: str
    files: int
    bytes: int


class DeletedAnswer(_Value, frozen=True, kw_only=True):
    """The takes that are gone."""

    deleted: tuple[Deleted, ...]


class ComparedAnswer(_Value, frozen=True, kw_only=True):
    """Where two takes differ."""

    a: str
    b: str
    differing: tuple[int, ...]
    worst: int | None
    sheet: str
    wipe: str


class VerifiedAnswer(_Value, frozen=True, kw_only=True):
    """Whether a take's proof holds."""

    take: str
    holds: bool
    frames: int
    outside_changed: int
    outside_samples: int
    problems: tuple[str, ...]


class ThumbnailAnswer(_Value, frozen=True, kw_only=True):
    """A picture (PNG)."""

    take: str
    frame: int
    path: str


class HelloEvent(_Event, frozen=True, kw_only=True, tag="hello"):
    """First word of the bridge."""

    protocol_min: int
    protocol_max: int
    name: str
    version: str
    pid: int
    line_bytes: int


class Landed(_Value, frozen=True, kw_only=True):
    """A frame whose file is whole."""

    frame: int
    path: str


class JobEvent(_Event, frozen=True, kw_only=True, tag="job"):
    """A job that changed, and the frames that came since the last such line."""

    job: Job
    landed: tuple[Landed, ...] = ()


class WaitingEvent(_Event, frozen=True, kw_only=True, tag="waiting"):
    """A question that has no answer yet."""

    id: int
    waited_s: float
    why: str


class DaemonEvent(_Event, frozen=True, kw_only=True, tag="daemon"):
    """The daemon went, or came back."""

    state: str
    why: str


class DroppedEvent(_Event, frozen=True, kw_only=True, tag="dropped"):
    """So many questions were neither done nor answered."""

    count: int


def job_of(view: JobView, *, eta_s: float | None = None) -> Job:
    """What a host sees of it."""
    return Job(
        job=view.job,
        shot=view.shot,
        state=view.state.value,
        words=words(view),
        operation=view.operation.value,
        engine=view.engine,
        out=view.out,
        parent=view.parent,
        submitted=view.submitted,
        host=view.host,
        phase=view.phase.value if view.phase is not None else "",
        frame=view.frame,
        done=view.done,
        total=view.total,
        eta_s=eta_s,
        waits=view.waits,
        attempts=view.attempts,
        result=_made(view.result) if view.result is not None and view.result.files else None,
        error=view.error,
    )


def bare_job(job: str, *, state: str, error: ErrorBody) -> Job:
    """One that never came to the daemon, or that it does not know."""
    return Job(
        job=job,
        shot="",
        state=state,
        words=error.message,
        operation="",
        engine="",
        out="",
        parent="",
        submitted=0.0,
        host="",
        phase="",
        frame=None,
        done=0,
        total=0,
        eta_s=None,
        waits="",
        attempts=0,
        result=None,
        error=error,
    )


def words(view: JobView) -> str:
    """What a job does just now, in one line."""
    if view.error is not None:
        return view.error.message
    if view.state is JobState.QUEUED:
        return view.waits if view.waits else "queued again" if view.attempts else "queued"
    if view.phase is None or view.state is not JobState.RUNNING:
        return str(view.state.value)
    return f"{view.phase.value} {view.done}/{view.total}" if view.total else view.phase.value


def pattern_of(names: Sequence[str]) -> str:
    """`sh010.t3k9x0c.1001.exr` and its like → `sh010.t3k9x0c.%04d.exr`."""
    pieces = [name.rsplit(".", 2) for name in names]
    head, _, suffix = pieces[0]
    return f"{head}.%0{min(len(number) for _, number, _ in pieces)}d.{suffix}"


def _made(result: FixResult) -> Made:
    names = tuple(os.path.basename(file) for file in result.files)  # noqa: PTH119 — thousands of them
    return Made(
        take=result.take,
        shot=result.shot,
        folder=str(Path(result.manifest).parent),
        pattern=pattern_of(names),
        frames=result.frames,
        files=names,
        manifest=result.manifest,
        engine=result.engine,
        seconds=result.seconds,
        proof=result.proof,
        knowledge=result.knowledge,
        figures=result.figures,
        notes=result.notes,
        parent=result.parent,
        line_proof=result.line_proof,
    )
