"""Whether a layer that a take adds to its plate's channels is what it says it is, seen row by row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.images.exr_layers import Layer
from secondtake_daemon.images.second import Plane, SecondPart
from secondtake_daemon.takes.manifest import TakeFrame

__all__ = ["LayerCheck"]

Support = NDArray[np.bool_]
_ONE = {2: 0x3C00, 4: 0x3F800000}
"""The bits of 1.0, by the bytes of a sample."""


class LayerCheck:
    """A layer that was written beside the picture: 0 outside the matte, and inside it 1 in exactly one channel."""

    def __init__(self, layer: Layer, plate: SecondPart, support: Support) -> None:
        self.layer = layer
        names = {name for name, _ in plate.channels}
        self.added = tuple(name for name in layer.channels if name not in names)
        """Those that the plate does not have; of the others it is said elsewhere that they stay outside the matte."""
        self._data = plate.data
        self._support = support
        self._counts = [0] * len(layer.channels)
        self._faults: list[str] = []

    def look(self, ours: dict[str, Plane], first: int, end: int) -> None:
        """See rows first … end − 1 of the take."""
        support = self._support[first - self._data.y : end - self._data.y]
        ones = [ours[name] == _ONE[ours[name].dtype.itemsize] for name in self.layer.channels]
        zeros = [ours[name] == 0 for name in self.layer.channels]
        unclear = support & ((np.sum(ones, axis=0) != 1) | (np.sum(zeros, axis=0) != len(zeros) - 1))
        self._note(unclear, first, "is not 1 in one channel and 0 in the others")
        for name in self.added:
            self._note((ours[name] != 0) & ~support, first, "is outside the matte and not 0")
        for at, one in enumerate(ones):
            self._counts[at] += int(np.count_nonzero(one & support))

    def problems(self, record: TakeFrame) -> Iterator[str]:
        """What is wrong with it, when all rows were seen."""
        for fault in self._faults[:1]:
            yield f"Frame {record.frame}: its layer '{self.layer.name}' {fault}"
        said = record.known and [record.known.seen, record.known.carried, record.known.invented]
        if not self._faults and self._counts != said:
            yield f"Frame {record.frame}: its layer '{self.layer.name}' has other counts than take.json"

    def _note(self, where: Support, first: int, fault: str) -> None:
        if where.any():
            y, x = np.unravel_index(int(where.argmax()), where.shape)
            self._faults.append(f"at x {self._data.x + int(x)}, y {first + int(y)} {fault}")
