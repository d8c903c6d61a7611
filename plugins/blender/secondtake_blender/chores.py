"""Work that is too long for one tick, done a piece at a time: there are no threads in Blender. Nothing of Blender."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Generic, TypeVar

from .refusal import Refusal

__all__ = ["Chore"]

_Made = TypeVar("_Made")


class Chore(Generic[_Made]):
    """One piece of work; a tick goes on with it."""

    def __init__(self, work: Generator[None, None, _Made]) -> None:
        """Begin nothing yet. `work` yields often and returns what it made; what it raises as Refusal is kept."""
        self._work = work
        self.made: _Made | None = None
        self.problem: Refusal | None = None
        self.is_over = False

    def step(self, *, budget_s: float) -> bool:
        """Go on for about so long; True once `made` or `problem` is there."""
        end_s = time.perf_counter() + budget_s
        try:
            while not self.is_over:
                next(self._work)
                if time.perf_counter() > end_s:
                    break
        except StopIteration as end:
            self.made, self.is_over = end.value, True
        except Refusal as refusal:
            self.problem, self.is_over = refusal, True
        except Exception as error:  # noqa: BLE001 — the artist reads one line, whatever it was
            self.problem, self.is_over = Refusal(f"It cannot be written ({error})", remedy="Look at the disk"), True
        return self.is_over

    def finish(self) -> None:
        """Go on to the end, for a host that ends."""
        self.step(budget_s=float("inf"))

    def stop(self) -> None:
        """Give it up as it is."""
        self._work.close()
        self.is_over = True
