"""A project to work in, and the artist who goes on working in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .guard import Guard
from .model_media import PoolItem
from .model_project import Project, ProjectManager, Resolve
from .model_timeline import Item, Timeline, Track
from .spec import Contract, read_contract


@dataclass
class Quirks:
    """What this Resolve does beyond the documentation, each seen by somebody."""

    individual_frames: bool = False
    stale_tracks: bool = False
    comps_on_fusion_page_only: bool = True
    source_frames_count_from_media: bool = True
    source_frames_unknown: bool = False
    source_timecode_s: float = 3600.0
    stubborn_properties: tuple[str, ...] = ()
    refuses_append: bool = False
    refuses_takes: bool = False
    places_off_by: int = 0
    rendering_already: bool = False
    render: str = ""
    """`stuck` at 100 per cent, `stalls` behind a dialog, `fails`, `disk full`, `short` of a frame, `gap` in the
    numbers, `nothing` comes of it."""
    render_subfolder: bool = False


class World:
    """One running Resolve."""

    def __init__(
        self,
        contract: Contract | Path,
        *,
        version: tuple[int, int, int] = (21, 0, 4),
        is_studio: bool = True,
        start: int = 86400,
        rate: float = 24.0,
        drop_frame: bool = False,
    ) -> None:
        self._ids = 0
        self.version, self.is_studio, self.page, self.has_project = version, is_studio, "color", True
        self.quirks = Quirks()
        self.known_spaces = ("", "ACES (AP0)", "ARRI LogC4", "Rec.709 Gamma 2.4", "ACEScct")
        self.manager = ProjectManager(self)
        self.project = Project(self, "Film é 1")
        self.timeline = Timeline(self, "Reel 1", start=start, rate=rate, drop_frame=drop_frame)
        self.project.timelines.append(self.timeline)
        self.project.current = self.timeline
        self.guard = Guard(read_contract(contract) if isinstance(contract, Path) else contract, version)
        self.model = Resolve(self)

    @property
    def resolve(self) -> Any:
        """What the plugin gets."""
        return self.guard.wrap(self.model)

    def new_id(self, kind: str) -> str:
        self._ids += 1
        return f"{kind}-{self._ids}"

    def paint(self, name: str, frame: int, x: int, y: int) -> tuple[float, float, float]:
        """What a clip looks like: a moving ramp; a clip called matte, a white box."""
        if "matte" in name.lower():
            level = 1.0 if 20 <= x < 40 and 10 <= y < 25 else 0.0
            return level, level, level
        return (0.1 + (x + frame) % 16 / 32, 0.2 + y % 8 / 32, 0.3) if name else (0.0, 0.0, 0.0)

    def new_timeline(self, name: str) -> Timeline | None:
        """An empty one, which is open then; None if there is one of this name."""
        if any(each.name == name for each in self.project.timelines):
            return None
        made = Timeline(self, name, start=86400, rate=24.0)
        self.project.timelines.append(made)
        self.project.current = self.timeline = made
        return made

    def add_media(self, name: str, path: str, *, frames: int, **properties: Any) -> PoolItem:
        """A clip of the pool, in the root bin."""
        item = PoolItem(
            self, name, **{"File Path": path, "Frames": str(frames), "FPS": self.timeline.rate, **properties}
        )
        self.project.pool.root.clips.append(item)
        return item

    def add_item(
        self, media: PoolItem | None, *, at: int, count: int, left: float = 0, track: int = 1, name: str = ""
    ) -> Item:
        """A clip on the timeline; at: from its first frame."""
        while len(self.timeline.tracks) < track:
            self.timeline.tracks.append(Track(f"Video {len(self.timeline.tracks) + 1}"))
        item = Item(self, name or (media.name if media else "Title"), media, self.timeline.start + at, count, left)
        if media is None:
            item.kind = "generator"
        self.timeline.tracks[track - 1].items.append(item)
        return item

    def snapshot(self, *, with_marks: bool = True) -> dict[str, Any]:
        """All that the artist would notice. A take selector with nothing but the clip itself is as none."""
        project, pool = self.project, self.project.pool
        return {
            "page": self.page,
            "timeline": project.current.id if project.current else "",
            "bins": [(folder.id, folder.name, [clip.id for clip in folder.clips]) for folder in pool.root.below()],
            "bin": pool.current.id,
            "properties": [dict(clip.properties) for folder in pool.root.below() for clip in folder.clips],
            "render": (dict(project.render), project.kind, project.mode),
            "presets": sorted(project.presets),
            "jobs": [(job.id, job.status) for job in project.jobs],
            "running": project.running.id if project.running else "",
            "timelines": [self._timeline(each, with_marks=with_marks) for each in project.timelines],
        }

    def _timeline(self, timeline: Timeline, *, with_marks: bool) -> dict[str, Any]:
        return {
            "playhead": timeline.playhead,
            "marks": dict(timeline.marks) if with_marks else {},
            "tracks": [
                (track.name, track.is_on, track.is_locked, [_item(item) for item in track.items])
                for track in timeline.tracks
            ],
        }

    # The artist

    def move(self, item: Item, *, by: int) -> None:
        item.start += by

    def trim(self, item: Item, *, head: int) -> None:
        item.start, item.count, item.left = item.start + head, item.count - head, item.left + head

    def delete(self, item: Item) -> None:
        for track in self.timeline.tracks:
            track.items = [each for each in track.items if each is not item]

    def item(self, item_id: str) -> Item:
        return next(item for track in self.timeline.tracks for item in track.items if item.id == item_id)

    def items_named(self, track_name: str) -> Sequence[Item]:
        return [item for track in self.timeline.tracks if track.name == track_name for item in track.items]


def _item(item: Item) -> tuple[Any, ...]:
    takes = tuple(each.id for each in item.takes) if len(item.takes) > 1 else ()
    return (
        item.id, item.start, item.count, item.left, item.speed, item.is_enabled, item.colour, item.grade,
        item.media.id if item.media else "", takes, item.selected_take if takes else 0, tuple(item.properties.items()),
        tuple((at, marker["customData"]) for at, marker in item.markers.items()),
    )  # fmt: skip
