"""The order of the windows: which must be made before which, and to which of them the anchor is shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from secondtake.boxes import Box
from secondtake_daemon.plan.anchor import Anchor, Wish, pick_anchor
from secondtake_daemon.plan.windows import numbers_of, outward, red_black

__all__ = ["Order", "order_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Of all windows, by index."""

    needs: tuple[tuple[int, ...], ...]
    """Windows that must be made before each."""
    ranks: tuple[int, ...]
    """Those of rank -1 (an anchor's) are made first, then 0, 1, 2 …"""
    anchor: Anchor | None = None
    shown: frozenset[int] = frozenset()
    """Windows that are shown the anchor, because they do not wait for a neighbour that is it."""


def order_of(
    windows: Sequence[Sequence[int]],
    frames: Sequence[int],
    *,
    mattes: Mapping[int, Box],
    window_frames: int,
    has_handles: bool,
    blind: Collection[int],
    painted: Collection[int],
    anchor: Wish | None,
) -> Order:
    """mattes, blind, painted: by frame, as of `plan.fix.plan_fix`. Raises UsageError for an anchor that cannot be."""
    row = _Row(
        windows=windows,
        frames=frames,
        window_frames=window_frames,
        has_handles=has_handles,
        blind=frozenset(at for at, window in enumerate(windows) if set(window) <= set(blind)),
        painted=frozenset(at for at, window in enumerate(windows) if set(window) & set(painted)),
    )
    plain = row.order(None)
    if anchor is None:
        return plain
    numbers = numbers_of(windows, frames, window_frames=window_frames)
    first = pick_anchor(windows, anchor, mattes=mattes, numbers=numbers, blind=row.blind)
    if first is None:
        return plain
    order = row.order(first.window)
    shown = frozenset(
        at
        for at, window in enumerate(windows)
        if at != first.window
        and first.window not in order.needs[at]
        and any(not mattes[frame].is_empty for frame in window)
    )
    if not shown:
        return plain
    return Order(
        needs=tuple((*near, first.window) if at in shown else near for at, near in enumerate(order.needs)),
        ranks=tuple(-1 if at == first.window else rank for at, rank in enumerate(order.ranks)),
        anchor=first,
        shown=shown,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """The windows side by side."""

    windows: Sequence[Sequence[int]]
    frames: Sequence[int]
    window_frames: int
    has_handles: bool
    blind: frozenset[int]
    painted: frozenset[int]

    def order(self, first: int | None) -> Order:
        """By neighbours alone; first: a window that waits for none, if there is such a one."""
        if not self.has_handles:
            return Order(needs=((),) * len(self.windows), ranks=(0,) * len(self.windows))
        alternate = red_black(self.windows, self.frames, window_frames=self.window_frames, first=first)
        begins = self.painted if first is None else self.painted | {first}
        needs, ranks = outward(self.windows, alternate, blind=self.blind, anchored=begins)
        return Order(needs=needs, ranks=ranks)
