"""Jobs on a real daemon with real worker processes, through kills, hangs and cancels."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import pytest
from msgspec.structs import replace
from places import Place, is_alive, wait_for

from secondtake import (
    BadMatte,
    Busy,
    Cancelled,
    Client,
    DaemonLost,
    JobState,
    NoSuchEngine,
    NotFound,
    Operation,
    UsageError,
    WorkerCrashed,
)
from secondtake.process import process_start


def test_a_job_from_submit_to_take(place: Place) -> None:
    client = place.client("maya")
    request = place.request("frames=3")
    submitted = client.submit(request)
    assert submitted.state is JobState.QUEUED
    assert submitted.host == f"maya (pid {os.getpid()})"
    views = list(client.watch(request.job))
    assert [view.state for view in views][-1] is JobState.DONE
    assert views[-1].result.frames == (1, 2, 3)
    assert all(view.result is None for view in views[:-1])
    # Lists are light, one job is whole.
    assert client.jobs()[0].result.files == ()
    assert client.jobs(job=request.job[:8]) == [views[-1]]
    assert client.run(request) == views[-1].result  # again: the same job, long done
    assert place.starts() == place.starts()[:1]


def test_typed_failures_come_through(place: Place) -> None:
    client = place.client()
    with pytest.raises(BadMatte, match="empty") as caught:
        client.run(place.request("fail"))
    assert caught.value.remedy == "Paint one"
    assert client.status().running == 0


def test_kill_9_of_the_daemon_and_the_job_goes_on(place: Place) -> None:
    client = place.client()
    request = place.request("frames=6 frame_s=0.15")
    client.submit(request)
    states = []
    killed = None
    for view in client.watch(request.job, timeout_s=30.0):
        states.append((view.state, view.done))
        if view.done == 2 and killed is None:
            worker = place.starts()[0]
            killed = place.kill()
            wait_for(lambda pid=worker: not is_alive(pid))  # it dies with the daemon
    assert states[-1][0] is JobState.DONE
    assert place.daemon().instance != killed.instance
    assert client.jobs(job=request.job)[0].attempts == 0
    assert len(place.starts()) == 2
    makers = [(place.root / "out" / f"sh.{view.result.take}.{n}.exr").read_text() for n in range(1, 7)]
    assert makers[0] == makers[1] == str(place.starts()[0])  # went on, did not begin anew
    assert makers[5] == str(place.starts()[1])


def test_a_watch_goes_on_when_another_call_met_the_loss(place: Place) -> None:
    client = place.client()
    request = place.request("frames=3 frame_s=0.2")
    client.submit(request)
    watch = client.watch(request.job, timeout_s=30.0)
    next(watch)
    killed = place.kill()
    assert client.status().instance != killed.instance
    assert [view.state for view in watch][-1] is JobState.DONE


def test_kill_9_of_the_worker_and_the_job_goes_on(place: Place) -> None:
    client = place.client()
    request = place.request("frames=6 frame_s=0.1")
    client.submit(request)
    for view in client.watch(request.job, timeout_s=30.0):
        if view.done == 2 and len(place.starts()) == 1:
            os.kill(place.starts()[0], signal.SIGKILL)
    assert view.state is JobState.DONE
    assert view.attempts == 1
    assert len(place.starts()) == 2


def test_a_job_that_kills_its_workers_fails_and_leaves_nothing(place: Place) -> None:
    place.settings(max_attempts=2)
    client = place.client()
    request = place.request("frames=5 crash_at=3")
    with pytest.raises(WorkerCrashed, match="died 2 times on this job, last because it was ended by SIGKILL"):
        client.run(request)
    assert len(place.starts()) == 2
    assert sorted(path.name for path in (place.root / "out").iterdir()) == ["starts"]
    client.run(place.request(out="next"))  # the daemon is well


def test_deaths_before_the_start_do_not_count(place: Place) -> None:
    place.settings(max_attempts=1)
    client = place.client()
    request = place.request("die_early")
    client.submit(request)
    wait_for(lambda: place.log().count('"worker gone"') >= 3)
    (view,) = client.jobs(job=request.job)
    assert (view.state, view.attempts) == (JobState.QUEUED, 0)
    assert client.cancel(request.job).state is JobState.CANCELLED


@pytest.mark.parametrize("instruction", ["hang_at=2", "mute", "nonsense hang_at=2", "endless"])
def test_sick_workers_are_killed(place: Place, instruction: str) -> None:
    hang_timeout_s = 0.6 if instruction == "hang_at=2" else 600.0
    place.settings(max_attempts=1, hang_timeout_s=hang_timeout_s, beat_timeout_s=1.0)
    client = place.client()
    with pytest.raises(WorkerCrashed, match="died once"):
        client.run(place.request(instruction), timeout_s=20.0)
    assert len(place.starts()) == 1
    client.run(place.request(out="next"), timeout_s=20.0)


def test_cancel_while_queued(place: Place) -> None:
    client = place.client()
    running, waiting = place.request("frame_s=30"), place.request(out="other")
    client.submit(running)
    client.submit(waiting)
    assert client.cancel(waiting.job).state is JobState.CANCELLED
    assert not (place.root / "other").exists()
    with pytest.raises(Cancelled):
        client.run(waiting)


def test_cancel_while_running_keeps_the_worker(place: Place) -> None:
    client = place.client()
    request = place.request("frame_s=30")
    client.submit(request)
    wait_for(lambda: place.starts())
    assert client.cancel(request.job).state is JobState.RUNNING
    assert [view.state for view in client.watch(request.job)][-1] is JobState.CANCELLED
    assert sorted(path.name for path in (place.root / "out").iterdir()) == ["starts"]
    client.run(place.request(out="next"))
    assert place.starts("next") == place.starts("out")


def test_a_worker_that_ignores_cancel_is_killed(place: Place) -> None:
    place.settings(cancel_grace_s=0.3)
    client = place.client()
    request = place.request("frames=3 deaf hang_at=3")
    client.submit(request)
    wait_for(lambda: list((place.root / "out").glob("*.2.exr")))
    started = time.monotonic()
    client.cancel(request.job)
    assert [view.state for view in client.watch(request.job)][-1] is JobState.CANCELLED
    assert time.monotonic() - started >= 0.3
    assert not is_alive(place.starts()[0])
    assert sorted(path.name for path in (place.root / "out").iterdir()) == ["starts"]
    assert client.jobs(job=request.job)[0].attempts == 0


def test_any_cancel_is_done_within_two_seconds(place: Place) -> None:
    client = place.client()
    request = place.request("frames=3 deaf hang_at=3")
    client.submit(request)
    wait_for(lambda: list((place.root / "out").glob("*.2.exr")))
    started = time.monotonic()
    client.cancel(request.job)
    assert [view.state for view in client.watch(request.job)][-1] is JobState.CANCELLED
    assert time.monotonic() - started < 2.0
    assert not is_alive(place.starts()[0])


def test_an_acknowledged_cancel_survives_a_kill(place: Place) -> None:
    place.settings(cancel_grace_s=60.0)
    client = place.client()
    request = place.request("frames=3 deaf hang_at=3")
    client.submit(request)
    wait_for(lambda: list((place.root / "out").glob("*.2.exr")))
    assert client.cancel(request.job).state is JobState.RUNNING
    place.kill()
    assert [view.state for view in client.watch(request.job)][-1] is JobState.CANCELLED
    assert sorted(path.name for path in (place.root / "out").iterdir()) == ["starts"]


def test_hosts_take_turns(place: Place) -> None:
    one, other = place.client("one"), place.client("other")
    jobs = [place.request("frame_s=0.3 frames=1", out="0")] + [
        place.request("frames=1", out=f"{n}") for n in range(1, 5)
    ]
    for request in jobs[:4]:
        one.submit(request)
    other.submit(jobs[4])
    for request in jobs:
        list(one.watch(request.job))
    begun = {n: (place.root / str(n) / "starts").stat().st_mtime_ns for n in range(5)}
    assert sorted(begun, key=begun.__getitem__) == [0, 1, 4, 2, 3] or sorted(begun, key=begun.__getitem__)[1] == 4


def test_a_full_queue_says_so(place: Place) -> None:
    place.settings(queue_jobs=3)
    client = place.client()
    requests = [place.request("frame_s=30", out=f"{n}") for n in range(4)]
    for request in requests[:3]:
        client.submit(request)
    with pytest.raises(Busy, match="full"):
        client.submit(requests[3])
    assert client.submit(requests[2]).job == requests[2].job  # known already: no room needed
    client.cancel(requests[2].job)
    client.submit(requests[3])


def test_ids_are_idempotent(place: Place) -> None:
    client = place.client()
    request = place.request("frames=1")
    first = client.run(request)
    for _ in range(3):
        assert client.submit(request).result == first
    with pytest.raises(UsageError, match="another request"):
        client.submit(replace(request, seed=1))
    place.kill()
    assert client.submit(request).result == first
    assert len(place.starts()) == 1
    assert client.status().finished == 1


def test_refusals_before_anything_is_queued(place: Place) -> None:
    client = place.client()
    with pytest.raises(NoSuchEngine, match="cannot restyle"):
        client.submit(place.request(operation=Operation.RESTYLE))
    with pytest.raises(UsageError, match="shot's name"):
        client.submit(place.request(shot="../x"))
    with pytest.raises(UsageError, match="absolute"):
        client.submit(place.request(plate="x.exr"))
    for ask in (client.cancel, lambda job: client.jobs(job=job), lambda job: list(client.watch(job))):
        with pytest.raises(NotFound, match="no job"):
            ask("f" * 32)
    assert client.jobs() == []


def test_a_restart_with_a_full_queue(place: Place) -> None:
    client = place.client()
    requests = [place.request("frames=1", out=f"{n}") for n in range(20)]
    client.submit(place.request("frame_s=0.5", out="first"))
    for request in requests:
        client.submit(request)
    place.kill()
    for request in requests:
        assert [view.state for view in client.watch(request.job)][-1] is JobState.DONE
    assert [len(place.starts(f"{n}")) for n in range(20)] == [1] * 20


def test_two_clients_one_watches(place: Place) -> None:
    watcher, other = place.client("watcher"), place.client("other")
    request = place.request("frames=4 frame_s=0.1")
    watcher.submit(request)
    seen = []
    for view in watcher.watch(request.job):
        seen.append(view.done)
        assert other.jobs(job=request.job)[0].job == request.job
        assert other.status().clients == 2
        assert watcher.status().clients == 2  # asking on the connection that watches
    assert max(seen) >= 2
    assert [view.state for view in other.watch(request.job)] == [JobState.DONE]


def test_status_stays_quick_while_it_is_busy(place: Place) -> None:
    client = place.client()
    client.submit(place.request("frames=100000"))
    slowest = []

    def ask() -> None:
        with Client.connect(home=place.root, client="asker") as asker:
            for _ in range(50):
                before = time.monotonic()
                asker.status()
                slowest.append(time.monotonic() - before)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(slowest) == 200
    slowest.sort()
    print(f"status while busy: p50 {slowest[100] * 1000:.1f} ms, p99 {slowest[198] * 1000:.1f} ms")
    assert slowest[198] < 1.0


def test_the_daemon_imports_no_pixel_library(place: Place) -> None:
    code = (
        "import sys, threading, time\n"
        "def look():\n"
        "    while True:\n"
        "        time.sleep(0.1)\n"
        "        heavy = {'numpy', 'cv2', 'OpenEXR', 'OpenImageIO', 'PyOpenColorIO', 'torch'} & set(sys.modules)\n"
        "        sys.stdout.write(f'{sorted(heavy)}\\n'); sys.stdout.flush()\n"
        "threading.Thread(target=look, daemon=True).start()\n"
        "from secondtake_daemon.service.__main__ import main\n"
        "main()\n"
    )
    process = place.spawn(code=code)
    wait_for(lambda: place.home.runtime_file.exists())
    client = place.client(autostart=False)
    request = place.request("frame_s=30 deaf")
    client.submit(request)
    wait_for(lambda: place.starts())
    client.engines()
    time.sleep(0.15)
    client.cancel(request.job)  # through the sweep too
    list(client.watch(request.job))
    time.sleep(0.15)
    client.stop()
    said = process.communicate(timeout=10)[0].decode().splitlines()
    assert set(said) == {"[]"}


@pytest.mark.skipif(sys.platform != "linux", reason="process groups in /proc")
def test_helpers_of_a_worker_die_with_it(place: Place) -> None:
    helper = place.root / "helper.py"
    helper.write_text(
        "import subprocess, sys, runpy\n"
        f"child = subprocess.Popen([{sys.executable!r}, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(place.root / 'helper')!r}, 'w').write(str(child.pid))\n"
        f"sys.argv[0] = {str(place.home.settings_file)!r}\n"
        f"runpy.run_path({str(__file__).replace('test_jobs', 'scripted_worker')!r}, run_name='__main__')\n"
    )
    place.settings(worker_command=[sys.executable, str(helper)], max_attempts=1)
    client = place.client()
    with pytest.raises(WorkerCrashed):
        client.run(place.request("crash_at=1"))
    pid = int((place.root / "helper").read_text())
    wait_for(lambda: not process_start(pid))


def test_a_worker_that_cannot_be_started(place: Place) -> None:
    place.settings(worker_command=["/does/not/exist"])
    client = place.client()
    request = place.request()
    client.submit(request)
    wait_for(lambda: "not started" in place.log())
    assert client.status().queued == 1
    assert client.cancel(request.job).state is JobState.CANCELLED


def test_stop_while_somebody_watches(place: Place) -> None:
    place.settings(quit_grace_s=0.2)
    client = place.client()
    request = place.request("frame_s=30 stay")
    client.submit(request)
    watch = client.watch(request.job)
    wait_for(lambda: place.starts())
    assert next(watch).job == request.job
    with Client.connect(home=place.root) as other:
        other.stop()
    with pytest.raises(DaemonLost, match="was stopped"):
        list(watch)
    again = place.client()
    assert again.jobs(job=request.job)[0].attempts == 0
    again.cancel(request.job)
