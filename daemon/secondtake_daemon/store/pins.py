"""What the user asked to keep in the cache: one small file for each pinned take, `cache/pins/<take>.json`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from secondtake_daemon.store.io import make_folders, remove_file, replace_bytes

__all__ = ["Pin", "pin", "pins", "unpin"]


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """A take whose patches stay."""

    take: str
    shot: str
    names: tuple[str, ...]
    """Paths inside the cache, as `patches/ab/<key>`."""


def pin(folder: Path, pinned: Pin) -> None:
    """Keep what a take is made of, from now on."""
    make_folders(folder, mode=0o700)
    replace_bytes(folder / f"{pinned.take}.json", msgspec.json.encode(pinned))


def unpin(folder: Path, take: str) -> bool:
    """Let it go. Returns False if it was not pinned."""
    path = folder / f"{take}.json"
    if not path.exists():
        return False
    remove_file(path)
    return True


def pins(folder: Path) -> tuple[Pin, ...]:
    """All pins, by take. A damaged file is left out."""
    found = []
    for path in sorted(folder.glob("*.json")):
        with suppress(OSError, msgspec.MsgspecError):
            found.append(msgspec.json.decode(path.read_bytes(), type=Pin))
    return tuple(found)
