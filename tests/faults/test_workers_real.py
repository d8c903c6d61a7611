"""Real workers with the stand-in engine told to fail: a typed reason, a living daemon, and the next job is done."""

from __future__ import annotations

from pathlib import Path

import pytest
from load_shot import real_request
from places import Place

from secondtake import JobState
from secondtake.errors import SecondTakeError, error_from_body

FRAME = 4
"""In the middle of the shot of these tests."""


@pytest.mark.parametrize(
    ("switches", "code", "status", "says"),
    [
        ({"crash_at": FRAME, "crash": "segv"}, "worker_crashed", 11, "it was ended by SIGSEGV"),
        ({"crash_at": FRAME, "crash": "kill"}, "worker_crashed", 11, "it was ended by SIGKILL"),
        ({"crash_at": FRAME, "crash": "exit"}, "worker_crashed", 11, "it left with status 1"),
        ({"crash_at": FRAME, "crash": "raise"}, "engine_fault", 11, "told to raise"),
        ({"hang_at": FRAME, "hang": "sleep"}, "worker_crashed", 11, "no progress for 2 s"),
        ({"hang_at": FRAME, "hang": "busy"}, "worker_crashed", 11, "no sign of life for 3 s"),
        ({"load_fails": "true"}, "engine_fault", 11, "while loading"),
        ({"gpu_memory_at": FRAME}, "gpu_memory", 14, "GPU memory"),
    ],
    ids=["segv", "kill", "exit", "raise", "hang", "busy", "load", "gpu"],
)
def test_a_sick_engine(
    ground: Place, shot: Path, switches: dict[str, object], code: str, status: int, says: str
) -> None:
    # A busy hang is no progress either: whichever is seen first must be the one that is asked for.
    hang_timeout_s = 60.0 if switches.get("hang") == "busy" else 2.0
    ground.settings(worker_command=[], max_attempts=1, hang_timeout_s=hang_timeout_s, beat_timeout_s=3.0)
    client = ground.client()
    pid = ground.daemon().pid
    sick, next_one = real_request(ground, shot, "sick", **switches), real_request(ground, shot, "next")
    client.submit(sick)
    client.submit(next_one)
    error = error_of(ground, sick.job)
    assert (error.code, error.exit_status) == (code, status)
    assert says in str(error)
    assert error.remedy
    assert client.run(next_one, timeout_s=30.0).proof.outside_changed == 0
    assert client.status().pid == pid
    assert not (ground.root / "sick").exists() or list((ground.root / "sick").iterdir()) == []


def error_of(ground: Place, job: str) -> SecondTakeError:
    *_, last = ground.clients[0].watch(job, timeout_s=30.0)
    assert last.state is JobState.FAILED
    assert last.error is not None
    return error_from_body(last.error)


def test_short_of_gpu_memory_the_worker_is_replaced(ground: Place, shot: Path) -> None:
    """Only the end of a process surely gives its memory back. That is nobody's crash: the next job is begun at once."""
    ground.settings(worker_command=[], max_attempts=1)
    client = ground.client()
    workers = set()
    for turn in range(3):
        short = real_request(ground, shot, f"short{turn}", gpu_memory_at=FRAME)
        client.submit(short)
        workers |= {worker.pid for _ in client.watch(short.job, timeout_s=30.0) for worker in client.status().workers}
        assert error_of(ground, short.job).exit_status == 14
    client.run(real_request(ground, shot, "next"), timeout_s=30.0)
    assert len(workers - {0}) == 3
    assert client.status().condition == ""


def test_a_slow_load_is_no_hang(ground: Place, shot: Path) -> None:
    ground.settings(worker_command=[], max_attempts=1, hang_timeout_s=2.0, beat_timeout_s=3.0)
    request = real_request(ground, shot, "out", load_s=3.0)
    assert len(ground.client().run(request, timeout_s=30.0).files) == 3
