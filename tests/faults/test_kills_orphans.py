"""However a host, a shell or a daemon dies: ten seconds later no process of ours is left that should not be."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

from load_shot import real_request
from load_siege import processes_of
from places import SCRIPTED, Place, is_alive, wait_for

from secondtake.endpoint import find_daemon
from secondtake.launch import ensure_daemon

GONE_S = 10.0
COMMAND = [sys.executable, "-P", "-m", "secondtake_daemon"]
SHIELDED = f"""
import os, runpy, signal, sys, threading
for number in (1, 2, 3, 13, 15):
    signal.signal(number, signal.SIG_IGN)
sys.path.insert(0, {str(Path(SCRIPTED[1]).parent)!r})
os._exit = lambda status: threading.Event().wait()
runpy.run_path({SCRIPTED[1]!r}, run_name="__main__")
"""
"""A worker that outlives its daemon: no signal and no closed pipe ends it."""


def environment(ground: Place) -> dict[str, str]:
    return {**os.environ, "SECONDTAKE_HOME": str(ground.root)}


def fix(ground: Place, shot: Path, *options: str) -> list[str]:
    """A long job from the command line."""
    request = real_request(ground, shot, "out")
    return [
        *COMMAND,
        "fix",
        request.plate,
        "--matte",
        request.matte,
        "--out",
        request.out,
        "--operation",
        "remove",
        "--engine",
        "standin",
        "--engine-option",
        "frame_s=30",
        *options,
    ]


def is_at_work(ground: Place) -> bool:
    return '"job sent"' in ground.log()


def test_the_whole_process_group_of_a_command(ground: Place, shot: Path) -> None:
    """A shell that kills its job: the daemon goes on with it, since it is nobody's child, and can be stopped."""
    ground.settings(worker_command=[])
    command = subprocess.Popen(
        fix(ground, shot),
        env=environment(ground),
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    ground.spawned.append(command)
    wait_for(lambda: is_at_work(ground), timeout_s=20.0)
    os.killpg(command.pid, signal.SIGKILL)
    command.wait()
    client = ground.client(autostart=False)
    (worker,) = client.status().workers
    client.stop()
    assert not is_alive(worker.pid)
    wait_for(lambda: not processes_of(ground.root), timeout_s=GONE_S)


def in_a_terminal(ground: Place, command: list[str]) -> tuple[int, subprocess.Popen[bytes]]:
    """Run a command; closing the handle that comes with it closes its terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", TERMINAL, *command],
        env=environment(ground),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    ground.spawned.append(process)
    return master, process


def test_the_terminal_of_a_command_is_closed(ground: Place, shot: Path) -> None:
    """The command ends; the daemon it had started goes on with the job, as with any host that went away."""
    ground.settings(worker_command=[])
    master, command = in_a_terminal(ground, fix(ground, shot))
    wait_for(lambda: is_at_work(ground), timeout_s=20.0)
    os.close(master)
    command.wait(GONE_S)
    client = ground.client(autostart=False)
    assert client.status().running == 1
    client.stop()
    wait_for(lambda: not processes_of(ground.root), timeout_s=GONE_S)


def test_the_terminal_of_a_daemon_is_closed(ground: Place, shot: Path) -> None:
    """One that runs in the foreground ends with it, and its workers."""
    ground.settings(worker_command=[])
    master, daemon = in_a_terminal(ground, [*COMMAND, "daemon", "run"])
    wait_for(lambda: find_daemon(ground.home), timeout_s=20.0)
    ground.client(autostart=False).submit(real_request(ground, shot, "out", frame_s=30))
    wait_for(lambda: is_at_work(ground), timeout_s=20.0)
    os.close(master)
    daemon.wait(GONE_S)
    wait_for(lambda: not processes_of(ground.root), timeout_s=GONE_S)


TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Takes the terminal as its own, then is the command."""


def test_kill_9_of_a_daemon_with_real_workers(ground: Place, shot: Path) -> None:
    ground.settings(worker_command=[], workers=2)
    client = ground.client()
    for number in range(2):
        client.submit(real_request(ground, shot, f"{number}", frame_s=30))
    wait_for(lambda: sum(worker.pid > 0 for worker in client.status().workers) == 2, timeout_s=20.0)
    ground.kill()
    wait_for(lambda: not processes_of(ground.root), timeout_s=GONE_S)


def test_workers_that_outlive_their_daemon(ground: Place) -> None:
    """The next daemon kills them before it gives out their jobs again."""
    script = ground.root / "shielded.py"
    script.write_text(SHIELDED)
    ground.settings(worker_command=[sys.executable, str(script)])
    client = ground.client()
    request = ground.request("frames=2 frame_s=0.5")
    client.submit(request)
    wait_for(lambda: ground.starts())
    (first,) = ground.starts()
    ground.kill()
    assert is_alive(first)  # a strong one
    *_, last = client.watch(request.job, timeout_s=20.0)
    assert last.result is not None
    assert not is_alive(first)
    assert '"a worker outlived its daemon and was killed"' in ground.log()
    client.stop()
    wait_for(lambda: not processes_of(ground.root), timeout_s=GONE_S)


def test_the_owner_of_a_daemon_is_killed(ground: Place, shot: Path) -> None:
    """A host or a farm agent that started it for itself, with a job at work and another one waiting."""
    ground.settings(worker_command=[])
    owner = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    ground.spawned.append(owner)
    runtime = ensure_daemon(ground.home, owner_pid=owner.pid)
    client = ground.client(autostart=False)
    for number in range(2):
        client.submit(real_request(ground, shot, f"{number}", frame_s=30))
    wait_for(lambda: any(worker.pid > 0 for worker in client.status().workers), timeout_s=20.0)
    owner.kill()
    owner.wait()
    began_s = time.monotonic()
    wait_for(lambda: not runtime.is_live and not processes_of(ground.root), timeout_s=GONE_S)
    print(f"nothing is left {time.monotonic() - began_s:.2f} s after the owner")


def test_an_owner_that_died_before_the_daemon_looked(ground: Place) -> None:
    owner = subprocess.Popen([sys.executable, "-c", ""])
    owner.wait()
    late = ground.spawn("--owner", f"{owner.pid}:1")
    assert late.wait(10) == 2
    assert find_daemon(ground.home) is None
