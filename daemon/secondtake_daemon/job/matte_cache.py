"""The mattes of a shot, kept packed in memory after the first reading, so that no matte file is decoded three times."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from threading import Lock

import numpy as np

from secondtake.boxes import Box
from secondtake_daemon.composite.matte import FrameMattes, Stitch

__all__ = ["MatteCache"]


@dataclass(frozen=True, slots=True)
class _Packed:
    box: Box
    is_binary: bool
    data: bytes


class MatteCache:
    """Thread-safe. Takes mattes until it is full, then no more: a shot is read in order, so dropping old ones for new
    ones would drop each just before it is wanted.
    """

    def __init__(self, most_bytes: int) -> None:
        self._left_bytes = most_bytes
        self._packed: dict[int, tuple[_Packed, _Packed]] = {}
        self._lock = Lock()

    def put(self, frame: int, mattes: FrameMattes) -> None:
        """Keep the mattes of a frame if there is room."""
        hole = _pack(mattes.hole)
        stitch = hole if mattes.stitch is mattes.hole else _pack(mattes.stitch)
        size = len(hole.data) + len(stitch.data)
        with self._lock:
            if frame not in self._packed and size <= self._left_bytes:
                self._packed[frame] = (hole, stitch)
                self._left_bytes -= size

    def get(self, frame: int) -> FrameMattes | None:
        """The mattes of a frame, equal to those put in, or None."""
        with self._lock:
            found = self._packed.get(frame)
        if found is None:
            return None
        hole = _unpack(found[0])
        return FrameMattes(hole, hole if found[1] is found[0] else _unpack(found[1]))


def _pack(matte: Stitch) -> _Packed:
    alpha = matte.alpha
    inside = alpha == 1
    is_binary = bool(((alpha == 0) | inside).all())
    raw = np.packbits(inside).tobytes() if is_binary else alpha.tobytes()
    return _Packed(matte.box, is_binary, zlib.compress(raw, 1))


def _unpack(packed: _Packed) -> Stitch:
    raw, (_, _, width, height) = zlib.decompress(packed.data), packed.box
    if packed.is_binary:
        bits = np.unpackbits(np.frombuffer(raw, np.uint8), count=height * width)
        alpha = bits.reshape(height, width).astype(np.float32)
    else:
        alpha = np.frombuffer(raw, np.float32).reshape(height, width)
    return Stitch(box=packed.box, alpha=alpha)
