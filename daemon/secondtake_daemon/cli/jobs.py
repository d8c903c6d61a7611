"""`secondtake jobs`, `cancel` and `engines`: questions to the daemon."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from secondtake.client import Client
from secondtake.errors import UsageError
from secondtake.messages import EngineCard, JobState, JobView
from secondtake_daemon.cli.fix import CLIENT_NAME
from secondtake_daemon.cli.output import Answer, Output
from secondtake_daemon.cli.progress import words

__all__ = ["cancel", "engines", "jobs"]

_SHORT = 8


class _JobsAnswer(Answer, frozen=True, kw_only=True):
    jobs: tuple[JobView, ...]


class _JobAnswer(Answer, frozen=True, kw_only=True):
    job: JobView


class _EnginesAnswer(Answer, frozen=True, kw_only=True):
    engines: tuple[EngineCard, ...]


def jobs(
    context: typer.Context,
    job: Annotated[str, typer.Argument(help="Only this one; the beginning of its id is enough.")] = "",
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 20,
) -> None:
    """List jobs, newest first."""
    output: Output = context.obj
    with Client.connect(client=CLIENT_NAME) as client:
        views = client.jobs(limit=limit, job=job)
    if views:
        output.table(("JOB", "SHOT", "STATE", "FRAMES", "ENGINE", "SENT", "OUT"), [_row(view) for view in views])
    else:
        output.line("There are no jobs.")
    for view in views:
        if view.error is not None and job:
            output.line(f"{view.error.message}. {view.error.remedy} {view.error.path}".rstrip())
    output.answer(_JobsAnswer(jobs=tuple(views)))


def cancel(
    context: typer.Context, job: Annotated[str, typer.Argument(help="Id of the job, or the beginning of it.")]
) -> None:
    """Stop a job, in whatever phase it is."""
    output: Output = context.obj
    if not job:  # an empty beginning would fit every job
        raise UsageError("The job's id is empty", remedy="`secondtake jobs` lists them")
    with Client.connect(client=CLIENT_NAME) as client:
        view = client.cancel(client.jobs(limit=1, job=job)[0].job)
    state = f"has ended already: {view.state.value}" if _was_over(view) else "is being cancelled"
    state = "is cancelled" if view.state is JobState.CANCELLED else state
    output.line(f"Job {view.job[:_SHORT]} of {view.shot} {state}")
    output.answer(_JobAnswer(job=view))


def engines(context: typer.Context) -> None:
    """List the engines: what they can do, and whether they can run here."""
    output: Output = context.obj
    with Client.connect(client=CLIENT_NAME) as client:
        cards = client.engines()
    for card in cards:
        output.line(f"{card.name} {card.version} — {card.summary}")
        output.line(f"    operations: {', '.join(operation.value for operation in card.operations)}")
        output.line(f"    licence: {card.licence}; {'deterministic' if card.deterministic else 'not deterministic'}")
        if not card.available:
            output.line(f"    cannot run here: {card.why_not}")
    output.answer(_EnginesAnswer(engines=tuple(cards)))


def _row(view: JobView) -> tuple[str, ...]:
    frames = f"{view.done}/{view.total}" if view.total and not view.state.is_final else ""
    sent = datetime.fromtimestamp(view.submitted).strftime("%Y-%m-%d %H:%M:%S")
    return view.job[:_SHORT], view.shot, words(view), frames, view.engine, sent, view.out


def _was_over(view: JobView) -> bool:
    return view.state in (JobState.DONE, JobState.FAILED)
