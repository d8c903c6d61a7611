"""Who a process id really is: a pid is used again, a pid with its start time is not."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

__all__ = ["is_same_process", "process_start"]


def process_start(pid: int) -> str:
    """When the process began, as text that only equals itself; "" if there is none, or only its corpse."""
    if pid <= 0:
        return ""
    if sys.platform == "win32":
        return _start_on_windows(pid)
    return _start_from_proc(pid) if sys.platform == "linux" else _start_from_ps(pid)


def is_same_process(pid: int, start: str) -> bool:
    """True if the process that was seen with this start time still lives."""
    return bool(start) and process_start(pid) == start


def _start_from_proc(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
    # The name in parentheses may hold spaces and parentheses itself: count from the last one.
    fields = stat[stat.rfind(b")") + 2 :].split()
    if fields[0] in (b"Z", b"X"):
        return ""
    return f"{boot[:8]}-{fields[19].decode('ascii')}"


def _start_from_ps(pid: int) -> str:
    found = subprocess.run(
        ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)],
        capture_output=True,
        check=False,
        timeout=5.0,
        env={**os.environ, "LC_ALL": "C"},
    )
    state, _, start = found.stdout.decode("ascii", "replace").strip().partition(" ")
    return "" if state.startswith("Z") else start.strip()


def _start_on_windows(pid: int) -> str:
    if sys.platform != "win32":
        return ""
    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    query_limited_information, still_active = 0x1000, 259
    kernel32.OpenProcess.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(kernel32.OpenProcess(query_limited_information, False, pid))
    if not handle:
        return ""
    try:
        times = [ctypes.c_uint64() for _ in range(4)]
        code = ctypes.c_uint32()
        known = kernel32.GetProcessTimes(handle, *(ctypes.byref(time) for time in times))
        alive = kernel32.GetExitCodeProcess(handle, ctypes.byref(code)) and code.value == still_active
        return str(times[0].value) if known and alive else ""
    finally:
        kernel32.CloseHandle(handle)
