"""Frames converted from movies lie in the cache, and a digest of each beside them: a damaged one is converted again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from secondtake_daemon.store.io import append_line, replace_file
from secondtake_daemon.store.keys import FileDigests

__all__ = ["COMPLETE", "damaged_frames", "drop_damaged", "keep_frame"]

T = TypeVar("T")

COMPLETE = "complete"
"""Marks a folder that holds all frames of its movie (`images.movies`)."""
_RECORD = "digests"


def keep_frame(target: Path, write: Callable[[Path], T]) -> T:
    """`replace_file`, with the digest of the new file noted beside it."""
    result = replace_file(target, write)
    if target.name != COMPLETE:
        append_line(target.parent / _RECORD, f"{FileDigests().of(target)} {target.name}".encode())
    return result


def damaged_frames(frames: Iterable[Path], digests: FileDigests, *, step: Callable[[], None]) -> list[Path]:
    """Those of a movie's frames that are not what was written. One whose digest was never noted passes."""
    damaged, folders = [], dict[Path, dict[str, str]]()
    for path in frames:
        if path.parent not in folders:
            folders[path.parent] = _recorded(path.parent)
        digest = folders[path.parent].get(path.name)
        if digest and digests.of(path) != digest:
            damaged.append(path)
        step()
    return damaged


def drop_damaged(frames: Iterable[Path], digests: FileDigests, *, step: Callable[[], None]) -> int:
    """Remove them, so that they are converted again. Returns how many there were."""
    damaged = damaged_frames(frames, digests, step=step)
    for path in damaged:
        (path.parent / COMPLETE).unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    return len(damaged)


def _recorded(folder: Path) -> dict[str, str]:
    found = {}
    with suppress(OSError):
        for line in (folder / _RECORD).read_text(encoding="utf-8", errors="replace").splitlines():
            digest, _, name = line.partition(" ")
            if len(digest) == 64 and name.endswith(".exr") and "/" not in name:
                found[name] = digest
    return found
