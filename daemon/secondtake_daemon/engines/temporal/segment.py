"""Which pixels of a source frame belong to which layer: only its own layer may borrow a pixel.

Each layer's motion is tried against the neighbours in time; what it explains better than the others is its own. Votes
weigh by how clear the decision was, so that a textureless area is decided by its clear surroundings.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake_daemon.engines.temporal.analysis import Analysis
from secondtake_daemon.engines.temporal.kept import Kept
from secondtake_daemon.engines.temporal.kinds import Mask, Matrix, Plane

__all__ = ["Segmenter"]

_NEIGHBOURS = (-4, -2, 2, 4)
_SOFT_PX = 0.8
_CAP = 60.0
_ERROR_PX = 1.5
_UNKNOWN = 55.0
_HELD = 48
_OWN_PX = 1.5
_OWN_SHARE = 0.7
_OWN_LEAST = 1.0
_ORDER_FRAMES = 8
_ORDER_OFFSETS = (-6, -3, 3, 6)
_ORDER_DOUBT = 50
_SURE_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class _Parts:
    """(layers, h, w) of one frame."""

    allowed: NDArray[np.bool_]
    """May be borrowed by the layer: its own, or nobody's for sure."""
    own: NDArray[np.bool_]
    """The layer's, and clearly so."""


class Segmenter:
    """Layer membership by frame, worked out once each at half the proxy's size; and which layer stands in front."""

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis
        self._parts = Kept(self._segment, most=_HELD)
        self._order = Kept(self._ordered, most=1)
        grid = analysis.grid
        self._size = (max(grid.proxy_width // 2, 1), max(grid.proxy_height // 2, 1))

    def allowed(self, *, index: int, layer: int, box: Box) -> Mask:
        """Where in a box of the frame (plate pixels) the layer may be borrowed."""
        return self._cut(self._parts(index).allowed[layer], box)

    def own(self, *, index: int, layer: int, box: Box) -> Mask:
        """Where in a box of the frame (plate pixels) it is clearly the layer that is seen."""
        return self._cut(self._parts(index).own[layer], box)

    def hidden(self, *, index: int, layer: int, box: Box) -> Mask:
        """Where in a box of the frame (plate pixels) a layer is seen that stands before this one."""
        parts = self._parts(index)
        before = self.in_front(of=layer)
        covered = parts.own[list(before)].any(axis=0) if before else np.zeros(parts.own.shape[1:], bool)
        return self._cut(np.asarray(covered, bool), box)

    def in_front(self, *, of: int) -> tuple[int, ...]:
        """The layers that hide this one where both stand."""
        return tuple(int(one) for one in np.flatnonzero(self._order(())[:, of] > _SURE_SHARE))

    def _cut(self, mask: Mask, box: Box) -> Mask:
        grid = self._analysis.grid
        x = (np.arange(box.x, box.right) + 0.5) * mask.shape[1] / grid.width
        y = (np.arange(box.y, box.bottom) + 0.5) * mask.shape[0] / grid.height
        columns, rows = np.minimum(x.astype(int), mask.shape[1] - 1), np.minimum(y.astype(int), mask.shape[0] - 1)
        return np.asarray(mask[np.ix_(rows, columns)], bool)

    def _segment(self, index: int) -> _Parts:
        layers = self._analysis.layers
        here = self._small(index)
        costs = np.stack([self._cost(index, layer, here) for layer in range(layers.count)])
        order = np.sort(costs, axis=0)
        best = order[0]
        margin = np.clip(order[1] - best - 1.0, 0.0, 20.0)
        winner = np.argmin(costs, axis=0)
        votes = np.stack([(margin * (winner == layer)).astype(np.float32) for layer in range(layers.count)])
        scores = np.stack([_score(one) for one in votes])
        top = scores.max(axis=0)
        near = (costs <= 1.25 * best + 3.0) & (scores >= 0.45 * top)
        strong = (scores >= 0.9 * top) & (costs <= 1.25 * best + 6.0)
        local = np.stack([cv2.GaussianBlur(one, (0, 0), _OWN_PX) for one in votes])
        own = (local >= _OWN_SHARE * local.sum(axis=0)) & (local > _OWN_LEAST) & (best <= _UNKNOWN)
        return _Parts(np.asarray(near | strong | (best > _UNKNOWN), bool), np.asarray(own & self._known(index), bool))

    def _ordered(self, _: tuple[()]) -> NDArray[np.float64]:
        """(front, behind): share of the votes for it. Where two layers should both stand, which one is seen?"""
        analysis, layers = self._analysis, self._analysis.layers
        votes = np.zeros((layers.count, layers.count))
        seeing = [index for index, one in enumerate(analysis.pictures) if not one.blind]
        for index in seeing[:: max(len(seeing) // _ORDER_FRAMES, 1)]:
            here = self._parts(index).own
            for offset in _ORDER_OFFSETS:
                other = index + offset
                if not 0 <= other < len(analysis.pictures) or analysis.pictures[other].blind:
                    continue
                if analysis.parts[other] == analysis.parts[index]:
                    there = np.stack([self._moved(index, other, layer) for layer in range(layers.count)])
                    for front in range(layers.count):
                        votes[front] += (there & there[front] & here[front]).sum(axis=(1, 2))
        np.fill_diagonal(votes, 0)
        return np.asarray(votes / (votes + votes.T + _ORDER_DOUBT), np.float64)

    def _moved(self, index: int, other: int, layer: int) -> Mask:
        """What is the layer's in the other frame, as it would stand in this one; nothing outside the layer's life."""
        first, last = self._analysis.layers.lives[layer]
        own = self._parts(other).own[layer]
        if not (first <= index <= last and first <= other <= last):
            return np.zeros_like(own)
        flags = cv2.WARP_INVERSE_MAP | cv2.INTER_NEAREST
        return np.asarray(
            cv2.warpPerspective(own.astype(np.uint8), self._matrix(layer, index, other), self._size, flags=flags), bool
        )

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
        matrix = self._matrix(layer, index, other)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        moved = cv2.warpPerspective(
            self._small(other), matrix, self._size, flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=-1000.0
        )
        known = self._known(other).astype(np.uint8)
        shown = cv2.warpPerspective(known, matrix, self._size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
        apart = np.minimum(np.abs(here - np.asarray(moved)), _CAP)
        apart = np.where(np.asarray(shown) > 0, apart, _CAP).astype(np.float32)
        return np.asarray(cv2.GaussianBlur(apart, (0, 0), _ERROR_PX), np.float32)

    def _matrix(self, layer: int, index: int, other: int) -> Matrix:
        half = np.diag([0.5, 0.5, 1.0])
        half[0, 2] = half[1, 2] = -0.25
        return np.asarray(half @ self._analysis.layers.chained(layer, index, other) @ np.linalg.inv(half), np.float64)

    def _known(self, index: int) -> Mask:
        known = self._analysis.pictures[index].known.astype(np.uint8)
        return np.asarray(cv2.resize(known, self._size, interpolation=cv2.INTER_NEAREST), bool)

    def _small(self, index: int) -> Plane:
        grey = self._analysis.pictures[index].grey.astype(np.float32)
        small = cv2.resize(grey, self._size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(small, (0, 0), _SOFT_PX), np.float32)


def _score(margin: NDArray[np.float32]) -> Plane:
    """Votes nearby and around, each normalised by the margin's own mass."""
    near = cv2.GaussianBlur(margin.astype(np.float32), (0, 0), 2.0)
    wide = cv2.GaussianBlur(margin.astype(np.float32), (0, 0), 5.0)
    return np.asarray(near + wide, np.float32)
