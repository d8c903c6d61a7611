"""What the queue is told and what it orders. Plain values; `queue.py` turns the one into the other."""

from __future__ import annotations

from dataclasses import dataclass

from secondtake.errors import ErrorBody
from secondtake.figures import Figures
from secondtake.messages import FixResult, JobView, Phase, Stage

__all__ = [
    "Beaten",
    "CancelAsked",
    "Done",
    "Event",
    "Failed",
    "Instruction",
    "KillWorker",
    "NoRoom",
    "NotSent",
    "Notify",
    "Paused",
    "Progress",
    "QuitWorker",
    "Record",
    "RoomSeen",
    "SendCancel",
    "SendJob",
    "StartWorker",
    "StopAsked",
    "Submitted",
    "Sweep",
    "Swept",
    "Tick",
    "WorkerDied",
    "WorkerReady",
    "WorkerStarted",
]


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job is in the journal: new, or found there at the start of the daemon."""

    view: JobView
    begun: bool = False
    """A worker once said that it started it, so there may be files."""
    cancel_asked: bool = False


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """A client wants the job to end."""

    job: str


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """A started worker can take jobs."""

    worker: int
    pid: int


@dataclass(frozen=True, slots=True)
class Beaten:
    """A worker's process gave a sign of life."""

    worker: int


@dataclass(frozen=True, slots=True)
class WorkerStarted:
    """A worker began its job."""

    worker: int
    job: str


@dataclass(frozen=True, slots=True)
class Progress:
    """A worker's job moved."""

    worker: int
    job: str
    phase: Phase
    frame: int | None
    done: int
    total: int
    figures: Figures | None = None
    stage: Stage | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """A worker published the take."""

    worker: int
    job: str
    result: FixResult


@dataclass(frozen=True, slots=True)
class Failed:
    """A worker gave a job up with a typed reason and removed what it had written."""

    worker: int
    job: str
    error: ErrorBody
    again: bool = False
    """It kept what it had written, and leaves: the job goes on in another process."""


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """A worker's process is gone, or could not be started."""

    worker: int
    reason: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """A job could not be given to the worker, because the journal cannot be used."""

    worker: int
    job: str


@dataclass(frozen=True, slots=True)
class NoRoom:
    """A job could not be given to the worker, because a disk that it writes to is too full."""

    worker: int
    job: str
    why: str


@dataclass(frozen=True, slots=True)
class RoomSeen:
    """The disks of a job that waits for space were looked at. why: what is too full, or ""."""

    job: str
    why: str


@dataclass(frozen=True, slots=True)
class Swept:
    """What a killed worker had left of the job is removed."""

    job: str


@dataclass(frozen=True, slots=True)
class Paused:
    """The journal cannot be written, or the disks of the home have no room (or again they can): no job is begun."""

    on: bool
    why: str = ""
    """For those who wait."""


@dataclass(frozen=True, slots=True)
class StopAsked:
    """The daemon shall end. drain: running jobs end first."""

    drain: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """Time went by."""


@dataclass(frozen=True, slots=True)
class Record:
    """Write the job's new state to the journal."""

    view: JobView
    begun: bool
    cancel_asked: bool


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell those who watch the job."""

    view: JobView


@dataclass(frozen=True, slots=True)
class StartWorker:
    """Start a worker process under this number."""

    worker: int


@dataclass(frozen=True, slots=True)
class SendJob:
    """Give a ready worker a job."""

    worker: int
    job: str


@dataclass(frozen=True, slots=True)
class SendCancel:
    """Tell a worker that its job is cancelled."""

    worker: int
    job: str


@dataclass(frozen=True, slots=True)
class QuitWorker:
    """Tell a worker to leave and keep its work."""

    worker: int


@dataclass(frozen=True, slots=True)
class KillWorker:
    """Kill a worker's process; its death is told as WorkerDied."""

    worker: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """Remove what a job left in its output folder, then say Swept."""

    job: str


Event = (
    Submitted
    | CancelAsked
    | WorkerReady
    | Beaten
    | WorkerStarted
    | Progress
    | Done
    | Failed
    | WorkerDied
    | NotSent
    | NoRoom
    | RoomSeen
    | Swept
    | Paused
    | StopAsked
    | Tick
)
Instruction = Record | Notify | StartWorker | SendJob | SendCancel | QuitWorker | KillWorker | Sweep
