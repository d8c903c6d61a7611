"""The anchor: one frame of the shot that is made first and shown to the windows that would not see what it holds.

Windows that are made from the plate alone may invent different things inside the matte. So one of them is made first,
and a frame of it is a picture of what is wanted for the others (sparse keyframes before what lies between: Zhang and
Agrawala, FramePack, 2025, use the same order against drift).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from secondtake.boxes import Box
from secondtake.errors import UsageError
from secondtake.frames import FrameSet

__all__ = ["Anchor", "Wish", "pick_anchor"]

_MOST_ZEROS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """That there be an anchor."""

    frame: int | None = None
    """This one; None leaves the choice, and has none where all windows see what the first one made anyway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """The frame that is shown."""

    window: int
    """Index of its window, which is made first."""
    frame: int


def pick_anchor(
    windows: Sequence[Sequence[int]],
    wish: Wish,
    *,
    mattes: Mapping[int, Box],
    numbers: Sequence[int],
    blind: Collection[int],
) -> Anchor | None:
    """The frame that is wished for, or one that shows much; None if there is no matte.

    mattes: by frame. numbers: of the windows, counted from frame 0. blind: windows, by index, of which the plate shows
    nothing. Raises UsageError for a frame that the shot does not have or that cannot be made first.
    """
    if wish.frame is not None:
        return _at(wish.frame, windows, blind=blind)
    areas = [max(mattes[frame].area for frame in window) for window in windows]
    if not any(areas):
        return None
    seeing = [at for at, area in enumerate(areas) if area and at not in blind]
    if seeing:
        first = max(seeing, key=lambda at: _worth(areas[at], numbers[at]))
    else:  # rows of whole frames begin at their first window, whose take a longer range then goes on from
        first = next(at for at, area in enumerate(areas) if area)
    return Anchor(window=first, frame=_fullest(windows[first], mattes))


def _at(frame: int, windows: Sequence[Sequence[int]], *, blind: Collection[int]) -> Anchor:
    found = [at for at, window in enumerate(windows) if frame in window]
    if not found:
        shot = FrameSet(number for window in windows for number in window)
        raise UsageError(f"The anchor {frame} is not one of the frames {shot}", remedy="Give the number of one of them")
    if found[0] in blind and len(blind) < len(windows):
        raise UsageError(
            f"Frame {frame} cannot be made first: it goes on from frames that the plate shows",
            remedy="Give a frame of the plate as the anchor, or none",
        )
    return Anchor(window=found[0], frame=frame)


def _worth(area: int, number: int) -> tuple[int, int, int]:
    """Whole doublings of the matte's area, so that one has to be much larger; then a place that is the same for every
    range that holds it: the number that two divides most often. A longer range seldom has a better one."""
    zeros = (number & -number).bit_length() - 1 if number else _MOST_ZEROS
    return area.bit_length(), zeros, -number


def _fullest(window: Sequence[int], mattes: Mapping[int, Box]) -> int:
    """The frame with the largest matte, of several the one nearest to the middle."""
    middle = (window[0] + window[-1]) / 2
    return max(window, key=lambda frame: (mattes[frame].area, -abs(frame - middle), -frame))
