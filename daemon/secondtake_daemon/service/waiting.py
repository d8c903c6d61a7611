"""Where jobs wait: in the line of their host, in quarantine, or for space on a disk. Pure; each job is in one place."""

from __future__ import annotations

from secondtake.messages import JobView
from secondtake_daemon.service.lines import Lines
from secondtake_daemon.service.parking import Parking
from secondtake_daemon.service.quarantine import Quarantine

__all__ = ["ALONE", "Waiting"]

ALONE = "Waits until no other job does: its workers died, so it is tried once more alone"


class Waiting:
    """All jobs that no worker has. `is_quiet`: no worker has any job."""

    def __init__(self, *, max_attempts: int) -> None:
        self._lines = Lines()
        self._quarantine = Quarantine(max_attempts=max_attempts)
        self.parking = Parking()

    def add(self, view: JobView, *, now_s: float) -> None:
        """A job came: to the end of its line, or into quarantine if it killed workers before."""
        if self._quarantine.is_for(view.attempts):
            self._quarantine.admit(view.job, now_s=now_s)
        else:
            self._lines.add(view.host, view.job)

    def again(self, view: JobView, *, now_s: float) -> str:
        """A job came back: it is the first of its line, or in quarantine. Returns what it waits for, or ""."""
        if self._quarantine.is_for(view.attempts):
            self._quarantine.admit(view.job, now_s=now_s)
            return ALONE
        self._lines.put_back(view.host, view.job)
        return ""

    def leave(self, view: JobView) -> None:
        """It waits no more."""
        if view.job in self.parking:
            self.parking.leave(view.job)
        elif view.job in self._quarantine:
            self._quarantine.remove(view.job)
        else:
            self._lines.remove(view.host, view.job)

    def left_work(self, job: str) -> None:
        """The job's worker is free of it, or dead."""
        self._quarantine.left_work(job)

    def forget(self, job: str) -> None:
        """It has ended."""
        self.parking.forget(job)

    def take(self, *, now_s: float, is_quiet: bool) -> str | None:
        """The job to begin next; one of the quarantine only when no other waits or is at work."""
        if self._quarantine.is_at_work:
            return None
        job = None if self._quarantine.is_overdue(now_s=now_s) else self._lines.take()
        return job or (self._quarantine.take() if is_quiet else None)

    def take_any(self) -> str | None:
        """Any job that waits for a worker, to end it."""
        job = self._lines.take() or self._quarantine.take()
        self._quarantine.left_work(job or "")
        return job

    def ready(self, *, is_quiet: bool) -> int:
        """How many could be begun if there were workers."""
        if self._quarantine.is_at_work:
            return 0
        return len(self._lines) or int(bool(len(self._quarantine)) and is_quiet)
