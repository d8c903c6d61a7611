"""Windows: which frames an engine makes at once. Fixed by the frame numbers, never by the range or by who works."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from math import gcd

__all__ = ["plan_windows"]


def plan_windows(frames: Sequence[int], *, window_frames: int) -> tuple[tuple[int, ...], ...]:
    """Cut ascending frames at the multiples of window_frames; each frame is in exactly one window, none is empty.

    A longer range so has the windows of a shorter one, but for those it cut short at its ends. Of every n-th frame the
    multiples of n are counted, so that such a range has whole windows too.
    """
    step = gcd(*(later - earlier for earlier, later in pairwise(frames))) or 1
    return tuple(tuple(group) for _, group in groupby(frames, lambda frame: frame // step // window_frames))
