"""Frames that a take.json names, by the digests it recorded: what is not that file any more is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from secondtake.errors import BadInput, Incompatible, MissingFrames
from secondtake_daemon.store.keys import FileDigests
from secondtake_daemon.takes.manifest import Manifest, TakeFrame

__all__ = ["Recorded", "below", "plate_frame", "take_frame"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """One file."""

    what: str
    """As in "Frame 1001 of the plate"."""
    path: Path
    digest: str
    """BLAKE3, hex."""

    def require(self) -> Path:
        """Its path. Raises MissingFrames if it is gone, BadInput if it is another file than the one recorded."""
        if not self.path.is_file():
            raise MissingFrames(f"{self.what} is not there any more", remedy="Put it back", path=self.path)
        if FileDigests().of(self.path) != self.digest:
            raise self.changed()
        return self.path

    def changed(self) -> BadInput:
        """The error for a file that is another one now."""
        return BadInput(f"{self.what} is not the file that was recorded", remedy="Put it back", path=self.path)


def take_frame(manifest: Manifest, folder: Path, record: TakeFrame) -> Recorded:
    """A written frame of the take in a folder. Raises Incompatible if take.json names one outside the folder."""
    if Path(record.file).name != record.file:
        raise Incompatible("The take's manifest names a file outside its folder", path=folder)
    return Recorded(f"Frame {record.frame} of take {manifest.take}", folder / record.file, record.digest)


def below(manifest: Manifest, record: TakeFrame) -> Recorded:
    """The frame that a take's frame was made on: its parent's, or the plate's."""
    whose = f"take {manifest.parent}" if manifest.parent else "the plate"
    return Recorded(f"Frame {record.frame} of {whose}", Path(record.plate), record.plate_digest)


def plate_frame(record: TakeFrame) -> Recorded:
    """The frame of the plate that the take's line begins with."""
    path, digest = (record.root, record.root_digest) if record.root else (record.plate, record.plate_digest)
    return Recorded(f"Frame {record.frame} of the plate", Path(path), digest)
