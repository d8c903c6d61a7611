"""The bridge's process: `python -m secondtake_daemon.bridge`, started by a host."""

from __future__ import annotations

import os
import signal
import sys
import threading

from secondtake.home import Home
from secondtake_daemon.bridge.bridge import Bridge, read_lines
from secondtake_daemon.bridge.outbox import Outbox

__all__ = ["main"]


def main() -> None:
    """Serve the host at stdin and stdout until it hangs up. Does not return: threads that wait are left behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a ^C for the host, which will hang up if it ends
    outbox = Outbox()
    bridge = Bridge(outbox, Home.find())
    signal.signal(signal.SIGTERM, lambda *_: _leave(bridge))
    # Lines have stdout for themselves: whatever a library prints goes to stderr.
    handle = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    threading.Thread(target=_write, args=(outbox, handle, bridge), daemon=True, name="writer").start()
    bridge.begin()
    try:
        read_lines(sys.stdin.buffer, bridge.hear)
    finally:
        _leave(bridge)


def _write(outbox: Outbox, handle: int, bridge: Bridge) -> None:
    try:
        outbox.write_to(handle)
    except OSError:  # the host hung up
        _leave(bridge)


def _leave(bridge: Bridge) -> None:
    bridge.children.end()
    os._exit(0)


if __name__ == "__main__":
    main()
