"""Carries out what the queue orders: journal first, then workers, sweeps and those who watch.

When the journal cannot be written, nothing is lost and nothing ends: new states wait in a backlog, no job is begun,
and what the backlog holds is told to nobody until it is on disk. Before a disk is that full, no job is begun either.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import zmq

from secondtake.errors import DiskError
from secondtake.home import Home
from secondtake.messages import JobView
from secondtake_daemon import pipe
from secondtake_daemon.service.ballast import Ballast
from secondtake_daemon.service.events import (
    Beaten,
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
    Submitted,
    Sweep,
    Swept,
    Tick,
    WorkerDied,
    WorkerReady,
    WorkerStarted,
)
from secondtake_daemon.service.janitor import Janitor
from secondtake_daemon.service.journal import Journal, NewJob
from secondtake_daemon.service.log import Field, Log
from secondtake_daemon.service.metrics import Metrics
from secondtake_daemon.service.queue import Queue
from secondtake_daemon.service.room import Begin, Room
from secondtake_daemon.service.shares import limits_for
from secondtake_daemon.service.supervisor import Gone, Supervisor, Word
from secondtake_daemon.service.watchers import Watchers
from secondtake_daemon.settings import Settings

__all__ = ["Core"]

_RETRY_S = 1.0
_WORDS_AT_ONCE = 256
_JOURNAL_WAITS = "Waits for the disk: the job journal cannot be written"


class Core:
    """Queue, journal, workers and watchers as one. Used from the loop's thread only."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], home: Home, settings: Settings, journal: Journal, log: Log
    ) -> None:
        self.queue = Queue(settings)
        self.journal = journal
        self.supervisor = Supervisor(context, home, settings)
        self.room = Room(context, home, min_free_bytes=settings.min_free_bytes)
        self.metrics = Metrics()
        self.janitor = Janitor(context, log, cache=home.cache, roots=settings.roots)
        self.watchers = Watchers()
        self._log = log
        self._settings = settings
        self._ballast = Ballast(home.data / "ballast", size_bytes=settings.ballast_bytes)
        self._has_had_jobs = False
        self._backlog: dict[str, Record] = {}
        self._held: dict[str, JobView] = {}
        self._is_paused = False
        self._retry_at_s = 0.0
        self._told_pause = (False, "")

    def close(self) -> None:
        """Kill what lives, close the journal."""
        self.supervisor.close()
        self.janitor.close()
        self.room.close()
        self.journal.close()

    def recover(self) -> None:
        """Take up the jobs of the journal: whatever ran goes back to the queue."""
        found = self.journal.live()
        if found:
            self._log.info("jobs found in the journal", jobs=len(found))
            self._has_had_jobs = True
        self.feed(*found)

    def admit(self, jobs: Sequence[NewJob]) -> None:
        """Write new jobs to the journal, then queue them. Raises DiskError; then none was taken."""
        began_s = time.monotonic()
        try:
            if self._is_paused:
                raise DiskError("The job journal cannot be written just now", remedy="Free some disk space")
            self.journal.add(jobs)
        except DiskError as error:
            self._pause(error)
            raise
        self._has_had_jobs = True
        now_s = time.monotonic()
        self.metrics.accepted((new.request.job for new in jobs), seconds=now_s - began_s, now_s=now_s)
        for new in jobs:
            self._log.info("job accepted", **_about(new.view))
        self.feed(*(Submitted(new.view) for new in jobs))

    def feed(self, *events: Event) -> None:
        """Tell the queue and do what it orders; all states that change share one commit."""
        now_s = time.monotonic()
        self._carry_out([order for event in events for order in self.queue.handle(event, now_s=now_s)])

    def tick(self) -> None:
        """Time went by: look at the clock and try the journal again."""
        if self._is_paused and time.monotonic() >= self._retry_at_s:
            self._try_again()
        if self.room.look(self.queue.parked(), now_s=time.monotonic()):
            self._keep_ballast()
        self.feed(Tick())

    def hear_workers(self) -> None:
        """Take in what the workers said."""
        events = []
        for _ in range(_WORDS_AT_ONCE):
            word = self.supervisor.receive()
            if word is None:
                break
            events.append(self._event(word))
        self.feed(*events)

    def hear_janitor(self) -> None:
        """Take in which jobs were swept."""
        while (job := self.janitor.receive()) is not None:
            self.feed(Swept(job))

    def hear_surveyor(self) -> None:
        """Take in how full the disks are."""
        for found in self.room.hear(now_s=time.monotonic()):
            self._settle_pause()  # before the queue gives out the next job
            if isinstance(found, Begin):
                self._begin(found)
            else:
                self.feed(RoomSeen(found.job, found.shortage.reason if found.shortage else ""))
        self._settle_pause()

    def view(self, job: str) -> JobView | None:
        """Any job that is remembered. Raises DiskError."""
        view = self.queue.view(job)
        if view is None and job in self._backlog:
            return self._backlog[job].view
        if view is not None:
            return view
        known = self.journal.known(job)
        return known[1] if known else None

    def is_recorded(self, job: str) -> bool:
        """False while the job's last change is not on disk."""
        return job not in self._backlog

    @property
    def condition(self) -> str:
        """ "" is well."""
        found = []
        if self._is_paused:
            found.append("paused: disk")
        elif shortages := self.room.shortages:
            found.append(f"paused: disk ({'; '.join(shortage.measure for shortage in shortages)})")
        if self.queue.is_degraded(now_s=time.monotonic()):
            found.append("degraded: workers crash")
        return "; ".join(found)

    @property
    def is_needed(self) -> bool:
        """True while there is a job that has not ended, on disk too, or somebody who waits to hear of one."""
        return bool(len(self.queue) or self._backlog or len(self.watchers))

    # --- orders -------------------------------------------------------------------------------------------------

    def _carry_out(self, orders: list[Instruction]) -> None:
        for order in orders:
            if isinstance(order, Record):
                self._backlog[order.view.job] = order
        self._write_backlog()
        later = [event for order in orders if (event := self._do(order)) is not None]
        if later:
            self.feed(*later)

    def _do(self, order: Instruction) -> Event | None:
        """Carry out one order; an event if it failed."""
        match order:
            case Notify(view):
                self._notify(view)
            case StartWorker(worker):
                return self._start_worker(worker)
            case SendJob(worker, job):
                return self._send_job(worker, job)
            case SendCancel(worker, job):
                self.supervisor.send_cancel(worker, job)
            case QuitWorker(worker):
                self.supervisor.send_quit(worker)
            case KillWorker(worker):
                self._log.warning("worker killed", worker=worker)
                self.supervisor.kill(worker)
            case Sweep(job):
                return self._sweep(job)
            case Record():
                pass
        return None

    def _notify(self, view: JobView) -> None:
        if view.job in self._backlog:
            self._held[view.job] = view
            return
        is_new_phase = self.metrics.changed(view, now_s=time.monotonic())
        if view.state.is_final:
            code = view.error.code if view.error else ""
            self._log.info("job ended", **_about(view), state=view.state.value, code=code, attempts=view.attempts)
        elif is_new_phase and view.phase is not None:
            self._log.info("job phase", **_about(view), phase=view.phase.value, total=view.total)
        elif view.waits not in ("", self._told_pause[1]):  # a pause of all is one line, not one for each
            self._log.info("job waits", **_about(view), reason=view.waits)
        self.watchers.notify(view)

    def _start_worker(self, worker: int) -> Event | None:
        try:
            self.supervisor.start(worker)
        except DiskError as error:
            self._log.warning("worker not started", worker=worker, reason=str(error))
            return WorkerDied(worker, str(error))
        self._log.info("worker started", worker=worker)
        return None

    def _send_job(self, worker: int, job: str) -> Event | None:
        if self._is_paused:
            return NotSent(worker, job)
        try:
            order = self.journal.order(job)
        except DiskError as error:
            self._pause(error)
            return NotSent(worker, job)
        begin = Begin(worker, job, order, None)
        if self._settings.min_free_bytes:
            self.room.ask(begin, now_s=time.monotonic())
        else:
            self._begin(begin)
        return None

    def _begin(self, begin: Begin) -> None:
        """The disks were looked at: give the job to its worker, or put it back."""
        worker, job, order, shortage = begin
        if self._is_paused or self.room.home_shortages:
            return self.feed(NotSent(worker, job))
        if shortage is not None:
            return self.feed(NoRoom(worker, job, shortage.reason))
        view = self.queue.view(job)
        if view is not None:
            self._log.info("job sent", **_about(view), worker=worker, take=order.take, attempts=view.attempts)
            limits = limits_for(view.host, self._settings)
            run = pipe.RunJob(request=order.request, take=order.take, limits=limits)
            self.supervisor.send_job(worker, run, host=view.host)
        return None

    def _sweep(self, job: str) -> Event | None:
        try:
            request, take = self.journal.order(job)
        except DiskError as error:
            self._log.warning("not swept", job=job, reason=str(error))
            return Swept(job)
        self.janitor.sweep(job, out=Path(request.out), shot=request.shot, take=take)
        return None

    # --- the disk -----------------------------------------------------------------------------------------------

    def _write_backlog(self) -> None:
        if not self._backlog:
            return
        try:
            self._update(list(self._backlog.values()))
        except DiskError as error:
            self._pause(error)
            return
        self._backlog.clear()
        held, self._held = self._held, {}
        for view in held.values():
            self._notify(view)
        self._resume()

    def _update(self, records: Sequence[Record]) -> None:
        """Write to the journal; on a full disk once more, with the space of the ballast. Raises DiskError."""
        try:
            self.journal.update(records)
        except DiskError as error:
            if not self._ballast.release():
                raise
            self._log.warning("ballast released", reason=str(error))
            self.journal.update(records)

    def _keep_ballast(self) -> None:
        free = self.room.free_bytes.get("data")
        if self._has_had_jobs and not self._is_paused and free is not None:
            self._ballast.make(free_bytes=free, spare_bytes=self._settings.min_free_bytes)

    def _try_again(self) -> None:
        self._retry_at_s = time.monotonic() + _RETRY_S
        if self._backlog:
            self._write_backlog()
            return
        try:
            self.journal.probe()
        except DiskError:
            return
        self._resume()

    def _pause(self, error: DiskError) -> None:
        if not self._is_paused:
            self._log.warning("paused: disk", reason=str(error))
            self._is_paused = True
            self._retry_at_s = time.monotonic() + _RETRY_S
            self.queue.handle(Paused(True), now_s=time.monotonic())  # at once; those who wait are told soon
            self._told_pause = (True, "")

    def _resume(self) -> None:
        if self._is_paused:
            self._log.info("the journal can be written again")
            self._is_paused = False
            self._settle_pause()

    def _settle_pause(self) -> None:
        """Tell the queue if the disks have no room, or have again."""
        shortages = self.room.home_shortages
        why = shortages[0].reason if shortages else _JOURNAL_WAITS if self._is_paused else ""
        told, self._told_pause = self._told_pause, (bool(why), why)
        if told == self._told_pause:
            return
        if shortages:
            self._log.warning("paused: disk", reason=shortages[0].measure)
        elif not why:
            self._log.info("the disks have room")
        self.feed(Paused(bool(why), why))

    def _event(self, word: Word | Gone) -> Event:
        if isinstance(word, Gone):
            about = self._about_worker(word.worker)
            self._log.info("worker gone", **about, worker=word.worker, reason=word.reason)
            if self.queue.is_crash(word.worker):
                self.metrics.worker_died(word.reason)
            return WorkerDied(word.worker, word.reason)
        worker = word.worker
        match word.message:
            case pipe.WorkerReady(pid=pid):
                return WorkerReady(worker, pid)
            case pipe.JobStarted(job=job):
                return WorkerStarted(worker, job)
            case pipe.JobProgress(job=job) as at:
                return Progress(worker, job, at.phase, at.frame, at.done, at.total, at.figures, at.stage)
            case pipe.JobDone(job=job, result=result):
                return Done(worker, job, result)
            case pipe.JobFailed(job=job, error=error, again=again):
                return Failed(worker, job, error, again)
            case pipe.Beat():
                return Beaten(worker)

    def _about_worker(self, worker: int) -> dict[str, Field]:
        """What a worker had to do."""
        job = self.queue.job_of(worker)
        view = self.queue.view(job) if job else None
        return _about(view) if view is not None else {}


def _about(view: JobView) -> dict[str, Field]:
    """What stands in each line of the log that is about a job; its id leads from the host to the worker."""
    return {"job": view.job, "shot": view.shot, "host": view.host}
