"""Quality figures of a take and of its frames, as they stand in take.json and travel to the hosts (docs/quality.md)."""

from __future__ import annotations

import msgspec

__all__ = ["Figures", "FrameFigures"]


class FrameFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one frame, as they stand in take.json."""

    inside: tuple[float, float, float]
    """Mean level inside the matte, per channel, in stops; 0 where there is no matte."""
    around: tuple[float, float, float]
    """Mean level of the plate in a ring of 12 px around the matte, in stops."""
    drift: tuple[float, float, float]
    """Mean level of the take less that of its parent, inside the matte, in stops."""
    seam: float
    """Step across the matte's edge beyond what the picture beside the edge has of its own, in stops."""
    bad: int
    """Samples inside the matte that are NaN or infinite."""
    content: str
    """Digest of the take's samples inside the matte; "" without a matte. Two frames with the same are doubled."""
    plate_content: str
    """The same of the parent's samples around the matte: in a doubled plate a doubled frame is right."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Figures a reviewer looks at first. Levels in stops; all are 0 in a take where nothing is wrong."""

    outside_changed: int
    seam: float
    """The worst frame's step at the matte's edge."""
    seam_frame: int | None
    flicker: float
    """RMS of how the level inside jumps from frame to frame against the plate around it."""
    drift: tuple[float, float, float]
    """Mean level against the parent inside the matte, per channel. A fix that changes something changes this."""
    window_step: float
    """The largest jump of the level between two windows, beyond the usual one between frames."""
    window_frame: int | None
    """First frame of the window after that jump."""
    bad: int
    """Samples inside the matte that are NaN or infinite."""
    missing: tuple[int, ...]
    """Frames of the range that the take has not."""
    doubled: tuple[int, ...]
    """Frames equal to the one before inside the matte, though the plate around it moved on."""
