"""What an unfinished take leaves in the output folder, and how it is removed. Standard library and msgspec only:
the daemon calls it after it had to kill a worker."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

__all__ = ["LEDGER_SUFFIX", "LedgerHead", "ledger_path", "scratch_folder", "sweep"]

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
    """Remove all that an unfinished take left. Without its ledger nothing is touched.

    No ledger means that the take is published, or never began. Frames are known by name
    (`<shot>.<take>.<frame>.exr`, and their part files); the take's id is unique, so nobody else's file is met.
    A take that was published just before its job died keeps everything but the ledger. Returns True if there was
    something to remove.
    """
    path = ledger_path(folder, take)
    if _is_published(folder, take):
        path.unlink(missing_ok=True)
        return False
    try:
        head = msgspec.json.decode(path.read_bytes().split(b"\n")[0], type=LedgerHead)
    except (OSError, msgspec.MsgspecError):
        return False
    for left in list(folder.iterdir()):
        if left.name.lstrip(".").startswith(f"{shot}.{take}."):
            left.unlink(missing_ok=True)
    for part in folder.glob(".take.json*.part"):
        part.unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    for made in head.made_folders:
        with suppress(OSError):  # not empty: the user put something there meanwhile
            Path(made).rmdir()
    return True


class _Published(msgspec.Struct, frozen=True):
    """The part of take.json that says whose it is."""

    take: str


def _is_published(folder: Path, take: str) -> bool:
    try:
        return msgspec.json.decode((folder / "take.json").read_bytes(), type=_Published).take == take
    except (OSError, msgspec.MsgspecError):
        return False
