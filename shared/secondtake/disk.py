"""The calls that change what is on disk, one function each. What must survive a crash is written with nothing else.

Callers say `disk.replace(…)` and never import a function by itself: who wants to watch, stop or fail these calls
(`tests/faults`) puts others in their place. The rules — what is synced, and when — stand in the callers:
`secondtake_daemon.store.io`, and `write_private` of `secondtake.endpoint`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

__all__ = [
    "append",
    "link",
    "make_folder",
    "make_folders",
    "remove_folder",
    "replace",
    "sync_file",
    "sync_folder",
    "unlink",
    "write",
]

T = TypeVar("T")

_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP)


def write(path: Path, writer: Callable[[Path], T]) -> T:
    """Let a function make a file, or write it anew. Returns what it returned."""
    return writer(path)


def append(path: Path, data: bytes) -> None:
    """Add bytes to a file."""
    with path.open("ab") as file:
        file.write(data)


def sync_file(path: Path) -> None:
    """Make a file's bytes survive a power cut."""
    _sync(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Make the names in a folder survive a power cut. (Windows cannot, nor can some file servers; they do it alone.)"""
    if os.name == "nt":
        return
    try:
        _sync(path, os.O_RDONLY)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def replace(source: Path, target: Path) -> None:
    """Give a file (or a folder) another name in the same folder; a file that had that name is gone."""
    os.replace(source, target)


def link(source: Path, target: Path) -> None:
    """Give a file a second name; unlike `replace` it never takes the place of a file that is there."""
    os.link(source, target)


def unlink(path: Path) -> bool:
    """Remove a name. False if it was not there; of several who try at once, one gets True."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def make_folder(path: Path, mode: int = 0o777) -> None:
    """Make a folder, if it is not there. Its parent must be."""
    path.mkdir(mode=mode, exist_ok=True)


def remove_folder(path: Path) -> None:
    """Remove an empty folder."""
    path.rmdir()


def make_folders(folder: Path, *, mode: int = 0o777) -> list[Path]:
    """Durably make a folder, with this mode, and its parents. Returns those that were not there, deepest first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        make_folder(path, mode if path == folder else 0o777)
        with suppress(PermissionError):  # who may make a folder there may still not look into it
            sync_folder(path.parent)
    return missing


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
