"""A host as the bridge sees it: pipes and lines, nothing of `host.py`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
from exr_shots import Layout, write_shot

BRIDGE = [sys.executable, "-P", "-m", "secondtake_daemon.bridge"]
PATIENCE_S = 60.0
HELLO = {"protocol_min": 1, "protocol_max": 1, "name": "test/1", "version": "tests/1"}

Line = dict[str, Any]


class Host:
    """A real bridge as a child. Its lines are read by a thread, unless the host is to stall."""

    def __init__(self, *, reads: bool = True, greets: bool = True) -> None:
        self.process = subprocess.Popen(BRIDGE, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self.lines: list[Line] = []
        self._last_id = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        if reads:
            self._reader.start()
        if greets:
            self.say({"id": 0, "method": "hello", "params": HELLO})

    def start_reading(self) -> None:
        self._reader.start()

    def raw(self, line: bytes) -> None:
        self.stdin.write(line)
        self.stdin.flush()

    def say(self, line: Line) -> None:
        self.raw(json.dumps(line).encode() + b"\n")

    def ask(self, method: str, **params: object) -> int:
        self._last_id += 1
        self.say({"id": self._last_id, "method": method, "params": params})
        return self._last_id

    def answer(self, number: int | None) -> Line:
        return self.wait(lambda line: "event" not in line and line["id"] == number)

    def result(self, method: str, **params: object) -> Line:
        answer = self.answer(self.ask(method, **params))
        assert "result" in answer, answer
        found: Line = answer["result"]
        return found

    def error(self, method: str, **params: object) -> Line:
        answer = self.answer(self.ask(method, **params))
        assert "error" in answer, answer
        found: Line = answer["error"]
        return found

    def wait(self, wanted: Callable[[Line], bool], *, timeout_s: float = PATIENCE_S) -> Line:
        end_s = time.monotonic() + timeout_s
        at = 0
        while time.monotonic() < end_s:
            while at < len(self.lines):
                if wanted(self.lines[at]):
                    return self.lines[at]
                at += 1
            time.sleep(0.01)
        raise AssertionError(f"it never came; the last lines were {self.lines[-3:]}")

    def events_of(self, job: str) -> list[Line]:
        return [line for line in self.lines if line.get("event") == "job" and line["job"]["job"] == job]

    def wait_for(self, job: str, *states: str) -> Line:
        """The job's first event in one of these states."""
        return self.wait(
            lambda line: line.get("event") == "job" and line["job"]["job"] == job and line["job"]["state"] in states
        )

    def close(self) -> int:
        """Hang up; the bridge's exit status."""
        self.stdin.close()
        status = self.process.wait(PATIENCE_S)
        if self._reader.is_alive():
            self._reader.join()
        self.stdout.close()
        return status

    def _read(self) -> None:
        for line in self.stdout:
            assert line.isascii()
            self.lines.append(json.loads(line))


@contextmanager
def host(**switches: bool) -> Iterator[Host]:
    """A host that hangs up at the end."""
    made = Host(**switches)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()
        if made._reader.is_alive():
            made._reader.join()
        made.stdin.close()
        made.stdout.close()


def make_shot(folder: Path, frames: int = 4) -> Line:
    """A small shot, as the parameters of a fix by the stand-in engine."""
    folder.mkdir(parents=True, exist_ok=True)
    plate, matte = write_shot(folder, Layout(), list(range(1001, 1001 + frames)))
    return {"plate": plate, "matte": matte, "engine": "standin", "out": str(folder / "out")}


def is_gone(pid: int) -> bool:
    """True if no such process runs (a corpse does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in "ZX"


def wait_until(done: Callable[[], bool], what: str, *, timeout_s: float = PATIENCE_S) -> None:
    end_s = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < end_s, what
        time.sleep(0.01)


def new_job() -> str:
    return os.urandom(16).hex()
