"""Deleting a take: exactly the files that its take.json names, that file itself, and what the registry knows."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from secondtake import disk
from secondtake.errors import Incompatible, NotFound
from secondtake_daemon.store.io import disk_errors
from secondtake_daemon.takes.manifest import MANIFEST_NAME, Manifest, load
from secondtake_daemon.takes.registry import Entry, entry, forget, holds

__all__ = ["Doomed", "doomed", "remove"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Doomed:
    """A take that is to go, and what of it is on disk."""

    take: str
    shot: str
    folder: Path
    files: tuple[Path, ...]
    """take.json last, or what it is called since an earlier try. Empty if there is nothing."""

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(file.lstat().st_size for file in self.files)


def doomed(which: Entry) -> Doomed:
    """What deleting a take removes. Raises Incompatible if its take.json is damaged, or names what cannot be its file.

    If the folder holds another take now, or none, nothing there is this take's.
    """
    folder, files = Path(which.folder), list[Path]()
    for last in (folder / MANIFEST_NAME, _tombstone(folder, which.take)):
        with suppress(NotFound):
            manifest = load(last)
            if manifest.take == which.take:
                files += [*(folder / name for name in _names(manifest, folder)), last]
    there = tuple(dict.fromkeys(file for file in files if file.is_file() or file.is_symlink()))
    return Doomed(take=which.take, shot=which.shot, folder=folder, files=there)


def remove(take: Doomed, *, root: Path) -> None:
    """Delete it; the folder too, if nothing else is in it. root: the registry's. Raises DiskError, BadOutput.

    take.json goes first, to a name that only this function knows: a take is whole or not there, also after a kill or a
    power cut in the middle. Then it can be done again.
    """
    if take.files:
        manifest, tombstone = take.folder / MANIFEST_NAME, _tombstone(take.folder, take.take)
        with disk_errors(take.folder):
            if manifest in take.files:
                disk.replace(manifest, tombstone)
                disk.sync_folder(take.folder)
            for file in take.files:
                if file not in (manifest, tombstone):
                    disk.unlink(file)
            disk.sync_folder(take.folder)
            disk.unlink(tombstone)
            disk.sync_folder(take.folder)
        with suppress(OSError):  # something else lies there
            disk.remove_folder(take.folder)
    left = entry(root, take.take)
    if left is None or not holds(left):  # else a copy was deleted, and the take is in its place
        forget(root, take.take)


def _tombstone(folder: Path, take: str) -> Path:
    """What take.json is called while its take is being deleted."""
    return folder / f".{take}.deleted"


def _names(manifest: Manifest, folder: Path) -> list[str]:
    names = [record.file for record in manifest.frames]
    if manifest.supports is not None:
        names.append(manifest.supports.file)
    if manifest.sound is not None:
        names.append(manifest.sound.file)
    for name in names:
        if Path(name).name != name or not name.startswith(f"{manifest.shot}.{manifest.take}."):
            raise Incompatible(f"The take's manifest names '{name}', which cannot be its file", path=folder)
    return names
