"""Windows: which frames an engine makes at once. Fixed by the frame numbers, never by the range or by who works."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from itertools import groupby, pairwise
from math import gcd

__all__ = ["handles_of", "numbers_of", "outward", "plan_windows", "red_black"]


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


def numbers_of(windows: Sequence[Sequence[int]], frames: Sequence[int], *, window_frames: int) -> tuple[int, ...]:
    """Of each window: counted from the one that begins with frame 0, the same for every range."""
    step = _step(frames)
    return tuple(window[0] // step // window_frames for window in windows)


def red_black(
    windows: Sequence[Sequence[int]], frames: Sequence[int], *, window_frames: int, first: int | None = None
) -> tuple[tuple[int, ...], ...]:
    """Which windows must be made before each: none before one of even number, both neighbours before an odd one.

    Two steps for any length, no chain along which colour could drift, and no seam that nobody looked at from both
    sides. The number is that of the frames, not of the place in the shot: a longer range needs what a shorter one did.
    first: a window, by index, that waits for none; then numbers are counted from its own.
    """
    numbers = numbers_of(windows, frames, window_frames=window_frames)
    begin = 0 if first is None else numbers[first]
    is_odd = [(number - begin) % 2 == 1 for number in numbers]
    return tuple(
        tuple(near for near in (at - 1, at + 1) if 0 <= near < len(windows) and not is_odd[near]) if is_odd[at] else ()
        for at in range(len(windows))
    )


def outward(
    windows: Sequence[Sequence[int]],
    needs: Sequence[Sequence[int]],
    *,
    blind: Collection[int],
    anchored: Collection[int],
) -> tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]:
    """What must be made before each window, and its rank: where some windows are blind, that is, nothing of the plate
    is seen in them, they are made one after the other, away from what is known.

    needs: of the others (`red_black`), which never wait for a blind one. blind: windows, by index. anchored: those of
    them that hold a painted frame. Without any window to begin at, the first begins. Where two rows meet, the later
    window waits for both. Windows of rank 0 come first, then 1, 2 …
    """
    count = len(windows)
    begins = [at for at in range(count) if at not in blind or at in anchored] or [0]
    apart = [min(abs(at - begin) for begin in begins) for at in range(count)]
    place = [(apart[at], at in blind, at) for at in range(count)]
    found = []
    for at in range(count):
        near = tuple(other for other in (at - 1, at + 1) if 0 <= other < count)
        if at in blind:
            found.append(tuple(other for other in near if place[other] < place[at]))
        else:
            found.append(tuple(other for other in needs[at] if other not in blind))
    return tuple(found), tuple(1 + apart[at] if at in blind else 0 for at in range(count))


def _step(frames: Sequence[int]) -> int:
    return gcd(*(later - earlier for earlier, later in pairwise(frames))) or 1
