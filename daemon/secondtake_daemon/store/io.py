"""The one module that writes what must not be torn: temp + fsync + rename + fsync of the folder.

Whatever is visible under its final name is whole, also after a power cut; what was acknowledged stays. Part files are
named `.<name>.part`; they lie beside their target and are removed on failure here, after a kill by `takes.leftovers`.
The calls themselves stand in `secondtake.disk`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from secondtake import disk
from secondtake.errors import BadOutput, DiskError

__all__ = [
    "append_line",
    "create_bytes",
    "disk_errors",
    "make_folders",
    "part_path",
    "remove_file",
    "replace_bytes",
    "replace_file",
    "swap_file",
    "sync_folder",
]

T = TypeVar("T")

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)
_NO_FOLDER = (errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)


def part_path(target: Path) -> Path:
    """Where the unfinished form of a file lies."""
    return target.with_name(f".{target.name}.part")


def replace_file(target: Path, write: Callable[[Path], T], *, sync_name: bool = True) -> T:
    """Let `write` make a part file, then put it durably in the place of target. Returns what `write` returned.

    sync_name: False leaves the folder's fsync to the caller (`sync_folder`), who has many files to put there. The part
    file is gone after any error. Raises DiskError or BadOutput for trouble with the disk.
    """
    part = part_path(target)
    try:
        with disk_errors(target):
            result = disk.write(part, write)
            disk.sync_file(part)
            disk.replace(part, target)
            if sync_name:
                disk.sync_folder(target.parent)
    except BaseException:
        with suppress(OSError):
            disk.unlink(part)
        raise
    return result


def replace_bytes(target: Path, data: bytes) -> None:
    """Durably write a small file, over an older one if there is one."""
    replace_file(target, lambda part: part.write_bytes(data))


def create_bytes(target: Path, data: bytes) -> None:
    """Durably write a small file that must not exist yet. Raises FileExistsError if it does."""
    part = part_path(target)
    try:
        with disk_errors(target):
            disk.write(part, lambda path: path.write_bytes(data))
            disk.sync_file(part)
            _move_new(part, target)
            disk.sync_folder(target.parent)
    except BaseException:
        with suppress(OSError):
            disk.unlink(part)
        raise


def swap_file(target: Path, write: Callable[[Path], object]) -> None:
    """Put a file in its place at once, not durably: for what can be made again, and is checked when it is read.

    The part file has this process's id in its name: others may write the same target. Raises OSError.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        disk.write(part, write)
        disk.replace(part, target)
    except BaseException:
        with suppress(OSError):
            disk.unlink(part)
        raise


def append_line(path: Path, line: bytes) -> None:
    """Add one line. A kill leaves at most a torn last line, without its newline; a power cut may lose lines."""
    with disk_errors(path):
        disk.append(path, line + b"\n")


def remove_file(path: Path) -> None:
    """Durably remove a file, if it is there. Raises DiskError or BadOutput."""
    with disk_errors(path):
        disk.unlink(path)
        if path.parent.is_dir():  # also if it was gone: perhaps a process that was killed then removed it
            disk.sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    with disk_errors(folder):
        disk.sync_folder(folder)


def make_folders(folder: Path, *, mode: int = 0o777) -> list[Path]:
    """Durably make a folder and its parents. Returns those that were not there, deepest first.

    Raises FileExistsError if a file is in the way, DiskError, BadOutput.
    """
    with disk_errors(folder):
        return disk.make_folders(folder, mode=mode)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn what a full, failing or read-only disk raises into DiskError or BadOutput. FileExistsError passes."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        raise _disk_error(error, path) from error
    except RuntimeError as error:  # OpenEXR reports a failed write this way, without an errno
        if _free_bytes(path.parent) > 1 << 20:
            raise
        raise _full(path) from error


def _move_new(part: Path, target: Path) -> None:
    try:
        disk.link(part, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if target.exists():
            raise FileExistsError(errno.EEXIST, "exists", str(target)) from error
        disk.replace(part, target)
    else:
        disk.unlink(part)


def _disk_error(error: OSError, path: Path) -> DiskError | BadOutput:
    if error.errno in _NO_SPACE or (error.errno is None and _free_bytes(path.parent) < 1 << 20):
        return _full(path)
    if error.errno in _NOT_ALLOWED:
        return BadOutput("The folder can't be written to", remedy="Choose another, or change its rights", path=path)
    reason = error.strerror or str(error)
    if error.errno in _NO_FOLDER:
        return BadOutput(f"This is no place for a folder ({reason.lower()})", remedy="Choose another", path=path)
    return DiskError(f"The disk failed ({reason})", remedy="Check the disk and try again", path=path)


def _full(path: Path) -> DiskError:
    return DiskError("The disk is full", remedy="Make room and run the command again", path=path)


def _free_bytes(folder: Path) -> int:
    try:
        stat = os.statvfs(folder)
    except OSError:
        return 1 << 62
    return stat.f_bavail * stat.f_frsize
