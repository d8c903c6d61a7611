"""Two written frames, sample by sample: which differ first, and how many."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from secondtake_daemon.images.exr_edit import bits
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.exr_read import read_planes

__all__ = ["sample_difference"]


def sample_difference(one: Path, other: Path) -> str:
    """What differs between the samples of two EXR files, in words; "" if nothing does. Raises BadImage."""
    first, second = inspect(one), inspect(other)
    if len(first.parts) != len(second.parts):
        return "it has another number of parts"
    changed, where = 0, ""
    for part in range(len(first.parts)):
        before, after = read_planes(first, part=part), read_planes(second, part=part)
        if before.box != after.box or list(before.planes) != list(after.planes):
            return f"part {part} has other channels or another window"
        for name, plane in before.planes.items():
            if plane.dtype != after.planes[name].dtype:
                return f"channel {name} is of another type"
            differs = bits(plane) != bits(after.planes[name])
            if differs.any() and not where:
                y, x = np.unravel_index(int(differs.argmax()), differs.shape)
                where = f"channel {name} at x {before.box.x + int(x)}, y {before.box.y + int(y)}"
            changed += int(np.count_nonzero(differs))
    return f"{changed:,} samples, first in {where}" if changed else ""
