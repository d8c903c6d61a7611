"""An engine's card, as far as panels and buttons need it. Nothing of Blender."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BUILT_IN", "Engine"]

BUILT_IN = "temporal"
"""Who works if no engine is chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What it says of itself."""

    name: str
    summary: str
    operations: tuple[str, ...]
    is_available: bool
    why_not: str
    controls: tuple[str, ...] = ()
    """What it can follow."""
    reads_motion: bool = False
    makes_whole_frames: bool = False
    looks: int = 0
    """So many references that are no painted frame."""
    needs_words: tuple[str, ...] = ()
    """Operations for which somebody must say, or show, what to make."""
    needs_painted: tuple[str, ...] = ()
    """Operations for which a frame must be painted."""
