"""A take handed on whole: its frames byte for byte, with the take.json and the supports that prove them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from secondtake.errors import BadInput, Incompatible
from secondtake_daemon.review.recorded import Recorded, take_frame
from secondtake_daemon.review.staging import staged_folder
from secondtake_daemon.store.io import replace_file
from secondtake_daemon.store.keys import FileDigests
from secondtake_daemon.takes.manifest import MANIFEST_NAME, load

__all__ = ["export_full"]

OnFrame = Callable[[int, int, int], None]
"""Told how many frames of how many are done, and which it was."""


def export_full(folder: Path, out: Path, *, on_frame: OnFrame) -> tuple[str, ...]:
    """Copy the take in a folder; the copy verifies. Returns the names of the files, take.json last.

    Raises BadInput or MissingFrames if a file is not the one that was recorded, BadOutput if out is not empty,
    DiskError.
    """
    manifest = load(folder)
    if not manifest.frames:
        raise Incompatible("The take's manifest lists no frames", path=folder)
    wanted = [(record.frame, take_frame(manifest, folder, record)) for record in manifest.frames]
    with staged_folder(out) as stage:
        for done, (frame, recorded) in enumerate(wanted, start=1):
            _copy(recorded, stage)
            on_frame(done, len(wanted), frame)
        names = [recorded.path.name for _, recorded in wanted]
        if manifest.supports is not None:
            path = folder / Path(manifest.supports.file).name
            _copy(Recorded("What the take keeps of where it may change", path, manifest.supports.digest), stage)
            names.append(path.name)
        if manifest.sound is not None:
            path = folder / Path(manifest.sound.file).name
            _copy(Recorded("The take's sound", path, manifest.sound.digest), stage)
            names.append(path.name)
        replace_file(stage / MANIFEST_NAME, lambda part: _copy_bytes(folder / MANIFEST_NAME, part))
        if load(stage) != manifest:
            raise BadInput("The take changed meanwhile", remedy="Run the command again", path=folder)
    return (*names, MANIFEST_NAME)


def _copy(recorded: Recorded, stage: Path) -> None:
    """Copy a file and look at the copy: what is wrong with the source, or went wrong on the way, is not handed on."""

    def write(part: Path) -> None:
        if not recorded.path.is_file():
            recorded.require()
        _copy_bytes(recorded.path, part)
        if FileDigests().of(part) != recorded.digest:
            raise recorded.changed()

    replace_file(stage / recorded.path.name, write, sync_name=False)


def _copy_bytes(source: Path, target: Path) -> None:
    """As a clone where the file system can share blocks (the kernel's copy_file_range does so), else by reading."""
    if hasattr(os, "copy_file_range"):
        try:
            with source.open("rb") as read, target.open("wb") as write:
                left = os.fstat(read.fileno()).st_size
                while left > 0 and (sent := os.copy_file_range(read.fileno(), write.fileno(), left)):
                    left -= sent
            if left == 0:
                return
        except OSError:  # other file systems, or an old kernel; a full disk fails again below
            pass
    shutil.copyfile(source, target)
