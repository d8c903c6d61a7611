"""What an unfinished take leaves in the output folder, and how it is removed. It loads nothing heavy:
the daemon calls it after it had to kill a worker."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from secondtake import disk
from secondtake_daemon.store.io import disk_errors, part_path, remove_file

__all__ = ["LEDGER_SUFFIX", "LedgerHead", "end_ledger", "ledger_path", "scratch_folder", "sweep"]

LEDGER_SUFFIX = ".ledger"


class LedgerHead(msgspec.Struct, frozen=True, kw_only=True):
    """First line of a ledger: whose folder this is."""

    job: str
    take: str
    shot: str
    made_folders: tuple[str, ...]
    """Folders the job made, deepest first; they go again if the job leaves nothing."""


def ledger_path(folder: Path, take: str) -> Path:
    """Where the ledger of an unfinished take lies."""
    return folder / f".{take}{LEDGER_SUFFIX}"


def scratch_folder(cache: Path, job: str) -> Path:
    """A folder of the job's own inside the cache: it outlives a worker, not the job."""
    return cache / "jobs" / job


def sweep(folder: Path, *, shot: str, take: str) -> bool:
    """Remove all that an unfinished take left, durably. Without its ledger no frame is touched.

    No ledger means that the take is published, or never began. Frames are known by name
    (`<shot>.<take>.<frame>.exr`, and their part files); the take's id is unique, so nobody else's file is met.
    A take that was published just before its job died keeps everything but what was left of its making. Returns True
    if an unfinished take was removed. Raises DiskError or BadOutput: then it is to be done again.
    """
    path = ledger_path(folder, take)
    with disk_errors(folder):
        if not folder.is_dir():
            return False
        is_published = _is_published(folder, take)
        head = None if is_published else _head(path)
        if head is not None:
            for left in list(folder.iterdir()):
                if left.name.lstrip(".").startswith(f"{shot}.{take}."):
                    disk.unlink(left)
    if head is not None or is_published:
        end_ledger(folder, take=take)
    else:
        remove_file(part_path(path))
    for made in map(Path, head.made_folders if head is not None else ()):
        with suppress(OSError):  # not empty: the user put something there meanwhile
            disk.remove_folder(made)
    return head is not None


def end_ledger(folder: Path, *, take: str) -> None:
    """Durably remove a take's ledger, and before it what a crash may have left of ledger and take.json.

    Raises DiskError, BadOutput.
    """
    path = ledger_path(folder, take)
    with disk_errors(folder):
        for part in (part_path(path), part_path(folder / "take.json")):
            disk.unlink(part)
    remove_file(path)


def _head(path: Path) -> LedgerHead | None:
    """None if there is no ledger, or a damaged one."""
    try:
        return msgspec.json.decode(path.read_bytes().split(b"\n")[0], type=LedgerHead)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


class _Published(msgspec.Struct, frozen=True):
    """The part of take.json that says whose it is."""

    take: str


def _is_published(folder: Path, take: str) -> bool:
    try:
        return msgspec.json.decode((folder / "take.json").read_bytes(), type=_Published).take == take
    except (FileNotFoundError, msgspec.MsgspecError):  # a take.json that cannot be read may be the take's
        return False
