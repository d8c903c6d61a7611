"""Jobs that wait for space on a disk, and when they may go on. Pure: what was measured comes in, a verdict goes out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from secondtake.errors import ErrorBody

__all__ = ["MOST_REFUSALS", "Parking", "Verdict"]

MOST_REFUSALS = 3
"""A job that met a full disk so often, though there was room by the numbers, has failed."""
_FIRST_PAUSE_S = 1.0


class Verdict(Enum):
    """What becomes of a parked job."""

    STAY = "stay"
    GO = "go"
    FAIL = "fail"


@dataclass(slots=True, kw_only=True)
class _Stay:
    since_s: float
    error: ErrorBody | None
    """What the worker met; None if the job was not begun because the disk was known to be short."""
    was_short: bool
    """The numbers agreed that the disk is full."""


class Parking:
    """Times are of the monotonic clock.

    A full disk costs nothing as long as the numbers say so too. But a quota, a broken file server or a limit on the
    length of files look like a full disk with room on it: such a job would be tried for ever.
    """

    def __init__(self) -> None:
        self._stays: dict[str, _Stay] = {}
        self._refusals: dict[str, int] = {}

    def __contains__(self, job: str) -> bool:
        return job in self._stays

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._stays))

    def __len__(self) -> int:
        return len(self._stays)

    def park(self, job: str, *, now_s: float, error: ErrorBody | None = None) -> None:
        """The job waits from now on. error: what its worker met."""
        self._stays[job] = _Stay(since_s=now_s, error=error, was_short=error is None)

    def short(self, job: str) -> None:
        """Its disk was looked at and is too full."""
        self._stays[job].was_short = True
        self._refusals.pop(job, None)

    def room(self, job: str, *, now_s: float) -> Verdict:
        """Its disk was looked at and has room. Unless STAY, the job has left."""
        stay, refusals = self._stays[job], self._refusals.get(job, 0)
        if not stay.was_short:
            if refusals + 1 < MOST_REFUSALS and now_s - stay.since_s < _FIRST_PAUSE_S * 2**refusals:
                return Verdict.STAY
            self._refusals[job] = refusals + 1
        del self._stays[job]
        return Verdict.FAIL if self._refusals.get(job, 0) >= MOST_REFUSALS else Verdict.GO

    def error(self, job: str) -> ErrorBody | None:
        """What the job's worker met last."""
        return self._stays[job].error

    def leave(self, job: str) -> None:
        """It waits no more."""
        del self._stays[job]

    def forget(self, job: str) -> None:
        """It has ended."""
        self._stays.pop(job, None)
        self._refusals.pop(job, None)
