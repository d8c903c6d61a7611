"""Takes for the shots of an edit, through the daemon: all are submitted, then each is followed to its end.

One shot's failure does not stop the others. Only the loss of the daemon ends all: what it has in its journal goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from secondtake.client import Client
from secondtake.errors import Busy, Cancelled, DaemonLost, SecondTakeError, WorkerCrashed, error_from_body
from secondtake.messages import FixResult, JobState, JobView
from secondtake_daemon.edits.attempts import Attempts
from secondtake_daemon.edits.edit import EditShot
from secondtake_daemon.edits.orders import Order

__all__ = ["Maker", "Outcome", "ShotState", "already_there"]


class ShotState(str, Enum):
    """How a shot came out."""

    DONE = "done"
    """Its take is there."""
    PLATE = "plate"
    """Nothing is to change in it."""
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A shot that was gone through."""

    shot: EditShot
    state: ShotState
    take: FixResult | None = None
    error: SecondTakeError | None = None


def already_there(orders: Iterable[Order]) -> dict[str, Outcome]:
    """Shots, by name, whose takes lie in their folders, or whose folders are damaged. Needs no daemon."""
    found = {}
    for order in orders:
        try:
            take = order.finished()
        except SecondTakeError as error:
            found[order.shot.name] = Outcome(shot=order.shot, state=ShotState.FAILED, error=error)
        else:
            if take is not None:
                found[order.shot.name] = Outcome(shot=order.shot, state=ShotState.DONE, take=take)
    return found


class Maker:
    """Submits and follows. jobs: gets the id of every job before it is submitted, for whoever may cancel them."""

    def __init__(
        self,
        client: Client,
        attempts: Attempts,
        *,
        retry: bool,
        jobs: list[str],
        on_view: Callable[[EditShot, JobView], None],
        is_cancelled: Callable[[], bool],
    ) -> None:
        self._client = client
        self._attempts = attempts
        self._retry = retry
        self._jobs = jobs
        self._on_view = on_view
        self._is_cancelled = is_cancelled

    def make(self, orders: Iterable[Order]) -> dict[str, Outcome]:
        """Outcomes by the shot's name. Raises DaemonLost, DiskError."""
        wanted = tuple(orders)
        sent = {order.shot.name: self._try(order) for order in wanted}
        return {order.shot.name: self._follow(order, sent) for order in wanted}

    def _try(self, order: Order) -> JobView | SecondTakeError:
        """The job as the daemon took it, or why it did not."""
        if self._is_cancelled():
            return Cancelled("The run was cancelled before this shot was sent")
        try:
            return self._submit(order)
        except Busy as error:
            return error
        except (DaemonLost, Cancelled):  # the latter is the second interrupt: leave at once
            raise
        except SecondTakeError as error:
            return error

    def _submit(self, order: Order) -> JobView:
        """The present attempt, or the next one where that has ended without a take that is there."""
        attempt = self._attempts.of(order.key)
        while True:
            request = order.request(attempt)
            self._jobs.append(request.job)
            view = self._client.submit(request)
            if not self._is_over(view, order):
                return view
            attempt += 1
            self._attempts.raise_to(order.key, attempt)

    def _is_over(self, view: JobView, order: Order) -> bool:
        """True if a job of an earlier run is no answer: it was cancelled, is to be retried, or its take is gone."""
        if view.state is JobState.DONE:
            return order.finished() is None
        return view.state is JobState.CANCELLED or (view.state is JobState.FAILED and self._retry)

    def _follow(self, order: Order, sent: Mapping[str, JobView | SecondTakeError]) -> Outcome:
        answer = sent[order.shot.name]
        if isinstance(answer, Busy):  # those before have ended by now
            answer = self._try(order)
        if isinstance(answer, SecondTakeError):
            return _failed(order.shot, answer)
        last = answer
        self._on_view(order.shot, last)
        if not last.state.is_final:
            for view in self._client.watch(last.job):
                self._on_view(order.shot, view)
                last = view
        return _outcome(order.shot, last)


def _outcome(shot: EditShot, view: JobView) -> Outcome:
    if view.result is not None:
        return Outcome(shot=shot, state=ShotState.DONE, take=view.result)
    if view.state is JobState.CANCELLED:
        return _failed(shot, Cancelled("The job was cancelled", remedy="Run the edit again to go on"))
    return _failed(
        shot, error_from_body(view.error) if view.error else WorkerCrashed("The job failed without a reason")
    )


def _failed(shot: EditShot, error: SecondTakeError) -> Outcome:
    state = ShotState.CANCELLED if isinstance(error, Cancelled) else ShotState.FAILED
    return Outcome(shot=shot, state=state, error=error)
