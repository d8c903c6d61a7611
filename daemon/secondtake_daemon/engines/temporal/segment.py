"""Which pixels of a source frame belong to which layer: only its own layer may borrow a pixel.

Each layer's motion is tried against the neighbours in time; what it explains better than the others is its own. Votes
weigh by how clear the decision was, so that a textureless area is decided by its clear surroundings.
"""

from __future__ import annotations

from collections import OrderedDict

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake_daemon.engines.temporal.analysis import Analysis
from secondtake_daemon.engines.temporal.kinds import Mask, Plane

__all__ = ["Segmenter"]

_NEIGHBOURS = (-4, -2, 2, 4)
_SOFT_PX = 0.8
_CAP = 60.0
_ERROR_PX = 1.5
_UNKNOWN = 55.0
_HELD = 48


class Segmenter:
    """Layer membership by frame, worked out once each at half the proxy's size."""

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis
        self._found: OrderedDict[int, NDArray[np.bool_]] = OrderedDict()
        grid = analysis.grid
        self._size = (max(grid.proxy_width // 2, 1), max(grid.proxy_height // 2, 1))

    def allowed(self, *, index: int, layer: int, box: Box) -> Mask:
        """Where in a box of the frame (plate pixels) the layer may be borrowed."""
        if index not in self._found:
            self._found[index] = self._segment(index)
            if len(self._found) > _HELD:
                self._found.popitem(last=False)
        mask = self._found[index][layer]
        grid = self._analysis.grid
        x = (np.arange(box.x, box.right) + 0.5) * mask.shape[1] / grid.width
        y = (np.arange(box.y, box.bottom) + 0.5) * mask.shape[0] / grid.height
        columns, rows = np.minimum(x.astype(int), mask.shape[1] - 1), np.minimum(y.astype(int), mask.shape[0] - 1)
        return np.asarray(mask[np.ix_(rows, columns)], bool)

    def _segment(self, index: int) -> NDArray[np.bool_]:
        layers = self._analysis.layers
        here = self._small(index)
        costs = np.stack([self._cost(index, layer, here) for layer in range(layers.count)])
        order = np.sort(costs, axis=0)
        best = order[0]
        margin = np.clip(order[1] - best - 1.0, 0.0, 20.0)
        winner = np.argmin(costs, axis=0)
        scores = np.stack([_score(margin * (winner == layer)) for layer in range(layers.count)])
        top = scores.max(axis=0)
        near = (costs <= 1.25 * best + 3.0) & (scores >= 0.45 * top)
        strong = (scores >= 0.9 * top) & (costs <= 1.25 * best + 6.0)
        return np.asarray(near | strong | (best > _UNKNOWN), bool)

    def _cost(self, index: int, layer: int, here: Plane) -> Plane:
        """Mean of the two best errors against the neighbours; 60 where nothing can be said."""
        analysis = self._analysis
        first, last = analysis.layers.lives[layer]
        errors = []
        for offset in _NEIGHBOURS:
            other = index + offset
            if not max(first, 0) <= other <= last or analysis.parts[other] != analysis.parts[index]:
                continue
            if analysis.pictures[other].blind:
                continue
            errors.append(self._error(here, index, other, layer))
        if not errors:
            return np.full(here.shape, _CAP, np.float32)
        return np.asarray(np.sort(np.stack(errors), axis=0)[:2].mean(axis=0), np.float32)

    def _error(self, here: Plane, index: int, other: int, layer: int) -> Plane:
        half = np.diag([0.5, 0.5, 1.0])
        half[0, 2] = half[1, 2] = -0.25
        matrix = half @ self._analysis.layers.chained(layer, index, other) @ np.linalg.inv(half)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        moved = cv2.warpPerspective(
            self._small(other), matrix, self._size, flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=-1000.0
        )
        known = cv2.resize(
            self._analysis.pictures[other].known.astype(np.uint8), self._size, interpolation=cv2.INTER_NEAREST
        )
        shown = cv2.warpPerspective(known, matrix, self._size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
        apart = np.minimum(np.abs(here - np.asarray(moved)), _CAP)
        apart = np.where(np.asarray(shown) > 0, apart, _CAP).astype(np.float32)
        return np.asarray(cv2.GaussianBlur(apart, (0, 0), _ERROR_PX), np.float32)

    def _small(self, index: int) -> Plane:
        grey = self._analysis.pictures[index].grey.astype(np.float32)
        small = cv2.resize(grey, self._size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(small, (0, 0), _SOFT_PX), np.float32)


def _score(margin: NDArray[np.float32]) -> Plane:
    """Votes nearby and around, each normalised by the margin's own mass."""
    near = cv2.GaussianBlur(margin.astype(np.float32), (0, 0), 2.0)
    wide = cv2.GaussianBlur(margin.astype(np.float32), (0, 0), 5.0)
    return np.asarray(near + wide, np.float32)
