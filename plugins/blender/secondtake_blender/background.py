"""A background Blender as a child process: started, looked at, cancelled. No thread, no pipe and nothing of Blender.

The child writes lines of JSON to a file, and what it says besides to another; both are read when somebody asks. So
nothing can block, and a child that is killed leaves a readable log.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from .refusal import Refusal

__all__ = ["LOG", "PROGRESS", "Background", "Progress", "State", "Writer"]

PROGRESS = "progress.jsonl"
LOG = "blender.log"
_KILL_AFTER_S = 3.0
_LOG_TAIL_BYTES = 4000


class State(Enum):
    """How a background render is. All but the first are final."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What is known just now."""

    state: State
    done: int = 0
    """Frames that are written."""
    total: int = 0
    problem: Refusal | None = None
    """Why it failed."""


class Background:
    """One child. Poll it from a timer; every call returns at once."""

    def __init__(self, command: Sequence[str], *, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        """Start `command`. `folder` gets its log. Raises Refusal if it cannot be started."""
        self.folder = folder
        self._read_bytes = 0
        self._progress = Progress(state=State.RUNNING)
        self._is_whole = False
        self._problem: Refusal | None = None
        self._kill_at: float | None = None
        try:
            with (folder / LOG).open("wb") as log:
                self._child = subprocess.Popen(
                    [*command], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment
                )
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise Refusal(
                f"No background Blender could be started ({reason})", remedy="Look at the folder", path=str(folder)
            ) from error

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._child.pid

    def poll(self) -> Progress:
        """Read what was written since, and look whether the child lives."""
        if self._progress.state is not State.RUNNING:
            return self._progress
        ended = self._child.poll()
        for line in self._lines():
            self._take(line)
        if ended is None:
            if self._kill_at is not None and time.monotonic() > self._kill_at:
                self._child.kill()
        elif self._kill_at is not None:
            self._finish(State.CANCELLED)
        elif self._is_whole:
            self._finish(State.DONE)
        else:
            status = Refusal(
                f"The background Blender ended by itself (exit status {ended})",
                remedy="Look at its log",
                path=str(self.folder / LOG),
            )
            self._finish(State.FAILED, problem=self._problem or status)
        return self._progress

    def cancel(self) -> None:
        """Ask the child to end; `poll` kills it if it does not."""
        if self._progress.state is State.RUNNING and self._kill_at is None:
            self._kill_at = time.monotonic() + _KILL_AFTER_S
            self._child.terminate()

    def close(self) -> None:
        """End the child now, for a host that ends. Returns when it is gone, within a few seconds."""
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait(timeout=_KILL_AFTER_S)

    def _lines(self) -> list[str]:
        """Whole lines that are new."""
        try:
            with (self.folder / PROGRESS).open("rb") as file:
                file.seek(self._read_bytes)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._read_bytes += len(whole)
        return whole.decode("utf-8").splitlines()

    def _take(self, line: str) -> None:
        said = json.loads(line)
        if "problem" in said:
            path = said["path"] or str(self.folder / LOG)
            self._problem = Refusal(said["problem"], remedy=said["remedy"], path=path)
            return
        self._is_whole = bool(said.get("is_whole"))
        self._progress = Progress(state=State.RUNNING, done=said["done"], total=said["total"])

    def _finish(self, state: State, problem: Refusal | None = None) -> None:
        self._progress = Progress(state=state, done=self._progress.done, total=self._progress.total, problem=problem)


class Writer:
    """The child's side: one line for each thing that `Background` shall know."""

    def __init__(self, folder: Path, *, total: int) -> None:
        self._path = folder / PROGRESS
        self._total = total
        self._done = 0
        self._host = os.getppid()
        self._write(done=0, total=total)

    def frame(self) -> None:
        """One more frame is written. Ends the process if its host is gone: nobody would look at the rest."""
        self._done += 1
        self._write(done=self._done, total=self._total)
        if os.getppid() != self._host:
            raise SystemExit("The Blender that asked for this is gone")

    def whole(self) -> None:
        """Everything is written."""
        self._write(done=self._total, total=self._total, is_whole=True)

    def problem(self, refusal: Refusal) -> None:
        """It cannot be done."""
        self._write(problem=refusal.message, remedy=refusal.remedy, path=refusal.path)

    def _write(self, **said: object) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(said) + "\n")
