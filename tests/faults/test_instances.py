"""Daemons that start at the same moment, and what the last one, or somebody else, left in their way."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
import pytest
from places import Place, wait_for

from secondtake import Client, DaemonLost, ensure_daemon
from secondtake.endpoint import find_daemon
from secondtake.errors import SecondTakeError

ROUNDS = 20
HOLDER = (
    "import fcntl, os, sys, time\n"
    "lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)\n"
    "fcntl.flock(lock, fcntl.LOCK_EX); print('held', flush=True); time.sleep(600)\n"
)


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.mark.slow
def test_two_daemons_at_once_again_and_again(ground: Place) -> None:
    """One stays, the other leaves with status 10; a third of the times the last one was killed just before."""
    dice = random.Random(3)
    for turn in range(ROUNDS):
        racers = [ground.spawn() for _ in range(2)]
        wait_for(lambda racers=racers: any(racer.poll() is not None for racer in racers), timeout_s=20.0)
        (loser,) = [racer for racer in racers if racer.poll() is not None]
        (winner,) = [racer for racer in racers if racer is not loser]
        assert loser.returncode == 10, loser.communicate()
        wait_for(lambda: find_daemon(ground.home))
        assert ground.daemon().pid == winner.pid
        if turn % 4 == 0:
            with Client.connect(home=ground.root, autostart=False) as client:
                assert client.status().pid == winner.pid
        os.kill(winner.pid, dice.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGTERM)))
        winner.communicate(timeout=15)
    assert ground.log().count('"ready"') == ROUNDS
    ground.client()
    assert len(list(ground.home.run.glob("*.ipc"))) == 1  # those of the killed are gone
    assert list(ground.home.run.glob(".*.part")) == []


def link_to_nowhere(file: Path) -> None:
    file.symlink_to(file.parent / "nowhere")


def link_to_itself(file: Path) -> None:
    file.symlink_to(file)


def unreadable(file: Path) -> None:
    file.write_text("{}")
    file.chmod(0)


@pytest.mark.parametrize(
    "leave",
    [
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"\0" * 4096),
        lambda file: file.write_bytes(b"{" * 100_000),
        lambda file: file.write_bytes(b'{"pid":1'),
        lambda file: file.write_bytes(b'{"pid":-1,"pid_start":"","machine":"","instance":"","protocol_min":1}'),
        lambda file: file.write_bytes(b"\xff\xfe" + "daemon".encode("utf-16")),
        unreadable,
        link_to_nowhere,
        link_to_itself,
    ],
    ids=["empty", "zeroed", "nested", "half", "partial", "utf16", "unreadable", "dangling", "loop"],
)
def test_a_runtime_file_that_is_none(ground: Place, leave: Callable[[Path], None]) -> None:
    leave(ground.home.runtime_file)
    assert find_daemon(ground.home) is None
    client = ground.client()
    assert client.status().pid == ground.daemon().pid
    assert ground.home.runtime_file.stat().st_mode & 0o777 == 0o600
    assert not ground.home.runtime_file.is_symlink()


def runtime_bytes(ground: Place, **changes: object) -> bytes:
    """What a daemon that was killed left, with changes."""
    ground.client().close()
    return msgspec.json.encode(msgspec.structs.replace(ground.kill(), **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"pid": 2**22 + 7},
        {"pid": 0},
        {"pid": -1},
        {"machine": "another.machine"},
        {"endpoints": ()},
        {"version": "no version", "instance": "x" * 100_000},
    ],
    ids=["dead", "zero", "negative", "elsewhere", "nowhere", "long"],
)
def test_a_stale_runtime_file(ground: Place, changes: dict[str, object]) -> None:
    ground.home.runtime_file.write_bytes(runtime_bytes(ground, **changes))
    client = ground.client()
    assert client.status().pid == ground.daemon().pid
    client.run(ground.request("frames=1"))


def test_a_runtime_file_that_is_a_folder(ground: Place) -> None:
    """Nothing can be put in its place: the client hears why, in time, and the folder's files stay."""
    ground.home.runtime_file.mkdir()
    (ground.home.runtime_file / "mine").write_text("x")
    began_s = time.monotonic()
    with pytest.raises(DaemonLost, match="cannot be written"):
        ground.client()
    assert time.monotonic() - began_s < 10.0
    assert (ground.home.runtime_file / "mine").exists()
    shutil.rmtree(ground.home.runtime_file)
    assert ground.client().status().pid


@pytest.mark.skipif(not is_root(), reason="only root may give a file away")
def test_a_runtime_file_of_another_user(ground: Place) -> None:
    """It is replaced by ours: the folder is ours, so nobody else could have put it there to mislead."""
    ground.home.runtime_file.write_bytes(b"{}")
    os.chown(ground.home.runtime_file, 65534, 65534)
    client = ground.client()
    assert client.status().pid
    assert ground.home.runtime_file.stat().st_uid == os.geteuid()


@pytest.mark.skipif(sys.platform == "win32", reason="flock")
def test_a_lock_dies_with_its_process(ground: Place) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(ground.home.run / "daemon.lock")], stdout=subprocess.PIPE
    )
    ground.spawned.append(holder)
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(DaemonLost):
        ensure_daemon(ground.home, timeout_s=1.0)
    holder.kill()
    holder.wait()
    assert ground.client().status().pid


def test_a_lock_file_with_anything_in_it(ground: Place) -> None:
    (ground.home.run / "daemon.lock").write_text("pid 1\n" * 1000)
    assert ground.client().status().pid


def test_sockets_that_were_left(ground: Place) -> None:
    """Of killed daemons, and files that only look like them."""
    for number in range(20):
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(ground.home.run / f"{number:08x}.ipc"))
    (ground.home.run / "plain.ipc").write_text("")
    client = ground.client()
    assert client.status().pid
    assert len(list(ground.home.run.glob("*.ipc"))) == 1


def test_notes_of_workers_that_are_nobodys(ground: Place) -> None:
    """Neither this process, nor init, nor what is no number may be killed for a note in the run folder."""
    for name in (f"{os.getpid()}.worker", "1.worker", "-1.worker", "0.worker", "x.worker", f"{2**22 + 9}.worker"):
        (ground.home.run / name).write_text("somebody else's start")
    (ground.home.run / f"{os.getppid()}.worker").write_text("")
    (ground.home.run / "folder.worker").mkdir()
    assert ground.client().status().pid


def test_a_home_that_another_daemon_took_over(ground: Place) -> None:
    """The runtime file was replaced under a daemon: it goes, since nobody can find it any more."""
    ground.client()
    runtime = ground.daemon()
    ground.home.runtime_file.write_bytes(msgspec.json.encode(msgspec.structs.replace(runtime, instance="other")))
    wait_for(lambda: not runtime.is_live, timeout_s=10.0)
    assert ground.home.runtime_file.exists()  # it is not ours to remove
    assert ground.client().status().instance not in (runtime.instance, "other")


def test_a_home_below_a_file(ground: Place) -> None:
    (ground.root / "file").write_text("")
    with pytest.raises(SecondTakeError) as caught:
        Client.connect(home=ground.root / "file" / "home", timeout_s=2.0)
    assert "Traceback" not in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
def test_one_that_is_killed_while_it_starts(ground: Place) -> None:
    killed: list[int] = []

    def kill() -> None:
        while not killed:
            for child in psutil.Process().children():
                child.kill()
                killed.append(child.pid)
            time.sleep(0.001)

    killer = threading.Thread(target=kill)
    killer.start()
    runtime = ensure_daemon(ground.home)
    killer.join()
    assert runtime.pid not in killed
    with ground.client() as client:
        assert client.status()
