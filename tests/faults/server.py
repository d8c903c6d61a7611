"""The test's end of `fork_server.py`."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

__all__ = ["DONE", "FAILED", "KILLED", "Answer", "Order", "Server"]

_LIMIT_S = 40.0
DONE, FAILED, KILLED = 0, 3, -signal.SIGKILL


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """moment: before, middle, after — the call is where to die; fail — it, or every so many, fails with ENOSPC."""

    scenario: str
    root: str
    shot: str
    call: int = -1
    moment: str = "before"
    each: int = 0
    prepare: bool = False
    record: str = ""
    """File for the calls that were made."""
    eio: float = 0.0
    """Share of all calls into the system's input and output that fail (`flaky`) …"""
    seed: int = 0
    """… by this seed."""
    mutant: str = ""
    """A fault that is seeded first (`mutants`)."""


class Answer(msgspec.Struct, frozen=True):
    """status: DONE, FAILED (a typed error; error is its code), KILLED, or 1 (error is a traceback)."""

    status: int
    calls: int
    error: str


class Server:
    """A running one."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def run(self, order: Order) -> Answer:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], _LIMIT_S)[0]:
            self._process.kill()
            raise AssertionError(f"no answer within {_LIMIT_S:.0f} s: {order}")
        return msgspec.json.decode(self._process.stdout.readline(), type=Answer)

    @classmethod
    @contextmanager
    def started(cls, *, environment: Mapping[str, str] | None = None) -> Iterator[Server]:
        """environment: in addition to this process's own."""
        command = [sys.executable, "-P", str(Path(__file__).with_name("fork_server.py"))]
        whole = {**os.environ, **(environment or {})}
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=whole)
        with process:
            yield cls(process)
            assert process.stdin is not None
            process.stdin.close()
