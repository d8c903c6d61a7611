"""How long a job will still take, from what it measured itself. Pure: it is told what happens, and when.

A window is read (`encode`), denoised in equal steps, and read back (`decode`). Until the first one is through, its
steps are measured and reading back is taken to cost as much as reading; from then on a window costs what windows cost.
"""

from __future__ import annotations

from math import ceil
from statistics import mean, median

from secondtake.frames import FrameSet
from secondtake.messages import Stage

__all__ = ["Pace"]

_STEP = "step"
_LATEST = 3
"""Windows that count; the machine may have become slower."""


class Pace:
    """Of one phase of so many frames. Times are of a monotonic clock."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._made: set[int] = set()
        self._window = _Window("", 0.0)
        self._windows: list[tuple[int, float]] = []
        self._decode_s: float | None = None
        """Of the latest window."""

    def stage(self, stage: Stage, *, now_s: float) -> None:
        """The engine says what it does."""
        window = self._window
        if stage.frames != window.frames or (window.name == "write" and stage.name != "write"):
            self._end(now_s)
            self._window = _Window(stage.frames, now_s)
        self._window.turn(stage, now_s)

    def frame(self, frame: int) -> None:
        """A frame is written."""
        self._made.add(frame)

    def left_s(self, now_s: float) -> int | None:
        """Seconds until the last frame is made; None before anything was measured."""
        window = self._window
        whole_s = mean(took_s for _, took_s in self._windows[-_LATEST:]) if self._windows else window.guess_s()
        if whole_s is None:
            return None
        current_s = window.left_s(whole_s, now_s, decode_s=self._decode_s) if window.frames else 0.0
        numbers = window.numbers
        waiting = self._total - len(self._made | numbers)
        each = max((count for count, _ in self._windows), default=len(numbers)) or 1
        return ceil(current_s + ceil(max(waiting, 0) / each) * whole_s)

    def _end(self, now_s: float) -> None:
        if self._window.frames:
            self._made |= self._window.numbers
            self._windows.append((len(self._window.numbers), self._window.took_s(now_s)))
            self._decode_s = self._window.decode_s(now_s)


class _Window:
    """The frames that are being made."""

    def __init__(self, frames: str, began_s: float) -> None:
        self.frames = frames
        self.numbers = frozenset(FrameSet.parse(frames)) if frames else frozenset[int]()
        self.name = ""
        self._began_s = began_s
        self._ended_s: float | None = None
        self._steps: list[float] = []
        """When each was taken; the first time is when they began."""
        self._total = 0

    def turn(self, stage: Stage, now_s: float) -> None:
        if stage.name == _STEP and (not self._steps or stage.done >= len(self._steps)):
            self._steps.append(now_s)
            self._total = stage.total
        if stage.name == "write" and self._ended_s is None:
            self._ended_s = now_s
        self.name = stage.name

    def took_s(self, now_s: float) -> float:
        return (now_s if self._ended_s is None else self._ended_s) - self._began_s

    def guess_s(self) -> float | None:
        """All of it, from its own first steps."""
        step_s = self._step_s()
        return None if step_s is None else 2 * self._encode_s() + step_s * self._total

    def decode_s(self, now_s: float) -> float | None:
        """What came after the last step, when it is over; None if nothing was measured."""
        steps_s = self._steps_left_s(now_s)
        return None if steps_s is None else max(self.took_s(now_s) + self._began_s - now_s - steps_s, 0.0)

    def left_s(self, whole_s: float, now_s: float, *, decode_s: float | None) -> float:
        """What is left of it. whole_s: what one like it takes; decode_s: what the one before took after its steps."""
        if self._ended_s is not None:
            return 0.0
        steps_s = self._steps_left_s(now_s)
        if steps_s is None:
            return max(whole_s - self.took_s(now_s), 0.0)
        if decode_s is None:
            left_s = whole_s - self.took_s(now_s)
            return max(left_s, steps_s if self.name == _STEP else 0.0, 0.0)
        # Not what is left of whole_s: a job's first window also holds what is done once, as the preview's fit.
        return max(steps_s + decode_s, 0.0)

    def _steps_left_s(self, now_s: float) -> float | None:
        """From now to the end of the last step; negative when that is past."""
        step_s = self._step_s()
        return None if step_s is None else self._steps[-1] + (self._total - len(self._steps) + 1) * step_s - now_s

    def _encode_s(self) -> float:
        return self._steps[0] - self._began_s

    def _step_s(self) -> float | None:
        taken = [after - before for before, after in zip(self._steps, self._steps[1:], strict=False)]
        return median(taken) if taken else None
