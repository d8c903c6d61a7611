"""What the bridge says of jobs, put where panels and the pump find it. Nothing of Blender."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .host import Answer, Problem
from .live import LiveJob, Step
from .state import live
from .words import error_line

__all__ = ["fail", "hear_accepted", "hear_job"]


def hear_job(body: Mapping[str, Any]) -> None:
    """An event `job`."""
    said = body["job"]
    job = live.jobs.get(str(said["job"]))
    if job is None or job.is_final:
        return
    job.hear(said, list(body.get("landed") or ()))
    error = said.get("error")
    if error:
        problem = Problem(
            str(error["code"]), str(error["message"]), remedy=str(error["remedy"]), path=str(error["path"])
        )
        job.problem = error_line(problem)


def hear_accepted(job: LiveJob, answer: Answer) -> None:
    """The answer of `fix`: queued, or not."""
    if answer.error is not None:
        fail(job, error_line(answer.error))
    elif not job.is_final and job.step is Step.ASKED:
        job.step = Step.DAEMON
        job.words = job.words or "Queued"


def fail(job: LiveJob, line: str, *, state: str = "failed") -> None:
    """It ended on this side."""
    job.step, job.state, job.problem = Step.OVER, state, line
