"""Watches jobs for the host: their states, their frames as they land, and a daemon that goes and comes back."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from secondtake.client import Client
from secondtake.endpoint import find_daemon
from secondtake.errors import DaemonLost, NotFound, SecondTakeError
from secondtake.home import Home
from secondtake.launch import ensure_daemon
from secondtake.messages import JobState, JobView
from secondtake_daemon.bridge.answers import DaemonEvent, JobEvent, Landed, bare_job, job_of
from secondtake_daemon.bridge.landings import LedgerTail
from secondtake_daemon.bridge.outbox import Outbox
from secondtake_daemon.bridge.pace import Pace

__all__ = ["Watcher"]

_LOOK_S = 0.2
_MOST_A_LOOK = 16
_PAUSE_S = 1.0
_TIMEOUT_S = 5.0
_READERS = 4


class _Watched:
    def __init__(self, job: str) -> None:
        self.job = job
        self.view: JobView | None = None
        self.pace = Pace()
        self.tail: LedgerTail | None = None
        self.reading: Future[tuple[Landed, ...]] | None = None


class Watcher:
    """Asks after each watched job five times a second, at most sixteen at once: a job is known by its id alone, so
    neither a daemon that died nor one that was replaced makes a difference."""

    def __init__(self, outbox: Outbox, home: Home) -> None:
        self._outbox = outbox
        self._home = home
        self._changed = threading.Condition()
        self._jobs: dict[str, _Watched] = {}
        self._readers = ThreadPoolExecutor(_READERS, "landings")
        self._client: Client | None = None
        self._name = ""
        self._autostart = False
        self._daemon = "running"

    def begin(self, *, name: str, autostart: bool) -> None:
        """Who watches, and whether a daemon that died may be started again. The first word counts."""
        if self._name:
            return
        self._name, self._autostart = name, autostart
        threading.Thread(target=self._run, daemon=True, name="watcher").start()

    def add(self, jobs: Sequence[str]) -> None:
        """Watch these too, from their present state on."""
        with self._changed:
            for job in jobs:
                self._jobs[job] = _Watched(job)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs)
                due = list(self._jobs.values())[:_MOST_A_LOOK]
            try:
                self._find_daemon()
                for watched in due:
                    self._look(watched)
            except (SecondTakeError, OSError) as error:
                self._lost(error)
                time.sleep(_PAUSE_S)
                continue
            self._say("running", "")
            time.sleep(_LOOK_S)

    def _find_daemon(self) -> None:
        """Raise DaemonLost unless one runs. One that was killed is started again; one that was stopped is not: it took
        its runtime file along."""
        if not self._is_elsewhere and find_daemon(self._home) is None:
            if not self._home.runtime_file.exists():
                raise _Stopped("The daemon was stopped", remedy="The jobs wait in its journal until it starts again")
            self._say("lost", "The daemon ended")
            if not self._autostart:
                raise DaemonLost("The daemon ended", remedy="Start it again")
            ensure_daemon(self._home)
        if self._client is None:
            self._client = Client.connect(autostart=False, timeout_s=_TIMEOUT_S, client=self._name)

    @property
    def _is_elsewhere(self) -> bool:
        return bool(os.environ.get("SECONDTAKE_DAEMON"))

    def _look(self, watched: _Watched) -> None:
        assert self._client is not None
        try:
            view = self._client.jobs(limit=1, job=watched.job)[0]
        except NotFound as error:
            self._outbox.put_job(JobEvent(job=bare_job(watched.job, state="unknown", error=error.body())))
            return self._done(watched)
        landed = self._landed(watched, view)
        eta_s = watched.pace.eta_s(view, now_s=time.monotonic())
        if view != watched.view or landed:
            watched.view = view
            self._outbox.put_job(JobEvent(job=job_of(view, eta_s=eta_s), landed=landed))
        return self._done(watched) if view.state.is_final else self._to_the_end(watched)

    def _landed(self, watched: _Watched, view: JobView) -> tuple[Landed, ...]:
        """What was read of the ledger since the last look, in a thread that may wait for a file server."""
        if watched.tail is None:
            watched.tail = LedgerTail(job=view.job, out=view.out)
        landed: tuple[Landed, ...] = ()
        if watched.reading is not None and watched.reading.done():
            landed, watched.reading = watched.reading.result(), None
        made = job_of(view).result if view.state is JobState.DONE else None
        if made is not None:
            return (*landed, *watched.tail.rest(made.frames, made.folder, made.files))
        if watched.reading is None and view.state is JobState.RUNNING:
            watched.reading = self._readers.submit(watched.tail.read)
        return landed

    def _done(self, watched: _Watched) -> None:
        with self._changed:
            if self._jobs.get(watched.job) is watched:
                del self._jobs[watched.job]

    def _to_the_end(self, watched: _Watched) -> None:
        """Others are looked at first, the next time."""
        with self._changed:
            if self._jobs.get(watched.job) is watched:
                self._jobs[watched.job] = self._jobs.pop(watched.job)

    def _lost(self, error: Exception) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
        self._say("stopped" if isinstance(error, _Stopped) else "lost", str(error))

    def _say(self, state: str, why: str) -> None:
        if state != self._daemon:
            self._daemon = state
            self._outbox.put(DaemonEvent(state=state, why=why))


class _Stopped(DaemonLost):
    """Somebody stopped it."""
