"""The patch over the plate, inside the stitch matte only.

Where the matte is 0 nothing is computed: the writer takes those samples from the plate by selection, not by a lerp,
which would leak NaN and inf and turn −0 into +0 (docs/exactness.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from secondtake.errors import EngineFault
from secondtake_daemon.composite.matte import Stitch

__all__ = ["check_samples", "stitch"]

Plane = NDArray[Any]
"""(height, width) float16 or float32."""


def check_samples(samples: NDArray[np.float32], *, frame: int, engine: str) -> None:
    """Raise EngineFault if a patch holds NaN or inf where it would be used. samples: (n, 3)."""
    bad = int(np.count_nonzero(~np.isfinite(samples)))
    if bad:
        raise EngineFault(
            f"The engine '{engine}' returned {bad} values in frame {frame} that are not numbers",
            remedy="Nothing was written; try another seed or engine",
        )


def stitch(
    *, plate: Mapping[str, Plane], samples: NDArray[np.float32], matte: Stitch, channels: tuple[str, ...]
) -> dict[str, Plane]:
    """Mix patch and plate in the plate's encoding. Returns planes of the plate's dtypes that cover matte.box.

    plate: planes over matte.box, half or float. samples: (n, 3) float32, the patch at the n pixels where alpha > 0, in
    row order. A plate sample that is NaN or inf gives way to the patch wherever alpha > 0. Half values are limited to
    ±65504, the largest half; nothing else is clamped.
    """
    inside = matte.alpha > 0
    alpha = matte.alpha[inside]
    is_solid = bool((alpha >= 1).all())
    mixed = {}
    for index, name in enumerate(channels):
        plane = plate[name]
        patch = samples[:, index] if len(channels) == 3 else samples.mean(axis=1)
        out = plane.copy()
        mixture = patch if is_solid else _mix(plane[inside].astype(np.float32), patch, alpha)
        out[inside] = _cast(mixture, plane.dtype)
        mixed[name] = out
    return mixed


def _mix(plate: NDArray[np.float32], patch: NDArray[np.float32], alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    whole = (alpha >= 1) | ~np.isfinite(plate)
    known = np.where(whole, np.float32(0), plate)
    return np.where(whole, patch, known + alpha * (patch - known))


def _cast(values: NDArray[np.float32], dtype: np.dtype[Any]) -> Plane:
    limits = np.finfo(dtype)
    return np.asarray(values.clip(limits.min, limits.max), dtype)
