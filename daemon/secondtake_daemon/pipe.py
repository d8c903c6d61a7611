"""What the daemon and a worker process say to each other: one JSON object a line, over the worker's stdin and stdout.

The worker keeps its own copy of the pipe and points file descriptor 1 at stderr, because image libraries print there.
"""

from __future__ import annotations

import msgspec

from secondtake.errors import ErrorBody
from secondtake.figures import Figures
from secondtake.messages import FixRequest, FixResult, Phase, Stage

__all__ = [
    "Beat",
    "CancelJob",
    "FromWorker",
    "JobDone",
    "JobFailed",
    "JobLimits",
    "JobProgress",
    "JobStarted",
    "Quit",
    "RunJob",
    "ToWorker",
    "WorkerReady",
]


class _Line(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag=str.lower):
    pass


class JobLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much a job may ask for; 0 is no limit."""

    pixels: int = 0
    """Of all its frames."""
    plate_bytes: int = 0
    """Of all its plate's files."""


class RunJob(_Line, frozen=True, kw_only=True):
    """Work on this job. It may have been begun before: go on from what is finished."""

    request: FixRequest
    take: str
    """Id of the take to make; the same for every attempt."""
    limits: JobLimits = JobLimits()


class CancelJob(_Line, frozen=True, kw_only=True):
    """Stop this job, remove what it wrote, answer JobFailed with code `cancelled`."""

    job: str


class Quit(_Line, frozen=True, kw_only=True):
    """Leave, keeping the work of the running job for the next attempt."""


class WorkerReady(_Line, frozen=True, kw_only=True):
    """Imports are done; jobs may come."""

    pid: int


class Beat(_Line, frozen=True, kw_only=True):
    """The process lives (sent each second by a thread of its own)."""


class JobStarted(_Line, frozen=True, kw_only=True):
    """From here on a death of the worker counts as an attempt of the job."""

    job: str


class JobProgress(_Line, frozen=True, kw_only=True):
    """Where the job is. Also the sign that the job itself, not only its process, is alive."""

    job: str
    phase: Phase
    frame: int | None = None
    done: int = 0
    total: int = 0
    figures: Figures | None = None
    """Quality of the frames finished so far."""
    stage: Stage | None = None


class JobDone(_Line, frozen=True, kw_only=True):
    """The take is published and durable."""

    job: str
    result: FixResult


class JobFailed(_Line, frozen=True, kw_only=True):
    """The job ended with a typed reason, and nothing of it is left in the output folder; after `disk` its finished
    frames are, so that it can go on when there is room."""

    job: str
    error: ErrorBody
    again: bool = False
    """True if the job wants to go on in a fresh process, with all that is finished: this one is about to leave."""


ToWorker = RunJob | CancelJob | Quit
FromWorker = WorkerReady | Beat | JobStarted | JobProgress | JobDone | JobFailed
