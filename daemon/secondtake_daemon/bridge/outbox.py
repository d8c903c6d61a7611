"""What waits to be read by the host, in bounded memory: of each job only the latest state is kept."""

from __future__ import annotations

import os
import threading
from collections import deque

import msgspec

from secondtake_daemon.bridge.answers import DroppedEvent, JobEvent, Landed
from secondtake_daemon.bridge.lines import line_of

__all__ = ["MOST_UNREAD", "Outbox"]

MOST_UNREAD = 1024
"""Answers and events that are kept for a host that does not read."""


class Outbox:
    """Anybody puts in, one thread writes. Nobody who puts in ever waits."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[msgspec.Struct | str] = deque()
        """A text is a job whose event stands in `_jobs`."""
        self._jobs: dict[str, tuple[JobEvent, dict[int, Landed]]] = {}
        self._dropped = 0

    @property
    def unread(self) -> int:
        """How many lines wait."""
        return len(self._waiting)

    def put(self, said: msgspec.Struct) -> None:
        """An answer, or an event that must not be lost. Over the limit it is only counted."""
        with self._changed:
            if len(self._waiting) >= MOST_UNREAD:
                self._dropped += 1
            else:
                self._waiting.append(said)
            self._changed.notify()

    def put_job(self, event: JobEvent) -> None:
        """A job's state, in the place of one that was not read yet; what landed adds up."""
        with self._changed:
            name = event.job.job
            landed = {one.frame: one for one in event.landed}
            if name in self._jobs:
                landed = self._jobs[name][1] | landed
            else:
                self._waiting.append(name)
            self._jobs[name] = (event, landed)
            self._changed.notify()

    def next_line(self) -> bytes:
        """Wait for something to say."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._dropped)
            if not self._waiting:
                count, self._dropped = self._dropped, 0
                return line_of(DroppedEvent(count=count))
            said = self._waiting.popleft()
            if isinstance(said, str):
                event, landed = self._jobs.pop(said)
                said = msgspec.structs.replace(event, landed=tuple(landed.values()))
        return line_of(said)

    def write_to(self, handle: int) -> None:
        """Write until the host hangs up; raises OSError then. Runs in a thread of its own."""
        while True:
            rest = memoryview(self.next_line())
            while rest:
                rest = rest[os.write(handle, rest) :]
