"""One daemon per home: a lock the system holds for the life of the process, and the runtime file that tells clients."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from pathlib import Path

import msgspec

from secondtake import messages
from secondtake._version import __version__
from secondtake.endpoint import Endpoint, Runtime, read_runtime, write_private
from secondtake.errors import DaemonLost, DiskError
from secondtake.home import Home
from secondtake.launch import Launcher
from secondtake.process import process_start

__all__ = ["AlreadyRuns", "Instance", "is_locked"]


class AlreadyRuns(DaemonLost):
    """Another daemon holds the lock of this home."""


class Instance:
    """This daemon as the only one of its home. Raises AlreadyRuns, or DiskError if the folder cannot be used."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.name = secrets.token_hex(8)
        """Changes with every start of the daemon."""
        self._lock = _lock(home)
        self.before = read_runtime(home)
        """What the last daemon left, if it had no time to tidy up."""

    def publish(self, endpoints: tuple[Endpoint, ...]) -> None:
        """Tell clients where we are, and other programs which Python has the daemon. Raises DiskError."""
        runtime = Runtime(
            pid=os.getpid(),
            pid_start=process_start(os.getpid()),
            machine=socket.gethostname(),
            instance=self.name,
            protocol_min=messages.PROTOCOL_MIN,
            protocol_max=messages.PROTOCOL_MAX,
            version=__version__,
            endpoints=endpoints,
        )
        self._write(self._home.launcher_file, msgspec.json.encode(Launcher(python=sys.executable)))
        self._write(self._home.runtime_file, msgspec.json.encode(runtime))

    def is_published(self) -> bool:
        """False if somebody removed or replaced what `publish` wrote, or the whole home: nobody can find us then."""
        runtime = read_runtime(self._home)
        return runtime is not None and runtime.instance == self.name

    def withdraw(self) -> None:
        """Clients shall not find us any more; the lock is still ours."""
        if self.is_published():
            self._home.runtime_file.unlink(missing_ok=True)

    def release(self) -> None:
        """Let the next daemon come. The lock file stays: deleting it would let two of them in."""
        os.close(self._lock)

    def _write(self, path: Path, content: bytes) -> None:
        try:
            write_private(path, content)
        except OSError as error:
            raise DiskError(
                f"The file cannot be written ({error.strerror})", remedy="Free some disk space", path=path
            ) from error


def is_locked(home: Home) -> bool:
    """True if a daemon holds the lock, whether or not it can be found. (It is taken for a moment to find out.)"""
    if not (home.run / "daemon.lock").exists():
        return False
    handle = _open_lock(home.run / "daemon.lock")
    try:
        return not _try_lock(handle)
    finally:
        os.close(handle)


def _lock(home: Home) -> int:
    path = home.run / "daemon.lock"
    handle = _open_lock(path)
    if _try_lock(handle):
        return handle
    os.close(handle)
    runtime = read_runtime(home)
    who = f" (pid {runtime.pid})" if runtime is not None and runtime.is_live else ""
    raise AlreadyRuns(f"A daemon already runs for this home{who}", remedy="Stop it with `secondtake daemon stop`")


def _open_lock(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT  # Python itself keeps the handle from child processes
    try:
        return os.open(path, flags, 0o600)
    except OSError as error:
        raise DiskError(f"The lock cannot be opened ({error.strerror})", path=path) from error


def _try_lock(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
