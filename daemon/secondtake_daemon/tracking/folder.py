"""The output folder of a tracking: nobody else's file is ever overwritten, and nothing is half written.

Frames are written into a folder of the tracking's own inside it, and take their places only when all of them are there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import msgspec
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadOutput
from secondtake_daemon.images.exr_write import write_new
from secondtake_daemon.store.io import disk_errors, replace_bytes, replace_file, sync_folder
from secondtake_daemon.store.keys import FileDigests
from secondtake_daemon.takes.manifest import MANIFEST_NAME
from secondtake_daemon.tracking.record import RECORD_NAME, Record, load

__all__ = ["CHANNEL", "TrackFolder"]

CHANNEL = "Y"
"""OpenEXR's name for a picture of one grey channel; hosts and `fix --matte` read it without being told."""

_WORK_NAME = ".track.part"


class TrackFolder:
    """A context manager: the folder is claimed inside, and left as it was found unless `publish` was called."""

    def __init__(self, folder: Path, *, plate: str, plate_folder: Path) -> None:
        self._folder = folder
        self._plate = plate
        self._plate_folder = plate_folder
        self._work = folder / _WORK_NAME
        self._made: list[Path] = []
        self._digests = FileDigests()
        self.earlier: Record | None = None
        """What an earlier tracking of this plate left here."""

    def __enter__(self) -> TrackFolder:
        """Raises BadOutput if the folder is the plate's, holds a take or another shot's mattes, or is in use."""
        folder = self._folder
        if folder.exists() and not folder.is_dir():
            raise BadOutput("The output is a file, not a folder", remedy="Give --out a folder", path=folder)
        if folder.exists() and folder.resolve() == self._plate_folder.resolve():
            raise BadOutput("The output folder is the plate's own", remedy="Give --out another folder", path=folder)
        if (folder / MANIFEST_NAME).exists():
            raise BadOutput("The output folder holds a take", remedy="Give --out another folder", path=folder)
        self.earlier = load(folder)
        if self.earlier is not None and self.earlier.plate != self._plate:
            raise BadOutput(
                "The output folder holds the mattes of another plate", remedy="Give --out another folder", path=folder
            )
        self._claim()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._work, ignore_errors=True)
        for made in self._made:
            with suppress(OSError):  # not empty: it was published, or somebody put something there
                made.rmdir()

    def require_free(self, names: Mapping[int, str], *, drawn: Mapping[int, str]) -> None:
        """Raise BadOutput if one of the files is there and is not what an earlier tracking wrote.

        names: file of each frame. drawn: path of what was drawn; a file of ours that was painted over is no loss when
        it comes back as the drawn frame.
        """
        known = self.earlier.by_frame if self.earlier else {}
        for frame, name in names.items():
            path = self._folder / name
            if not path.exists() or (frame in drawn and Path(drawn[frame]).resolve() == path.resolve()):
                continue
            ours = known.get(frame)
            if ours is None or ours.file != name:
                raise BadOutput(
                    "The output folder holds a file of this name that no tracking wrote",
                    remedy="Give --out another folder",
                    path=path,
                )
            if self._digests.of(path) not in (ours.digest, ours.replaced):
                raise BadOutput(
                    f"The matte of frame {frame} was changed since it was tracked",
                    remedy="Give it as a drawn frame with --also, or give --out another folder",
                    path=path,
                )

    def write(
        self, name: str, values: NDArray[np.float32], *, data: Box, display: Box, exact: bool = False
    ) -> tuple[str, str]:
        """Write a matte, not yet in its place. Returns the digest, and that of the file it will replace ("": none).

        values: (height, width) of `data`, 0 … 1. exact: as float where half would change a value.
        """
        half = values.astype(np.float16)
        plane = values if exact and (half.astype(np.float32) != values).any() else half
        target = self._work / name
        replace_file(
            target,
            lambda part: write_new(part, data_window=data, display_window=display, planes={CHANNEL: plane}),
            sync_name=False,
        )
        before = self._folder / name
        return self._digests.of(target), self._digests.of(before) if before.exists() else ""

    def publish(self, record: Record) -> None:
        """Put record and frames in their places. A crash on the way leaves whole files and a record that knows them."""
        earlier = self.earlier.by_frame if self.earlier else {}
        kept = {frame: one for frame, one in earlier.items() if (self._folder / one.file).exists()}
        kept.update(record.by_frame)
        whole = msgspec.structs.replace(record, frames=tuple(kept[frame] for frame in sorted(kept)))
        text = msgspec.json.format(msgspec.json.encode(whole), indent=1)
        replace_bytes(self._folder / RECORD_NAME, text + b"\n")
        with disk_errors(self._folder):
            for one in record.frames:
                os.replace(self._work / one.file, self._folder / one.file)
        sync_folder(self._folder)

    def _claim(self) -> None:
        folder = self._folder
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        try:
            with disk_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
                self._made = missing
                self._work.mkdir()
        except FileExistsError as error:
            raise BadOutput(
                "Another tracking writes to this output folder",
                remedy="Wait for it, give --out another folder, or remove what it left",
                path=self._work,
            ) from error
        except BaseException:
            for made in missing:
                with suppress(OSError):
                    made.rmdir()
            raise
