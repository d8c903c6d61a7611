"""How a job tells where it is."""

from __future__ import annotations

from typing import Protocol

from secondtake.figures import Figures
from secondtake.messages import Phase, Stage

__all__ = ["Report"]


class Report(Protocol):
    """Implemented by the worker; each call may raise Cancelled."""

    def phase(self, phase: Phase, total: int = 0) -> None:
        """A new phase begins, of so many frames (0: unknown)."""

    def frame(self, frame: int) -> None:
        """One more frame of this phase is finished."""

    def figures(self, figures: Figures) -> None:
        """The quality figures of the frames finished so far."""

    def stage(self, stage: Stage) -> None:
        """What the engine does just now. Never raises."""

    def step(self) -> None:
        """A sign of life. Call it at least every second."""
