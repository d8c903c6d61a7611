"""What people say of a take: a name, a note, a star. Small files beside the registry's; take.json is never touched."""

from __future__ import annotations

from pathlib import Path

import msgspec

from secondtake_daemon.store.io import remove_file, replace_bytes

__all__ = ["NOTES_SUFFIX", "NO_NOTES", "Notes", "read_notes", "remove_notes", "write_notes"]

NOTES_SUFFIX = ".notes.json"


class Notes(msgspec.Struct, frozen=True, kw_only=True):
    """Of one take."""

    name: str = ""
    """Unique in its shot; "" is none."""
    note: str = ""
    starred: bool = False


NO_NOTES = Notes()
_DECODER = msgspec.json.Decoder(Notes)


def read_notes(root: Path, take: str) -> Notes:
    """Those of a take; none if nobody said anything, or if the file is damaged. root: the registry's folder."""
    try:
        with open(f"{root}/{take}{NOTES_SUFFIX}", "rb") as file:  # noqa: PTH123 — thousands are read for one list
            return _DECODER.decode(file.read())
    except (OSError, msgspec.MsgspecError):
        return NO_NOTES


def write_notes(root: Path, take: str, notes: Notes) -> None:
    """Put them in the place of the old ones, durably. Raises DiskError, BadOutput."""
    if notes == NO_NOTES:
        remove_notes(root, take)
    else:
        replace_bytes(root / f"{take}{NOTES_SUFFIX}", msgspec.json.encode(notes))


def remove_notes(root: Path, take: str) -> None:
    """Nobody says anything of this take any more; durable. Raises DiskError, BadOutput."""
    remove_file(root / f"{take}{NOTES_SUFFIX}")
