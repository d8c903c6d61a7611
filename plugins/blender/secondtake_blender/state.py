"""What this session knows and no .blend keeps: the connection, jobs under way, engines, pictures. Nothing of Blender.

It is neither saved nor undone, and it outlives the file that is open.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .chores import Chore
from .engine import Engine
from .host import Answer, Bridge
from .live import LiveJob

__all__ = ["Line", "SessionState", "live"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line for the artist."""

    text: str
    is_problem: bool = True


@dataclass(slots=True)
class SessionState:
    """Everything, in one place; the pump changes it, panels read it."""

    bridge: Bridge | None = None
    then: dict[int, Callable[[Answer], None]] = field(default_factory=dict)
    """What to do with the answer of each question."""
    daemon: str = ""
    """`running`, `none`, `lost`, `stopped`; "" before the first answer."""
    daemon_why: str = ""
    daemon_version: str = ""
    engines: tuple[Engine, ...] = ()
    line: Line | None = None
    """What was said last."""
    jobs: dict[str, LiveJob] = field(default_factory=dict)
    finished: dict[str, LiveJob] = field(default_factory=dict)
    """Jobs of this session and .blend whose takes are there."""
    later: deque[Callable[[], None]] = field(default_factory=deque)
    """Work for the next ticks of the pump, one piece at a time."""
    paused_s: dict[str, float] = field(default_factory=dict)
    """Since when the prefetch of a scene is paused."""
    is_pause_wanted: bool = False
    """True if something waited for that in this tick."""
    chores: list[Chore[None]] = field(default_factory=list)
    """Work of many ticks that no job waits for."""
    takes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What the daemon's store says of each take."""
    surveys: dict[str, tuple[tuple[str, ...], str]] = field(default_factory=dict)
    """What is odd and what is wrong with the plate that is looked at."""
    compared: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Answers of `compare`, by take."""
    tick_s: deque[float] = field(default_factory=lambda: deque(maxlen=2000))
    """How long the last ticks took."""

    def say(self, text: str, *, is_problem: bool = True) -> None:
        """Show a line in the panels."""
        self.line = Line(text, is_problem)

    def jobs_here(self) -> list[LiveJob]:
        """Jobs of the .blend that is open, oldest first."""
        return [job for job in self.jobs.values() if job.is_ours]


live = SessionState()
"""The only one."""
