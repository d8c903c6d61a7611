"""The matte of a take that has none: some frames may change everywhere, the others nowhere."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np

from secondtake.boxes import Box
from secondtake_daemon.images.coverage import Coverage

__all__ = ["WholeMatte"]

_NOTHING = Coverage(box=Box(0, 0, 0, 0), values=np.zeros((0, 0), np.float32))


class WholeMatte:
    """A `MatteSource` without files."""

    channel = ""
    notes: tuple[str, ...] = ()

    def __init__(self, frames: Collection[int], *, window_of: Callable[[int], Box]) -> None:
        """frames: those that may change. window_of: a frame's data window."""
        self._frames = frozenset(frames)
        self._window_of = window_of

    def coverage(self, frame: int) -> Coverage:
        """1 all over the data window, or nothing."""
        if frame not in self._frames:
            return _NOTHING
        window = self._window_of(frame)
        ones = np.broadcast_to(np.float32(1), (window.height, window.width))
        return Coverage(box=window, values=ones)

    def digest_inputs(self, frame: int) -> tuple[Path, ...]:
        """None."""
        return ()
