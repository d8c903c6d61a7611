"""How a client finds the daemon: one runtime file, written by rename, readable by its owner only.

The daemon's lock is what makes it the only one of its home; this file only tells who holds it and where it listens. A
file of a dead process, of a process id used again, of another machine, or half written means: no daemon.
"""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path

import msgspec

from secondtake import disk
from secondtake.home import Home
from secondtake.process import is_same_process, process_start

__all__ = ["Endpoint", "Runtime", "find_daemon", "read_runtime", "write_private"]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One address of a daemon."""

    url: str
    """`ipc:///…` or `tcp://host:port`."""
    server_key: str = ""
    """The daemon's public CURVE key (z85); always set for tcp, never for ipc."""


class Runtime(msgspec.Struct, frozen=True, kw_only=True):
    """What a running daemon says of itself in `run/daemon.json`."""

    pid: int
    pid_start: str
    """See `secondtake.process`."""
    machine: str
    """Host name; a home on a file server is seen by many machines."""
    instance: str
    protocol_min: int
    protocol_max: int
    version: str
    endpoints: tuple[Endpoint, ...]

    @property
    def is_live(self) -> bool:
        """True if the daemon that wrote it still runs on this machine."""
        return self.machine == socket.gethostname() and is_same_process(self.pid, self.pid_start)


def read_runtime(home: Home) -> Runtime | None:
    """What the last daemon of this home wrote, dead or alive; None if that is nothing one can read."""
    try:
        return msgspec.json.decode(home.runtime_file.read_bytes(), type=Runtime)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def find_daemon(home: Home) -> Runtime | None:
    """The daemon that runs for this home, or None."""
    runtime = read_runtime(home)
    return runtime if runtime is not None and runtime.is_live else None


def write_private(path: Path, content: bytes) -> None:
    """Durably replace a small file in one step; only its owner may read it (0600). Raises OSError.

    Several processes may do so at once, and the last one wins.
    """
    _drop_dead_parts(path)
    part = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        disk.write(part, lambda new: _write_new(new, content))
        disk.sync_file(part)
        disk.replace(part, path)
        disk.sync_folder(path.parent)
    except OSError:
        with suppress(OSError):
            disk.unlink(part)
        raise


def _write_new(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def _drop_dead_parts(path: Path) -> None:
    """Remove what killed processes left beside a file: it may hold half a secret."""
    prefix, suffix = f".{path.name}.", ".part"
    for left in path.parent.glob(f"{prefix}*{suffix}"):
        pid = left.name.removeprefix(prefix).partition("-")[0]
        if pid.isdecimal() and not process_start(int(pid)):
            with suppress(OSError):
                disk.unlink(left)
