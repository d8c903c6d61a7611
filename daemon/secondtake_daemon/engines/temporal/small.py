"""A frame seen whole at the size of the matching pictures. All frames of a shot are read this way once, a few ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from secondtake_daemon.engines.contract import Shot
from secondtake_daemon.engines.temporal.kinds import Colour, Mask
from secondtake_daemon.engines.temporal.proxy import Grid, all_sane, dilate, sane

__all__ = ["Small", "read_small", "read_smalls", "rim_px"]

_THREADS = 2
_AHEAD = 4


@dataclass(frozen=True, slots=True)
class Small:
    """One frame at the proxy's size."""

    pixels: Colour
    """(proxy_height, proxy_width, 3) plate values; what stands where nothing is known means nothing, but is finite."""
    known: Mask
    """Every plate pixel under it is finite, outside the hole and outside its rim."""
    has_hole: bool


def rim_px(width: int) -> int:
    """How far beyond the matte pixels are still not trusted."""
    return 2 if width < 1280 else 3


def read_small(*, shot: Shot, frame: int, grid: Grid) -> Small:
    """Read a frame of the shot, whole."""
    plate, hole = shot.plate(frame, shot.bounds), shot.hole(frame, shot.bounds)
    in_hole = np.asarray(~(hole <= 0), bool)
    has_hole = bool(in_hole.any())
    bad = dilate(in_hole, rim_px(grid.width)) if has_hole else in_hole
    if not all_sane(plate):
        good = sane(plate)
        bad, plate = bad | ~good, np.where(good[..., None], plate, np.float32(0)).astype(np.float32)
    size = (grid.proxy_width, grid.proxy_height)
    if size == (grid.width, grid.height):
        return Small(plate, ~bad, has_hole)
    share = cv2.resize(bad.astype(np.uint8) * np.uint8(255), size, interpolation=cv2.INTER_AREA)
    pixels = cv2.resize(plate, size, interpolation=cv2.INTER_AREA)
    return Small(np.asarray(pixels, np.float32), np.asarray(np.asarray(share) == 0, bool), has_hole)


def read_smalls(*, shot: Shot, frames: Sequence[int], grid: Grid) -> Iterator[Small]:
    """The frames in order; threads read a few ahead, since decoding leaves the interpreter free."""
    waiting = deque(frames)
    coming: deque[Future[Small]] = deque()
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            while waiting or coming:
                while waiting and len(coming) < _AHEAD:
                    frame = waiting.popleft()
                    coming.append(pool.submit(read_small, shot=shot, frame=frame, grid=grid))
                yield coming.popleft().result()
        finally:
            for future in coming:
                future.cancel()
