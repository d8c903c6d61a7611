"""kill -9 of daemon, workers and hosts at random moments: no job is lost, none ends twice, no byte differs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from load_siege import WORKER, Siege
from places import Place


def lay_siege(ground: Place, *, seed: int, kills: int, longest_pause_s: float, shot: Path | None = None) -> None:
    # Random kills must not use up a job's attempts: what is counted is tested elsewhere.
    worker = [] if shot else WORKER
    ground.settings(worker_command=worker, workers=2, max_attempts=100, finished_jobs=100_000, log_bytes=1 << 30)
    siege = Siege(ground, seed=seed, shot=shot)
    siege.begin()
    while siege.kills.total() < kills:
        siege.pause(0.02, longest_pause_s)
        siege.kill_one()
    siege.end()
    siege.check_jobs()
    siege.check_files()
    siege.check_processes()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_twenty_kills(ground: Place, seed: int) -> None:
    lay_siege(ground, seed=seed, kills=20, longest_pause_s=0.6)


@pytest.mark.faults
@pytest.mark.timeout(1200)
def test_eight_hundred_kills(ground: Place) -> None:
    lay_siege(ground, seed=int.from_bytes(os.urandom(4), "big"), kills=800, longest_pause_s=0.6)


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_two_hundred_kills_with_real_workers(ground: Place, shot: Path) -> None:
    """Which take a second to be ready, and so are mostly hit before that, or long after."""
    lay_siege(ground, seed=int.from_bytes(os.urandom(4), "big"), kills=200, longest_pause_s=2.0, shot=shot)
