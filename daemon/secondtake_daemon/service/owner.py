"""A daemon that was started for one program ends with it, however that program ends.

The owner is a process id with its start time, so a process id that is used again is nobody's owner. Where the system
can tell us of a process's end, a handle becomes readable then: a pidfd on Linux, a kqueue on macOS, a socket that a
thread writes to on Windows. Without one the daemon looks once a second.
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
import sys
import threading
import time
from contextlib import suppress

from secondtake.errors import UsageError
from secondtake.process import is_same_process, process_start

__all__ = ["Owner"]

_LOOK_S = 1.0
_GO_BETWEENS = ("sudo", "su", "doas", "runuser", "setsid")
"""Programs that start another in a session of its own, and may end before it: no owner can be told from them."""


class Owner:
    """The process we live for."""

    def __init__(self, pid: int, start: str) -> None:
        self.pid = pid
        self.start = start
        self._bell: tuple[socket.socket, socket.socket] | None = None
        self._looked_s = float("-inf")
        self._was_there = True
        self.handle = self._open()
        """Becomes readable when the owner ends, where the system has such a thing."""

    @classmethod
    def watch(cls, pid: int, start: str = "") -> Owner:
        """start: its start time, if it is known. Raises UsageError if there is no such process (any more)."""
        found = process_start(pid)
        if not found:
            raise UsageError(f"The owner, process {pid}, does not exist")
        if start and start not in (found, found.rpartition("-")[2]):
            raise UsageError(f"The owner, process {pid}, is another process than the one that was meant")
        return cls(pid, found)

    @classmethod
    def parse(cls, text: str) -> Owner | None:
        """The owner as a command names it: PID, PID:STARTTIME, `auto`, or `none`. Raises UsageError.

        STARTTIME is field 22 of `/proc/PID/stat` on Linux. `auto` is the shell of this terminal; without a terminal,
        as on a farm, the process that started this session, unless that is a go-between such as sudo.
        """
        if text in ("", "none"):
            return None
        if text == "auto":
            pid = _automatic()
            return cls.watch(pid) if pid else None
        number, _, start = text.partition(":")
        if not number.isdecimal() or int(number) < 1:
            raise UsageError(f"'{text[:80]}' is no owner", remedy="Give PID, PID:STARTTIME, auto or none")
        return cls.watch(int(number), start)

    @property
    def is_gone(self) -> bool:
        """True when it has ended. Cheap enough for each turn of the loop."""
        now_s = time.monotonic()
        if self._was_there and (self._has_rung() or now_s - self._looked_s >= _LOOK_S):
            self._looked_s = now_s
            self._was_there = is_same_process(self.pid, self.start)
        return not self._was_there

    def close(self) -> None:
        """Give the handle back."""
        for end in self._bell or ():
            end.close()
        if self.handle is not None and self._bell is None:
            with suppress(OSError):
                os.close(self.handle)
        self.handle = None

    def _has_rung(self) -> bool:
        if self.handle is None:
            return False
        if sys.platform == "win32":
            return bool(select.select([self.handle], [], [], 0)[0])
        poll = select.poll()
        poll.register(self.handle, select.POLLIN)
        return bool(poll.poll(0))

    def _open(self) -> int | None:
        try:
            if sys.platform == "linux":
                return os.pidfd_open(self.pid)
            if sys.platform == "darwin":
                return _kqueue(self.pid)
            if sys.platform == "win32":
                self._bell = socket.socketpair()
                threading.Thread(target=_ring_at_end, args=(self.pid, self._bell[1]), daemon=True).start()
                return self._bell[0].fileno()
        except OSError:  # an old kernel, or it ended just now: is_gone tells
            return None
        return None


def _kqueue(pid: int) -> int | None:
    if sys.platform != "darwin":
        return None
    queue = select.kqueue()
    event = select.kevent(pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD, select.KQ_NOTE_EXIT)
    try:
        queue.control([event], 0, 0)
        return os.dup(queue.fileno())
    finally:
        queue.close()


def _ring_at_end(pid: int, bell: socket.socket) -> None:
    """Thread: wait for the process, then say so."""
    if sys.platform != "win32":
        return
    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    synchronize, infinite = 0x0010_0000, 0xFFFF_FFFF
    kernel32.OpenProcess.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(kernel32.OpenProcess(synchronize, False, pid))
    if handle:
        kernel32.WaitForSingleObject(handle, infinite)
        kernel32.CloseHandle(handle)
    with suppress(OSError):
        bell.send(b"x")


def _automatic() -> int:
    """Process id of whom this command works for; 0 if that cannot be told."""
    import psutil

    try:
        if sys.platform == "win32":
            return os.getppid()
        leader = psutil.Process(os.getsid(0))
        if leader.pid != os.getpid() and leader.terminal() is not None:
            return int(leader.pid)
        parent = leader.parent()
        if parent is None or parent.pid <= 1 or {leader.name(), parent.name()} & set(_GO_BETWEENS):
            return 0
        return int(parent.pid)
    except (psutil.Error, OSError):
        return 0
