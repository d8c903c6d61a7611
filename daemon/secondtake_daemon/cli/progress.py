"""Progress of a job on stderr: a bar on a terminal, elsewhere plain lines: each phase's begin and end, and between them
two a second."""

from __future__ import annotations

import re
import time
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from secondtake.messages import JobState, JobView, Stage
from secondtake_daemon.cli.output import Output

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID

__all__ = ["Display", "display", "doing", "said", "words"]

_LINE_PAUSE_S = 0.5
_BROKEN_OFF = re.compile(r"(queued again|failed|cancelled)$|\bwaits (for|until) ")
"""What can follow a phase that did not come to its end."""


class Display(Protocol):
    """Shows how far something is; a context manager, so that the bar goes when the work ends."""

    def __enter__(self) -> Display: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(
        self, what: str, *, done: int = 0, total: int = 0, frame: int | None = None, stage: Stage | None = None
    ) -> None:
        """`what` is a phase; total 0 is unknown. stage: what the engine does in it."""


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


def doing(stage: Stage) -> str:
    """As `step 3/30 of frames 1001-1064`."""
    count = f" {stage.done}/{stage.total}" if stage.total else ""
    many = "s" if "-" in stage.frames or "," in stage.frames else ""
    return f"{stage.name}{count}" + (f" of frame{many} {stage.frames}" if stage.frames else "")


def _left(seconds: int) -> str:
    if seconds < 90:
        return f"{seconds} s left"
    return f"{round(seconds / 60)} min left" if seconds < 5400 else f"{seconds / 3600:.1f} h left"


class _Lines:
    def __init__(self, output: Output) -> None:
        self._output = output
        self._last = ""
        self._what = ""
        self._total = 0
        self._preview = ""
        self._said_at = float("-inf")

    def __enter__(self) -> Display:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(
        self, what: str, *, done: int = 0, total: int = 0, frame: int | None = None, stage: Stage | None = None
    ) -> None:
        if what != self._what and not _BROKEN_OFF.search(what):
            self._end_phase()
        text = f"{what} {done}/{total}" if total else what
        if stage is not None:
            text = " · ".join([text, doing(stage), *([] if stage.left_s is None else [_left(stage.left_s)])])
        self._total = total
        now = time.monotonic()
        is_landmark = what != self._what or (bool(total) and done == total)
        if text == self._last or (now - self._said_at < _LINE_PAUSE_S and not is_landmark):
            return
        self._output.message(text)
        self._last, self._what, self._said_at = text, what, now
        if stage is not None and stage.preview not in ("", self._preview):
            self._preview = stage.preview
            self._output.message(_preview_line(stage))

    def _end_phase(self) -> None:
        """The daemon may merge the last event of a phase into the first of the next; its end is said all the same."""
        text = f"{self._what} {self._total}/{self._total}"
        if self._total and text != self._last.partition(" · ")[0]:
            self._output.message(text)


class _Bar:
    def __init__(self, output: Output) -> None:
        self._output = output
        self._what = ""
        self._preview = ""
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Display:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[frame]}", markup=False),
            _time_column(),
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

    def show(
        self, what: str, *, done: int = 0, total: int = 0, frame: int | None = None, stage: Stage | None = None
    ) -> None:
        if self._progress is None:
            return
        if self._task is None or what != self._what:  # a new phase has a speed, and so a remaining time, of its own
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._task = self._progress.add_task(what, total=total or None, frame="", left_s=None)
            self._what = what
        self._progress.update(
            self._task,
            completed=done,
            total=total or None,
            frame=doing(stage) if stage is not None else "" if frame is None else f"frame {frame}",
            left_s=stage.left_s if stage is not None else None,
        )
        if stage is not None and stage.preview not in ("", self._preview):
            self._preview = stage.preview
            self._progress.console.print(_preview_line(stage), markup=False, highlight=False, soft_wrap=True)


def _preview_line(stage: Stage) -> str:
    return f"preview, renewed while it works: {stage.preview}"


def _time_column() -> ProgressColumn:
    """What the engine says about the time left, where it says something; else what the bar's own speed says."""
    from rich.progress import Task, TimeRemainingColumn
    from rich.text import Text

    class Left(TimeRemainingColumn):
        def render(self, task: Task) -> Text:
            left_s = task.fields.get("left_s")
            return super().render(task) if left_s is None else Text(_left(left_s), style="progress.remaining")

    return Left()
