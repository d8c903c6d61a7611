"""What lies in the cache and how much disk it takes, counted as `du` counts: blocks, folders too, each inode once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import msgspec

__all__ = ["Item", "Kind", "Usage", "disk_bytes", "items_of", "usage_of"]

_BLOCK_BYTES = 512


class Kind(str, Enum):
    """What an item is."""

    PATCH = "patches"
    MOVIE = "movies"
    THUMBNAIL = "thumbnails"
    JOB = "jobs"
    REST = "rest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What comes and goes as one: a patch, the frames of a movie, a picture of a take, the scratch of a job."""

    kind: Kind
    name: str
    """Path inside the cache."""
    path: Path
    size_bytes: int
    used_ns: int
    """Time of the last use, since the epoch."""
    is_part: bool = False
    """True for a file that is being written, and a movie that is being removed, or whose process died over it."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Disk that one kind takes."""

    kind: Kind
    objects: int
    size_bytes: int
    oldest_use: float | None = None
    """Seconds since the epoch."""


def items_of(root: Path) -> list[Item]:
    """All patches, movies, pictures of takes and scratch folders of a cache."""
    files = [*_files(root, Kind.PATCH, "??/*"), *_files(root, Kind.THUMBNAIL, "*")]
    return [*files, *_folders(root, Kind.MOVIE), *_folders(root, Kind.JOB)]


def usage_of(root: Path) -> tuple[tuple[Usage, ...], int]:
    """What each kind takes, and the sum, which is what `du` says of the folder."""
    items, total = items_of(root), disk_bytes(root)
    found = []
    for kind in (Kind.PATCH, Kind.MOVIE, Kind.THUMBNAIL, Kind.JOB):
        mine = [item for item in items if item.kind is kind]
        size = disk_bytes(root / kind.value)
        oldest = min((item.used_ns for item in mine), default=None)
        found.append(
            Usage(kind=kind, objects=len(mine), size_bytes=size, oldest_use=None if oldest is None else oldest / 1e9)
        )
    rest = total - sum(usage.size_bytes for usage in found)
    return (*found, Usage(kind=Kind.REST, objects=0, size_bytes=rest)), total


def disk_bytes(root: Path) -> int:
    """Blocks of a folder with all that is in it; 0 if there is none. Links are not followed."""
    seen: set[tuple[int, int]] = set()
    total, left = 0, [root]
    while left:
        path = left.pop()
        with suppress(OSError):
            status = path.lstat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            if status.st_nlink > 1:
                seen.add((status.st_dev, status.st_ino))
            total += _allocated(status)
            if path.is_dir() and not path.is_symlink():
                with os.scandir(path) as entries:
                    left += [Path(entry.path) for entry in entries]
    return total


def _files(root: Path, kind: Kind, pattern: str) -> Iterator[Item]:
    for path in (root / kind.value).glob(pattern):
        with suppress(OSError):
            status = path.lstat()
            yield Item(
                kind=kind,
                name=path.relative_to(root).as_posix(),
                path=path,
                size_bytes=_allocated(status),
                used_ns=status.st_mtime_ns,
                is_part=path.name.startswith("."),
            )


def _folders(root: Path, kind: Kind) -> Iterator[Item]:
    for path in (root / kind.value).glob("*"):
        with suppress(OSError):
            yield Item(
                kind=kind,
                name=path.relative_to(root).as_posix(),
                path=path,
                size_bytes=disk_bytes(path),
                used_ns=path.lstat().st_mtime_ns,
                is_part=path.name.startswith("."),
            )


def _allocated(status: os.stat_result) -> int:
    """Bytes on disk. (Windows does not tell; there it is the length.)"""
    blocks: int | None = getattr(status, "st_blocks", None)
    return status.st_size if blocks is None else blocks * _BLOCK_BYTES
