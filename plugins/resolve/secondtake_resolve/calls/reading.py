"""What there is: edition, project, timeline, clips, tracks, and the clips that are ours. Nothing is altered."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..clip import Clip, ClipId, Media, Shot, Speed, Timeline
from ..colours import CLIP_PROPERTIES, PROJECT_SETTINGS
from ..editions import Edition, detect
from ..flow_accept import OurItem
from ..flow_bring_back import TRACK, Track, find_again
from ..masks import MaskAt
from ..ranges import AbsoluteFrame, absolute_of_timecode, spans_whole
from ..refusal import Refusal
from ..sequence import Sequence as Sequence_
from ..sequence import parse_sequence
from ..tags import Tag, parse_tag
from .base import Base, has, needed, number, record_of, text
from .fusion import mask_at, masks_of

if TYPE_CHECKING:
    import fusionscript as api

__all__ = ["Reading", "is_transition", "media_of", "speed_of"]


_TIMELINE_LIKE = frozenset({"Timeline", "Compound", "Compound Clip", "Fusion Clip", "Multicam", "Generator"})
_USUAL_SPEEDS = (0.0, 1.0, 100.0)
_TIME_TOLERANCE = 0.25
_MATTE = "matte"


class Reading(Base):
    """Everything that is read."""

    def edition(self) -> Edition:
        """Raises Refusal if it is no Resolve, or too old a one."""
        is_studio = self._resolve.IsStudio() if has(self._resolve, "IsStudio") else None
        return detect(
            product=self._resolve.GetProductName() or "", version=self._resolve.GetVersion() or (), is_studio=is_studio
        )

    def is_there(self) -> bool:
        """False once Resolve was closed."""
        try:
            return bool(self._resolve.GetProductName())
        except Exception:  # noqa: BLE001 — whatever a dead link raises
            return False

    def shot(self) -> Shot:
        """The clip to be fixed: the one that is selected (from 21.0.4 on), else the one under the playhead."""
        project, timeline = self._project(), self._timeline()
        item = self._chosen_item(timeline)
        if item is None:
            raise Refusal("The playhead is on a gap", remedy="Park on the clip, on a video track that is enabled")
        return Shot(
            project=needed(project.GetUniqueId(), "the project's id"),
            project_name=project.GetName() or "",
            timeline=self.timeline(),
            clip=self._clip(item, self._neighbours(timeline, item)),
            colour={name: text(project.GetSetting(name)) for name in PROJECT_SETTINGS},
            playhead=self.playhead(),
        )

    def timeline(self) -> Timeline:
        """The current timeline."""
        timeline = self._timeline()
        rate = text(timeline.GetSetting("timelineFrameRate"))
        keys = "timelineResolutionWidth", "timelineResolutionHeight"
        width, height = (number(timeline.GetSetting(key)) or number(self._project().GetSetting(key)) for key in keys)
        return Timeline(
            id=needed(timeline.GetUniqueId(), "the timeline's id"),
            name=timeline.GetName() or "",
            start=AbsoluteFrame(int(timeline.GetStartFrame())),
            end=AbsoluteFrame(int(timeline.GetEndFrame())),
            rate=needed(number(rate) or None, "the timeline's frame rate"),
            size_px=(int(width), int(height)),
            is_drop_frame="DF" in rate or ";" in (timeline.GetStartTimecode() or ""),
        )

    def playhead(self) -> AbsoluteFrame | None:
        """The frame that is shown; None if Resolve does not say."""
        timeline = self._timeline()
        rate = round(number(timeline.GetSetting("timelineFrameRate")))
        return absolute_of_timecode(timeline.GetCurrentTimecode() or "", rate=rate)

    def find(self, sent: ClipId) -> Clip | None:
        """The clip that was sent, on the current timeline. Of a long one only ids are read, as a rule."""
        for _, item in self._items():
            if item.GetUniqueId() == sent.item:
                return self._clip(item)
        found = find_again(sent, [self._clip_id(index, item) for index, item in self._items()])
        return self._clip(self._item(found)) if found else None

    def clip(self, item_id: str) -> Clip:
        """A clip of the current timeline. Raises Refusal if it is gone."""
        return self._clip(self._item(item_id))

    def tracks_over(self, clip: Clip) -> tuple[int, ...]:
        """The other video tracks on which something lies over a clip: any of it may be its matte."""
        over = {index for index, item in self._items() if record_of(item).overlaps(clip.record)}
        return tuple(sorted(over - {clip.track}))

    def our_tracks(self) -> tuple[Track, ...]:
        """The video tracks with our name."""
        timeline = self._timeline()
        return tuple(
            Track(
                index=index,
                name=TRACK,
                is_locked=bool(timeline.GetIsTrackLocked("video", index)),
                taken=tuple(record_of(item) for item in timeline.GetItemListInTrack("video", index) or [] if item),
            )
            for index in range(1, timeline.GetTrackCount("video") + 1)
            if timeline.GetTrackName("video", index) == TRACK
        )

    def ours(self) -> tuple[OurItem, ...]:
        """The clips on the current timeline that we placed: those on our tracks, else wherever they are."""
        tracks = {track.index for track in self.our_tracks()}
        tagged = [(index, item, tag) for index, item in self._items(tracks) if (tag := _tag_of(item)) is not None]
        if not tagged:
            tagged = [(index, item, tag) for index, item in self._items() if (tag := _tag_of(item)) is not None]
        return tuple(
            OurItem(text(item.GetUniqueId()), index, record_of(item), _media_id(item), tag)
            for index, item, tag in tagged
        )

    def is_shown(self, pool_id: str) -> bool:
        """Whether any clip of the current timeline shows a pool item."""
        return any(_media_id(item) == pool_id for _, item in self._items())

    def masks(
        self, item_id: str, names: Sequence[str], *, count: int, tick: Callable[[int, int], None]
    ) -> tuple[tuple[MaskAt, ...], ...]:
        """Masks of a clip's compositions at each of its frames. Their time starts at 0 for the frames that show.

        tick: called before each frame with its number from 0 and their count; what it raises ends it.
        """
        there = dict(masks_of(self._item(item_id)))
        missing = [name for name in names if name not in there]
        if missing:
            raise Refusal(
                f"The mask {missing[0]} cannot be read", remedy="Open the Fusion page on this clip, and try again"
            )
        frames = []
        for at in range(count):
            tick(at, count)
            frames.append([mask_at(name, there[name], at) for name in names])
        return tuple(zip(*frames))

    def _chosen_item(self, timeline: api.Timeline) -> api.TimelineItem | None:
        if has(timeline, "GetSelectedClips"):
            chosen = [item for item in timeline.GetSelectedClips() or [] if item and self._track_of(item, timeline)]
            if len(chosen) == 1:
                return chosen[0]
        shown = timeline.GetCurrentVideoItem()
        while shown is not None and self._is_aside(shown, timeline):
            shown = self._below(shown, timeline)
        return shown

    def _is_aside(self, item: api.TimelineItem, timeline: api.Timeline) -> bool:
        """Whether it lies above what is meant: a fix of ours, or a matte."""
        track = self._track_of(item, timeline)
        names = (item.GetName() or "", timeline.GetTrackName("video", track) or "" if track else "")
        return _tag_of(item) is not None or any(name.lower().startswith(_MATTE) for name in names)

    def _below(self, item: api.TimelineItem, timeline: api.Timeline) -> api.TimelineItem | None:
        """What lies under the playhead on the next track below that is on."""
        playhead = self.playhead()
        for index in range(self._track_of(item, timeline) - 1, 0, -1):
            if not timeline.GetIsTrackEnabled("video", index):
                continue
            for each in timeline.GetItemListInTrack("video", index) or []:
                is_here = each is not None and playhead is not None and playhead in record_of(each)
                if each is not None and is_here and each.GetClipEnabled() is not False and not is_transition(each):
                    return each
        return None

    def _track_of(self, item: api.TimelineItem, timeline: api.Timeline) -> int:
        """The video track of an item; 0 if it is on none."""
        if has(item, "GetTrackTypeAndIndex"):
            kind, index = item.GetTrackTypeAndIndex() or ("", 0)
            return int(index) if kind == "video" else 0
        wanted = item.GetUniqueId()
        return next((index for index, each in self._items() if each.GetUniqueId() == wanted), 0)

    def _neighbours(self, timeline: api.Timeline, item: api.TimelineItem) -> Sequence[api.TimelineItem]:
        track = self._track_of(item, timeline)
        return [each for each in timeline.GetItemListInTrack("video", track) or [] if each] if track else []

    def _clip_id(self, index: int, item: api.TimelineItem) -> ClipId:
        offset = math.floor(item.GetLeftOffset() or 0)
        return ClipId("", text(item.GetUniqueId()), _media_id(item), record_of(item), offset, index)

    def _clip(self, item: api.TimelineItem, neighbours: Sequence[api.TimelineItem] = ()) -> Clip:
        record, sizing = record_of(item), item.GetProperty()
        pool = item.GetMediaPoolItem()
        media = media_of(pool) if pool is not None else None
        mixed = [each for each in neighbours if is_transition(each) and record_of(each).overlaps(record)]
        return Clip(
            id=needed(item.GetUniqueId(), "the clip's id"),
            name=item.GetName() or "",
            track=self._track_of(item, self._timeline()),
            record=record,
            before=math.floor(item.GetLeftOffset() or 0),
            after=math.floor(item.GetRightOffset() or 0),
            speed=speed_of(item, record.count, media.rate if media else 0.0),
            media=media,
            sizing=sizing or {},
            is_enabled=item.GetClipEnabled() is not False,
            is_transition=is_transition(item),
            touches_transition=bool(mixed),
            has_fusion=bool(item.GetFusionCompCount()),
            masks=tuple(name for name, _ in masks_of(item)),
            takes=item.GetTakesCount() or 0,
        )


def media_of(pool: api.MediaPoolItem) -> Media:
    """A pool item as plain values."""

    def said(name: str) -> str:
        return text(pool.GetClipProperty(name))

    path, kind = said("File Path"), said("Type")
    is_file = bool(path) and kind not in _TIMELINE_LIKE
    named = parse_sequence(path)
    width, _, height = said("Resolution").partition("x")
    first = _first_file(named) if named else path
    return Media(
        id=needed(pool.GetUniqueId(), "the id of the clip's media"),
        name=pool.GetName() or "",
        path=path if is_file else "",
        is_there=said("Online Status") != "Offline" and (not is_file or Path(first).exists()),
        frames=int(number(said("Frames"))),
        rate=number(said("FPS")),
        size_px=(int(number(width)), int(number(height))),
        pixel_aspect=said("PAR") or "Square",
        field_order=said("Field Dominance") or "Progressive",
        kind=kind,
        colour={name: value for name in CLIP_PROPERTIES if (value := said(name))},
    )


def speed_of(item: api.TimelineItem, count: int, rate: float) -> Speed:
    """How the media runs, from how much of it the item spans. Resolve's own word for it only says when it does not run.

    Source frames are rounded down; times, where there are any, are exact but for the media's own timecode.
    """
    if has(item, "GetSpeed") and number(item.GetSpeed()) not in _USUAL_SPEEDS:
        return Speed.REVERSED if number(item.GetSpeed()) < 0 else Speed.RETIMED
    start, end = item.GetSourceStartFrame(), item.GetSourceEndFrame()
    if start is None or end is None or (start == 0 and end == 0):
        return Speed.UNKNOWN
    if start > end:
        return Speed.REVERSED
    spanned, tolerance = float(end - start), 0.0
    if has(item, "GetSourceStartTime") and has(item, "GetSourceEndTime") and rate:
        times = item.GetSourceStartTime(), item.GetSourceEndTime()
        if times[0] is not None and times[1] is not None:
            spanned, tolerance = (times[1] - times[0]) * rate, _TIME_TOLERANCE
    return Speed.NORMAL if spans_whole(spanned, count=count, tolerance=tolerance) else Speed.RETIMED


def is_transition(item: api.TimelineItem) -> bool:
    """Whether an item of a track is a transition: it has no properties, and no media."""
    if has(item, "GetType"):
        return item.GetType() == "transition"
    return not item.GetProperty() and item.GetMediaPoolItem() is None


def _media_id(item: api.TimelineItem) -> str:
    pool = item.GetMediaPoolItem()
    return text(pool.GetUniqueId()) if pool is not None else ""


def _tag_of(item: api.TimelineItem) -> Tag | None:
    tags = (parse_tag(marker.get("customData", "")) for marker in (item.GetMarkers() or {}).values())
    return next((tag for tag in tags if tag is not None), None)


def _first_file(named: Sequence_) -> str:
    width = named.pattern.count("#")
    return named.pattern.replace("#" * width, f"{named.first:0{width}d}")
