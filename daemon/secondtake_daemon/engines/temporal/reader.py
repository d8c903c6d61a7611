"""Read boxes of frames at full size through a small cache, made safe: levelled, finite, with what may be trusted."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import numpy as np

from secondtake.boxes import Box
from secondtake_daemon.engines.contract import Shot
from secondtake_daemon.engines.temporal.kinds import Colour, Mask
from secondtake_daemon.engines.temporal.proxy import all_sane, dilate, sane

__all__ = ["Crop", "Reader"]

_CACHE_BYTES = 256 << 20
_CACHED_CROPS = 20
_ROUND_PX = 64


@dataclass(frozen=True, slots=True)
class Crop:
    """A box of one frame. The box counts from the corner of the shot's bounds."""

    box: Box
    pixels: Colour
    """Plate times the level gain; 0 where it was not finite."""
    usable: Mask
    """Finite, outside the hole and its rim."""
    rim: Mask
    """Finite and outside the hole, but so near that the object's soft edge may be in it."""

    @property
    def size_bytes(self) -> int:
        """Memory held."""
        return int(self.pixels.nbytes + self.usable.nbytes + self.rim.nbytes)

    def part(self, box: Box) -> Crop:
        """A smaller box of it, without copying."""
        at = box.within(self.box)
        return Crop(box, self.pixels[at], self.usable[at], self.rim[at])


class Reader:
    """Least recently used crops, bounded in number and bytes; beyond that the shot's own cache is near enough.

    What it answers never depends on what was asked before. Thread-safe.
    """

    def __init__(self, *, shot: Shot, gain: float, rim_px: int, most_bytes: int = _CACHE_BYTES) -> None:
        self._shot = shot
        self._gain = np.float32(gain)
        self._rim_px = rim_px
        self._most_bytes = most_bytes
        self._frame = Box(0, 0, shot.bounds.width, shot.bounds.height)
        self._held: OrderedDict[int, Crop] = OrderedDict()
        self._lock = Lock()
        self._reading = tuple(Lock() for _ in shot.frames)

    @property
    def frame_box(self) -> Box:
        """The whole frame, from its own corner."""
        return self._frame

    def crop(self, *, index: int, box: Box) -> Crop:
        """Box (inside the frame) of the index-th frame."""
        wanted = box.pad(self._rim_px + 1).intersect(self._frame)
        with self._reading[index]:
            held = self._look_up(index)
            if held is None or not held.box.contains(wanted):
                wanted = wanted if held is None else wanted.union(held.box)
                held = self._read(index, self._rounded(wanted))
                self._hold(index, held)
        return held.part(box)

    def peek(self, *, index: int, box: Box) -> Crop:
        """The same, read for one look: the cache keeps what it holds."""
        return self._read(index, box.pad(self._rim_px + 1).intersect(self._frame)).part(box)

    def hole(self, *, index: int) -> Mask:
        """Coverage above 0, over the whole frame."""
        return np.asarray(~(self._shot.hole(self._shot.frames[index], self._shot.bounds) <= 0), bool)

    def _rounded(self, box: Box) -> Box:
        x, y = box.x // _ROUND_PX * _ROUND_PX, box.y // _ROUND_PX * _ROUND_PX
        right, bottom = -(-box.right // _ROUND_PX) * _ROUND_PX, -(-box.bottom // _ROUND_PX) * _ROUND_PX
        return Box(x, y, right - x, bottom - y).intersect(self._frame)

    def _read(self, index: int, box: Box) -> Crop:
        bounds, frame = self._shot.bounds, self._shot.frames[index]
        there = Box(box.x + bounds.x, box.y + bounds.y, box.width, box.height)
        plate, hole = self._shot.plate(frame, there), self._shot.hole(frame, there)
        in_hole = np.asarray(~(hole <= 0), bool)
        usable = ~dilate(in_hole, self._rim_px) if in_hole.any() else ~in_hole
        rim = ~(in_hole | usable)
        if all_sane(plate):
            return Crop(box, plate * self._gain, usable, rim)
        good = sane(plate)
        pixels = np.where(good[..., None], plate, np.float32(0)).astype(np.float32) * self._gain
        return Crop(box, pixels, usable & good, rim & good)

    def _look_up(self, index: int) -> Crop | None:
        with self._lock:
            if index in self._held:
                self._held.move_to_end(index)
            return self._held.get(index)

    def _hold(self, index: int, crop: Crop) -> None:
        with self._lock:
            self._held[index] = crop
            self._held.move_to_end(index)  # one that grew keeps its old place, and would be the next to go
            self._trim()

    def _trim(self) -> None:
        while len(self._held) > _CACHED_CROPS or (len(self._held) > 2 and self._size_bytes() > self._most_bytes):
            self._held.popitem(last=False)

    def _size_bytes(self) -> int:
        return sum(crop.size_bytes for crop in self._held.values())
