"""A folder that appears whole or not at all: filled under another name beside it, then renamed."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from secondtake.errors import BadOutput
from secondtake_daemon.store.io import disk_errors, sync_folder

__all__ = ["staged_folder"]


@contextmanager
def staged_folder(out: Path) -> Iterator[Path]:
    """The folder to fill; when the block ends well it becomes `out`, else it is gone, with the parents made for it.

    Raises BadOutput if out is there and not an empty folder, or cannot be made; DiskError.
    """
    out = Path(os.path.realpath(out))
    _require_free(out)
    made = [folder for folder in out.parents if not folder.exists()]
    stage = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with disk_errors(out):
            stage.mkdir(parents=True)
        yield stage
        _require_free(out)
        sync_folder(stage)
        with disk_errors(out):
            if out.exists():
                out.rmdir()
            stage.rename(out)
        sync_folder(out.parent)
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        with suppress(OSError):  # somebody put something there
            for folder in made:
                folder.rmdir()
        raise


def _require_free(out: Path) -> None:
    with disk_errors(out):
        if out.exists() and not out.is_dir():
            raise BadOutput("The output is a file, not a folder", remedy="Give --out a folder", path=out)
        if out.is_dir() and any(out.iterdir()):
            raise BadOutput("The output folder is not empty", remedy="Give --out another folder", path=out)
