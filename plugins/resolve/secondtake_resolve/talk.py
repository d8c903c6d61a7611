"""Questions to the daemon, through the bridge. Whoever waits here keeps the window alive, and can be cancelled."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from .host import Answer, Bridge, Event, Problem
from .refusal import Cancelled, Refusal

__all__ = ["PERIOD_S", "Talk"]

PERIOD_S = 0.15
"""Between two looks: between 4 and 10 a second."""
_QUICK_S, _STOP_S = 0.7, 20.0
_LOOK = "Look at `secondtake daemon status`"
_FINAL = ("done", "failed", "cancelled", "unknown")

Json = dict[str, Any]


class Talk:
    """One bridge. `tick` is called at every look, with words; it returns False to cancel."""

    def __init__(
        self,
        bridge: Bridge,
        *,
        tick: Callable[[str, float], bool],
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._bridge, self._tick, self._sleep, self._now = bridge, tick, sleep, now
        self._jobs: dict[str, Json] = {}
        self._why = ""

    def ask(self, method: str, *, timeout_s: float, **params: Any) -> Json:  # noqa: ANN401 — whatever JSON can say
        """Ask and wait for the answer. Raises Refusal: what the daemon says, or that it does not answer; or Cancelled.

        The window is bothered with questions that take longer than a moment only.
        """
        try:
            wanted = self._bridge.call(method, **params)
        except Problem as problem:
            raise _refusal(problem) from problem
        begun_s = self._now()
        while self._now() < begun_s + timeout_s:
            for answer in self._hear():
                if answer.id == wanted:
                    if answer.error is not None:
                        raise _refusal(answer.error)
                    return answer.result or {}
            is_slow = self._now() - begun_s > _QUICK_S
            if is_slow and not self._tick(self._why or "Asking the daemon", 0.0):
                if method == "fix":
                    self._bridge.call("cancel", job=params["job"])
                raise Cancelled
            self._sleep(PERIOD_S)
        why = self._bridge.why or f"The daemon did not answer within {timeout_s:g} s"
        raise Refusal(why, remedy=_LOOK)

    def watch(self, job: str) -> Json:
        """Wait for a job's end; the job, in whatever final state. A tick that returns False cancels it.

        Raises Refusal if the daemon does not say that it has stopped.
        """
        end_s = float("inf")
        self._jobs.pop(job, None)
        self.ask("watch", timeout_s=30.0, jobs=[job])
        while True:
            self._hear()
            now = self._jobs.get(job, {})
            if now.get("state") in _FINAL:
                return now
            goes_on = self._tick(self._why or job_words(now), _share(now))
            if not goes_on and end_s == float("inf"):
                end_s = self._now() + _STOP_S
                self._bridge.call("cancel", job=job)
            if self._now() > end_s:
                raise Refusal("The daemon was told to stop the fix, and has not answered", remedy=_LOOK)
            self._sleep(PERIOD_S)

    def look(self, job: str) -> Json:
        """A job as it is now, without waiting for its end. Raises Refusal or Cancelled."""
        self._jobs.pop(job, None)
        self.ask("watch", timeout_s=30.0, jobs=[job])
        end_s = self._now() + 10.0
        while job not in self._jobs and self._now() < end_s:
            self._hear()
            if not self._tick(self._why or "Looking at a fix", 0.0):
                raise Cancelled
            self._sleep(PERIOD_S)
        return self._jobs.get(job, {"state": "unknown"})

    def close(self) -> None:
        """Hang up; jobs go on."""
        self._bridge.close()

    def _hear(self) -> list[Answer]:
        answers = []
        for message in self._bridge.drain(budget_s=0.05):
            if isinstance(message, Answer):
                answers.append(message)
                self._why = ""
            elif isinstance(message, Event):
                self._hear_event(message.name, message.body)
        return answers

    def _hear_event(self, name: str, body: Mapping[str, Any]) -> None:
        if name == "job":
            self._jobs[str(body["job"]["job"])] = body["job"]
            self._why = ""
        elif name in ("waiting", "daemon", "state"):
            self._why = str(body.get("why", ""))


def job_words(job: Mapping[str, Any]) -> str:
    """How a job is, in one line."""
    if not job:
        return "Waiting for the daemon"
    if job.get("state") != "running":
        return str(job.get("waits") or job.get("words") or "Queued").capitalize()
    phases = {"prepare": "Preparing", "load": "Loading the engine", "render": "Working", "publish": "Publishing"}
    said = [phases.get(str(job.get("phase")), "Starting")]
    if job.get("frame") is not None:
        said.append(f"frame {job['frame']}")
    if job.get("total"):
        said.append(f"{job['done']} of {job['total']}")
    if job.get("eta_s") is not None:
        said.append(f"about {max(round(job['eta_s']), 1)} s left")
    return ", ".join(said)


def _share(job: Mapping[str, Any]) -> float:
    return job["done"] / job["total"] if job.get("total") else 0.0


def _refusal(problem: Problem) -> Refusal:
    return Refusal(problem.message, remedy=problem.remedy, path=problem.path)
