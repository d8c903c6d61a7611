"""What every test gets: an environment without surprises, and on request a home of its own, a daemon, the command."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from secondtake.endpoint import Runtime, find_daemon
from secondtake.home import Home

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it puts in the background so, and children inherit it: then no test could interrupt one.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_START_S = 20.0
_STOP_S = 10.0
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_NOBODYS_HOME = os.path.join(os.devnull, "home")  # noqa: PTH118 — a folder that nobody can make, not even root


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the developer's reaches a test, and no test reaches the developer's home."""
    for name in list(os.environ):
        if name.startswith("SECONDTAKE_") or name == "OCIO" or name.lower() in _PROXIES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("SECONDTAKE_HOME", _NOBODYS_HOME)


@pytest.fixture(scope="session")
def make_home() -> Callable[[], AbstractContextManager[Path]]:
    """A home that lives as long as its `with` block, with whatever daemon a test starts there."""

    @contextmanager
    def make() -> Iterator[Path]:
        root = Path(tempfile.mkdtemp(prefix="st-"))  # short: a socket's path has 107 bytes
        try:
            yield root
        finally:
            _end_processes(root)
            shutil.rmtree(root, ignore_errors=True)

    return make


@pytest.fixture
def home(
    clean_environment: None, monkeypatch: pytest.MonkeyPatch, make_home: Callable[[], AbstractContextManager[Path]]
) -> Iterator[Path]:
    """A home of this test's own, also for what it starts."""
    with make_home() as root:
        monkeypatch.setenv("SECONDTAKE_HOME", str(root))
        yield root


@dataclass(frozen=True, kw_only=True)
class RunningDaemon:
    """A real daemon process."""

    home: Path
    process: subprocess.Popen[bytes]

    @property
    def runtime(self) -> Runtime:
        found = find_daemon(Home.under(self.home))
        assert found is not None, "the daemon is gone"
        return found

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None


@pytest.fixture
def daemon(home: Path) -> Iterator[RunningDaemon]:
    """A daemon of this test's home, ready for clients."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "secondtake_daemon.service"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline_s = time.monotonic() + _START_S
    while find_daemon(Home.under(home)) is None:
        assert process.poll() is None, "the daemon ended at once"
        assert time.monotonic() < deadline_s, "the daemon is not ready"
        time.sleep(0.01)
    yield RunningDaemon(home=home, process=process)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_S)
    process.kill()
    process.wait()


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A finished run of the `secondtake` command."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The last line of stdout, which must be the only one with --json."""
        answer: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return answer

    @property
    def error(self) -> str:
        """The last line of stderr."""
        return self.err.splitlines()[-1]


@pytest.fixture
def secondtake(home: Path) -> Callable[..., Ran]:
    """Run the real command as a process of its own, in this test's home."""

    def run(*arguments: object, timeout_s: float = 60.0, cwd: Path | None = None) -> Ran:
        command = [sys.executable, "-P", "-m", "secondtake_daemon", *map(str, arguments)]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            cwd=cwd,
            env={**os.environ, "SECONDTAKE_HOME": str(home)},
        )
        return Ran(status=done.returncode, out=done.stdout, err=done.stderr)

    return run


def _end_processes(root: Path) -> None:
    """End all that was started in this home and still runs: daemons, and with them their workers."""
    found = [
        process for process in psutil.process_iter() if process.pid != os.getpid() and _home_of(process) == str(root)
    ]
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(found, timeout=_STOP_S)
    for process in alive:
        process.kill()


def _home_of(process: psutil.Process) -> str:
    with suppress(psutil.Error, OSError):
        return process.environ().get("SECONDTAKE_HOME", "")
    return ""
