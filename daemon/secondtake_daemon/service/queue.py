"""The queue: events in, instructions out. It owns no socket, no file, no process and no clock.

    queued ──► running ──► done
      ▲  │        │  └───► failed        (typed reason of the worker, or max_attempts deaths)
      │  │        ▼
      │  └──► cancelled
      └─ the worker died: an attempt, if it had said that it started

A job that ends while files of it may lie about passes through a sweep first; it ends when the sweep is done.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from secondtake.errors import Cancelled, ErrorBody, WorkerCrashed
from secondtake.messages import FixResult, JobState, JobView, WorkerView
from secondtake_daemon.service.crew import Crew, Worker, WorkerState
from secondtake_daemon.service.events import (
    Beaten,
    CancelAsked,
    Done,
    Event,
    Failed,
    Instruction,
    KillWorker,
    Notify,
    NotSent,
    Paused,
    Progress,
    QuitWorker,
    Record,
    SendCancel,
    SendJob,
    StartWorker,
    StopAsked,
    Submitted,
    Sweep,
    Swept,
    Tick,
    WorkerDied,
    WorkerReady,
    WorkerStarted,
)
from secondtake_daemon.service.lines import Lines
from secondtake_daemon.settings import Settings

__all__ = ["Queue"]


@dataclass(slots=True, kw_only=True)
class _Entry:
    """A job that has not ended."""

    view: JobView
    begun: bool
    cancel_asked: bool
    worker: int | None = None
    ending: JobView | None = None
    """How it ends when its sweep is done."""


class Queue:
    """All jobs that have not ended, and who works on them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._jobs: dict[str, _Entry] = {}
        self._lines = Lines()
        self._crew = Crew()
        self._out: list[Instruction] = []
        self._is_paused = False
        self._is_stopping = False

    def handle(self, event: Event, *, now_s: float) -> list[Instruction]:
        """Take one event in; what is to be done, in order. now_s: monotonic clock, never going back."""
        self._take_in(event, now_s)
        self._dispatch(now_s)
        out, self._out = self._out, []
        return out

    def __len__(self) -> int:
        return len(self._jobs)

    def view(self, job: str) -> JobView | None:
        """A job that has not ended."""
        entry = self._jobs.get(job)
        return entry.view if entry else None

    def room(self) -> int:
        """Jobs that may still come."""
        return max(self._settings.queue_jobs - len(self._jobs), 0)

    def running(self) -> int:
        """Jobs a worker has begun; all others wait."""
        return sum(worker.has_begun for worker in self._crew)

    def workers(self) -> tuple[WorkerView, ...]:
        """The workers, for `status`."""
        return tuple(WorkerView(pid=worker.pid, state=worker.state.value, job=worker.job) for worker in self._crew)

    def is_degraded(self, *, now_s: float) -> bool:
        """True while workers crash again and again."""
        return self._crew.is_degraded(now_s)

    @property
    def is_stopping(self) -> bool:
        """True from StopAsked on: no job is begun."""
        return self._is_stopping

    @property
    def is_at_rest(self) -> bool:
        """True if no worker lives and nothing is being swept."""
        return not len(self._crew) and not any(entry.ending for entry in self._jobs.values())

    # --- events -------------------------------------------------------------------------------------------------

    def _take_in(self, event: Event, now_s: float) -> None:
        match event:
            case Submitted():
                self._submitted(event)
            case CancelAsked(job):
                self._cancel_asked(job, now_s)
            case WorkerReady(number, pid):
                self._worker_ready(number, pid, now_s)
            case Beaten(number):
                self._beaten(number, now_s)
            case WorkerStarted(number, job):
                self._worker_started(number, job, now_s)
            case Progress():
                self._progress(event, now_s)
            case Done(number, job, result):
                self._worker_finished(number, job, now_s, result=result)
            case Failed(number, job, error):
                self._worker_finished(number, job, now_s, error=error)
            case WorkerDied(number, reason):
                self._worker_died(number, reason, now_s)
            case NotSent(number, job):
                self._not_sent(number, job, now_s)
            case Swept(job):
                self._swept(job)
            case Paused(on):
                self._is_paused = on
            case StopAsked(drain):
                self._stop(drain, now_s)
            case Tick():
                self._tick(now_s)

    def _submitted(self, event: Submitted) -> None:
        view = _waiting(event.view)
        entry = _Entry(view=view, begun=event.begun, cancel_asked=event.cancel_asked)
        self._jobs[view.job] = entry
        if event.cancel_asked:
            self._end(entry, _cancelled(view))
        elif view.attempts >= self._settings.max_attempts:
            self._end(entry, _given_up(view, "the daemon ended meanwhile"))
        else:
            self._lines.add(view.host, view.job)

    def _cancel_asked(self, job: str, now_s: float) -> None:
        entry = self._jobs.get(job)
        if entry is None or entry.ending is not None or entry.cancel_asked:
            return
        entry.cancel_asked = True
        worker = self._crew.get(entry.worker) if entry.worker is not None else None
        if worker is None:
            self._lines.remove(entry.view.host, job)
            self._end(entry, _cancelled(entry.view))
            return
        self._record(entry)
        self._out.append(SendCancel(worker.number, job))
        if worker.state is WorkerState.BUSY:
            worker.kill_at_s = now_s + self._settings.cancel_grace_s

    def _worker_ready(self, number: int, pid: int, now_s: float) -> None:
        worker = self._crew.get(number)
        if worker is not None and worker.state is WorkerState.STARTING:
            worker.pid = pid
            worker.beat_s = now_s
            worker.turn(WorkerState.IDLE, now_s)

    def _beaten(self, number: int, now_s: float) -> None:
        worker = self._crew.get(number)
        if worker is not None:
            worker.beat_s = now_s

    def _worker_started(self, number: int, job: str, now_s: float) -> None:
        worker = self._crew.at_work(number, job)
        if worker is None:
            return
        worker.has_begun = True
        worker.beat_s = worker.progress_s = now_s
        entry = self._jobs[job]
        entry.begun = True
        entry.view = replace(entry.view, state=JobState.RUNNING)
        self._record(entry)
        self._out.append(Notify(entry.view))

    def _progress(self, event: Progress, now_s: float) -> None:
        worker = self._crew.at_work(event.worker, event.job)
        if worker is None or not worker.has_begun:
            return
        worker.beat_s = worker.progress_s = now_s
        entry = self._jobs[event.job]
        changed = replace(
            entry.view,
            phase=event.phase,
            frame=event.frame,
            done=event.done,
            total=event.total,
            figures=event.figures,
        )
        if changed != entry.view:
            entry.view = changed
            self._out.append(Notify(changed))

    def _worker_finished(
        self, number: int, job: str, now_s: float, *, result: FixResult | None = None, error: ErrorBody | None = None
    ) -> None:
        """Done or Failed: the worker itself has left nothing half-written, so there is no sweep."""
        worker = self._crew.at_work(number, job)
        if worker is None:
            return
        entry = self._jobs[job]
        view = replace(entry.view, result=result, error=error)
        if result is not None:
            view = replace(view, state=JobState.DONE)  # also after a cancel that came too late
        elif entry.cancel_asked or (error is not None and error.code == Cancelled.code):
            view = _cancelled(view)
        else:
            view = replace(view, state=JobState.FAILED)
        self._finish(entry, view)
        worker.job = ""
        worker.has_begun = False
        if worker.state is WorkerState.BUSY:
            worker.kill_at_s = None
            worker.beat_s = now_s
            worker.turn(WorkerState.IDLE, now_s)

    def _worker_died(self, number: int, reason: str, now_s: float) -> None:
        worker = self._crew.bury(number, now_s)
        if worker is not None and worker.state is WorkerState.STARTING and self._crew.is_degraded(now_s):
            self._give_up_waiting(reason)
        if worker is None or not worker.job:
            return
        entry = self._jobs[worker.job]
        entry.worker = None
        counts = worker.has_begun and not (self._is_stopping and not worker.is_crash)
        attempts = entry.view.attempts + (1 if counts and not entry.cancel_asked else 0)
        view = replace(_waiting(entry.view), attempts=attempts)
        if entry.cancel_asked:
            self._end(entry, _cancelled(view))
        elif attempts >= self._settings.max_attempts:
            self._end(entry, _given_up(view, worker.verdict or reason))
        else:
            entry.view = view
            self._lines.put_back(view.host, view.job)
            self._record(entry)
            self._out.append(Notify(view))

    def _give_up_waiting(self, reason: str) -> None:
        """No worker can start here, and none lives: tell those who wait, rather than let them wait for ever."""
        if len(self._crew):
            return
        while (job := self._lines.take()) is not None:
            entry = self._jobs[job]
            self._end(entry, _without_worker(entry.view, reason))

    def _not_sent(self, number: int, job: str, now_s: float) -> None:
        worker = self._crew.at_work(number, job)
        if worker is None:
            return
        entry = self._jobs[job]
        entry.worker = None
        worker.job = ""
        worker.turn(WorkerState.IDLE, now_s)
        self._lines.put_back(entry.view.host, job)

    def _swept(self, job: str) -> None:
        entry = self._jobs.get(job)
        if entry is not None and entry.ending is not None:
            self._finish(entry, entry.ending)

    def _stop(self, drain: bool, now_s: float) -> None:
        self._is_stopping = True
        for worker in self._crew:
            if worker.state in (WorkerState.STARTING, WorkerState.IDLE) or not drain:
                self._send_away(worker, now_s)

    def _tick(self, now_s: float) -> None:
        for worker in self._crew:
            if worker.kill_at_s is not None and now_s >= worker.kill_at_s:
                worker.is_crash = False
                self._kill(worker, now_s)
            elif worker.state is not WorkerState.STOPPING:
                self._check_pulse(worker, now_s)

    # --- decisions ----------------------------------------------------------------------------------------------

    def _check_pulse(self, worker: Worker, now_s: float) -> None:
        settings = self._settings
        if worker.state is WorkerState.STARTING:
            if now_s - worker.since_s > settings.start_timeout_s:
                self._kill(worker, now_s)
        elif now_s - worker.beat_s > settings.beat_timeout_s:
            worker.verdict = f"it gave no sign of life for {settings.beat_timeout_s:g} s"
            self._kill(worker, now_s)
        elif worker.state is WorkerState.BUSY and now_s - worker.progress_s > settings.hang_timeout_s:
            worker.verdict = f"it made no progress for {settings.hang_timeout_s:g} s"
            self._kill(worker, now_s)
        elif worker.state is WorkerState.IDLE and (
            self._is_stopping or now_s - worker.since_s > settings.worker_idle_s
        ):
            self._send_away(worker, now_s)

    def _dispatch(self, now_s: float) -> None:
        if self._is_paused or self._is_stopping:
            return
        for worker in self._crew:
            if worker.state is WorkerState.IDLE and not self._give_job(worker, now_s):
                break
        ready = self._crew.count(WorkerState.STARTING, WorkerState.IDLE)
        while len(self._lines) > ready and len(self._crew) < self._settings.workers and self._crew.may_hire(now_s):
            self._out.append(StartWorker(self._crew.hire(now_s).number))
            ready += 1

    def _give_job(self, worker: Worker, now_s: float) -> bool:
        job = self._lines.take()
        if job is None:
            return False
        self._jobs[job].worker = worker.number
        worker.job = job
        worker.has_begun = False
        worker.verdict = ""
        worker.progress_s = now_s
        worker.turn(WorkerState.BUSY, now_s)
        self._out.append(SendJob(worker.number, job))
        return True

    def _send_away(self, worker: Worker, now_s: float) -> None:
        if worker.state is WorkerState.STOPPING:
            return
        worker.is_crash = False
        worker.kill_at_s = now_s + self._settings.quit_grace_s
        worker.turn(WorkerState.STOPPING, now_s)
        self._out.append(QuitWorker(worker.number))

    def _kill(self, worker: Worker, now_s: float) -> None:
        worker.kill_at_s = None
        worker.turn(WorkerState.STOPPING, now_s)
        self._out.append(KillWorker(worker.number))

    def _end(self, entry: _Entry, ending: JobView) -> None:
        """End a job without its worker: at once, or after a sweep if there may be files of it."""
        if not entry.begun:
            self._finish(entry, ending)
            return
        entry.ending = ending
        entry.view = replace(entry.view, attempts=ending.attempts)
        # If the daemon dies before the sweep is done, the journal must lead here again.
        self._record(entry)
        self._out.append(Sweep(entry.view.job))

    def _finish(self, entry: _Entry, view: JobView) -> None:
        del self._jobs[view.job]
        ended = _without_progress(view)
        self._out.append(Record(ended, entry.begun, entry.cancel_asked))
        self._out.append(Notify(ended))

    def _record(self, entry: _Entry) -> None:
        self._out.append(Record(entry.view, entry.begun, entry.cancel_asked))


def _without_progress(view: JobView) -> JobView:
    """Progress belongs to a running job; what ended reads the same from memory and from the journal."""
    return replace(view, phase=None, frame=None, done=0, total=0, figures=None)


def _waiting(view: JobView) -> JobView:
    return replace(_without_progress(view), state=JobState.QUEUED)


def _cancelled(view: JobView) -> JobView:
    return replace(view, state=JobState.CANCELLED, error=Cancelled("The job was cancelled").body())


def _without_worker(view: JobView, reason: str) -> JobView:
    error = WorkerCrashed(
        f"No worker process can start here: {reason}",
        remedy="Look into the worker's log; `secondtake doctor` says where that is, and what is missing",
    )
    return replace(view, state=JobState.FAILED, error=error.body())


def _given_up(view: JobView, reason: str) -> JobView:
    times = f"{view.attempts} times" if view.attempts != 1 else "once"
    error = WorkerCrashed(
        f"The worker died {times} on this job, last because {reason}",
        remedy="Look into the worker's log; `secondtake doctor` says where that is",
    )
    return replace(view, state=JobState.FAILED, error=error.body())
