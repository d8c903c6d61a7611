"""Removes what killed workers left in output and scratch folders, in a thread: a file server may be slow."""

from __future__ import annotations

import queue
import shutil
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import zmq

from secondtake.errors import SecondTakeError
from secondtake_daemon.roots import require_inside
from secondtake_daemon.service.log import Log

__all__ = ["Janitor"]

_INBOX = "inproc://janitor"


class _Task(NamedTuple):
    job: str
    out: Path
    shot: str
    take: str


class Janitor:
    """`inbox` becomes readable when a job was swept."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], log: Log, *, cache: Path, roots: Sequence[str] = ()
    ) -> None:
        self._cache = cache
        self._context = context
        self._log = log
        self._roots = [Path(root).resolve() for root in roots]
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self.inbox = context.socket(zmq.PULL)
        self.inbox.bind(_INBOX)
        self._thread: threading.Thread | None = None

    def sweep(self, job: str, *, out: Path, shot: str, take: str) -> None:
        """Begin; returns at once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True, name="janitor")
            self._thread.start()
        self._tasks.put(_Task(job, out, shot, take))

    def receive(self) -> str | None:
        """A job that was swept, or None."""
        try:
            return self.inbox.recv(flags=zmq.NOBLOCK).decode("ascii")
        except zmq.Again:
            return None

    def close(self) -> None:
        """End after what is being swept now; a sweep that was not finished is done again at the next start."""
        self._tasks.put(None)
        if self._thread is not None:
            self._thread.join(1.0)
        self.inbox.unbind(_INBOX)  # a closed socket keeps its name until libzmq reaps it
        self.inbox.close(linger=0)

    def _work(self) -> None:
        from secondtake_daemon.takes.leftovers import scratch_folder, sweep

        with self._context.socket(zmq.PUSH) as inbox, suppress(zmq.ContextTerminated):
            inbox.linger = 0
            inbox.connect(_INBOX)
            while (task := self._tasks.get()) is not None:
                try:
                    shutil.rmtree(scratch_folder(self._cache, task.job), ignore_errors=True)
                    require_inside(task.out, self._roots)  # it was, when the job came; now it may be a link
                    found = sweep(task.out, shot=task.shot, take=task.take)
                    self._log.info("swept", job=task.job, found=found)
                except (OSError, SecondTakeError) as error:
                    # What cannot be removed (a folder without rights, a server that is gone) must not hold the job.
                    self._log.warning("not swept", job=task.job, reason=str(error), out=str(task.out))
                inbox.send(task.job.encode("ascii"))
