"""What `secondtake doctor` looks at around the daemon: lock, socket, runtime file, version, condition."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from secondtake._version import __version__
from secondtake.client import Client
from secondtake.endpoint import Runtime, find_daemon, read_runtime
from secondtake.home import Home
from secondtake.launch import is_newer
from secondtake_daemon.cli.doctor_check import Check, Health
from secondtake_daemon.service.instance import is_locked

__all__ = ["daemon", "lock", "socket"]

_SOCKET_PATH_BYTES = 107
_DAEMON_S = 1.5


def socket(home: Home) -> Iterator[Check]:
    """Is the path of the socket short enough?"""
    length = len(os.fsencode(home.run / "12345678.ipc"))
    if length <= _SOCKET_PATH_BYTES:
        yield Check(name="socket", health=Health.OK, found=f"its path has {length} of {_SOCKET_PATH_BYTES} bytes")
        return
    found = f"its path has {length} bytes, over the system's {_SOCKET_PATH_BYTES}: the daemon uses a temporary folder"
    yield Check(name="socket", health=Health.WARN, found=found, remedy="Set SECONDTAKE_HOME to a shorter path")


def lock(home: Home) -> Iterator[Check]:
    """Does the daemon that can be found hold the lock, and nobody else? What did dead ones leave?"""
    runtime = find_daemon(home)
    if runtime is None and is_locked(home):
        yield Check(
            name="lock",
            health=Health.FAIL,
            found=f"a daemon holds {home.run / 'daemon.lock'}, but says nowhere how to reach it",
            remedy="It may be starting or ending: try again in a minute, then end that process",
        )
        return
    sockets = {endpoint.url.removeprefix("ipc://") for endpoint in runtime.endpoints} if runtime else set()
    left = [path.name for path in sorted(home.run.glob("*.ipc")) if str(path) not in sockets]
    if runtime is None:
        left += [path.name for path in sorted(home.run.glob("*.worker"))]
    what = f"held by pid {runtime.pid}" if runtime else "free"
    if left:
        what += f"; left by a daemon that was killed: {', '.join(left[:5])} (the next one removes them)"
    yield Check(name="lock", health=Health.OK, found=what)


def daemon(home: Home) -> Iterator[Check]:
    """Does it answer, is it well, is it of our version?"""
    runtime = find_daemon(home)
    if runtime is None:
        left = read_runtime(home)
        found = "none runs; it starts when it is needed"
        if left is not None:
            found = f"none runs; pid {left.pid} on {left.machine} left its runtime file, which is not used"
        yield Check(name="daemon", health=Health.OK, found=found)
        return
    yield from _missing_sockets(runtime)
    with Client.connect(autostart=False, timeout_s=_DAEMON_S, client=f"secondtake-doctor/{__version__}") as client:
        status = client.status()
    found = f"{status.version}, pid {status.pid}, {status.queued} queued, {status.running} running"
    if status.condition:
        remedy = "Make room on that disk" if "disk" in status.condition else "`secondtake logs` says what happened"
        yield Check(name="daemon", health=Health.WARN, found=f"{found}; {status.condition}", remedy=remedy)
    elif status.version != __version__:
        newer = is_newer(status.version, than=__version__)
        remedy = "Update this installation" if newer else "The next command that starts a daemon replaces it"
        yield Check(name="daemon", health=Health.WARN, found=f"{found}: another version than this one", remedy=remedy)
    else:
        yield Check(name="daemon", health=Health.OK, found=found)


def _missing_sockets(runtime: Runtime) -> Iterator[Check]:
    for endpoint in runtime.endpoints:
        path = Path(endpoint.url.removeprefix("ipc://"))
        if endpoint.url.startswith("ipc://") and not path.is_socket():
            yield Check(
                name="socket file",
                health=Health.FAIL,
                found=f"the daemon (pid {runtime.pid}) listens at {path}, which is gone",
                remedy="End that process; the next command starts another",
            )
