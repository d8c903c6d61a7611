"""Windows: which frames an engine makes at once. Fixed by the plan, never by the number of workers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

__all__ = ["plan_windows"]


def plan_windows(frames: Sequence[int], *, window_frames: int) -> tuple[tuple[int, ...], ...]:
    """Cut the frames into as few windows as the engine allows, of nearly equal length; each frame is in exactly one."""
    count = -(-len(frames) // window_frames)
    borders = [len(frames) * index // count for index in range(count + 1)] if count else []
    return tuple(tuple(frames[a:b]) for a, b in pairwise(borders))
