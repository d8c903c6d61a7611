"""A job's view as it comes back to the queue or ends. Pure."""

from __future__ import annotations

from msgspec.structs import replace

from secondtake.errors import Cancelled, ErrorBody, WorkerCrashed
from secondtake.messages import JobState, JobView

__all__ = ["cancelled", "failed", "given_up", "waiting", "without_progress", "without_worker"]


def without_progress(view: JobView) -> JobView:
    """Progress belongs to a running job; what ended reads the same from memory and from the journal."""
    return replace(view, phase=None, frame=None, done=0, total=0, figures=None, stage=None, waits="")


def waiting(view: JobView) -> JobView:
    """In the queue, as if it had never begun."""
    return replace(without_progress(view), state=JobState.QUEUED)


def cancelled(view: JobView) -> JobView:
    """Ended because somebody asked for it."""
    return failed(view, Cancelled("The job was cancelled").body(), state=JobState.CANCELLED)


def failed(view: JobView, error: ErrorBody, *, state: JobState = JobState.FAILED) -> JobView:
    """Ended with a typed reason."""
    return replace(view, state=state, error=error)


def without_worker(view: JobView, reason: str) -> JobView:
    """Ended because no worker can be started."""
    error = WorkerCrashed(
        f"No worker process can start here: {reason}",
        remedy="Look into the worker's log; `secondtake doctor` says where that is, and what is missing",
    )
    return failed(view, error.body())


def given_up(view: JobView, reason: str) -> JobView:
    """Ended because its workers died."""
    times = f"{view.attempts} times" if view.attempts != 1 else "once"
    error = WorkerCrashed(
        f"The worker died {times} on this job, last because {reason}",
        remedy="Look into the worker's log; `secondtake doctor` says where that is",
    )
    return failed(view, error.body())
