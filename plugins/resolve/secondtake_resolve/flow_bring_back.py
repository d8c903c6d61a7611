"""Where a take goes on a timeline that may have changed meanwhile. Pure: plain values in, a landing out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .clip import Clip, ClipId, Route, Speed
from .ranges import AbsoluteFrame, Range, SourceFrame
from .refusal import Refusal
from .sequence import printf_pattern

__all__ = [
    "BIN", "COLOUR", "TRACK", "Landing", "Result", "Spot", "Track", "find_again", "plan_landing", "plan_spot",
]  # fmt: skip

BIN = "Second Take"
TRACK = "FIX"
COLOUR = "Violet"
"""Of our clips; a clip colour, which markers have not."""


@dataclass(frozen=True)
class Result:
    """A finished job, as the bridge tells of it."""

    job: str
    take: str
    folder: str
    pattern: str
    """`sh010.t3k9x0c.%04d.exr` or with #."""
    frames: tuple[int, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Track:
    """A video track."""

    index: int
    name: str
    is_locked: bool
    taken: tuple[Range[AbsoluteFrame], ...]
    """Where there is something."""


@dataclass(frozen=True)
class Landing:
    """How a take is imported: as one pool item that has exactly the frames which show."""

    bins: tuple[str, ...]
    pattern: str
    """Full path with %04d."""
    first: SourceFrame
    last: SourceFrame
    properties: Mapping[str, str] = field(default_factory=dict)
    """In the order they are set."""


@dataclass(frozen=True)
class Spot:
    """Where a take is placed; if there is no place for it any more, why."""

    record: Range[AbsoluteFrame] | None
    track: int | None = None
    """None: a new one on top."""
    words: str = ""
    """What is to be said of it."""

    @property
    def needs_track(self) -> bool:
        """Whether a track is to be made."""
        return self.record is not None and self.track is None


def plan_landing(
    result: Result, *, shot: str, frames: Range[SourceFrame], rate: str, read_as: Mapping[str, str]
) -> Landing:
    """How to import a take. frames: those that the clip shows; handles stay on disk. rate: as Resolve writes it.
    read_as: see `FixPlan`.

    Raises Refusal if the take lacks a frame.
    """
    missing = sorted(set(range(frames.start, frames.end)) - set(result.frames))
    if missing:
        raise Refusal(
            f"The take lacks frame {missing[0]}" + (f" and {len(missing) - 1} more" if missing[1:] else ""),
            remedy="Verify it, and fix the shot again",
            path=result.folder,
        )
    return Landing(
        bins=(BIN, shot),
        pattern=f"{result.folder.rstrip('/')}/{printf_pattern(result.pattern)}",
        first=frames.start,
        last=frames.last,
        properties={"FPS": rate, "Alpha mode": "None", **read_as},
    )


def find_again(sent: ClipId, now: Sequence[ClipId]) -> str:
    """The id of the clip that was sent, wherever it is: its own, else the only one with the same frames; else ""."""
    if any(each.item == sent.item for each in now):
        return sent.item
    alike = [
        each.item
        for each in now
        if sent.media
        and each.media == sent.media
        and each.offset == sent.offset
        and each.record.count == sent.record.count
    ]
    return alike[0] if len(alike) == 1 else ""


def plan_spot(sent: ClipId, now: Clip | None, tracks: Sequence[Track], *, route: Route) -> Spot:
    """Where the take goes. now: what `find_again` found."""
    if now is None:
        return Spot(None, words="The clip is gone from the timeline: the take is in the media pool only")
    why_not = _why_not_same_frames(sent, now, route)
    if why_not:
        return Spot(None, words=f"{why_not}: the take is in the media pool only")
    words = ""
    if now.record != sent.record:
        words = "The clip was moved: the take is at its new place"
        words += ", and shows what lay there when it was rendered" if route is Route.RENDER else ""
    return Spot(record=now.record, track=_free_track(now, tracks), words=words)


def _why_not_same_frames(sent: ClipId, now: Clip, route: Route) -> str:
    media = now.media.id if now.media else ""
    if media != sent.media and now.takes < 2:
        return "The clip shows another media by now"
    if now.record.count != sent.record.count or now.before != sent.offset:
        return "The clip was trimmed meanwhile"
    if route is Route.SOURCE and now.speed in (Speed.RETIMED, Speed.REVERSED):
        return "The clip was retimed meanwhile"
    return ""


def _free_track(now: Clip, tracks: Sequence[Track]) -> int | None:
    """The lowest of our tracks above the clip where nothing lies."""
    for track in sorted(tracks, key=lambda each: each.index):
        is_free = not track.is_locked and not any(now.record.overlaps(taken) for taken in track.taken)
        if track.name == TRACK and track.index > now.track and is_free:
            return track.index
    return None
