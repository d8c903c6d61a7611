"""The one module that writes what must not be torn: temp + fsync + rename + fsync of the folder.

Whatever is visible under its final name is whole, also after a power cut. Part files are named `.<name>.part`; they lie
beside their target and are removed on failure here, after a kill by `takes.leftovers`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from secondtake.errors import BadOutput, DiskError

__all__ = ["append_line", "create_bytes", "disk_errors", "part_path", "replace_bytes", "replace_file", "sync_folder"]

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
            result = write(part)
            _sync(part)
            os.replace(part, target)
            if sync_name:
                _sync(target.parent)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
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
            part.write_bytes(data)
            _sync(part)
            _move_new(part, target)
            _sync(target.parent)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def append_line(path: Path, line: bytes) -> None:
    """Add one line. A kill leaves at most a torn last line, without its newline; a power cut may lose lines."""
    with disk_errors(path), path.open("ab") as file:
        file.write(line + b"\n")


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    with disk_errors(folder):
        _sync(folder)


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
        os.link(part, target)  # unlike a rename, a link never takes the place of a file that is there
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if target.exists():
            raise FileExistsError(errno.EEXIST, "exists", str(target)) from error
        os.replace(part, target)


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


def _sync(path: Path) -> None:
    """Make a file's bytes, or a folder's names, survive a power cut. (Windows can't open folders; it need not.)"""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
