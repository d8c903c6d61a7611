"""Questions to the daemon, one after the other, in a thread of their own: a slow daemon holds up nobody else."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from secondtake.client import Client
from secondtake.errors import DaemonLost, SecondTakeError, WorkerCrashed

__all__ = ["Asker", "Work"]

Work = Callable[[Client], None]
"""Asks, and answers the host with what came of it. What it raises goes to `Refuse`."""
Refuse = Callable[[SecondTakeError], None]


class Asker:
    """One client that is connected when it is first needed, and again after it was lost."""

    def __init__(self, *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._name = ""
        self._autostart = False
        self._client: Client | None = None
        self._work: queue.SimpleQueue[tuple[Work, Refuse]] = queue.SimpleQueue()

    def begin(self, *, name: str, autostart: bool) -> None:
        """Who asks, and whether a daemon may be started for it. Begins the thread; the first word counts."""
        if self._name:
            return
        self._name, self._autostart = name, autostart
        threading.Thread(target=self._run, daemon=True, name="asker").start()

    def ask(self, work: Work, refuse: Refuse) -> None:
        """Queue it; returns at once."""
        self._work.put((work, refuse))

    def _run(self) -> None:
        while True:
            work, refuse = self._work.get()
            try:
                if self._client is None:
                    self._client = Client.connect(
                        autostart=self._autostart, timeout_s=self._timeout_s, client=self._name
                    )
                work(self._client)
            except SecondTakeError as error:
                if isinstance(error, DaemonLost):
                    self._hang_up()
                refuse(error)
            except Exception as error:  # noqa: BLE001 — the host gets it, and the next question its answer
                self._hang_up()
                refuse(WorkerCrashed(f"The bridge failed ({type(error).__name__}: {error})", remedy="Please report it"))

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
