"""Motion that the artist's renderer knows exactly: chains of the shot's vectors, in place of the estimated flow."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.contract import Shot
from secondtake_daemon.engines.temporal.flows import Field, sample
from secondtake_daemon.engines.temporal.kept import Kept
from secondtake_daemon.engines.temporal.proxy import Grid

__all__ = ["Given"]

_HELD_BYTES = 256 * 1024 * 1024
_ROUND_TRIP_PX = 0.7
_ROUND_TRIP_SHARE = 0.05

Vectors = NDArray[np.float32]


class Given:
    """Fields between frames of a shot that `has_motion`, at the size of the matching pictures."""

    def __init__(self, *, shot: Shot, grid: Grid, step: Callable[[], None]) -> None:
        self._shot = shot
        self._grid = grid
        self._step = step
        self._moves = Kept(self._read, most=4)
        self._chains: OrderedDict[tuple[int, int], Field] = OrderedDict()
        self._lock = Lock()

    def chain(self, target: int, source: int) -> Field:
        """From the target frame to the source, counted as in `Analysis`.

        Trust is 0 where a vector is missing, leads out of the picture, or is not undone by the way back: there
        something passes in front.
        """
        if target == source:
            return self._identity()
        with self._lock:
            return self._chain(target, source)

    def _chain(self, target: int, source: int) -> Field:
        way = 1 if source > target else -1
        start = target  # the nearest frame from which the way is known already
        while start != source and (start, source) not in self._chains:
            start += way
        field = self._identity() if start == source else self._chains[start, source]
        for index in range(start - way, target - way, -way):
            one = self._one(index, way)
            field = one if index + way == source else one.then(field)
            self._hold(index, source, field)
        self._chains.move_to_end((target, source))
        return field

    def _hold(self, index: int, source: int, field: Field) -> None:
        self._chains[index, source] = field
        most = max(_HELD_BYTES // (field.to.nbytes + field.trust.nbytes), 4)
        while len(self._chains) > most:
            self._chains.popitem(last=False)

    def _one(self, index: int, way: int) -> Field:
        """To the next frame (way 1), or the one before (−1)."""
        self._step()
        out, back = self._moves(index)[way > 0], self._moves(index + way)[way < 0]
        to = self._place() + np.nan_to_num(out)
        again = sample(np.nan_to_num(back), to)
        unknown = np.isnan(out).any(axis=2) | (sample(np.asarray(np.isnan(back).any(axis=2), np.float32), to) > 0)
        apart = np.linalg.norm(out + again, axis=2)
        slack = _ROUND_TRIP_PX + _ROUND_TRIP_SHARE * np.linalg.norm(out, axis=2)
        height, width = apart.shape
        inside = (to[..., 0] >= 0) & (to[..., 1] >= 0) & (to[..., 0] <= width - 1) & (to[..., 1] <= height - 1)
        with np.errstate(invalid="ignore"):
            trust = np.where(unknown | ~inside, 0.0, np.clip(2.0 - apart / slack, 0, 1))
        return Field(to.astype(np.float32), trust.astype(np.float32))

    def _read(self, index: int) -> tuple[Vectors, Vectors]:
        """Displacements to the frame before and the next, (h, w, 2) in proxy pixels."""
        grid = self._grid
        full = self._shot.motion(self._shot.frames[index], self._shot.bounds)
        size = (grid.proxy_width, grid.proxy_height)
        # one vector, never a mean: between two things that move apart nothing moves
        small = full if full.shape[1::-1] == size else cv2.resize(full, size, interpolation=cv2.INTER_NEAREST)
        ratio = np.array([grid.proxy_width / grid.width, grid.proxy_height / grid.height] * 2, np.float32)
        moves = np.asarray(small, np.float32) * ratio
        return moves[..., :2], moves[..., 2:]

    def _identity(self) -> Field:
        place = self._place()
        return Field(place, np.ones(place.shape[:2], np.float32))

    def _place(self) -> Vectors:
        rows, columns = np.mgrid[: self._grid.proxy_height, : self._grid.proxy_width].astype(np.float32)
        return np.stack([columns, rows], axis=2)
