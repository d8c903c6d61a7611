"""The wall clock jumps a day, forward and back, while jobs wait and run. Only what is shown to people may see it."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from load_shot import real_request
from places import SCRIPTED, Place, is_alive, wait_for

from secondtake import Client, JobState

DAY_S = 86_400.0
_JUMPING = """
import pathlib, runpy, sys, time
_real, _offset = time.time, pathlib.Path({offset!r})
def _now():
    try:
        return _real() + float(_offset.read_text())
    except (OSError, ValueError):
        return _real()
time.time = _now
time.time_ns = lambda: int(_now() * 1e9)
{run}
"""


class Clock:
    """The wall clock of every process that runs with it; the monotonic one stays as it is."""

    def __init__(self, root: Path) -> None:
        self._file = root / "offset"
        self._numbers = itertools.count()

    def code(self, run: str) -> str:
        """For `python -c`: this clock, then `run`."""
        return _JUMPING.format(offset=str(self._file), run=run)

    def jump(self, offset_s: float) -> None:
        """So far from the true time, from now on."""
        part = self._file.with_name(f"offset.{next(self._numbers)}")
        part.write_text(str(offset_s))
        part.replace(self._file)


@pytest.fixture
def clock(ground: Place) -> Clock:
    return Clock(ground.root)


def begin(ground: Place, clock: Clock, worker: str, **settings: object) -> Client:
    """A daemon and workers that live by this clock. worker: what `python -c` runs."""
    ground.settings(worker_command=[sys.executable, "-c", clock.code(worker)], **settings)
    ground.spawn(code=clock.code("from secondtake_daemon.service.__main__ import main; main()"))
    wait_for(lambda: ground.home.runtime_file.exists())
    return ground.client(autostart=False)


def scripted() -> str:
    folder = str(Path(SCRIPTED[1]).parent)
    return f"sys.path.insert(0, {folder!r}); runpy.run_path({SCRIPTED[1]!r}, run_name='__main__')"


@pytest.mark.parametrize("offset_s", [DAY_S, -DAY_S, 400 * DAY_S], ids=["forward", "back", "a year"])
def test_a_jump_under_a_running_job(ground: Place, clock: Clock, offset_s: float) -> None:
    """No time-out of a minute or a day runs out, no worker is killed, nobody is idle for too long."""
    client = begin(
        ground,
        clock,
        scripted(),
        beat_timeout_s=20.0,
        hang_timeout_s=20.0,
        start_timeout_s=20.0,
        cancel_grace_s=20.0,
        worker_idle_s=60.0,
        idle_exit_s=60.0,
        client_run_s=3600.0,
    )
    runtime = ground.daemon()
    running, waiting = ground.request("frames=6 frame_s=0.2", out="running"), ground.request("frames=2", out="waiting")
    client.submit(running)
    client.submit(waiting)
    for view in client.watch(running.job, timeout_s=20.0):
        if view.done == 2:
            clock.jump(offset_s)
    assert (view.state, view.attempts) == (JobState.DONE, 0)
    assert len(client.run(waiting, timeout_s=20.0).frames) == 2
    assert ground.starts("running") == ground.starts("waiting")  # one worker did it all
    assert is_alive(ground.starts("running")[0])
    assert client.status().pid == runtime.pid
    assert client.status().uptime_s < 60.0


def test_time_outs_still_run_out(ground: Place, clock: Clock) -> None:
    """A clock that goes back keeps nothing alive that hangs."""
    client = begin(ground, clock, scripted(), max_attempts=1, hang_timeout_s=1.0)
    request = ground.request("frames=3 hang_at=2")
    client.submit(request)
    wait_for(lambda: ground.starts())
    clock.jump(-DAY_S)
    *_, last = client.watch(request.job, timeout_s=10.0)
    assert last.state is JobState.FAILED


def test_the_order_of_jobs_is_the_order_of_submission(ground: Place, clock: Clock) -> None:
    """Whatever the clock said when they came, and after a restart too; and the newest is listed first."""
    client = begin(ground, clock, scripted())
    first = ground.request("frames=1 frame_s=0.5", out="first")
    client.submit(first)
    jobs = []
    for number, offset_s in enumerate([0.0, DAY_S, -DAY_S, 0.0, 2 * DAY_S]):
        clock.jump(offset_s)
        request = ground.request("frames=1", out=str(number))
        client.submit(request)
        jobs.append(request)
    assert [view.job for view in client.jobs()][::-1] == [first.job, *(request.job for request in jobs)]
    ground.kill()
    again = ground.client()
    for request in (first, *jobs):
        *_, last = again.watch(request.job, timeout_s=20.0)
        assert last.state is JobState.DONE
    ended_ns = [(ground.root / request.out / "starts").stat().st_mtime_ns for request in jobs]
    assert ended_ns == sorted(ended_ns)


def test_the_journal_forgets_who_ended_first(ground: Place, clock: Clock) -> None:
    """Not who ended by the smallest clock: a host could not even hear how its job of just now ended."""
    client = begin(ground, clock, scripted(), finished_jobs=4)
    requests = [ground.request("frames=1", out=str(number)) for number in range(12)]
    for request, offset_s in zip(requests, (DAY_S, 0.0, -DAY_S) * 4, strict=True):
        clock.jump(offset_s)
        result = client.run(request, timeout_s=10.0)
        assert client.run(request, timeout_s=10.0) == result
        assert len(ground.starts(request.out)) == 1
    assert [view.job for view in client.jobs()][:4] == [request.job for request in requests[:-5:-1]]


@pytest.mark.parametrize("offset_s", [DAY_S, -DAY_S], ids=["forward", "back"])
def test_a_real_worker(ground: Place, shot: Path, clock: Clock, offset_s: float) -> None:
    """Its leases and patches have times of files in them: the bytes are those of a calm day."""
    worker = "sys.argv[0] = 'worker'; from secondtake_daemon.worker import main; main()"
    client = begin(ground, clock, worker, hang_timeout_s=20.0, beat_timeout_s=20.0)
    calm = client.run(real_request(ground, shot, "calm"), timeout_s=30.0)
    clock.jump(offset_s)
    again = client.run(real_request(ground, shot, "again"), timeout_s=30.0)
    jumping = real_request(ground, shot, "jumping", frame_s=0.3)
    client.submit(jumping)
    wait_for(is_running(client, jumping.job))
    clock.jump(-offset_s)
    last = client.run(jumping, timeout_s=30.0)
    for result in (again, last):
        assert [Path(file).read_bytes() for file in result.files] == [Path(file).read_bytes() for file in calm.files]
    assert {view.attempts for view in client.jobs()} == {0}
    assert abs(time.time() - client.jobs(job=jumping.job)[0].submitted) > DAY_S / 2


def is_running(client: Client, job: str) -> Callable[[], bool]:
    return lambda: client.jobs(job=job)[0].state is JobState.RUNNING
