"""What clients over tcp may have of the daemon: so many jobs, and so long for each. Pure: no clock, no process.

This user's own clients have no such bounds; pixels and bytes are known only to the worker (`job.limits`).
"""

from __future__ import annotations

from collections import Counter

from secondtake.errors import ErrorBody, TooLarge
from secondtake.messages import JobView
from secondtake_daemon.pipe import JobLimits
from secondtake_daemon.service.sessions import client_of
from secondtake_daemon.settings import Settings

__all__ = ["Shares", "limits_for"]


class Shares:
    """Jobs that have not ended, by client, and since when they run."""

    def __init__(self, settings: Settings) -> None:
        self._most_s = settings.client_run_s
        self._jobs: Counter[str] = Counter()
        self._since_s: dict[str, float] = {}

    def jobs_of(self, client: str) -> int:
        """Jobs of this client that wait or run."""
        return self._jobs[client]

    def came(self, view: JobView) -> None:
        """A job is in the queue."""
        if client := client_of(view.host):
            self._jobs[client] += 1

    def left(self, view: JobView) -> None:
        """The job has ended."""
        self._since_s.pop(view.job, None)
        if client := client_of(view.host):
            self._jobs[client] -= 1

    def began(self, view: JobView, *, now_s: float) -> None:
        """A worker started on it; an attempt before this one does not count."""
        if self._most_s and client_of(view.host):
            self._since_s[view.job] = now_s

    def over_time(self, job: str, *, now_s: float) -> ErrorBody | None:
        """Why a running job must end now."""
        since_s = self._since_s.get(job)
        if since_s is None or now_s - since_s <= self._most_s:
            return None
        remedy = "Make it in smaller ranges, or raise 'client_run_s' in the daemon's settings"
        return TooLarge(f"The job ran for over {self._most_s:g} s, the most a client has here", remedy=remedy).body()


def limits_for(host: str, settings: Settings) -> JobLimits:
    """How much a job of this host may ask for."""
    if not client_of(host):
        return JobLimits()
    return JobLimits(pixels=settings.client_pixels, plate_bytes=settings.client_plate_bytes)
