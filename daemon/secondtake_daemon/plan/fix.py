"""The plan of a fix: what is fixed before the first pixel is made, and the same for any number of workers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from secondtake.boxes import Box
from secondtake_daemon.plan.anchor import Anchor, Wish
from secondtake_daemon.plan.crop import crop_box
from secondtake_daemon.plan.order import order_of
from secondtake_daemon.plan.windows import handles_of, plan_windows

__all__ = ["FixPlan", "plan_fix"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FixPlan:
    """The frames of each window, and the box the engine works on."""

    windows: tuple[tuple[int, ...], ...]
    crops: tuple[Box, ...]
    """Of each window; empty where it has no matte."""
    handles: tuple[tuple[int, ...], ...]
    """Frames around each window that its engine looks at too."""
    needs: tuple[tuple[int, ...], ...]
    """Windows, by index, that must be made before each."""
    ranks: tuple[int, ...]
    """Of each window: those of rank 0 are made first, then 1, 2 …; an anchor's, -1, before them."""
    anchor: Anchor | None = None
    """The frame that is shown to some of the other windows."""
    shown: frozenset[int] = frozenset()
    """Those windows, by index; they need the anchor's."""

    @property
    def order(self) -> tuple[int, ...]:
        """All windows, by index, as they are made."""
        return tuple(sorted(range(len(self.windows)), key=lambda at: self.ranks[at]))

    @property
    def needed_first(self) -> tuple[int, ...]:
        """All windows, by index, each after all that it needs."""

        def place(at: int) -> tuple[int, int]:
            return self.ranks[at], 0 if self.ranks[at] else len(self.needs[at])

        return tuple(sorted(range(len(self.windows)), key=place))

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
    head_frames: int = 0,
    tail_frames: int = 0,
    blind: Collection[int] = (),
    painted: Collection[int] = (),
    anchor: Wish | None = None,
) -> FixPlan:
    """Plan from each frame's matte, the plate's bounds and the limits on the engine's card.

    mattes: boxes by frame number, ascending. steady_crop: one crop for the whole shot; engines with handles need it.
    blind: frames that are all matte. painted: frames that the artist painted. anchor: None is none; engines that are
    shown one need a steady crop. Raises UsageError for an anchor that cannot be.
    """
    frames = tuple(mattes)
    windows = plan_windows(frames, window_frames=window_frames)

    def crop(frames: Iterable[int]) -> Box:
        matte = _union(mattes[frame] for frame in frames)
        if matte.is_empty:
            return Box(0, 0, 0, 0)
        return crop_box(
            matte=matte, bounds=bounds, context_px=context_px, context_ratio=context_ratio, stride_px=stride_px
        )

    crops = (crop(mattes),) * len(windows) if steady_crop else tuple(map(crop, windows))
    order = order_of(
        windows,
        frames,
        mattes=mattes,
        window_frames=window_frames,
        has_handles=head_frames > 0 or tail_frames > 0,
        blind=blind,
        painted=painted,
        anchor=anchor,
    )
    return FixPlan(
        windows=windows,
        crops=crops,
        handles=tuple(handles_of(window, frames, head=head_frames, tail=tail_frames) for window in windows),
        needs=order.needs,
        ranks=order.ranks,
        anchor=order.anchor,
        shown=order.shown,
    )


def _union(boxes: Iterable[Box]) -> Box:
    box = Box(0, 0, 0, 0)
    for each in boxes:
        box = box.union(each)
    return box
