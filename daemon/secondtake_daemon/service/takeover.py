"""A newer daemon takes over from an older one; never the other way round.

The older one gets a moment to let running jobs end, then gives them back with what they finished. The queue goes from
one to the other in the journal: the older one closes it and lets go of the lock, the newer one takes both.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

import zmq

from secondtake._version import __version__
from secondtake.connection import Connection
from secondtake.endpoint import Runtime, find_daemon
from secondtake.errors import SecondTakeError
from secondtake.home import Home
from secondtake.launch import is_newer
from secondtake.messages import PROTOCOL_MAX, PROTOCOL_MIN, Hello, Stop
from secondtake_daemon.service.instance import AlreadyRuns, Instance

__all__ = ["take_over"]

_DRAIN_S = 4.0
"""Less than a client waits for a daemon to start."""
_STOP_S = 4.0
_KILL_S = 2.0
_ASK_S = 2.0
_PAUSE_S = 0.02


def take_over(home: Home) -> Instance:
    """Be the only daemon of this home; an older version that runs gives way. Raises AlreadyRuns or DiskError."""
    try:
        return Instance(home)
    except AlreadyRuns:
        older = find_daemon(home)
        if older is None or not _is_older(older):
            raise
    _displace(older)
    deadline_s = time.monotonic() + _KILL_S
    while True:
        try:
            return Instance(home)
        except AlreadyRuns:  # the older one lets go just now, or a third one was faster
            if time.monotonic() > deadline_s or not _is_older(find_daemon(home)):
                raise
            time.sleep(_PAUSE_S)


def _is_older(daemon: Runtime | None) -> bool:
    """Also if it cannot be found any more."""
    return daemon is None or is_newer(__version__, than=daemon.version)


def _displace(older: Runtime) -> None:
    for drain, patience_s in ((True, _DRAIN_S), (False, _STOP_S)):
        try:
            _ask_to_stop(older, drain=drain)
        except SecondTakeError:  # no common protocol, or it hangs
            break
        if _ends(older, patience_s):
            return
    with suppress(OSError):
        os.kill(older.pid, signal.SIGTERM)
    _ends(older, _KILL_S)


def _ask_to_stop(older: Runtime, *, drain: bool) -> None:
    """Raises SecondTakeError."""
    local = [endpoint for endpoint in older.endpoints if endpoint.url.startswith("ipc:")]
    hello = Hello(
        protocol_min=PROTOCOL_MIN,
        protocol_max=PROTOCOL_MAX,
        client=f"secondtake-daemon/{__version__}",
        pid=os.getpid(),
    )
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        for endpoint in local[:1]:
            connection = Connection(context, endpoint)
            try:
                connection.hello(hello, timeout_s=_ASK_S)
                connection.ask(Stop(drain=drain, successor=True), timeout_s=_ASK_S)
            finally:
                connection.close()
    finally:
        context.destroy(linger=0)


def _ends(daemon: Runtime, patience_s: float) -> bool:
    deadline_s = time.monotonic() + patience_s
    while daemon.is_live:
        if time.monotonic() > deadline_s:
            return False
        time.sleep(_PAUSE_S)
    return True
