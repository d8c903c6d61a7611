"""Frames of one window are painted side by side, by as many threads as the worker may use and memory is meant for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import cv2

from secondtake.boxes import Box

__all__ = ["one_at_a_time", "painted", "painters_for"]

_MOST_PAINTERS = 4
"""NumPy gives Python's lock back only while it works on an array: more threads would wait for each other."""
_VIEWS = 16
"""Pictures of the crop's size that one frame needs at once."""
_MOST_BYTES = 768 << 20


def painters_for(crop: Box) -> int:
    """How many threads; 1 for a crop of 4K."""
    room = _MOST_BYTES // max(crop.area * 3 * 4 * _VIEWS, 1)
    return max(min(cv2.getNumThreads(), _MOST_PAINTERS, room), 1)


def painted(paint: Callable[[int], None], *, places: int, painters: int) -> None:
    """Call `paint` with 0 … places - 1. Raises what the first of them raises; then nothing more is begun."""
    pool = ThreadPoolExecutor(painters, "painter")
    try:
        for one in [pool.submit(paint, place) for place in range(places)]:
            one.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def one_at_a_time(step: Callable[[], None]) -> Callable[[], None]:
    """A `Job.step` that several threads may call."""
    lock = Lock()

    def locked() -> None:
        with lock:
            step()

    return locked
