"""Start a daemon as a process of its own, and wait until it can be found."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

import msgspec

from secondtake._version import __version__
from secondtake.endpoint import Runtime, find_daemon
from secondtake.errors import DaemonLost, SecondTakeError
from secondtake.home import Home
from secondtake.process import process_start

__all__ = ["START_TIMEOUT_S", "Launcher", "daemon_command", "ensure_daemon", "is_newer", "read_launcher"]

START_TIMEOUT_S = 10.0
_LOOK_S = 0.01
_KILLED = (-9, -15)
"""By SIGKILL or SIGTERM: that says nothing of the next one."""
_ERROR_LOG = "daemon.err"
_ERROR_LOG_BYTES = 1024 * 1024
_VERSION = re.compile(r"(\d+(?:\.\d+)*)([-.]?[a-z].*)?")


class Launcher(msgspec.Struct, frozen=True, kw_only=True):
    """`config/launcher.json`: the Python that has the daemon, written by the daemon at each start."""

    python: str


def ensure_daemon(home: Home, *, timeout_s: float = START_TIMEOUT_S, owner_pid: int | None = None) -> Runtime:
    """The daemon of this home; started first if none runs. With an owner it ends when that process ends.

    Many programs may call this at once: one daemon wins, the others leave at once and all find the same one. One of an
    older version than ours gives way to ours (`service/takeover.py`); if it does not, it serves.
    Raises DaemonLost if none can be found in time, with the reason the new process gave.
    """
    deadline_s = time.monotonic() + timeout_s
    runtime = find_daemon(home)
    attempt: _Attempt | None = None
    while runtime is None or _gives_way(runtime):
        has_left = attempt is not None and attempt.has_left()
        if runtime is not None and (has_left or time.monotonic() > deadline_s):
            break
        if attempt is None or has_left:
            attempt = _Attempt(home, owner_pid=owner_pid)
        if time.monotonic() > deadline_s:
            raise DaemonLost(
                f"The daemon did not start within {timeout_s:g} s",
                remedy="Look into the log",
                path=home.logs / _ERROR_LOG,
            )
        time.sleep(_LOOK_S)
        runtime = find_daemon(home)
    if attempt is not None:
        attempt.give_way(runtime)
    return runtime


def is_newer(version: str, *, than: str) -> bool:
    """True if the one version is surely newer: nothing is replaced on a guess. A release is newer than its previews."""
    mine, theirs = _VERSION.fullmatch(version), _VERSION.fullmatch(than)
    return mine is not None and theirs is not None and _rank(mine) > _rank(theirs)


def _rank(version: re.Match[str]) -> tuple[tuple[int, ...], bool]:
    numbers = [int(part) for part in version[1].split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers), version[2] is None


def _gives_way(runtime: Runtime) -> bool:
    """True if our own daemon, not one that a launcher file names, is newer than the one that runs."""
    return is_newer(__version__, than=runtime.version) and _has_daemon()


def _has_daemon() -> bool:
    return bool(sys.executable) and importlib.util.find_spec("secondtake_daemon") is not None


def daemon_command(home: Home) -> list[str]:
    """The command that runs a daemon: this Python if it has the daemon, else the one in the launcher file."""
    # -P: the working folder must not be a place to import from.
    arguments = ["-P", "-m", "secondtake_daemon.service"]
    if _has_daemon():
        return [sys.executable, *arguments]
    return [read_launcher(home).python, *arguments]


def read_launcher(home: Home) -> Launcher:
    """The launcher file. Raises DaemonLost if there is none that can be read."""
    try:
        return msgspec.json.decode(home.launcher_file.read_bytes(), type=Launcher)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DaemonLost(
            "The daemon cannot be started: this Python does not have it, and no launcher file says which one does",
            remedy="Run `secondtake daemon start` once where Second Take is installed",
            path=home.launcher_file,
        ) from error


class _Attempt:
    """One process started to become the daemon."""

    def __init__(self, home: Home, *, owner_pid: int | None) -> None:
        home.create()
        self._log = home.logs / _ERROR_LOG
        command = [*daemon_command(home), "--autostart"]
        if owner_pid is not None:
            command += ["--owner", f"{owner_pid}:{process_start(owner_pid)}".rstrip(":")]
        with _open_log(self._log) as log:
            self._log_begin = log.tell()
            self._process = _spawn(command, home, log)
        # Reaps it whenever it ends, so that it is never left as a corpse of ours.
        threading.Thread(target=self._process.wait, daemon=True, name="daemon reaper").start()

    def has_left(self) -> bool:
        """True if another may be started: it ended because one was first, or was killed. Raises DaemonLost if it
        failed."""
        status = self._process.poll()
        if status is None:
            return False
        if status not in (0, *_KILLED):
            raise self._failure(status)
        return True

    def give_way(self, runtime: Runtime) -> None:
        """End it if another daemon won: a slow starter must not become the next daemon when that one is stopped."""
        # On Windows a virtual environment's Python is a shim, whose process is never the daemon itself.
        if runtime.pid != self._process.pid and sys.platform != "win32":
            self._process.terminate()

    def _failure(self, status: int) -> SecondTakeError:
        with self._log.open("rb") as log:
            log.seek(self._log_begin)
            lines = log.read(64 * 1024).decode("utf-8", "replace").strip().splitlines()
        reason = lines[-1] if lines else f"exit status {status}"
        return DaemonLost(f"The daemon did not start: {reason}", remedy="Look into the log", path=self._log)


def _open_log(path: Path) -> IO[bytes]:
    if path.exists() and path.stat().st_size > _ERROR_LOG_BYTES:
        path.unlink(missing_ok=True)
    log = path.open("ab")
    log.seek(0, os.SEEK_END)
    return log


def _spawn(command: list[str], home: Home, log: IO[bytes]) -> subprocess.Popen[bytes]:
    environment = dict(os.environ)
    if command[0] != sys.executable:  # a host's own Python settings would break the other one
        for name in ("PYTHONHOME", "PYTHONPATH"):
            environment.pop(name, None)
    if home.root is not None:
        environment["SECONDTAKE_HOME"] = str(home.root)
    # Windows: CREATE_NEW_PROCESS_GROUP | DETACHED_PROCESS
    detached = 0x0000_0200 | 0x0000_0008 if sys.platform == "win32" else 0
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=home.data,
            env=environment,
            start_new_session=True,
            creationflags=detached,
        )
    except OSError as error:
        raise DaemonLost(f"The daemon cannot be started ({error.strerror})", path=command[0]) from error
