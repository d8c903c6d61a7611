"""Waiting for the daemon: whoever waits can always go away, whatever the daemon does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from secondtake.host import Answer
from secondtake_resolve.refusal import Cancelled, Refusal
from secondtake_resolve.talk import PERIOD_S, Talk, job_words

JOB = "6f1c1e0f0b8a4f5f9a3b2c1d0e9f8a7b"


class Deaf:
    """A bridge behind which nobody answers but to some questions."""

    why = ""

    def __init__(self, *answered: str) -> None:
        self.answered, self.asked, self.left = answered, list[tuple[str, Any]](), list[Answer]()

    def call(self, method: str, **params: Any) -> int:
        self.asked.append((method, params))
        if method in self.answered:
            self.left.append(Answer(len(self.asked), method, {}, None))
        return len(self.asked)

    def drain(self, *, budget_s: float) -> Iterator[Answer]:
        while self.left:
            yield self.left.pop(0)


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0
        self.looks: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def talk(self, bridge: Deaf, tick: Callable[[str, float], bool]) -> Talk:
        def looked(words: str, share: float) -> bool:
            self.looks.append(self.now_s)
            return tick(words, share)

        return Talk(bridge, tick=looked, sleep=self.sleep, now=lambda: self.now_s)  # type: ignore[arg-type]


def test_looks_come_four_to_ten_times_a_second() -> None:
    clock = Clock()
    with pytest.raises(Refusal, match=r"did not answer within 3 s\. Look at"):
        clock.talk(Deaf(), lambda words, share: True).ask("status", timeout_s=3.0)
    between = [later - sooner for sooner, later in zip(clock.looks, clock.looks[1:], strict=False)]
    assert len(between) > 10
    assert all(each == pytest.approx(PERIOD_S) for each in between)
    assert 4 <= 1 / PERIOD_S <= 10


def test_a_fix_that_is_not_answered_is_cancelled_at_once() -> None:
    clock, bridge = Clock(), Deaf()
    with pytest.raises(Cancelled):
        clock.talk(bridge, lambda words, share: False).ask("fix", timeout_s=60.0, job=JOB)
    assert bridge.asked[-1] == ("cancel", {"job": JOB})
    assert clock.now_s < 1.0


def test_cancel_ends_the_waiting_also_if_the_daemon_does_not_answer() -> None:
    clock, bridge = Clock(), Deaf("watch")
    with pytest.raises(Refusal, match="told to stop the fix") as refused:
        clock.talk(bridge, lambda words, share: False).watch(JOB)
    assert refused.value.remedy
    assert [method for method, _ in bridge.asked] == ["watch", "cancel"]  # told once
    assert clock.now_s < 25.0


def test_looking_at_a_job_can_be_cancelled() -> None:
    clock = Clock()
    with pytest.raises(Cancelled):
        clock.talk(Deaf("watch"), lambda words, share: False).look(JOB)
    assert clock.talk(Deaf("watch"), lambda words, share: True).look(JOB) == {"state": "unknown"}


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ({}, "Waiting for the daemon"),
        ({"state": "queued", "waits": "another job runs"}, "Another job runs"),
        (
            {"state": "running", "phase": "render", "frame": 1001, "done": 1, "total": 8, "eta_s": 2.4},
            "Working, frame 1001, 1 of 8, about 2 s left",
        ),
    ],
)
def test_how_a_job_is_in_one_line(job: dict[str, Any], words: str) -> None:
    assert job_words(job) == words
