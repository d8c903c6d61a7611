"""Jobs that killed their workers: the last attempt of each is made alone, and when nothing else waits. Pure."""

from __future__ import annotations

from collections import deque

__all__ = ["Quarantine"]

_DEATHS = 2
_PATIENCE_S = 600.0


class Quarantine:
    """Times are of the monotonic clock.

    One death may be bad luck, so the job is next again. After the second it could take others with it — their memory,
    their graphics card — and must not hold them up either. Yet it has its turn after ten minutes, whatever else
    comes: every job ends.
    """

    def __init__(self, *, max_attempts: int) -> None:
        self._deaths = max(1, min(_DEATHS, max_attempts - 1))
        self._waiting: deque[tuple[str, float]] = deque()
        self._at_work = ""

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, job: str) -> bool:
        return any(job == waiting for waiting, _ in self._waiting)

    @property
    def is_at_work(self) -> bool:
        """True while a worker has one of them: no other job is begun then."""
        return bool(self._at_work)

    def is_for(self, attempts: int) -> bool:
        """True if a job with so many deaths belongs here."""
        return attempts >= self._deaths

    def admit(self, job: str, *, now_s: float) -> None:
        """It waits here from now on."""
        self._waiting.append((job, now_s))

    def is_overdue(self, *, now_s: float) -> bool:
        """True if one has waited so long that nothing else may be begun before it."""
        return bool(self._waiting) and now_s - self._waiting[0][1] > _PATIENCE_S

    def take(self) -> str | None:
        """The one that waits longest; it is at work now."""
        if not self._waiting:
            return None
        self._at_work = self._waiting.popleft()[0]
        return self._at_work

    def remove(self, job: str) -> None:
        """It waits no more."""
        self._waiting = deque(entry for entry in self._waiting if entry[0] != job)

    def left_work(self, job: str) -> None:
        """Its worker is free of it, or dead. Any other job is no matter."""
        if job == self._at_work:
            self._at_work = ""
