"""Frames painted side by side: the same bytes as one after the other, each value made once, an error ends it all."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from secondtake.boxes import Box
from secondtake.errors import Cancelled
from secondtake.messages import Operation
from secondtake_daemon.engines.contract import Job
from secondtake_daemon.engines.temporal.engine import TemporalEngine
from secondtake_daemon.engines.temporal.kept import Kept
from secondtake_daemon.engines.temporal.painters import one_at_a_time, painted, painters_for

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "quality"))

from array_shots import ArrayShot, composited, job_in, windows_of
from carry_scenes import CarrySize, make_carry
from scenes import Size, make

SMALL = Size(width=160, height=96, frames=8, subframes=2, over=1)


@pytest.fixture
def threads() -> list[int]:
    """How many a worker may use, in turn; what was set comes back."""
    return [1, 4]


def _bytes(shot: ArrayShot, job: Job, *, threads: int) -> bytes:
    before = cv2.getNumThreads()
    cv2.setNumThreads(threads)
    try:
        assert painters_for(shot.crop) == threads
        engine = TemporalEngine()
        engine.load(job)
        return composited(shot, [engine.generate(window, job) for window in windows_of(shot, length=4)]).tobytes()
    finally:
        cv2.setNumThreads(before)


@pytest.mark.parametrize("kind", ["parallax", "never"])
def test_same_bytes_of_layers_and_of_what_is_invented(kind: str, threads: list[int], tmp_path: Path) -> None:
    shot = make(kind, size=SMALL)
    made = {_bytes(shot, job_in(tmp_path / str(count)), threads=count) for count in threads}
    assert len(made) == 1


def test_same_bytes_of_a_painting_that_is_carried(threads: list[int], tmp_path: Path) -> None:
    shot = make_carry("deform", "paint", size=CarrySize(width=160, height=96, frames=8)).shot(5, vectors=False)
    jobs = {
        count: replace(job_in(tmp_path / str(count), operation=Operation.MODIFY), options={"grain": "match"})
        for count in threads
    }
    assert len({_bytes(shot, job, threads=count) for count, job in jobs.items()}) == 1


def test_a_large_crop_is_painted_frame_by_frame() -> None:
    assert painters_for(Box(0, 0, 4096, 2160)) == 1
    assert 1 <= painters_for(Box(0, 0, 64, 64)) <= 4


def test_an_error_ends_what_was_not_begun() -> None:
    begun: list[int] = []

    def paint(place: int) -> None:
        begun.append(place)
        time.sleep(0.01)
        if place == 1:
            raise Cancelled("The job was cancelled")

    with pytest.raises(Cancelled):
        painted(paint, places=200, painters=2)
    assert len(begun) < 20


def test_a_value_that_many_want_is_made_once() -> None:
    made: list[int] = []

    def make_slowly(key: int) -> int:
        made.append(key)
        time.sleep(0.02)
        return key * key

    kept = Kept(make_slowly, most=8)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(kept, [3, 4] * 16)) == [9, 16] * 16
    assert sorted(made) == [3, 4]


def test_the_least_recently_used_goes_first_and_an_error_is_no_value() -> None:
    made: list[int] = []

    def make_it(key: int) -> int:
        made.append(key)
        if key < 0:
            raise ValueError(key)
        return key

    kept = Kept(make_it, most=2)
    for key in (1, 2, 1, 3, 1, 2):
        assert kept(key) == key
    assert made == [1, 2, 3, 2]
    for _ in range(2):
        with pytest.raises(ValueError, match="-5"):
            kept(-5)
    assert made[4:] == [-5, -5]


def test_a_step_is_taken_by_one_thread_at_a_time() -> None:
    inside, worst, lock = [0], [0], threading.Lock()

    def step() -> None:
        with lock:
            inside[0] += 1
            worst[0] = max(worst[0], inside[0])
        time.sleep(0.001)
        with lock:
            inside[0] -= 1

    locked = one_at_a_time(step)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: locked(), range(40)))
    assert worst == [1]
