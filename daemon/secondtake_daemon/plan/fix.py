"""The plan of a fix: what is fixed before the first pixel is made, and the same for any number of workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from secondtake.boxes import Box
from secondtake_daemon.plan.crop import crop_box
from secondtake_daemon.plan.windows import plan_windows

__all__ = ["FixPlan", "plan_fix"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FixPlan:
    """One crop box for the whole shot, and the frames of each window."""

    crop: Box
    windows: tuple[tuple[int, ...], ...]


def plan_fix(
    *,
    frames: Sequence[int],
    matte: Box,
    bounds: Box,
    window_frames: int,
    context_px: int,
    context_ratio: float,
    stride_px: int,
) -> FixPlan:
    """Plan from the mattes' common box, the plate's bounds and the limits on the engine's card."""
    crop = crop_box(matte=matte, bounds=bounds, context_px=context_px, context_ratio=context_ratio, stride_px=stride_px)
    return FixPlan(crop=crop, windows=plan_windows(frames, window_frames=window_frames))
