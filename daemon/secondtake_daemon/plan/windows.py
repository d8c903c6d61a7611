"""Windows: which frames an engine makes at once. Fixed by the frame numbers, never by the range or by who works."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import groupby, pairwise
from math import gcd

__all__ = ["handles_of", "plan_windows", "red_black"]


def plan_windows(frames: Sequence[int], *, window_frames: int) -> tuple[tuple[int, ...], ...]:
    """Cut ascending frames at the multiples of window_frames; each frame is in exactly one window, none is empty.

    A longer range so has the windows of a shorter one, but for those it cut short at its ends. Of every n-th frame the
    multiples of n are counted, so that such a range has whole windows too.
    """
    step = _step(frames)
    return tuple(tuple(group) for _, group in groupby(frames, lambda frame: frame // step // window_frames))


def handles_of(window: Sequence[int], frames: Sequence[int], *, head: int, tail: int) -> tuple[int, ...]:
    """The frames of the shot before and after a window that an engine with handles looks at; ascending."""
    first = bisect_left(frames, window[0])
    last = first + len(window)
    return (*frames[max(first - head, 0) : first], *frames[last : last + tail])


def red_black(
    windows: Sequence[Sequence[int]], frames: Sequence[int], *, window_frames: int
) -> tuple[tuple[int, ...], ...]:
    """Which windows must be made before each: none before one of even number, both neighbours before an odd one.

    Two steps for any length, no chain along which colour could drift, and no seam that nobody looked at from both
    sides. The number is that of the frames, not of the place in the shot: a longer range needs what a shorter one did.
    """
    step = _step(frames)
    is_odd = [window[0] // step // window_frames % 2 == 1 for window in windows]
    return tuple(
        tuple(near for near in (at - 1, at + 1) if 0 <= near < len(windows) and not is_odd[near]) if is_odd[at] else ()
        for at in range(len(windows))
    )


def _step(frames: Sequence[int]) -> int:
    return gcd(*(later - earlier for earlier, later in pairwise(frames))) or 1
