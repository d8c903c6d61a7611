"""The plan of a fix: what is fixed before the first pixel is made, and the same for any number of workers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from secondtake.boxes import Box
from secondtake_daemon.plan.crop import crop_box
from secondtake_daemon.plan.windows import plan_windows

__all__ = ["FixPlan", "plan_fix"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FixPlan:
    """The frames of each window, and the box the engine works on."""

    windows: tuple[tuple[int, ...], ...]
    crops: tuple[Box, ...]
    """Of each window; empty where it has no matte."""

    @property
    def crop(self) -> Box:
        """The box around all crops."""
        return _union(self.crops)


def plan_fix(
    *,
    mattes: Mapping[int, Box],
    bounds: Box,
    window_frames: int,
    context_px: int,
    context_ratio: float,
    stride_px: int,
    steady_crop: bool,
) -> FixPlan:
    """Plan from each frame's matte, the plate's bounds and the limits on the engine's card.

    mattes: boxes by frame number, ascending. steady_crop: one crop for the whole shot.
    """
    windows = plan_windows(tuple(mattes), window_frames=window_frames)

    def crop(frames: Iterable[int]) -> Box:
        matte = _union(mattes[frame] for frame in frames)
        if matte.is_empty:
            return Box(0, 0, 0, 0)
        return crop_box(
            matte=matte, bounds=bounds, context_px=context_px, context_ratio=context_ratio, stride_px=stride_px
        )

    crops = (crop(mattes),) * len(windows) if steady_crop else tuple(map(crop, windows))
    return FixPlan(windows=windows, crops=crops)


def _union(boxes: Iterable[Box]) -> Box:
    box = Box(0, 0, 0, 0)
    for each in boxes:
        box = box.union(each)
    return box
