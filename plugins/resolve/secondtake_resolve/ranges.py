"""Frame numbers and ranges of them. Pure integers; no frame of one kind is ever taken for one of another.

Resolve counts in three ways, and mixes inclusive and exclusive ends. Here every range is half-open, `[start, end)`, and
the kinds are types that a type checker keeps apart. What Resolve wants inclusive is made so by `inclusive` alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, NewType, TypeVar, cast

__all__ = [
    "AbsoluteFrame",
    "Range",
    "SourceFrame",
    "TimelineOffset",
    "absolute_of_timecode",
    "handles_within",
    "inclusive",
    "source_range",
    "spans_whole",
]

AbsoluteFrame = NewType("AbsoluteFrame", int)
"""A frame of the timeline as items count: with the timeline's start, 86400 at 01:00:00:00 and 24 frames a second."""
TimelineOffset = NewType("TimelineOffset", int)
"""A frame of the timeline counted from its first one, as markers and in/out marks count."""
SourceFrame = NewType("SourceFrame", int)
"""A frame of the media by the plate's number: as in the file's name; from 1 in a movie."""

Frame = TypeVar("Frame", bound=int)


@dataclass(frozen=True)
class Range(Generic[Frame]):
    """Frames from `start` up to `end`, without `end`. Raises ValueError if it would be shorter than nothing."""

    start: Frame
    end: Frame

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError(f"a range cannot end at {self.end} and start at {self.start}")

    @property
    def count(self) -> int:
        """How many frames."""
        return self.end - self.start

    @property
    def last(self) -> Frame:
        """The last frame in it. Raises ValueError if there is none."""
        if not self.count:
            raise ValueError("an empty range has no last frame")
        return cast(Frame, self.end - 1)

    def __contains__(self, frame: Frame) -> bool:
        return self.start <= frame < self.end

    def overlaps(self, other: Range[Frame]) -> bool:
        """True if they share a frame."""
        return max(self.start, other.start) < min(self.end, other.end)

    def grown(self, *, before: int, after: int) -> Range[Frame]:
        """With so many frames more at each end."""
        return Range(cast(Frame, self.start - before), cast(Frame, self.end + after))

    def words(self) -> str:
        """`1001-1048`, both ends in it, as the daemon reads ranges."""
        return f"{self.start}-{self.last}"


def inclusive(frames: Range[Frame]) -> tuple[Frame, Frame]:
    """First and last frame, as render settings and in/out marks want them. Raises ValueError if it is empty."""
    return frames.start, frames.last


def source_range(*, first: SourceFrame, offset: int, count: int) -> Range[SourceFrame]:
    """`count` frames of a media that has `offset` frames before them. first: the media's first frame."""
    start = first + offset
    return Range(SourceFrame(start), SourceFrame(start + count))


def handles_within(wanted: int, *, before: int, after: int) -> tuple[int, int]:
    """So many frames more at each end as are wanted, and there."""
    return max(min(wanted, before), 0), max(min(wanted, after), 0)


def spans_whole(spanned: float, *, count: int, tolerance: float) -> bool:
    """True if the media moves one frame a frame: it spans as many frames as are shown, within what was rounded."""
    return abs(spanned - count) <= tolerance


def absolute_of_timecode(timecode: str, *, rate: int) -> AbsoluteFrame | None:
    """The frame of `01:00:00:00`, or of drop-frame `01:00:00;00`; None if it is no timecode.

    rate: nominal whole frames a second, 30 for 29.97. Drop-frame leaves out numbers as SMPTE ST 12-1 says: two a minute
    at 30 frames a second, but for every tenth minute.
    """
    parts = timecode.replace(";", ":").split(":")
    if len(parts) != 4 or not all(part.isdigit() for part in parts):
        return None
    hours, minutes, seconds, frames = (int(part) for part in parts)
    number = ((hours * 60 + minutes) * 60 + seconds) * rate + frames
    if ";" in timecode:
        all_minutes = hours * 60 + minutes
        number -= rate // 15 * (all_minutes - all_minutes // 10)
    return AbsoluteFrame(number)
