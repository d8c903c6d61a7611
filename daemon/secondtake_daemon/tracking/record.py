"""track.json: what a tracking was made of, and which files are its own. Versioned as take.json is."""

from __future__ import annotations

from pathlib import Path

import msgspec

from secondtake.errors import Incompatible
from secondtake.messages import Quality

__all__ = ["RECORD_NAME", "SCHEMA_VERSION", "Record", "TrackedFrame", "load"]

RECORD_NAME = "track.json"
SCHEMA_VERSION = 1


class TrackedFrame(msgspec.Struct, frozen=True, kw_only=True):
    """One written matte. Digests are BLAKE3, hex."""

    frame: int
    file: str
    """Name inside the folder."""
    digest: str
    confidence: float
    """0 … 1, see docs/tracking.md; 1 for a drawn frame."""
    drawn: str = ""
    """Absolute path of what was drawn for this frame; "" if it was tracked."""
    drawn_digest: str = ""
    """Of that file."""
    replaced: str = ""
    """Digest of the file that lay there before, if an earlier tracking of this folder wrote it."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A tracking, whole."""

    schema: int = SCHEMA_VERSION
    shot: str
    plate: str
    """Absolute sequence name, or the movie."""
    made: str
    """UTC, ISO 8601; for display only."""
    software: str
    quality: Quality
    colourspace: str
    frames: tuple[TrackedFrame, ...]
    """Ascending."""
    notes: tuple[str, ...] = ()

    @property
    def by_frame(self) -> dict[int, TrackedFrame]:
        """The frames by their number."""
        return {one.frame: one for one in self.frames}


def load(folder: Path) -> Record | None:
    """The record in a folder; None if there is none. Raises Incompatible for a newer or damaged one."""
    path = folder / RECORD_NAME
    try:
        raw = path.read_bytes()
    except OSError:
        return None
    try:
        record = msgspec.json.decode(raw, type=Record)
    except msgspec.MsgspecError as error:
        raise Incompatible(
            f"The record of the tracking is damaged or foreign ({error})", remedy="Give --out another folder", path=path
        ) from error
    if record.schema > SCHEMA_VERSION:
        raise Incompatible(
            f"The mattes were tracked by a newer version (schema {record.schema})",
            remedy="Update Second Take, or give --out another folder",
            path=path,
        )
    return record
