"""What the artist sees and leaves: page, playhead, timeline, tracks that are on, marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from ..ranges import TimelineOffset
from .base import Base, has, needed, require

if TYPE_CHECKING:
    import fusionscript as api

__all__ = ["Showing"]


class Showing(Base):
    """Everything that is put back after a visit. Setting what is there already does nothing."""

    def page(self) -> str:
        """Which page is open."""
        return needed(self._resolve.GetCurrentPage(), "the page")

    def open_page(self, page: str) -> None:
        """Show a page."""
        if self._resolve.GetCurrentPage() != page:
            self._resolve.OpenPage(cast("api.PageName", page))
            require(self._resolve.GetCurrentPage() == page, f"open the {page} page")

    def timecode(self) -> str:
        """Where the playhead is."""
        return needed(self._timeline().GetCurrentTimecode(), "the playhead")

    def set_timecode(self, timecode: str) -> None:
        """Put the playhead somewhere."""
        timeline = self._timeline()
        if timeline.GetCurrentTimecode() != timecode:
            timeline.SetCurrentTimecode(timecode)
            require(timeline.GetCurrentTimecode() == timecode, f"move the playhead to {timecode}")

    def open_timeline(self, timeline_id: str) -> bool:
        """Make a timeline the current one; False if it is gone."""
        if self.timeline_id() == timeline_id:
            return True
        project = self._project()
        for index in range(1, project.GetTimelineCount() + 1):
            timeline = project.GetTimelineByIndex(index)
            if timeline is not None and timeline.GetUniqueId() == timeline_id:
                project.SetCurrentTimeline(timeline)
                require(self.timeline_id() == timeline_id, "open the timeline")
                return True
        return False

    def enables(self) -> tuple[bool, ...]:
        """Which video tracks are on."""
        timeline = self._timeline()
        return tuple(
            bool(timeline.GetIsTrackEnabled("video", index)) for index in range(1, timeline.GetTrackCount("video") + 1)
        )

    def tracks_on(self) -> frozenset[int]:
        """The numbers of those that are on."""
        return frozenset(index for index, is_on in enumerate(self.enables(), start=1) if is_on)

    def set_enables(self, wanted: Sequence[bool]) -> None:
        """Turn video tracks on and off."""
        timeline = self._timeline()
        for index, is_on in enumerate(wanted, start=1):
            if bool(timeline.GetIsTrackEnabled("video", index)) != is_on:
                timeline.SetTrackEnable("video", index, is_on)
        require(self.enables()[: len(wanted)] == tuple(wanted), "turn tracks on and off")

    def marks(self) -> dict[str, tuple[TimelineOffset, TimelineOffset]] | None:
        """In and out of the timeline, from its first frame; None if this Resolve cannot tell."""
        timeline = self._timeline()
        if not has(timeline, "GetMarkInOut"):
            return None
        said = cast("dict[str, dict[str, int]] | None", timeline.GetMarkInOut())
        if said is None:
            return None
        return {
            kind: (TimelineOffset(ends["in"]), TimelineOffset(ends["out"]))
            for kind, ends in said.items()
            if "in" in ends and "out" in ends
        }

    def set_marks(self, wanted: Mapping[str, tuple[TimelineOffset, TimelineOffset]]) -> None:
        """Put them back."""
        timeline = self._timeline()
        if self.marks() == wanted:
            return
        timeline.ClearMarkInOut("all")
        for kind, (first, last) in wanted.items():
            timeline.SetMarkInOut(first, last, cast("api.MarkInOutType", kind))
        require(self.marks() == wanted, "put back the in and out marks")
