"""A clip on a timeline, its media, its timeline and its project, as plain values. Nothing of Resolve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from .ranges import AbsoluteFrame, Range

__all__ = ["NEUTRAL_SIZING", "Clip", "ClipId", "Media", "Route", "Shot", "Speed", "Timeline"]

NEUTRAL_SIZING: Mapping[str, object] = {
    "Pan": 0.0, "Tilt": 0.0, "ZoomX": 1.0, "ZoomY": 1.0, "RotationAngle": 0.0, "Pitch": 0.0, "Yaw": 0.0, "FlipX": False,
    "FlipY": False, "CropLeft": 0.0, "CropRight": 0.0, "CropTop": 0.0, "CropBottom": 0.0, "Distortion": 0.0,
    "Opacity": 100.0, "CompositeMode": 0, "DynamicZoomEase": 0,
}  # fmt: skip
"""What a clip's properties read if nothing was done to its picture."""


class Route(str, Enum):
    """Where the pixels of a plate come from."""

    SOURCE = "source"
    """The media's own files, read by the daemon: without the grade, and the take goes under it."""
    RENDER = "render"
    """What the timeline shows, rendered by Deliver: the grade is in it, and the take goes above."""


class Speed(str, Enum):
    """How the media runs in the clip."""

    NORMAL = "normal"
    RETIMED = "retimed"
    REVERSED = "reversed"
    UNKNOWN = "unknown"
    """Resolve does not say; never to be taken for normal."""


@dataclass(frozen=True)
class ClipId:
    """What finds a clip again, also after it was moved or Resolve was closed."""

    timeline: str
    item: str
    media: str
    """Of the pool item; "" if there is none."""
    record: Range[AbsoluteFrame]
    offset: int
    """Frames of the media before the clip."""
    track: int


@dataclass(frozen=True)
class Media:
    """A pool item."""

    id: str
    name: str
    path: str
    """As Resolve says it; of a sequence `sh010.[1001-1048].exr`. "" for a timeline, compound or Fusion clip."""
    is_there: bool
    frames: int
    rate: float
    """Frames a second; 0 if unknown."""
    size_px: tuple[int, int]
    pixel_aspect: str = "Square"
    field_order: str = "Progressive"
    kind: str = "Video"
    colour: Mapping[str, str] = field(default_factory=dict)
    """The properties that say how its colour is read."""


@dataclass(frozen=True)
class Clip:
    """An item of a video track."""

    id: str
    name: str
    track: int
    record: Range[AbsoluteFrame]
    before: int
    """Frames of the media before those that show."""
    after: int
    speed: Speed
    media: Media | None
    sizing: Mapping[str, object] = field(default_factory=dict)
    """Pan, zoom, crop … as Resolve says them; empty for a transition."""
    is_enabled: bool = True
    is_transition: bool = False
    touches_transition: bool = False
    has_fusion: bool = False
    masks: tuple[str, ...] = ()
    """Names of the readable masks in its Fusion compositions."""
    takes: int = 0
    """Resolve's own takes; 0 if it has no take selector."""

    @property
    def is_as_it_is(self) -> bool:
        """True if the picture is neither moved, cropped, turned nor mixed."""
        return not self.changed_sizing

    @property
    def changed_sizing(self) -> tuple[str, ...]:
        """The properties that do something to the picture."""
        return tuple(
            name
            for name, plain in NEUTRAL_SIZING.items()
            if name in self.sizing and not _same(self.sizing[name], plain)
        )


@dataclass(frozen=True)
class Timeline:
    """The timeline that a clip is on."""

    id: str
    name: str
    start: AbsoluteFrame
    end: AbsoluteFrame
    rate: float
    size_px: tuple[int, int]
    is_drop_frame: bool = False


@dataclass(frozen=True)
class Shot:
    """All that is known of a shot before anything is done."""

    project: str
    """The project's id."""
    project_name: str
    timeline: Timeline
    clip: Clip
    colour: Mapping[str, str]
    """The project's colour settings, as Resolve names them."""
    playhead: AbsoluteFrame | None = None

    @property
    def clip_id(self) -> ClipId:
        """What finds the clip again."""
        clip = self.clip
        media = clip.media.id if clip.media else ""
        return ClipId(self.timeline.id, clip.id, media, clip.record, clip.before, clip.track)


def _same(value: object, plain: object) -> bool:
    if isinstance(value, (int, float)) and isinstance(plain, (int, float)):
        return abs(value - plain) < 1e-6
    return value == plain
