"""The workers as the queue sees them: who is ready, who works on what, who crashed how often. No process in sight."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

__all__ = ["Crew", "Worker", "WorkerState"]

_CRASH_WINDOW_S = 600.0
_CRASHES_DEGRADED = 5
_NEVER_READY = 5
_LONGEST_DELAY_S = 60.0


class WorkerState(Enum):
    """Where a worker is in its life."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    STOPPING = "stopping"
    """It was told to leave, or killed; its death is expected."""


@dataclass(slots=True, kw_only=True)
class Worker:
    """One worker process. Times are of the monotonic clock."""

    number: int
    since_s: float
    """When it came into its state."""
    beat_s: float
    """Last sign of life of the process."""
    progress_s: float
    """Last sign of life of the job."""
    state: WorkerState = WorkerState.STARTING
    pid: int = 0
    job: str = ""
    has_begun: bool = False
    """It said that it started the job: its death counts."""
    kill_at_s: float | None = None
    """A request to stop or to cancel runs out then."""
    is_crash: bool = True
    """False if we wanted its death."""
    verdict: str = ""
    """Why it was killed, if it was for the job's sake."""

    def turn(self, state: WorkerState, now_s: float) -> None:
        """Come into a state."""
        self.state = state
        self.since_s = now_s


class Crew:
    """All workers, and how soon another may be started after crashes (the first at once, then 1, 2, 4 … 60 s)."""

    def __init__(self) -> None:
        self._workers: dict[int, Worker] = {}
        self._crashes_s: deque[float] = deque(maxlen=64)
        self._never_ready = 0
        self._next_number = 1

    def __iter__(self) -> Iterator[Worker]:
        return iter(list(self._workers.values()))

    def __len__(self) -> int:
        return len(self._workers)

    def get(self, number: int) -> Worker | None:
        """The worker of this number, if it lives."""
        return self._workers.get(number)

    def leaves(self, number: int, job: str) -> None:
        """It ends by itself, for the job's sake: its death is no attempt of the job."""
        worker = self.at_work(number, job)
        if worker is not None:
            worker.has_begun = False

    def at_work(self, number: int, job: str) -> Worker | None:
        """The worker, if this is the job it has; words about any other job are late and mean nothing."""
        worker = self._workers.get(number)
        return worker if worker is not None and worker.job == job and job else None

    def hire(self, now_s: float) -> Worker:
        """A new one, starting."""
        worker = Worker(number=self._next_number, since_s=now_s, beat_s=now_s, progress_s=now_s)
        self._next_number += 1
        self._workers[worker.number] = worker
        return worker

    def came_up(self) -> None:
        """A worker got ready: it can be done."""
        self._never_ready = 0

    def bury(self, number: int, now_s: float) -> Worker | None:
        """Forget a dead one; a death we did not want is remembered as a crash."""
        worker = self._workers.pop(number, None)
        if worker is not None and worker.state is WorkerState.STARTING:
            self._never_ready += 1
        if worker is not None and worker.is_crash:
            self._crashes_s.append(now_s)
        return worker

    def count(self, *states: WorkerState) -> int:
        """How many are in one of these states."""
        return sum(worker.state in states for worker in self._workers.values())

    def may_hire(self, now_s: float) -> bool:
        """False while the pause after the last crash lasts."""
        crashes = self._recent_crashes(now_s)
        if crashes <= 1:
            return True
        return now_s >= self._crashes_s[-1] + min(2.0 ** (crashes - 2), _LONGEST_DELAY_S)

    @property
    def cannot_start(self) -> bool:
        """True when five in a row died before they were ready. Those that die later are no sign of that."""
        return self._never_ready >= _NEVER_READY

    def is_degraded(self, now_s: float) -> bool:
        """True after five crashes in ten minutes."""
        return self._recent_crashes(now_s) >= _CRASHES_DEGRADED

    def _recent_crashes(self, now_s: float) -> int:
        while self._crashes_s and now_s - self._crashes_s[0] > _CRASH_WINDOW_S:
            self._crashes_s.popleft()
        return len(self._crashes_s)
