"""Fences itself in as a worker does, then tries what a taken-over decoder would. One line for each attempt.

Arguments: root (or "" for none), own folder, another folder, "gpu" or "cpu".
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from secondtake_daemon import sandbox

ROOT, OWN, OTHER, KIND = sys.argv[1:5]
PARENT = os.getppid()
LIBC = ctypes.CDLL(None, use_errno=True)
IO_URING_SETUP, PROCESS_VM_READV = 425, {"x86_64": 310, "aarch64": 270}[os.uname().machine]


def call(number: int, *arguments: object) -> None:
    if LIBC.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def in_thread(attempt: Callable[[], object]) -> None:
    failures: list[OSError] = []

    def run() -> None:
        try:
            attempt()
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def attempts(before: threading.Event) -> dict[str, Callable[[], object]]:
    work, other = Path(ROOT or OTHER), Path(OTHER)
    return {
        "inet": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        "inet6": lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM),
        "packet": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
        "unix": lambda: socket.socket(socket.AF_UNIX),
        "inet in a thread": lambda: in_thread(lambda: socket.socket(socket.AF_INET)),
        "pair": socket.socketpair,
        "io_uring": lambda: call(IO_URING_SETUP, 8, ctypes.create_string_buffer(120)),
        "memory of the daemon": lambda: call(PROCESS_VM_READV, PARENT, None, 0, None, 0, 0),
        "its environment": lambda: Path(f"/proc/{PARENT}/environ").read_bytes(),
        "signal": lambda: os.kill(PARENT, signal.SIGCONT),
        "read own": lambda: (Path(OWN) / "kept").read_bytes(),
        "write own": lambda: (Path(OWN) / "new").write_bytes(b"x"),
        "read work": lambda: (work / "kept").read_bytes(),
        "write work": lambda: (work / "out" / "new").write_bytes(b"x") if (work / "out").mkdir() is None else None,
        "rename work": lambda: (work / "out" / "new").rename(work / "moved"),
        "read other": lambda: (other / "kept").read_bytes(),
        "read other in a thread": lambda: in_thread(lambda: (other / "kept").read_bytes()),
        "write other": lambda: (other / "new").write_bytes(b"x"),
        "truncate other": lambda: os.truncate(other / "kept", 0),
        "passwords": lambda: Path("/etc/passwd").read_bytes(),
        "program": lambda: subprocess.run(["/bin/true"], check=True),
        "own program": lambda: subprocess.run([str(work / "program")], check=True),
        "device": lambda: os.mknod(work / "device", 0o20600, os.makedev(1, 3)),
        "null": lambda: Path(os.devnull).write_bytes(b"x"),
        "cores": lambda: Path("/proc/cpuinfo").read_bytes(),
        "memory": lambda: mmap.mmap(-1, 1 << 50),
        "setuid": lambda: None if "NoNewPrivs:\t1" in Path("/proc/self/status").read_text() else call(-1),
    }


def main() -> None:
    before = threading.Event()  # a thread that runs before the filter is set is filtered too
    found: list[str] = []

    def early() -> None:
        before.wait()
        try:
            socket.socket(socket.AF_INET)
        except OSError:
            found.append("denied")

    thread = threading.Thread(target=early)
    thread.start()
    sandbox.enter(roots=[Path(ROOT)] if ROOT else [], own=[Path(OWN)], uses_gpu=KIND == "gpu")
    before.set()
    thread.join()
    print("inet in an older thread", *(found or ["allowed"]), sep="\t")
    for name, attempt in attempts(before).items():
        try:
            attempt()
        except (OSError, subprocess.SubprocessError):
            print(name, "denied", sep="\t")
        else:
            print(name, "allowed", sep="\t")
    import numpy as np

    np.linalg.inv(np.eye(300))  # image libraries and their threads work behind the fence
    from secondtake_daemon import pipeline

    assert pipeline.__file__


if __name__ == "__main__":
    main()
