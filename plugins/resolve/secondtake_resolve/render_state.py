"""A render job, and how it is. Plain values."""

from __future__ import annotations

from dataclasses import dataclass

from .ranges import AbsoluteFrame, Range

__all__ = ["RenderJob", "RenderState"]

_WAITING = frozenset({"", "Ready"})
_LOST = frozenset({"Cancelled", "Failed", "Background Render Cancelled", "Remote Render Cancelled"})


@dataclass(frozen=True)
class RenderJob:
    """Frames of a timeline, to be rendered as files `NAME########.exr` somewhere below a folder."""

    record: Range[AbsoluteFrame]
    folder: str
    name: str
    size_px: tuple[int, int]


@dataclass(frozen=True)
class RenderState:
    """As Resolve tells of it. A sequence may stay at 100 per cent and never be called complete."""

    status: str
    percent: float
    error: str
    is_rendering: bool

    @property
    def has_begun(self) -> bool:
        """True once it does not wait any more."""
        return self.status not in _WAITING

    @property
    def is_lost(self) -> bool:
        """True if it will never be whole."""
        return self.status in _LOST

    @property
    def may_be_whole(self) -> bool:
        """True if its files are worth counting."""
        return self.status == "Complete" or (not self.is_rendering and self.percent >= 100)
