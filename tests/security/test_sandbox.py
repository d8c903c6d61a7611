"""The fence round a worker: what a decoder that was taken over cannot do, and that all it needs still works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from attackers import needs_linux
from places import Place, wait_for

from secondtake_daemon import sandbox
from secondtake_daemon.sandbox import State, state

CHILD = Path(__file__).parent / "fenced_child.py"
HERE = state()
pytestmark = needs_linux

NETWORK = {"inet", "inet6", "packet", "inet in a thread", "inet in an older thread", "io_uring"}
PROCESSES = {"memory of the daemon", "its environment", "signal"}
FILES = {"read other", "read other in a thread", "write other", "truncate other", "passwords"}
WORK = {
    "pair",
    "read own",
    "write own",
    "read work",
    "write work",
    "rename work",
    "program",
    "null",
    "cores",
    "setuid",
}


def tried(tmp_path: Path, *, has_roots: bool, kind: str = "cpu") -> dict[str, str]:
    for name in ("show", "cache", "private"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "kept").write_bytes(b"kept")
        shutil.copy("/bin/true", tmp_path / name / "program")
    command = [sys.executable, str(CHILD), str(tmp_path / "show") if has_roots else "", str(tmp_path / "cache")]
    run = subprocess.run(
        [*command, str(tmp_path / "private"), kind], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    return dict(line.split("\t") for line in run.stdout.splitlines())


def denied(outcomes: dict[str, str]) -> set[str]:
    return {name for name, outcome in outcomes.items() if outcome == "denied"}


@pytest.mark.skipif(not HERE.seccomp or not HERE.landlock_abi, reason=f"here there is only {HERE}")
@pytest.mark.parametrize("has_roots", [True, False])
def test_what_is_denied_and_what_is_not(tmp_path: Path, has_roots: bool) -> None:
    outcomes = tried(tmp_path, has_roots=has_roots)
    expected = NETWORK | PROCESSES | {"unix", "own program", "device", "memory"} | (FILES if has_roots else set())
    if HERE.landlock_abi < 6:
        expected -= {"signal"}
    assert denied(outcomes) == expected
    assert denied(outcomes) & WORK == set() and outcomes.keys() == expected | WORK | FILES | {"signal"}
    assert (tmp_path / "private" / "kept").read_bytes() == (b"kept" if has_roots else b"")


@pytest.mark.skipif(not HERE.seccomp, reason="no seccomp here")
def test_for_a_gpu_the_network_stays_shut(tmp_path: Path) -> None:
    outcomes = tried(tmp_path, has_roots=True, kind="gpu")
    assert denied(outcomes) >= NETWORK
    assert outcomes["unix"] == "allowed"


def test_it_says_what_there_is() -> None:
    assert str(State(landlock_abi=7, seccomp=True, limits=True)) == "Landlock (ABI 7), seccomp, limits"
    bare = State(landlock_abi=0, seccomp=False, limits=False)
    assert str(bare) == "nothing; this system has no Landlock and seccomp"
    assert not bare.is_whole and state() == state()


def test_without_landlock_and_seccomp_the_rest_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As on an older kernel: what is missing is left out and said, nothing fails."""
    code = (
        "import sys; from pathlib import Path; from secondtake_daemon import sandbox\n"
        "sandbox._landlock_abi = lambda: 0; sandbox.has_seccomp = lambda: False\n"
        "print(sandbox.enter(roots=[], own=[Path(sys.argv[1])]))\n"
        "print(*[line for line in open('/proc/self/status') if 'NoNewPrivs' in line or line.startswith('Seccomp:')])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=30, check=True
    )
    assert "limits; this system has no Landlock and seccomp" in run.stdout
    assert "NoNewPrivs:\t1" in run.stdout


def test_the_daemons_workers_are_fenced_in(place: Place) -> None:
    place.settings(worker_command=[], worker_idle_s=20.0)
    client = place.client()
    client.submit(place.request())  # fails: there is no such plate
    wait_for(lambda: [worker.pid for worker in client.status().workers if worker.state == "idle"], timeout_s=20.0)
    (worker,) = client.status().workers
    status = Path(f"/proc/{worker.pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    if HERE.seccomp:
        tasks = list(Path(f"/proc/{worker.pid}/task").iterdir())
        assert len(tasks) > 2
        assert all("Seccomp:\t2" in (task / "status").read_text() for task in tasks)
    limits = Path(f"/proc/{worker.pid}/limits").read_text()
    assert limits.split("Max core file size")[1].split()[0] == "0"
    assert int(limits.split("Max data size")[1].split()[0]) <= psutil.virtual_memory().total


def test_a_memory_bound_is_a_typed_error_and_not_the_end_of_the_worker(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; import sys, numpy as np; from secondtake_daemon import sandbox\n"
        "sandbox.enter(roots=[], own=[])\n"
        "try: np.ones(1 << 44, np.uint8)\n"
        "except MemoryError: print('refused')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert run.stdout == "refused\n"
    assert sandbox.__doc__ and os.sysconf("SC_PHYS_PAGES") > 0
