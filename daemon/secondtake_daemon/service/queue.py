"""The queue: events in, instructions out. It owns no socket, no file, no process and no clock.

    queued ──► running ──► done
      ▲  │        │  └───► failed        (typed reason of the worker, or max_attempts deaths)
      │  │        ▼
      │  └──► cancelled
      ├─ the worker died: an attempt, if it had said that it started
      └─ the disk is full: it waits for room (`parking`); that costs nothing

A job that ends while files of it may lie about passes through a sweep first; it ends when the sweep is done.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from secondtake.errors import Cancelled, DiskError, ErrorBody, GpuMemory
from secondtake.messages import FixResult, JobState, JobView, WorkerView
from secondtake_daemon.service.crew import Crew, Worker, WorkerState
from secondtake_daemon.service.endings import cancelled, failed, given_up, waiting, without_progress, without_worker
from secondtake_daemon.service.events import (
    Beaten,
    CancelAsked,
    Done,
    Event,
    Failed,
    Instruction,
    KillWorker,
    NoRoom,
    Notify,
    NotSent,
    Paused,
    Progress,
    QuitWorker,
    Record,
    RoomSeen,
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
from secondtake_daemon.service.parking import Verdict
from secondtake_daemon.service.shares import Shares
from secondtake_daemon.service.waiting import Waiting
from secondtake_daemon.settings import Settings

__all__ = ["Queue"]


@dataclass(slots=True, kw_only=True)
class _Entry:
    """A job that has not ended."""

    view: JobView
    begun: bool
    cancel_asked: bool
    too_long: ErrorBody | None = None
    """Why it is being stopped, if its time was up."""
    worker: int | None = None
    ending: JobView | None = None
    """How it ends when its sweep is done."""

    @property
    def is_stopped(self) -> bool:
        """Its worker was told to stop."""
        return self.cancel_asked or self.too_long is not None

    def stopped(self, view: JobView) -> JobView:
        """How it ends then."""
        return failed(view, self.too_long) if self.too_long and not self.cancel_asked else cancelled(view)


class Queue:
    """All jobs that have not ended, and who works on them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._jobs: dict[str, _Entry] = {}
        self._waiting = Waiting(max_attempts=settings.max_attempts)
        self._shares = Shares(settings)
        self._crew = Crew()
        self._out: list[Instruction] = []
        self._is_paused = False
        self._why_paused = ""
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

    def jobs_of(self, client: str) -> int:
        """Jobs of one client over tcp, waiting or running."""
        return self._shares.jobs_of(client)

    def running(self) -> int:
        """Jobs a worker has begun; all others wait."""
        return sum(worker.has_begun for worker in self._crew)

    def workers(self) -> tuple[WorkerView, ...]:
        """The workers, for `status`."""
        return tuple(WorkerView(pid=worker.pid, state=worker.state.value, job=worker.job) for worker in self._crew)

    def job_of(self, worker: int) -> str:
        """The job a worker has, or ""."""
        found = self._crew.get(worker)
        return found.job if found is not None else ""

    def is_crash(self, worker: int) -> bool:
        """True if nobody wanted this worker's death."""
        found = self._crew.get(worker)
        return found is not None and found.is_crash

    def is_degraded(self, *, now_s: float) -> bool:
        """True while workers crash again and again."""
        return self._crew.is_degraded(now_s)

    def parked(self) -> list[tuple[str, str]]:
        """Jobs that wait for space on a disk, each with its output folder."""
        return [(job, self._jobs[job].view.out) for job in self._waiting.parking]

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
                self._submitted(event, now_s)
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
            case Failed(number, job, again=True):
                self._crew.leaves(number, job)
            case Failed(number, job, error):
                self._worker_finished(number, job, now_s, error=error)
            case WorkerDied(number, reason):
                self._worker_died(number, reason, now_s)
            case NotSent(number, job):
                self._not_sent(number, job, now_s)
            case NoRoom(number, job, why):
                self._not_sent(number, job, now_s, why=why)
            case RoomSeen(job, why):
                self._room_seen(job, why, now_s)
            case Swept(job):
                self._swept(job)
            case Paused(on, why):
                self._pause(on, why)
            case StopAsked(drain):
                self._stop(drain, now_s)
            case Tick():
                self._tick(now_s)

    def _submitted(self, event: Submitted, now_s: float) -> None:
        view = waiting(event.view)
        entry = _Entry(view=view, begun=event.begun, cancel_asked=event.cancel_asked)
        self._jobs[view.job] = entry
        self._shares.came(view)
        if event.cancel_asked:
            self._end(entry, cancelled(view))
        elif view.attempts >= self._settings.max_attempts:
            self._end(entry, given_up(view, "the daemon ended meanwhile"))
        else:
            entry.view = replace(view, waits=self._why_paused)
            self._waiting.add(view, now_s=now_s)

    def _cancel_asked(self, job: str, now_s: float) -> None:
        entry = self._jobs.get(job)
        if entry is None or entry.ending is not None or entry.cancel_asked:
            return
        entry.cancel_asked = True
        worker = self._crew.get(entry.worker) if entry.worker is not None else None
        if worker is None:
            self._waiting.leave(entry.view)
            self._end(entry, cancelled(entry.view))
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
            self._crew.came_up()

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
        self._shares.began(entry.view, now_s=now_s)
        entry.view = replace(entry.view, state=JobState.RUNNING, waits="")
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
            stage=event.stage,
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
        if error is not None and error.code == DiskError.code:
            self._disk_full(entry, error, now_s)
        elif result is not None:
            self._finish(entry, replace(view, state=JobState.DONE))  # also after a cancel that came too late
        elif entry.is_stopped or (error is not None and error.code == Cancelled.code):
            self._finish(entry, entry.stopped(view))
        else:
            self._finish(entry, replace(view, state=JobState.FAILED))
        self._waiting.left_work(job)
        worker.job = ""
        worker.has_begun = False
        if worker.state is WorkerState.BUSY:
            worker.kill_at_s = None
            worker.beat_s = now_s
            worker.turn(WorkerState.IDLE, now_s)
        if error is not None and error.code == GpuMemory.code:
            self._send_away(worker, now_s)  # only the end of a process surely gives its memory back

    def _worker_died(self, number: int, reason: str, now_s: float) -> None:
        worker = self._crew.bury(number, now_s)
        if worker is not None and worker.state is WorkerState.STARTING and self._crew.cannot_start:
            self._give_up_waiting(reason)
        if worker is None or not worker.job:
            return
        entry = self._jobs[worker.job]
        entry.worker = None
        self._waiting.left_work(worker.job)
        counts = worker.has_begun and not (self._is_stopping and not worker.is_crash)
        attempts = entry.view.attempts + (1 if counts and not entry.is_stopped else 0)
        view = replace(waiting(entry.view), attempts=attempts)
        if entry.is_stopped:
            self._end(entry, entry.stopped(view))
        elif attempts >= self._settings.max_attempts:
            self._end(entry, given_up(view, worker.verdict or reason))
        else:
            entry.view = view
            self._wait_again(entry, now_s)
            self._record(entry)
            self._out.append(Notify(entry.view))

    def _give_up_waiting(self, reason: str) -> None:
        """No worker can start here, and none lives: tell those who wait, rather than let them wait for ever."""
        if len(self._crew):
            return
        while (job := self._waiting.take_any()) is not None:
            entry = self._jobs[job]
            self._end(entry, without_worker(entry.view, reason))

    def _not_sent(self, number: int, job: str, now_s: float, *, why: str = "") -> None:
        """why: the job waits for its disk; else it is next again."""
        worker = self._crew.at_work(number, job)
        if worker is None:
            return
        entry = self._jobs[job]
        entry.worker = None
        worker.job = ""
        if worker.state is WorkerState.BUSY:
            worker.kill_at_s = None
            worker.turn(WorkerState.IDLE, now_s)
        self._waiting.left_work(job)
        if entry.is_stopped:
            self._end(entry, entry.stopped(entry.view))
        elif why:
            self._park(entry, why, now_s)
            self._out.append(Notify(entry.view))
        else:
            self._wait_again(entry, now_s)

    def _swept(self, job: str) -> None:
        entry = self._jobs.get(job)
        if entry is not None and entry.ending is not None:
            self._finish(entry, entry.ending)

    def _disk_full(self, entry: _Entry, error: ErrorBody, now_s: float) -> None:
        """A worker met a full disk: the job waits for room and keeps what it finished."""
        entry.worker = None
        if entry.is_stopped:
            self._end(entry, entry.stopped(waiting(entry.view)))
            return
        self._park(entry, f"Waits for disk space: {error.message} ({error.path})", now_s, error=error)
        self._record(entry)
        self._out.append(Notify(entry.view))

    def _room_seen(self, job: str, why: str, now_s: float) -> None:
        entry = self._jobs.get(job)
        parking = self._waiting.parking
        if entry is None or job not in parking:
            return
        if why:
            parking.short(job)
            self._say_waits(entry, why)
            return
        error = parking.error(job)
        verdict = parking.room(job, now_s=now_s)
        if verdict is Verdict.FAIL and error is not None:
            self._end(entry, failed(waiting(entry.view), error))
        elif verdict is Verdict.GO:
            self._say_waits(entry, "")
            self._wait_again(entry, now_s)

    def _pause(self, on: bool, why: str) -> None:
        self._is_paused = on
        before, self._why_paused = self._why_paused, why if on else ""
        for entry in self._jobs.values():
            if entry.worker is None and entry.ending is None and entry.view.waits == before:
                self._say_waits(entry, self._why_paused)

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
                self._check_time(worker, now_s)
                self._check_pulse(worker, now_s)

    # --- decisions ----------------------------------------------------------------------------------------------

    def _check_time(self, worker: Worker, now_s: float) -> None:
        entry = self._jobs.get(worker.job)
        if entry is None or entry.is_stopped or not worker.has_begun:
            return
        entry.too_long = self._shares.over_time(worker.job, now_s=now_s)
        if entry.too_long is not None:
            self._out.append(SendCancel(worker.number, worker.job))
            worker.kill_at_s = now_s + self._settings.cancel_grace_s

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
        wanted = self._waiting.ready(is_quiet=self._is_quiet())
        while wanted > ready and len(self._crew) < self._settings.workers and self._crew.may_hire(now_s):
            self._out.append(StartWorker(self._crew.hire(now_s).number))
            ready += 1

    def _give_job(self, worker: Worker, now_s: float) -> bool:
        job = self._waiting.take(now_s=now_s, is_quiet=self._is_quiet())
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

    def _is_quiet(self) -> bool:
        return not any(worker.job for worker in self._crew)

    def _wait_again(self, entry: _Entry, now_s: float) -> None:
        entry.view = replace(entry.view, waits=self._waiting.again(entry.view, now_s=now_s) or self._why_paused)

    def _park(self, entry: _Entry, why: str, now_s: float, *, error: ErrorBody | None = None) -> None:
        self._waiting.parking.park(entry.view.job, now_s=now_s, error=error)
        entry.view = replace(waiting(entry.view), waits=why)

    def _say_waits(self, entry: _Entry, why: str) -> None:
        if entry.view.waits != why:
            entry.view = replace(entry.view, waits=why)
            self._out.append(Notify(entry.view))

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
        self._shares.left(view)
        self._waiting.forget(view.job)
        ended = without_progress(view)
        self._out.append(Record(ended, entry.begun, entry.cancel_asked))
        self._out.append(Notify(ended))

    def _record(self, entry: _Entry) -> None:
        self._out.append(Record(entry.view, entry.begun, entry.cancel_asked))
