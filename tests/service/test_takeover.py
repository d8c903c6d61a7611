"""A newer daemon takes over from an older one, never the other way round."""

from __future__ import annotations

import os
import signal
import time

import pytest
from places import Place, is_alive, wait_for

from secondtake import Client, DaemonLost, JobState
from secondtake.launch import is_newer

OLD, NEW = "0.0.1", "99.0"


def of_version(version: str, **patience_s: float) -> str:
    """A daemon that says it is of this version, and waits only so long for an older one."""
    patience = "".join(f"takeover._{name.upper()} = {value};" for name, value in patience_s.items())
    return (
        f"import sys; import secondtake._version as v; v.__version__ = {version!r};"
        f"from secondtake_daemon.service import takeover; {patience}"
        "from secondtake_daemon.service.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )


def start(place: Place, version: str) -> int:
    process = place.spawn(code=of_version(version))
    wait_for(place.home.runtime_file.exists)
    assert place.daemon().version == version
    return process.pid


def test_a_client_brings_the_newer_daemon(place: Place) -> None:
    old = start(place, OLD)
    with place.client(autostart=False) as careful:
        assert careful.status().version == OLD  # who may start none replaces none
    began_s = time.monotonic()
    with Client.connect(home=place.root) as client:
        print(f"taken over in {time.monotonic() - began_s:.2f} s")
        assert client.status().version not in (OLD, NEW)
    wait_for(lambda: not is_alive(old))


def test_an_older_daemon_hands_its_queue_over(place: Place) -> None:
    host, watcher = place.client("host"), place.client("watcher")
    running, waiting = place.request("frames=4 frame_s=0.5"), place.request("frames=1", out="other")
    host.submit(running)
    host.submit(waiting)
    watched = watcher.watch(waiting.job)
    next(watched)
    wait_for(lambda: list((place.root / "out").glob("*.1.exr")))
    old = place.daemon().pid
    newest = place.spawn(code=of_version(NEW, drain_s=0.2))
    assert [view.state for view in host.watch(running.job)][-1] is JobState.DONE  # it finds the new one by itself
    assert [view.state for view in watched][-1] is JobState.DONE
    assert host.status().pid == newest.pid
    assert not is_alive(old)
    assert host.jobs(job=running.job)[0].attempts == 0
    assert len(place.starts()) == 2
    assert len({path.read_text() for path in (place.root / "out").glob("sh.*.exr")}) == 2  # nothing was made again
    assert place.log().count('"successor":true') == 2  # first drain, then no longer


def test_a_short_job_ends_with_the_old_daemon(place: Place) -> None:
    start(place, OLD)
    host = place.client("host", autostart=False)
    request = place.request("frames=2 frame_s=0.4")
    host.submit(request)
    wait_for(place.starts)
    with Client.connect(home=place.root) as client:
        assert client.jobs(job=request.job)[0].state is JobState.DONE
    assert len(place.starts()) == 1


def test_an_older_program_uses_the_newer_daemon(place: Place) -> None:
    new = start(place, NEW)
    with Client.connect(home=place.root) as client:
        assert client.status().version == NEW
        client.run(place.request("frames=1"))
    for arguments, status in ((["--autostart"], 0), ([], 10)):
        assert place.spawn(*arguments).wait(10) == status
    assert place.daemon().pid == new


def test_many_programs_bring_one_new_daemon(place: Place) -> None:
    start(place, OLD)
    spawned = [place.spawn("--autostart") for _ in range(4)]
    wait_for(lambda: sum(process.poll() == 0 for process in spawned) == 3)
    (left,) = [process for process in spawned if process.poll() is None]
    wait_for(lambda: place.daemon().pid == left.pid)


def test_an_old_daemon_that_hangs_is_left_alone(place: Place) -> None:
    old = start(place, OLD)
    os.kill(old, signal.SIGSTOP)
    try:
        newer = place.spawn(code=of_version(NEW, ask_s=0.3, kill_s=0.3))
        assert newer.wait(20) == 10
        assert is_alive(old)
        with pytest.raises(DaemonLost):
            place.client(autostart=False, timeout_s=0.5)
    finally:
        os.kill(old, signal.SIGCONT)
    wait_for(lambda: not is_alive(old))  # it had been asked to end


@pytest.mark.parametrize(
    ("version", "than"),
    [
        ("0.2", "0.1"),
        ("0.10.0", "0.9.9"),
        ("1.0", "1.0rc1"),
        ("1.0.1", "1"),
        ("2", "1.99.99"),
        ("1.1.dev1", "1.0"),
    ],
)
def test_newer(version: str, than: str) -> None:
    assert is_newer(version, than=than)
    assert not is_newer(than, than=version)


@pytest.mark.parametrize(("version", "than"), [("1.0", "1.0"), ("1", "1.0.0"), ("1", ""), ("", "1"), ("x", "1")])
def test_nothing_is_replaced_on_a_guess(version: str, than: str) -> None:
    assert not is_newer(version, than=than)
