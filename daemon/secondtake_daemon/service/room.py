"""Is there room on the disks that a job writes to? Below a minimum no job is begun, so that what runs can end.

The daemon asks the surveyor before it gives a job to a worker, and each second for the disks of the home and of jobs
that wait for space.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import zmq

from secondtake.home import Home
from secondtake_daemon.service.journal import Order
from secondtake_daemon.service.surveyor import Survey, Surveyor

__all__ = ["Begin", "Looked", "Room", "Shortage", "size_text"]

_LOOK_S = 1.0
_PATIENCE_S = 5.0
_LOOKS_AT_ONCE = 8
_HOME = "home"


class Shortage(NamedTuple):
    """A disk with too little room."""

    what: str
    """cache, data or out."""
    folder: str
    missing_bytes: int
    least_bytes: int

    @property
    def measure(self) -> str:
        """With the present number, for `status`."""
        return f"the disk of {_WORDS[self.what]} lacks {size_text(self.missing_bytes)}: {self.folder}"

    @property
    def reason(self) -> str:
        """Without it, for a job that waits: it must not change each second."""
        least = size_text(self.least_bytes)
        return f"Waits for disk space: the disk of {_WORDS[self.what]} has less than {least} free ({self.folder})"


class Begin(NamedTuple):
    """A job may be given to its worker, or not."""

    worker: int
    job: str
    order: Order
    shortage: Shortage | None


class Looked(NamedTuple):
    """The disk of a waiting job was looked at."""

    job: str
    shortage: Shortage | None


class Room:
    """Used from the loop's thread only; never waits. Times are of the monotonic clock."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], home: Home, *, min_free_bytes: int) -> None:
        self._surveyor = Surveyor(context)
        self._least_bytes = min_free_bytes
        self._home = {str(home.cache): "cache", str(home.data): "data"}
        self._asked: dict[str, tuple[Begin, float]] = {}
        self._looked_s = float("-inf")
        self._turn = 0
        self._waiting: dict[str, Shortage] = {}
        self.free_bytes: dict[str, int] = {}
        """Of the home's disks, by what they hold, as last measured."""
        self.inbox = self._surveyor.inbox

    def close(self) -> None:
        """Measure nothing more."""
        self._surveyor.close()

    def ask(self, begin: Begin, *, now_s: float) -> None:
        """A job is about to be given to a worker: `hear` tells whether it may."""
        key = f"begin {begin.worker} {begin.job}"
        self._asked[key] = (begin, now_s)
        self._surveyor.measure(key, [*self._home, begin.order.request.out])

    def look(self, parked: Sequence[tuple[str, str]], *, now_s: float) -> bool:
        """Each second (else False): measure the home, and some of the jobs (with their `out`) that wait for space."""
        if now_s - self._looked_s < _LOOK_S:
            return False
        self._looked_s = now_s
        self._surveyor.measure(_HOME, list(self._home))
        self._waiting = {job: self._waiting[job] for job, _ in parked if job in self._waiting}
        start = self._turn % len(parked) if parked else 0
        for job, out in [*parked[start:], *parked[:start]][:_LOOKS_AT_ONCE]:
            self._surveyor.measure(f"look {job} {out}", [*self._home, out])
        self._turn = start + _LOOKS_AT_ONCE
        return True

    def hear(self, *, now_s: float) -> list[Begin | Looked]:
        """What was found out meanwhile. A disk that gives no answer in time is left to the worker."""
        found: list[Begin | Looked] = []
        while (survey := self._surveyor.receive()) is not None:
            found += self._take_in(survey)
        for key, (begin, since_s) in list(self._asked.items()):
            if now_s - since_s > _PATIENCE_S:
                del self._asked[key]
                found.append(begin)
        return found

    @property
    def home_shortages(self) -> list[Shortage]:
        """Disks of the home that hold up every job."""
        folders = {what: folder for folder, what in self._home.items()}
        found = [self._judge(what, folders[what], free) for what, free in self.free_bytes.items()]
        return [shortage for shortage in found if shortage is not None]

    @property
    def shortages(self) -> list[Shortage]:
        """All that is short, each folder once."""
        every = [*self.home_shortages, *self._waiting.values()]
        return list({shortage.folder: shortage for shortage in every}.values())

    def _take_in(self, survey: Survey) -> list[Begin | Looked]:
        for folder, what in self._home.items():
            if folder in survey.free_bytes:
                self.free_bytes[what] = survey.free_bytes[folder]
        kind, _, rest = survey.key.partition(" ")
        if kind == "begin" and survey.key in self._asked:
            begin, _ = self._asked.pop(survey.key)
            shortage = self._shortage(begin.order.request.out, survey)
            self._note(begin.job, shortage)
            return [begin._replace(shortage=shortage)]
        if kind == "look":
            job, _, out = rest.partition(" ")
            shortage = self._shortage(out, survey)
            self._note(job, shortage)
            return [Looked(job, shortage)]
        return []

    def _note(self, job: str, shortage: Shortage | None) -> None:
        if shortage is None:
            self._waiting.pop(job, None)
        else:
            self._waiting[job] = shortage

    def _shortage(self, out: str, survey: Survey) -> Shortage | None:
        """The first disk of these three that is short."""
        for folder, what in (*self._home.items(), (out, "out")):
            shortage = self._judge(what, folder, survey.free_bytes.get(folder))
            if shortage is not None:
                return shortage
        return None

    def _judge(self, what: str, folder: str, free: int | None) -> Shortage | None:
        if free is None or free >= self._least_bytes:
            return None
        return Shortage(what, folder, self._least_bytes - free, self._least_bytes)


_WORDS = {"cache": "the cache", "data": "the journal", "out": "the output folder"}


def size_text(size_bytes: int) -> str:
    """A size as people say it."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB")):
        if size_bytes >= unit:
            return f"{size_bytes / unit:.1f} {name}"
    return f"{-(-size_bytes // 1024)} KiB"
