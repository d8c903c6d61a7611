"""Into the media pool, onto a track, and away again: only what is ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

from ..clip import NEUTRAL_SIZING
from ..flow_bring_back import BIN, COLOUR, TRACK, Landing
from ..ranges import AbsoluteFrame, Range
from ..refusal import Refusal
from ..tags import METADATA_KEY, Tag, parse_tag
from .base import Base, needed, number, record_of, require, text
from .steady import sure

if TYPE_CHECKING:
    import fusionscript as api

__all__ = ["Placing"]

_MARKER_AT, _MARKER_FRAMES = 0, 1
_MARKER_COLOUR: api.MarkerColor = "Purple"
_COPIED = (*NEUTRAL_SIZING, "AnchorPointX", "AnchorPointY", "CropSoftness", "CropRetain", "Scaling", "ResizeFilter")
_VIDEO_ONLY: api.MediaType = 1


class Placing(Base):
    """Everything that is added, and what takes it away again."""

    # The media pool

    def bin(self) -> str:
        """The bin that is open: what is imported lands in it."""
        return needed(self._folder().GetUniqueId(), "the open bin")

    def open_bin(self, bin_id: str) -> None:
        """Open a bin by its id."""
        for folder in self._folders():
            if folder.GetUniqueId() == bin_id:
                self._open(folder)
                return
        raise Refusal("The bin is gone from the media pool", remedy="Undo its deletion")

    def make_bins(self, names: Sequence[str]) -> str:
        """Open the bin at this path, made where it is not there; the id of the topmost one that was made, or ""."""
        made, folder = "", needed(self._media_pool().GetRootFolder(), "the media pool")
        for name in names:
            found = _sub_folder(folder, name)
            if found is None:
                self._media_pool().AddSubFolder(folder, name)
                found = _sub_folder(folder, name)
                if found is None:
                    self.delete_bin(made)
                    raise Refusal(f"Resolve did not make the bin {name}", remedy="Make it by hand, and try again")
                made = made or needed(found.GetUniqueId(), "the new bin")
            folder = found
        self._open(folder)
        return made

    def delete_bin(self, bin_id: str) -> None:
        """Remove a bin that we made, if nothing is in it."""
        for folder in self._folders():
            if folder.GetUniqueId() == bin_id and not any(each.GetClipList() for each in _below(folder)):
                self._media_pool().DeleteFolders([folder])
                require(all(each.GetUniqueId() != bin_id for each in self._folders()), "delete the bin")
                return

    def pool_ids(self) -> frozenset[str]:
        """All clips of the bin that is open."""
        return frozenset(text(clip.GetUniqueId()) for clip in self._folder().GetClipList() or [] if clip)

    def import_sequence(self, landing: Landing) -> str:
        """Import frames as one pool item; its id. Raises Refusal, and leaves nothing there, if it became otherwise."""
        known = sure(self.pool_ids)
        self._media_pool().ImportMedia(
            [{"FilePath": landing.pattern, "StartIndex": landing.first, "EndIndex": landing.last}]
        )
        folder = landing.pattern.replace("\\", "/").rpartition("/")[0]
        added = {each for each in sure(self.pool_ids) - known if self._lies_in(each, folder)}
        count = landing.last - landing.first + 1
        if len(added) == 1 and int(number(self._pool_item(next(iter(added))).GetClipProperty("Frames"))) == count:
            return next(iter(added))
        for pool_id in added:
            self.delete_pool_clip(pool_id)
        if len(added) > 1:
            raise Refusal(
                f"Resolve took the take for {len(added)} clips",
                remedy="Turn off Show Individual Frames in the Media Storage, and bring it back again",
                path=landing.pattern,
            )
        raise Refusal("Resolve did not import the take", remedy="Import it by hand, or try again", path=landing.pattern)

    def _lies_in(self, pool_id: str, folder: str) -> bool:
        """Whether a pool item of our bins shows files of a folder: the artist may open another bin meanwhile."""
        clip = next((each for each in self._our_clips() if each.GetUniqueId() == pool_id), None)
        path = text(clip.GetClipProperty("File Path")) if clip is not None else ""
        return path.replace("\\", "/").rpartition("/")[0] == folder

    def set_property(self, pool_id: str, name: str, value: str) -> bool:
        """Set what a pool item is taken for; whether it reads so afterwards."""
        pool = self._pool_item(pool_id)
        if not _is_value(pool.GetClipProperty(name), value):
            pool.SetClipProperty(name, value)
        return _is_value(pool.GetClipProperty(name), value)

    def tag_pool_clip(self, pool_id: str, tag: Tag) -> None:
        """Write on a pool item whose it is; it survives, and nobody sees it."""
        pool = self._pool_item(pool_id)
        pool.SetThirdPartyMetadata(METADATA_KEY, tag.text())
        require(pool.GetThirdPartyMetadata(METADATA_KEY) == tag.text(), "keep a note on the take")

    def our_pool_clips(self) -> tuple[tuple[str, Tag], ...]:
        """Pool items in our bins that are ours."""
        tagged = ((clip, parse_tag(text(clip.GetThirdPartyMetadata(METADATA_KEY)))) for clip in self._our_clips())
        return tuple((text(clip.GetUniqueId()), tag) for clip, tag in tagged if tag)

    def delete_pool_clip(self, pool_id: str) -> None:
        """Remove one of ours from the pool; its files stay."""
        clip = next((each for each in self._our_clips() if each.GetUniqueId() == pool_id), None)
        if clip is not None:
            self._media_pool().DeleteClips([clip])
            require(all(each.GetUniqueId() != pool_id for each in self._our_clips()), "delete the take from the pool")

    # The timeline

    def add_track(self, timeline_id: str) -> int:
        """A new video track on top, with our name; its number. Raises Refusal if another timeline is open."""
        timeline = self._timeline()
        require(timeline.GetUniqueId() == timeline_id, "stay on the clip's timeline")
        count = timeline.GetTrackCount("video")
        timeline.AddTrack("video")
        if timeline.GetTrackCount("video") == count:  # the number may be stale until a page is opened
            self._resolve.OpenPage("media")
            self._resolve.OpenPage("edit")
        require(timeline.GetTrackCount("video") == count + 1, "add a track")
        timeline.SetTrackName("video", count + 1, TRACK)
        if timeline.GetTrackName("video", count + 1) != TRACK:
            timeline.DeleteTrack("video", count + 1)
            require(False, "name the track")
        return count + 1

    def delete_track(self, index: int) -> None:
        """Remove a track of ours on which nothing is left."""
        timeline = self._timeline()
        count = timeline.GetTrackCount("video")
        is_ours = index <= count and timeline.GetTrackName("video", index) == TRACK
        if is_ours and not any(timeline.GetItemListInTrack("video", index) or []):
            timeline.DeleteTrack("video", index)
            require(timeline.GetTrackCount("video") == count - 1, "delete the track")

    def place(self, pool_id: str, record: Range[AbsoluteFrame], track: int, *, timeline_id: str) -> str:
        """Place a whole pool item; the id of the item. Raises Refusal if it does not lie there."""
        known = sure(self._item_ids)
        require(self.timeline_id() == timeline_id, "stay on the clip's timeline")
        self._media_pool().AppendToTimeline(
            [
                {
                    "mediaPoolItem": self._pool_item(pool_id), "trackIndex": track,
                    "recordFrame": record.start, "mediaType": _VIDEO_ONLY,
                }
            ]
        )  # fmt: skip
        added = sorted(each for each in sure(self._item_ids) - known if self.media_id(each[1]) == pool_id)
        if len(added) == 1 and added[0][0] == track and record_of(self._item(added[0][1])) == record:
            return added[0][1]
        where = f"at frame {record.start} of track V{track}"
        raise Refusal(f"Resolve did not place the take {where}", remedy="Drag it there from the bin Second Take")

    def _item_ids(self) -> frozenset[tuple[int, str]]:
        return frozenset((index, text(item.GetUniqueId())) for index, item in self._items())

    def mark(self, item_id: str, tag: Tag, *, name: str, note: str) -> None:
        """Write on an item of ours whose it is, and colour it."""
        item = self._item(item_id)
        item.AddMarker(_MARKER_AT, _MARKER_COLOUR, name, note, _MARKER_FRAMES, tag.text())
        found = (marker.get("customData") == tag.text() for marker in (item.GetMarkers() or {}).values())
        require(any(found), "put a marker on the take")
        item.SetClipColor(cast("api.ClipColor", COLOUR))
        require(item.GetClipColor() == COLOUR, "colour the take")

    def copy_look(self, from_id: str, to_id: str) -> bool:
        """Give an item of ours the sizing and the grade of the clip below it; whether all of it took."""
        source, target = self._item(from_id), self._item(to_id)
        sizing = source.GetProperty()
        is_same = sizing is not None
        for name in _COPIED:
            if sizing is not None and name in sizing:
                target.SetProperty(name, sizing[name])
                is_same = is_same and target.GetProperty(name) == sizing[name]
        return source.CopyGrades([target]) is True and is_same

    def delete_item(self, item_id: str) -> None:
        """Remove an item of ours from the timeline; nothing moves up."""
        item = next((each for _, each in self._items() if each.GetUniqueId() == item_id), None)
        if item is not None:
            self._timeline().DeleteClips([item], False)
            require(all(each.GetUniqueId() != item_id for _, each in self._items()), "remove the take from its track")

    def delete_items_of(self, pool_id: str) -> None:
        """Remove whatever shows a pool item of ours, wherever Resolve put it."""
        for _, item_id in sorted(self._item_ids()):
            if self.media_id(item_id) == pool_id:
                self.delete_item(item_id)

    def media_id(self, item_id: str) -> str:
        """The pool item that an item shows; "" for none."""
        pool = self._item(item_id).GetMediaPoolItem()
        return text(pool.GetUniqueId()) if pool is not None else ""

    # Resolve's takes

    def takes(self, item_id: str) -> tuple[str, ...]:
        """The media ids of an item's takes, in their order, from take 1 on."""
        item = self._item(item_id)
        told = (item.GetTakeByIndex(index) for index in range(1, (item.GetTakesCount() or 0) + 1))
        return tuple(text(each["mediaPoolItem"].GetUniqueId()) if each else "" for each in told)

    def selected_take(self, item_id: str) -> int:
        """From 1; 0 if the item has no takes."""
        return self._item(item_id).GetSelectedTakeIndex() or 0

    def add_take(self, item_id: str, pool_id: str) -> int:
        """Make a pool item a take of an item; its number. The others stay: takes are never finalised."""
        known = self.takes(item_id)
        self._item(item_id).AddTake(self._pool_item(pool_id))
        takes = self.takes(item_id)
        require(len(takes) > len(known) and takes[-1] == pool_id, "add the take to the clip")
        return len(takes)

    def select_take(self, item_id: str, number_: int) -> None:
        """Show a take."""
        if self.selected_take(item_id) != number_:
            self._item(item_id).SelectTakeByIndex(number_)
            require(self.selected_take(item_id) == number_, f"select take {number_}")

    def delete_take(self, item_id: str, pool_id: str) -> None:
        """Remove a take of ours from an item, and show the first one if it was shown."""
        takes = self.takes(item_id)
        if pool_id in takes:
            if self.selected_take(item_id) == takes.index(pool_id) + 1:
                self.select_take(item_id, 1)
            self._item(item_id).DeleteTakeByIndex(takes.index(pool_id) + 1)
            require(pool_id not in self.takes(item_id), "remove the take from the clip")

    def _media_pool(self) -> api.MediaPool:
        return needed(self._project().GetMediaPool(), "its media pool")

    def _folder(self) -> api.Folder:
        return needed(self._media_pool().GetCurrentFolder(), "the open bin")

    def _folders(self) -> Iterator[api.Folder]:
        yield from _below(needed(self._media_pool().GetRootFolder(), "the media pool"))

    def _open(self, folder: api.Folder) -> None:
        wanted = folder.GetUniqueId()
        if self._folder().GetUniqueId() != wanted:
            self._media_pool().SetCurrentFolder(folder)
            require(self._folder().GetUniqueId() == wanted, "open the bin")

    def _our_clips(self) -> Iterator[api.MediaPoolItem]:
        root = needed(self._media_pool().GetRootFolder(), "the media pool")
        ours = _sub_folder(root, BIN)
        for folder in _below(ours) if ours is not None else ():
            yield from (clip for clip in folder.GetClipList() or [] if clip)

    def _pool_item(self, pool_id: str) -> api.MediaPoolItem:
        for clip in self._our_clips():
            if clip.GetUniqueId() == pool_id:
                return clip
        raise Refusal("The take is gone from the media pool", remedy="Bring it back again")


def _sub_folder(folder: api.Folder, name: str) -> api.Folder | None:
    return next((each for each in folder.GetSubFolderList() or [] if each and each.GetName() == name), None)


def _below(folder: api.Folder) -> Iterator[api.Folder]:
    yield folder
    for each in folder.GetSubFolderList() or []:
        if each:
            yield from _below(each)


def _is_value(found: object, wanted: str) -> bool:
    """Frame rates read as numbers, and are set as text."""
    said = text(found)
    return said == wanted or (bool(number(wanted)) and number(said) == number(wanted))
