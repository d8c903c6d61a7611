"""A quarter of an hour of ordinary work at twenty jobs a second: nothing grows. `make soak`, or SOAK_S seconds."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import psutil
import pytest
from load_siege import WORKER
from places import Place, wait_for

from secondtake import Client, FixRequest

SOAK_S = float(os.environ.get("SOAK_S", "900"))
JOBS_PER_S = 20.0
SAMPLE_S = 2.0
KEPT_JOBS = 200
"""Ended jobs the journal remembers: few, so that it forgets during most of the run."""
RSS_GROWTH_PER_1000_JOBS = 0.01
RSS_SLACK_BYTES = 2 * 2**20
"""A short run has few jobs, and pages are not so fine."""
SLACK = {"descriptors": 4, "threads": 2, "files": 6}
"""What a client or a sweep holds for a moment."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The daemon at one moment."""

    jobs: int
    rss_bytes: int
    descriptors: int
    threads: int
    files: int
    """In the home, the takes apart."""
    file_bytes: int


class Soak:
    """Sends jobs of all kinds at a steady pace, and looks at the daemon."""

    def __init__(self, ground: Place) -> None:
        self._ground = ground
        self._client = ground.client("soak")
        self._daemon = psutil.Process(ground.daemon().pid)
        self._sent: deque[FixRequest] = deque()
        self.jobs = 0
        self.samples: list[Sample] = []

    def run(self, seconds: float) -> None:
        """Until the time is up."""
        began_s = time.monotonic()
        sampled_s = began_s
        while (now_s := time.monotonic()) - began_s < seconds:
            if now_s - sampled_s >= SAMPLE_S:
                sampled_s = now_s
                self.samples.append(self._look())
            self._send()
            time.sleep(max(began_s + self.jobs / JOBS_PER_S - time.monotonic(), 0.0))
        for request in self._sent:
            list(self._client.watch(request.job, timeout_s=60.0))
        wait_for(lambda: not self._client.status().queued)

    def _send(self) -> None:
        """Mostly plain jobs; some fail, some are cancelled, some watched, and hosts come and go."""
        self.jobs += 1
        number = self.jobs
        words = "frames=2 fail" if number % 50 == 0 else "frames=2"
        request = self._ground.request(words, out=f"takes/{number}", seed=number)
        self._client.submit(request)
        self._sent.append(request)
        if number % 20 == 0:
            with Client.connect(home=self._ground.root, client=f"host {number}") as other:
                assert other.status().pid == self._daemon.pid
                other.jobs(limit=10)
        if number % 25 == 0:
            self._client.cancel(request.job)
        if len(self._sent) > 60:
            oldest = self._sent.popleft()
            *_, last = self._client.watch(oldest.job, timeout_s=60.0)
            assert last.state.is_final
            shutil.rmtree(oldest.out, ignore_errors=True)

    def _look(self) -> Sample:
        home = self._ground.home
        files = [
            path.lstat().st_size
            for folder in (home.run, home.data, home.cache, home.logs, home.config)
            for path in folder.rglob("*")
            if path.is_file()
        ]
        with self._daemon.oneshot():
            return Sample(
                jobs=self.jobs,
                rss_bytes=self._daemon.memory_info().rss,
                descriptors=self._daemon.num_fds(),
                threads=self._daemon.num_threads(),
                files=len(files),
                file_bytes=sum(files),
            )


def grew(samples: list[Sample], value: Callable[[Sample], int]) -> float:
    """From the second quarter to the last: before that everything fills up."""
    quarter = len(samples) // 4
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    return statistics.median(map(value, late)) - statistics.median(map(value, early))


def check(samples: list[Sample]) -> None:
    """Nothing may have grown."""
    quarter = len(samples) // 4
    jobs = samples[-1].jobs - samples[quarter].jobs
    first, last = samples[quarter], samples[-1]
    print(f"{first}\n{last}")
    rss_limit = first.rss_bytes * RSS_GROWTH_PER_1000_JOBS * jobs / 1000 + RSS_SLACK_BYTES
    found = {
        "rss_bytes": grew(samples, lambda sample: sample.rss_bytes),
        "descriptors": grew(samples, lambda sample: sample.descriptors),
        "threads": grew(samples, lambda sample: sample.threads),
        "files": grew(samples, lambda sample: sample.files),
        "file_bytes": grew(samples, lambda sample: sample.file_bytes),
    }
    print(f"{jobs} jobs, growth {found}")
    limits = {"rss_bytes": rss_limit, **SLACK, "file_bytes": 1 << 20}
    assert {name: growth for name, growth in found.items() if growth > limits[name]} == {}


@pytest.mark.soak
@pytest.mark.timeout(SOAK_S + 300)
def test_soak(ground: Place) -> None:
    ground.settings(worker_command=WORKER, workers=1, finished_jobs=KEPT_JOBS, log_bytes=64 * 1024, log_files=3)
    soak = Soak(ground)
    soak.run(SOAK_S)
    check(soak.samples)
    assert soak.jobs > SOAK_S * JOBS_PER_S * 0.8, "too slow a machine says nothing"


def sample(jobs: int, *, rss_bytes: int = 30 << 20, descriptors: int = 20, file_bytes: int = 1000) -> Sample:
    return Sample(jobs=jobs, rss_bytes=rss_bytes, descriptors=descriptors, threads=8, files=12, file_bytes=file_bytes)


@pytest.mark.parametrize(
    "leak",
    [
        lambda turn: sample(turn * 40, rss_bytes=(30 << 20) + turn * 40 * 1000),
        lambda turn: sample(turn * 40, descriptors=20 + turn // 20),
        lambda turn: sample(turn * 40, file_bytes=turn * 40 * 200),
    ],
    ids=["a kilobyte a job", "a descriptor in forty seconds", "a line of a log a job"],
)
def test_a_leak_is_seen(leak: Callable[[int], Sample]) -> None:
    with pytest.raises(AssertionError):
        check([leak(turn) for turn in range(450)])


def test_a_steady_state_is_no_leak() -> None:
    check([sample(turn * 40, descriptors=20 + turn % 3) for turn in range(450)])
