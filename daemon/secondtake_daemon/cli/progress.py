"""Progress of a job on stderr: a bar on a terminal, elsewhere plain lines: each phase's begin and end, and between them
two a second."""

from __future__ import annotations

import re
import time
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from secondtake.messages import JobState, JobView
from secondtake_daemon.cli.output import Output

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["Display", "display", "said", "words"]

_LINE_PAUSE_S = 0.5
_BROKEN_OFF = re.compile(r"(queued again|failed|cancelled)$|\bwaits (for|until) ")
"""What can follow a phase that did not come to its end."""


class Display(Protocol):
    """Shows how far something is; a context manager, so that the bar goes when the work ends."""

    def __enter__(self) -> Display: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, what: str, *, done: int = 0, total: int = 0, frame: int | None = None) -> None:
        """`what` is a phase; total 0 is unknown."""


def display(output: Output) -> Display:
    """The right kind for where stderr goes."""
    return _Bar(output) if output.stderr.isatty() else _Lines(output)


def words(view: JobView) -> str:
    """What a job does just now, in a word or two."""
    if view.state is JobState.QUEUED:
        return "waits" if view.waits else "queued" if not view.attempts else "queued again"
    return view.phase.value if view.phase is not None and view.state is JobState.RUNNING else view.state.value


def said(view: JobView) -> str:
    """The same, and what it waits for."""
    return view.waits[:1].lower() + view.waits[1:] if view.waits else words(view)


class _Lines:
    def __init__(self, output: Output) -> None:
        self._output = output
        self._last = ""
        self._what = ""
        self._total = 0
        self._said_at = float("-inf")

    def __enter__(self) -> Display:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, what: str, *, done: int = 0, total: int = 0, frame: int | None = None) -> None:
        if what != self._what and not _BROKEN_OFF.search(what):
            self._end_phase()
        text = f"{what} {done}/{total}" if total else what
        self._total = total
        now = time.monotonic()
        is_landmark = what != self._what or (bool(total) and done == total)
        if text == self._last or (now - self._said_at < _LINE_PAUSE_S and not is_landmark):
            return
        self._output.message(text)
        self._last, self._what, self._said_at = text, what, now

    def _end_phase(self) -> None:
        """The daemon may merge the last event of a phase into the first of the next; its end is said all the same."""
        text = f"{self._what} {self._total}/{self._total}"
        if self._total and text != self._last:
            self._output.message(text)


class _Bar:
    def __init__(self, output: Output) -> None:
        self._output = output
        self._what = ""
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Display:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[frame]}", markup=False),
            TimeRemainingColumn(),
            console=Console(file=self._output.stderr),
            transient=True,
        )
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, what: str, *, done: int = 0, total: int = 0, frame: int | None = None) -> None:
        if self._progress is None:
            return
        if self._task is None or what != self._what:  # a new phase has a speed, and so a remaining time, of its own
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._task = self._progress.add_task(what, total=total or None, frame="")
            self._what = what
        self._progress.update(
            self._task, completed=done, total=total or None, frame="" if frame is None else f"frame {frame}"
        )
