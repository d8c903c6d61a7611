"""What the bridge tells its children to do, and what they say. It loads nothing heavy."""

from __future__ import annotations

import msgspec

from secondtake.messages import FixRequest

__all__ = ["SurveyTask", "ThumbnailTask", "Written"]


class SurveyTask(msgspec.Struct, frozen=True, kw_only=True):
    """Look at what a request would send. Answer: a `SurveyAnswer`."""

    request: FixRequest
    handles: tuple[int, int] = (0, 0)
    extend: tuple[int, int] = (0, 0)


class ThumbnailTask(msgspec.Struct, frozen=True, kw_only=True):
    """Make a small picture. Answer: `Written`."""

    folder: str
    """Of the take."""
    frame: int
    width_px: int
    path: str


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """Where it lies."""

    path: str
