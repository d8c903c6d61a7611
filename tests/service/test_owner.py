"""No process is left when the program that a daemon works for dies, in whatever way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from places import Place, is_alive, wait_for

from secondtake import ensure_daemon
from secondtake.errors import UsageError
from secondtake.process import process_start
from secondtake_daemon.service.owner import Owner

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and groups")

HOST = """
import os, sys, time
from pathlib import Path
from secondtake import Client, ensure_daemon
from secondtake.home import Home
root = Path(sys.argv[1])
ensure_daemon(Home.find(root), owner_pid=os.getpid())
print("ready", flush=True)
time.sleep(600)
"""


def host(place: Place, **options: object) -> subprocess.Popen[bytes]:
    """A program that starts a daemon for itself."""
    command = [sys.executable, "-c", HOST, str(place.root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True, **options)  # type: ignore[call-overload]
    place.spawned.append(process)
    wait_for(place.home.runtime_file.exists)
    assert process.stdout.readline() == b"ready\n"
    return process


def at_work(place: Place) -> list[int]:
    """A job runs: process ids of the daemon, its worker, and a process that the worker started."""
    with place.client(autostart=False) as client:
        client.submit(place.request("frame_s=30 helper"))
    helpers = place.root / "out" / "helpers"
    wait_for(lambda: helpers.exists() and helpers.read_text())
    pids = [place.daemon().pid, place.starts()[0], int(helpers.read_text())]
    assert all(map(is_alive, pids))
    return pids


def gone_within(pids: list[int], seconds: float) -> None:
    began_s = time.monotonic()
    wait_for(lambda: not any(map(is_alive, pids)), timeout_s=seconds)
    print(f"all gone after {time.monotonic() - began_s:.2f} s")


@pytest.mark.parametrize(
    "end",
    [
        lambda process: process.kill(),
        lambda process: process.terminate(),
        lambda process: os.killpg(process.pid, signal.SIGKILL),
        lambda process: os.killpg(process.pid, signal.SIGHUP),
    ],
    ids=["kill", "terminate", "killpg", "hangup"],
)
def test_the_host_dies(place: Place, end: Callable[[subprocess.Popen[bytes]], None]) -> None:
    process = host(place)
    pids = at_work(place)
    end(process)
    process.wait(5)
    gone_within(pids, 2.0)
    assert not place.home.runtime_file.exists()


def test_the_daemon_is_killed(place: Place) -> None:
    """Its workers die with it; what they had started is ended by the next daemon at the latest."""
    place.client()
    daemon, worker, helper = at_work(place)
    os.kill(daemon, signal.SIGKILL)
    gone_within([daemon, worker], 2.0)
    place.client().cancel(place.client().jobs()[0].job)
    os.kill(helper, signal.SIGKILL)


def test_a_real_worker_dies_with_a_daemon_that_is_killed(place: Place) -> None:
    place.settings(worker_command=[])
    client = place.client()
    client.submit(place.request())
    wait_for(lambda: any(worker.pid for worker in client.status().workers), timeout_s=20.0)
    (worker,) = client.status().workers
    daemon = place.daemon().pid
    os.kill(daemon, signal.SIGKILL)
    gone_within([daemon, worker.pid], 2.0)
    place.client()


def test_the_worker_is_killed(place: Place) -> None:
    client = place.client()
    _, worker, helper = at_work(place)
    os.kill(worker, signal.SIGKILL)
    gone_within([worker, helper], 2.0)
    client.cancel(client.jobs()[0].job)


def test_the_runtime_file_is_gone(place: Place) -> None:
    place.client()
    pids = at_work(place)
    place.home.runtime_file.unlink()
    gone_within(pids, 4.0)


def test_a_shell_that_started_it_dies(place: Place, tmp_path: Path) -> None:
    """`daemon start --owner auto` in a session without a terminal: the owner is who started the session."""
    agent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time; subprocess.run(sys.argv[1:], start_new_session=True, check=True);"
            " print('ready', flush=True); time.sleep(600)",
            "sh",
            "-c",
            f"{sys.executable} -P -m secondtake_daemon daemon start --owner auto; true",
        ],
        stdout=subprocess.PIPE,
        env={**os.environ, "SECONDTAKE_HOME": str(place.root)},
    )
    place.spawned.append(agent)
    wait_for(place.home.runtime_file.exists, timeout_s=20.0)
    assert agent.stdout is not None
    while b"ready" not in agent.stdout.readline():
        pass
    time.sleep(0.3)
    pid = place.daemon().pid  # the shell and the command are gone long ago
    assert f"--owner {agent.pid}:" in Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    agent.kill()
    gone_within([pid], 2.0)


def test_an_owner_is_a_process_with_its_start_time() -> None:
    start = process_start(os.getpid())
    for text in (f"{os.getpid()}", f"{os.getpid()}:{start}", f"{os.getpid()}:{start.rpartition('-')[2]}"):
        owner = Owner.parse(text)
        assert owner is not None
        assert (owner.pid, owner.start, owner.is_gone) == (os.getpid(), start, False)
        owner.close()
    assert Owner.parse("none") is None
    with pytest.raises(UsageError, match="another process"):
        Owner.parse(f"{os.getpid()}:12345")
    with pytest.raises(UsageError, match="does not exist"):
        Owner.parse(str(2**22 + 1))
    for text in ("everybody", "-1", "0", "1.5", ":7"):
        with pytest.raises(UsageError, match="no owner"):
            Owner.parse(text)


def test_the_handle_tells_at_once() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = Owner.watch(process.pid)
    assert owner.handle is not None
    assert not owner.is_gone
    process.communicate(b"\n")
    assert owner.is_gone
    assert owner.is_gone
    owner.close()
    owner.close()


def test_the_owner_of_a_daemon_that_is_there_already(place: Place) -> None:
    first = ensure_daemon(place.home)
    assert ensure_daemon(place.home, owner_pid=os.getpid()).pid == first.pid
