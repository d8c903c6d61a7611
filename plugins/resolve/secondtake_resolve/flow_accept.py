"""What accepting and rejecting a take mean. Pure: plain values in, a decision or a refusal out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .clip import Clip, Route
from .flow_bring_back import Track
from .ranges import AbsoluteFrame, Range
from .refusal import Refusal
from .tags import Tag

__all__ = ["OurItem", "choose_item", "removes_track", "require_target"]


@dataclass(frozen=True)
class OurItem:
    """A clip that we placed, found by its tag."""

    id: str
    track: int
    record: Range[AbsoluteFrame]
    media: str
    """The pool item's id."""
    tag: Tag


def choose_item(found: Sequence[OurItem], *, playhead: AbsoluteFrame | None) -> OurItem:
    """Ours under the playhead, the topmost; else the only one there is. Raises Refusal."""
    here = [each for each in found if playhead is not None and playhead in each.record]
    if here:
        return max(here, key=lambda each: each.track)
    if len(found) == 1:
        return found[0]
    if found:
        raise Refusal(f"There are {len(found)} fixes on the timeline", remedy="Park on one of them")
    raise Refusal("There is no fix on this timeline", remedy="Bring back results first")


def require_target(ours: OurItem, target: Clip | None) -> Clip:
    """The clip that a take was made for, if it can go there, under its grade. Raises Refusal."""
    keep = "Keep it on its track above"
    if ours.tag.route is Route.RENDER:
        raise Refusal("The fix has the grade in it, and would be graded twice as a take", remedy=keep)
    if target is None:
        raise Refusal("The clip that was fixed is gone from the timeline", remedy=keep)
    if target.record.count != ours.record.count or target.before != ours.tag.target.offset:
        raise Refusal("The clip was trimmed since it was sent", remedy=f"{keep}, or fix it again")
    return target


def removes_track(ours: OurItem, tracks: Sequence[Track]) -> bool:
    """Whether its track goes with it: we made it, it has our name, and nothing else is on it."""
    track = next((each for each in tracks if each.index == ours.track), None)
    return track is not None and ours.tag.made_track and len(track.taken) <= 1
