"""Which frame of the media a strip or clip shows at which frame of the timeline. Whole numbers; nothing of Blender.

The rule of Blender's sequencer (`strip_frame_index_get` and its users in source/blender/sequencer), as measured on 4.2,
4.5, 5.0 and 5.2: the position in the content, from its end if the frames run backwards, held at the first and the last
frame, lowered to a multiple of the strobe; then the soft trim at the start is added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["MediaTime", "Pair", "clip_file_index", "frame_text", "pairs_between"]


class Pair(NamedTuple):
    """A frame of the timeline, and the number of the plate's file that is seen there."""

    timeline: int
    number: int


@dataclass(frozen=True, slots=True)
class MediaTime:
    """How a strip that is not retimed runs through its media."""

    start: float
    """Timeline frame of the content's first frame."""
    count: int
    """Frames of content, without those cut away by the soft trims."""
    trim: int = 0
    """Frames of the media before the content: the soft trim at the start."""
    is_reversed: bool = False
    strobe: float = 1.0
    """Each so many frames the picture changes."""

    def index(self, timeline: int) -> int:
        """0-based index into the media."""
        place = round(timeline - self.start)
        if self.is_reversed:
            place = self.count - 1 - place
        place = min(max(place, 0), max(self.count - 1, 0))
        if self.strobe > 1:
            place = int(place - place % self.strobe)
        return self.trim + place

    def holds(self, timeline: int) -> bool:
        """True if the content has a frame of its own there: the ends are not held."""
        return 0 <= round(timeline - self.start) < self.count


def pairs_between(
    first: int, last: int, *, handles: int, number: Callable[[int], int], holds: Callable[[int], bool]
) -> tuple[Pair, ...]:
    """Pairs for the timeline frames first … last, and for up to `handles` more at each end as far as content goes."""
    head = 0
    while head < handles and holds(first - head - 1):
        head += 1
    tail = 0
    while tail < handles and holds(last + tail + 1):
        tail += 1
    return tuple(Pair(frame, number(frame)) for frame in range(first - head, last + tail + 1))


def clip_file_index(timeline: int, *, frame_start: int, frame_offset: int) -> int:
    """0-based index of the file that a movie clip shows."""
    return timeline - frame_start + frame_offset


def frame_text(numbers: Iterable[int]) -> str:
    """Numbers in the grammar of `fix --frames`: `1001-1010,1020`. Empty for no numbers."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
