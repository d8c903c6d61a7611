"""What all calls stand on: project, timeline and items, and how an answer is read."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, TypeVar, cast

from ..ranges import AbsoluteFrame, Range
from ..refusal import Refusal
from .steady import Steady

if TYPE_CHECKING:
    import fusionscript as api

__all__ = ["Base", "has", "needed", "number", "record_of", "require", "text"]

Thing = TypeVar("Thing")
_BUSY = "Close any dialog of Resolve and try again"


class Base:
    """The objects of a running Resolve, looked up anew each time: what was kept may be dead."""

    def __init__(self, resolve: api.Resolve, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._resolve = cast("api.Resolve", Steady(resolve, pause))

    def project_id(self) -> str:
        """Raises Refusal if no project is open."""
        return needed(self._project().GetUniqueId(), "the project's id")

    def timeline_id(self) -> str:
        """Of the current one. Raises Refusal if there is none."""
        return needed(self._timeline().GetUniqueId(), "the timeline's id")

    def _project(self) -> api.Project:
        project = needed(self._resolve.GetProjectManager(), "its projects").GetCurrentProject()
        if project is None:
            raise Refusal("No project is open", remedy="Open one")
        return project

    def _timeline(self) -> api.Timeline:
        timeline = self._project().GetCurrentTimeline()
        if timeline is None:
            raise Refusal("No timeline is open", remedy="Open one, and park on the clip")
        return timeline

    def _items(self, tracks: Collection[int] | None = None) -> Iterator[tuple[int, api.TimelineItem]]:
        """Track and item of all video tracks, or of these."""
        timeline = self._timeline()
        for index in range(1, timeline.GetTrackCount("video") + 1) if tracks is None else sorted(tracks):
            yield from ((index, item) for item in timeline.GetItemListInTrack("video", index) or [] if item)

    def _item(self, item_id: str) -> api.TimelineItem:
        for _, item in self._items():
            if item.GetUniqueId() == item_id:
                return item
        raise Refusal("The clip is gone from the timeline", remedy="Open the timeline that it is on")


def has(thing: object, name: str) -> bool:
    """Whether this version has a call. `hasattr` says yes to everything."""
    return name in dir(thing)


def needed(found: Thing | None, what: str) -> Thing:
    """An answer without which nothing goes. Raises Refusal if Resolve gave none."""
    if found is None or (isinstance(found, str) and not found):
        raise Refusal(f"Resolve does not say {what}", remedy=_BUSY)
    return found


def require(is_done: bool, what: str) -> None:
    """Raise Refusal if something was not done."""
    if not is_done:
        raise Refusal(f"Resolve did not {what}", remedy=_BUSY)


def text(found: object) -> str:
    """Any answer as text; "" for none."""
    return "" if found is None else str(found)


def number(found: object) -> float:
    """Any answer as a number: `24`, `24.0`, `"23.976"`, `"29.97 DF"`; 0 for none."""
    try:
        return float(text(found).replace("DF", "").strip() or 0)
    except ValueError:
        return 0.0


def record_of(item: api.TimelineItem) -> Range[AbsoluteFrame]:
    """Where an item lies. What did not land properly has no numbers, and takes no room."""
    start, end = item.GetStart(), item.GetEnd()
    if start is None or end is None or end < start:
        return Range(AbsoluteFrame(0), AbsoluteFrame(0))
    return Range(AbsoluteFrame(int(start)), AbsoluteFrame(int(end)))
