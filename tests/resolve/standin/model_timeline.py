"""Timelines, tracks and items."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .model_fusion import Comp
from .model_media import PoolItem

if TYPE_CHECKING:
    from .world import World

PLAIN_SIZING = {
    "Pan": 0.0, "Tilt": 0.0, "ZoomX": 1.0, "ZoomY": 1.0, "ZoomGang": True, "RotationAngle": 0.0, "AnchorPointX": 0.0,
    "AnchorPointY": 0.0, "Pitch": 0.0, "Yaw": 0.0, "FlipX": False, "FlipY": False, "CropLeft": 0.0, "CropRight": 0.0,
    "CropTop": 0.0, "CropBottom": 0.0, "CropSoftness": 0.0, "CropRetain": False, "DynamicZoomEase": 0,
    "CompositeMode": 0, "Opacity": 100.0, "Distortion": 0.0, "RetimeProcess": 0, "MotionEstimation": 0, "Scaling": 0,
    "ResizeFilter": 0,
}  # fmt: skip


class Item:
    """An item of a track: half-open, counted with the timeline's start."""

    API = "TimelineItem"

    def __init__(
        self, world: World, name: str, media: PoolItem | None, start: int, count: int, left: float = 0
    ) -> None:
        self.world, self.id, self.name, self.media = world, world.new_id("item"), name, media
        self.start, self.count, self.left = start, count, left
        self.kind, self.speed, self.is_enabled, self.colour = "video", 100.0, True, ""
        self.properties: dict[str, Any] = dict(PLAIN_SIZING)
        self.markers: dict[float, dict[str, Any]] = {}
        self.takes: list[PoolItem] = []
        self.selected_take = 0
        self.comps: list[Comp] = []
        self.grade = "none"
        self.is_selected = False

    @property
    def end(self) -> int:
        return self.start + self.count

    @property
    def _base(self) -> int:
        is_counted = self.world.quirks.source_frames_count_from_media and self.media is not None
        return int(self.media.properties["Start"]) if is_counted and self.media else 0

    def GetName(self) -> str:
        return self.name

    def GetUniqueId(self) -> str:
        return self.id

    def GetStart(self, subframe: bool = False) -> int | float:
        return self.start

    def GetEnd(self, subframe: bool = False) -> int | float:
        return self.end

    def GetDuration(self, subframe: bool = False) -> int | float:
        return self.count

    def GetLeftOffset(self, subframe: bool = False) -> int | float:
        return int(self.left)

    def GetRightOffset(self, subframe: bool = False) -> int | float:
        return max(int(self.media.frames - self.left - self.count), 0) if self.media else 0

    def GetSourceStartFrame(self) -> int:
        if self.media is None or self.world.quirks.source_frames_unknown:
            return 0
        return int(self.left) + self._base + (self._span if self.speed < 0 else 0)

    def GetSourceEndFrame(self) -> int:
        if self.media is None or self.world.quirks.source_frames_unknown:
            return 0
        return int(self.left) + self._base + (0 if self.speed < 0 else self._span)

    @property
    def _span(self) -> int:
        return int(self.count * abs(self.speed) / 100)

    def GetSourceStartTime(self) -> float:
        return self.left / self.media.rate + self.world.quirks.source_timecode_s if self.media else 0.0

    def GetSourceEndTime(self) -> float:
        if self.media is None:
            return 0.0
        return (self.left + self.count * abs(self.speed) / 100) / self.media.rate + self.world.quirks.source_timecode_s

    def GetSpeed(self) -> float:
        return self.speed

    def GetType(self) -> str:
        return self.kind

    def GetMediaPoolItem(self) -> PoolItem | None:
        return self.media

    def GetTrackTypeAndIndex(self) -> tuple[str, int] | None:
        timeline = self.world.project.current
        for index, track in enumerate(timeline.tracks if timeline else (), start=1):
            if self in track.items:
                return "video", index
        return None

    def GetClipEnabled(self) -> bool:
        return self.is_enabled

    def GetProperty(self, key: str | None = None) -> Any:
        shown = self.properties if self.kind != "transition" else {}
        return dict(shown) if not key else shown.get(key)

    def SetProperty(self, key: str, value: Any) -> bool:
        if key not in self.properties:
            return False
        self.properties[key] = value
        return True

    def GetFusionCompCount(self) -> int:
        return len(self.comps)

    def AddFusionComp(self) -> Comp | None:
        self.comps.append(Comp())
        return self.comps[-1]

    def GetFusionCompByIndex(self, index: int) -> Comp | None:
        if self.world.quirks.comps_on_fusion_page_only and self.world.page != "fusion":
            return None
        return self.comps[index - 1] if 1 <= index <= len(self.comps) else None

    def AddMarker(
        self, frame: float, colour: str, name: str, note: str, duration: float, custom: str | None = None
    ) -> bool:
        if frame in self.markers:
            return False
        self.markers[float(frame)] = {
            "color": colour, "name": name, "note": note, "duration": float(duration), "customData": custom or "",
        }  # fmt: skip
        return True

    def GetMarkers(self) -> dict[float, dict[str, Any]]:
        return dict(self.markers)

    def GetClipColor(self) -> str | None:
        return self.colour or None

    def SetClipColor(self, colour: str) -> bool:
        self.colour = colour
        return True

    def CopyGrades(self, targets: list[Item]) -> bool:
        for target in targets:
            target.grade = self.grade
        return True

    def GetTakesCount(self) -> int:
        return len(self.takes)

    def GetSelectedTakeIndex(self) -> int:
        return self.selected_take

    def GetTakeByIndex(self, index: int) -> dict[str, Any] | None:
        if not 1 <= index <= len(self.takes):
            return None
        return {"startFrame": 0, "endFrame": self.takes[index - 1].frames - 1, "mediaPoolItem": self.takes[index - 1]}

    def AddTake(self, clip: PoolItem, start: int = 0, end: int = 0) -> bool:
        if self.media is None or self.world.quirks.refuses_takes:
            return False
        if not self.takes:  # the first makes the selector, with what was there as take 1
            self.takes, self.selected_take = [self.media], 1
        self.takes.append(clip)
        return True

    def SelectTakeByIndex(self, index: int) -> bool:
        if not 1 <= index <= len(self.takes):
            return False
        self.selected_take, self.media = index, self.takes[index - 1]
        return True

    def DeleteTakeByIndex(self, index: int) -> bool:
        if not 1 <= index <= len(self.takes) or index == self.selected_take:
            return False
        del self.takes[index - 1]
        self.selected_take -= index < self.selected_take
        return True


