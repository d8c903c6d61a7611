"""The matte of a take that was made without one, from what its manifest says."""

from __future__ import annotations

from pathlib import Path

from secondtake.frames import FrameSet
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.whole import WholeMatte
from secondtake_daemon.takes.manifest import Manifest

__all__ = ["whole_matte"]


def whole_matte(manifest: Manifest) -> WholeMatte | None:
    """None if the take has a matte."""
    if manifest.matte.name:
        return None
    paths = {record.frame: Path(record.plate) for record in manifest.frames}
    return WholeMatte(
        FrameSet.parse(manifest.matte.whole) if manifest.matte.whole else (),
        window_of=lambda frame: inspect(paths[frame]).parts[manifest.plate.part].data_window,
    )
