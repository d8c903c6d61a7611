"""The media pool: bins and clips."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .world import World

_ALPHA = ("None", "Straight", "Premultiplied")
_READ_ONLY = ("Frames", "File Path", "Resolution", "Type", "Online Status", "Start", "End")


class PoolItem:
    """A clip of the pool. Its picture is `paint`: level by frame of the media, x and y."""

    API = "MediaPoolItem"

    def __init__(self, world: World, name: str, **properties: Any) -> None:
        self.world, self.id, self.name = world, world.new_id("pool"), name
        self.properties: dict[str, Any] = {
            "File Path": "", "FPS": 24.0, "Frames": "0", "Resolution": "64x36", "PAR": "Square", "Start": "0",
            "Alpha mode": "None", "Input Color Space": "", "Input Gamma": "", "IDT": "", "Data Level": "Auto",
            "Type": "Video", "Online Status": "Online", "Field Dominance": "Progressive", **properties,
        }  # fmt: skip
        self.metadata: dict[str, str] = {}

    @property
    def frames(self) -> int:
        return int(self.properties["Frames"])

    @property
    def rate(self) -> float:
        return float(self.properties["FPS"])

    def GetName(self) -> str:
        return self.name

    def GetUniqueId(self) -> str:
        return self.id

    def GetMediaId(self) -> str:
        return self.id

    def GetClipProperty(self, name: str | None = None) -> Any:
        return dict(self.properties) if not name else self.properties.get(name, "")

    def SetClipProperty(self, name: str, value: Any) -> bool:
        if name in self.world.quirks.stubborn_properties:
            return True  # success without effect
        if name not in self.properties or name in _READ_ONLY:
            return False
        if name == "Alpha mode" and value not in _ALPHA:
            return False
        if name in ("Input Color Space", "IDT") and value not in self.world.known_spaces:
            return False
        self.properties[name] = float(value) if name == "FPS" else value
        return True

    def GetThirdPartyMetadata(self, kind: str | None = None) -> Any:
        return dict(self.metadata) if not kind else self.metadata.get(kind, "")

    def SetThirdPartyMetadata(self, kind: str, value: str) -> bool:
        self.metadata[kind] = value
        return True


class Folder:
    """A bin."""

    API = "Folder"

    def __init__(self, world: World, name: str) -> None:
        self.id, self.name = world.new_id("bin"), name
        self.clips: list[PoolItem] = []
        self.folders: list[Folder] = []

    def GetName(self) -> str:
        return self.name

    def GetUniqueId(self) -> str:
        return self.id

    def GetClipList(self) -> list[PoolItem]:
        return list(self.clips)

    def GetSubFolderList(self) -> list[Folder]:
        return list(self.folders)

    def below(self) -> list[Folder]:
        return [self, *(each for folder in self.folders for each in folder.below())]


class MediaPool:
    """The pool of a project. What is imported lands in the open bin."""

    API = "MediaPool"

    def __init__(self, world: World) -> None:
        self.world, self.root = world, Folder(world, "Master")
        self.current = self.root

    def GetRootFolder(self) -> Folder:
        return self.root

    def GetCurrentFolder(self) -> Folder:
        return self.current

    def SetCurrentFolder(self, folder: Folder) -> bool:
        self.current = folder
        return True

    def AddSubFolder(self, folder: Folder, name: str) -> Folder | None:
        if any(each.name == name for each in folder.folders):
            return None
        made = Folder(self.world, name)
        folder.folders.append(made)
        self.current = made  # a side effect
        return made

    def DeleteFolders(self, folders: list[Folder]) -> bool:
        for parent in self.root.below():
            parent.folders = [each for each in parent.folders if each not in folders]
        if self.current not in self.root.below():
            self.current = self.root
        return True

    def DeleteClips(self, clips: list[PoolItem]) -> bool:
        if self.world.page not in ("edit", "media"):
            return False
        for folder in self.root.below():
            folder.clips = [each for each in folder.clips if each not in clips]
        for timeline in self.world.project.timelines:
            for track in timeline.tracks:
                track.items = [each for each in track.items if each.media not in clips]
        return True

    def ImportMedia(self, items: list[Any]) -> list[PoolItem | None]:
        found = [clip for item in items for clip in self._import(item)]
        self.current.clips += [clip for clip in found if clip is not None]
        return found

    def _import(self, item: Any) -> list[PoolItem | None]:
        if not isinstance(item, dict):
            return [None]
        pattern, first, last = item["FilePath"], item["StartIndex"], item["EndIndex"]
        if not re.search(r"%0?\d*d", pattern):
            return [None]
        there = [number for number in range(first, last + 1) if Path(pattern % number).exists()]
        if not there:
            return [None]
        runs = [[number] for number in there] if self.world.quirks.individual_frames else _runs(there)
        return [self._sequence(pattern, run) for run in runs]

    def _sequence(self, pattern: str, run: list[int]) -> PoolItem:
        digits = len(pattern % run[0]) - len(re.sub(r"%0?\d*d", "", pattern))
        shown = re.sub(r"%0?\d*d", f"[{run[0]:0{digits}d}-{run[-1]:0{digits}d}]", pattern)
        return PoolItem(
            self.world, Path(shown).name, **{
                "File Path": shown, "Frames": str(len(run)), "Start": str(run[0]), "End": str(run[-1]),
                "FPS": 24.0, "Alpha mode": "Premultiplied",
            },
        )  # fmt: skip

    def CreateEmptyTimeline(self, name: str) -> Any:
        return self.world.new_timeline(name)

    def AppendToTimeline(self, infos: list[Any]) -> list[Any]:
        timeline = self.world.project.current
        if timeline is None or self.world.quirks.refuses_append:
            return [None]
        return [timeline.append(info) if isinstance(info, dict) else None for info in infos]


def _runs(numbers: list[int]) -> list[list[int]]:
    """Without gaps: a sequence with one is two clips."""
    runs = [[numbers[0]]]
    for number in numbers[1:]:
        if number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return runs