@dataclass
class Track:
    """A video track."""

    name: str
    items: list[Item] = field(default_factory=list)
    is_on: bool = True
    is_locked: bool = False


class Timeline:
    """A timeline. Its number of tracks may be stale until a page is opened."""

    API = "Timeline"

    def __init__(self, world: World, name: str, *, start: int, rate: float, drop_frame: bool = False) -> None:
        self.world, self.id, self.name, self.start, self.rate = world, world.new_id("timeline"), name, start, rate
        self.drop_frame = drop_frame
        self.tracks = [Track("Video 1")]
        self.playhead = start
        self.marks: dict[str, dict[str, int]] = {}
        self.settings: dict[str, Any] = {
            "timelineFrameRate": rate,
            "timelineResolutionWidth": "64",
            "timelineResolutionHeight": "36",
        }
        self.stale = 0

    def GetName(self) -> str:
        return self.name

    def GetUniqueId(self) -> str:
        return self.id

    def GetStartFrame(self) -> int:
        return self.start

    def GetEndFrame(self) -> int:
        return max((item.end for track in self.tracks for item in track.items), default=self.start)

    def GetStartTimecode(self) -> str:
        return self.timecode(self.start)

    def GetSetting(self, name: str) -> Any:
        return self.settings.get(name, "")  # a number for the frame rate, whatever is documented

    def GetTrackCount(self, kind: str) -> int:
        return len(self.tracks) - self.stale if kind == "video" else 1

    def GetTrackName(self, kind: str, index: int) -> str:
        return self.tracks[index - 1].name if index <= len(self.tracks) else ""

    def SetTrackName(self, kind: str, index: int, name: str) -> bool:
        self.tracks[index - 1].name = name
        return True

    def AddTrack(self, kind: str, sub: Any = None) -> bool:
        self.tracks.append(Track(f"Video {len(self.tracks) + 1}"))
        self.stale += self.world.quirks.stale_tracks
        return True

    def DeleteTrack(self, kind: str, index: int) -> bool:
        if not 1 < index <= len(self.tracks):
            return False
        del self.tracks[index - 1]
        return True

    def GetIsTrackEnabled(self, kind: str, index: int) -> bool:
        return self.tracks[index - 1].is_on

    def SetTrackEnable(self, kind: str, index: int, is_on: bool) -> bool:
        self.tracks[index - 1].is_on = is_on
        return True

    def GetIsTrackLocked(self, kind: str, index: int) -> bool:
        return self.tracks[index - 1].is_locked

    def GetItemListInTrack(self, kind: str, index: int) -> list[Item | None] | None:
        items = self.tracks[index - 1].items if 1 <= index <= len(self.tracks) else []
        return sorted(items, key=lambda item: item.start) or None  # None for an empty track

    def GetCurrentVideoItem(self) -> Item | None:
        return self.shown(self.playhead)

    def GetSelectedClips(self) -> list[Item]:
        return [item for track in self.tracks for item in track.items if item.is_selected]

    def GetCurrentTimecode(self) -> str:
        return self.timecode(self.playhead)

    def SetCurrentTimecode(self, timecode: str) -> bool:
        for frame in range(self.start, self.GetEndFrame() + 1000):
            if self.timecode(frame) == timecode:
                self.playhead = frame
                return True
        return False

    def GetMarkInOut(self) -> dict[str, Any]:
        return {kind: dict(ends) for kind, ends in self.marks.items()}

    def SetMarkInOut(self, first: int, last: int, kind: str = "all") -> bool:
        for each in ("video", "audio") if kind == "all" else (kind,):
            self.marks[each] = {"in": first, "out": last}
        return True

    def ClearMarkInOut(self, kind: str = "all") -> bool:
        for each in ("video", "audio") if kind == "all" else (kind,):
            self.marks.pop(each, None)
        return True

    def DeleteClips(self, items: list[Item], ripple: bool = False) -> bool:
        if self.world.page != "edit":
            return False
        for track in self.tracks:
            track.items = [item for item in track.items if item not in items]
        return True

    def shown(self, frame: int) -> Item | None:
        """What shows at a frame: the topmost that is on."""
        for track in reversed(self.tracks):
            for item in track.items:
                if track.is_on and item.is_enabled and item.kind != "transition" and item.start <= frame < item.end:
                    return item
        return None

    def append(self, info: dict[str, Any]) -> Item | None:
        """`endFrame` is exclusive, `recordFrame` absolute. Where something lies the earlier clip wins, silently."""
        media, index = info["mediaPoolItem"], info.get("trackIndex", 1)
        first, end = info.get("startFrame", 0), info.get("endFrame", media.frames)
        count = int((end - first) * self.rate / media.rate)
        start = info.get("recordFrame", self.GetEndFrame())
        if not 1 <= index <= len(self.tracks) or self.tracks[index - 1].is_locked:
            return None
        track = self.tracks[index - 1]
        if any(item.start < start + count and start < item.end for item in track.items):
            return None
        item = Item(self.world, media.name, media, start + self.world.quirks.places_off_by, count, first)
        track.items.append(item)
        self.playhead = max(item.end - 1, self.start)  # a side effect
        return item

    def timecode(self, frame: int) -> str:
        """SMPTE ST 12-1; drop-frame leaves out two numbers a minute at 30, four at 60, but every tenth minute."""
        rate = round(self.rate)
        if self.drop_frame:
            lost = rate // 15
            ten, rest = divmod(frame, rate * 600 - 9 * lost)
            frame += 9 * lost * ten + (lost * ((rest - lost) // (rate * 60 - lost)) if rest > lost else 0)
        seconds, number = divmod(frame, rate)
        separator = ";" if self.drop_frame else ":"
        return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{separator}{number:02d}"
