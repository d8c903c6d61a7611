"""The classical faults of storage code, seeded on purpose. A test that does not see them sees nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from secondtake import disk, endpoint
from secondtake_daemon.store import io
from secondtake_daemon.takes import publish, registry, removal

__all__ = ["MUTANTS", "Mutant"]


@dataclass(frozen=True)
class Mutant:
    """scenario: where it shows. seed: puts it into this process."""

    scenario: str
    seed: Callable[[], None]


def _rename_before_fsync() -> None:
    def create(target: Path, data: bytes) -> None:
        part = io.part_path(target)
        disk.write(part, lambda path: path.write_bytes(data))
        disk.replace(part, target)
        disk.sync_folder(target.parent)
        disk.sync_file(target)

    publish.create_bytes = create


def _no_folder_fsync() -> None:
    inner = disk.sync_folder

    def sync(path: Path) -> None:
        if path.name != "out":
            inner(path)

    disk.sync_folder = sync


def _no_fsync_of_new_folders() -> None:
    def make(folder: Path, *, mode: int = 0o777) -> list[Path]:
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        for path in reversed(missing):
            disk.make_folder(path, mode)
        return missing

    disk.make_folders = make


def _write_in_place() -> None:
    def replace_bytes(target: Path, data: bytes) -> None:
        disk.write(target, lambda path: path.write_bytes(data))
        disk.sync_file(target)
        disk.sync_folder(target.parent)

    registry.replace_bytes = replace_bytes


def _no_fsync_of_frames() -> None:
    inner = disk.sync_file

    def sync(path: Path) -> None:
        if not path.name.endswith(".exr.part"):
            inner(path)

    disk.sync_file = sync


def _delete_in_the_open() -> None:
    """take.json stays visible while its frames go."""

    def remove(take: removal.Doomed, *, root: Path) -> None:
        for file in take.files:
            disk.unlink(file)
        disk.sync_folder(take.folder)
        with suppress(OSError):
            disk.remove_folder(take.folder)
        registry.forget(root, take.take)

    removal.remove = remove
    import scenarios

    scenarios.remove = remove


def _revoke_without_fsync() -> None:
    inner = disk.sync_folder

    def sync(path: Path) -> None:
        if path.name != "clients":
            inner(path)

    disk.sync_folder = sync


def _secret_for_everybody() -> None:
    def write_new(path: Path, content: bytes) -> None:
        path.write_bytes(content)
        os.chmod(path, 0o644)  # noqa: PTH101

    endpoint._write_new = write_new


MUTANTS = {
    "rename before fsync": Mutant("make", _rename_before_fsync),
    "no folder fsync": Mutant("make", _no_folder_fsync),
    "no fsync of new folders": Mutant("make", _no_fsync_of_new_folders),
    "no fsync of frames": Mutant("make", _no_fsync_of_frames),
    "write in place": Mutant("make", _write_in_place),
    "delete in the open": Mutant("delete", _delete_in_the_open),
    "revoke without fsync": Mutant("revoke", _revoke_without_fsync),
    "a key that others may read": Mutant("allow", _secret_for_everybody),
}
