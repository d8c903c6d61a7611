"""Dense motion from frame to frame at the size of the matching pictures, and chains of it over several frames.

DIS optical flow (Kroeger, Timofte, Dai, Van Gool: Fast optical flow using dense inverse search, ECCV 2016), started
from the camera's motion and checked forward and backward. Behind a hole nothing is measured: there the surroundings'
departure from the camera's motion is continued by pull-push. A chain drifts, so it is the last resort for remove
(rigid layers come first), and a start for carry, which then looks at the two frames themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.analysis import Analysis
from secondtake_daemon.engines.temporal.kept import Kept
from secondtake_daemon.engines.temporal.kinds import Mask, Matrix, Plane
from secondtake_daemon.engines.temporal.proxy import Picture
from secondtake_daemon.engines.temporal.pyramid import spread

__all__ = ["Field", "Flows", "measure_flow", "refine_flow", "sample"]

_HELD_BYTES = 256 * 1024 * 1024
_FINEST = 1
_ROUND_TRIP_PX = 1.0
_LEAST_TRUST = 1e-3
_TRUST_GREY = 10.0
_WHOLE = 0.99


@dataclass(frozen=True, slots=True)
class Field:
    """For each proxy pixel of one frame, where its point stands in another."""

    to: NDArray[np.float32]
    """(h, w, 2) x, y in proxy pixels of the other frame; may lie outside of it."""
    trust: Plane
    """0 … 1; 0 where the way led out of the picture, or there and back did not agree."""

    def then(self, other: Field) -> Field:
        """From this field's frame, through the one it leads to, along `other`."""
        inside = _inside(self.to)
        to = sample(other.to, self.to)
        trust = self.trust * np.clip(sample(other.trust, self.to), 0, 1) * inside
        return Field(np.where(inside[..., None], to, self.to).astype(np.float32), trust.astype(np.float32))


class Flows:
    """Answers from a bounded cache; what it answers follows from the analysis alone."""

    def __init__(self, analysis: Analysis, *, step: Callable[[], None]) -> None:
        self._analysis = analysis
        self._step = step
        self._chains = Kept(self._chained, most=_most)

    def chain(self, target: int, source: int) -> Field | None:
        """From the target frame to the source, over all frames between; None across a cut or a blind frame."""
        analysis = self._analysis
        if target == source or analysis.parts[target] != analysis.parts[source]:
            return None
        way = 1 if source > target else -1
        if any(analysis.pictures[index].blind for index in range(target, source + way, way)):
            return None
        return self._chains((target, source))

    def _chained(self, pair: tuple[int, int]) -> Field:
        target, source = pair
        way = 1 if source > target else -1
        before = self.chain(target, source - way) if source - way != target else None
        return self._measured(target, source) if before is None else before.then(self._neighbours(source - way, source))

    def _neighbours(self, here: int, there: int) -> Field:
        found = self.chain(here, there)
        assert found is not None
        return found

    def _measured(self, here: int, there: int) -> Field:
        self._step()
        analysis = self._analysis
        one, two = analysis.pictures[here], analysis.pictures[there]
        camera = analysis.layers.chained(0, here, there)
        forward = measure_flow(one, two, start=camera)
        backward = measure_flow(two, one, start=np.asarray(np.linalg.inv(camera), np.float64))
        again = sample(backward, forward)
        apart = np.linalg.norm(again - _grid(one.grey.shape), axis=2) / _ROUND_TRIP_PX
        trust = np.exp(-(apart**2)) * _inside(forward)
        trust = np.where(trust < _LEAST_TRUST, 0, trust).astype(np.float32)
        if not one.known.all():  # what the surroundings were trusted with holds behind the hole too
            around = spread(values=trust, weight=one.known.astype(np.float32))
            trust = np.where(one.known, trust, np.minimum(around, 1.0) * _inside(forward)).astype(np.float32)
        return Field(forward, trust)


def _most(field: Field) -> int:
    return max(_HELD_BYTES // (field.to.nbytes + field.trust.nbytes), 8)


def measure_flow(here: Picture, there: Picture, *, start: Matrix, finest: int = _FINEST) -> NDArray[np.float32]:
    """(h, w, 2) absolute positions in `there` of the pixels of `here`. start: 3×3 from here to there, proxy pixels.

    Before the search each picture's hole is filled with the other, so that no edge of a hole leads the flow.
    """
    size = here.grey.shape[::-1]
    flags = cv2.WARP_INVERSE_MAP
    moved = cv2.warpPerspective(
        there.grey, start, size, flags=flags | cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    shown = cv2.warpPerspective(there.known.astype(np.uint8), start, size, flags=flags | cv2.INTER_NEAREST)
    known = np.asarray(np.asarray(shown) > 0, bool)
    one = np.where(here.known | ~known, here.grey, np.asarray(moved, np.uint8))
    two = np.where(known | ~here.known, np.asarray(moved, np.uint8), here.grey)
    flow = np.asarray(_dis(finest).calc(one, two, np.zeros((*one.shape, 2), np.float32)), np.float32)
    if not here.known.all():
        again = sample(two.astype(np.float32), _grid(one.shape) + flow)
        apart = cv2.blur(np.abs(again - one), (5, 5))
        weight = np.where(here.known & known, np.exp(-((apart / _TRUST_GREY) ** 2)), 0).astype(np.float32)
        flow = np.where(here.known[..., None], flow, spread(values=flow, weight=weight))
    return _through(start, _grid(one.shape) + flow)


def refine_flow(
    here: Picture, there: Picture, *, start: NDArray[np.float32], finest: int = _FINEST
) -> NDArray[np.float32]:
    """One pass on top of `start`, (h, w, 2) absolute positions in `there` of the pixels of `here`; returns the same.

    Where one of the two is not known the other is put in its place, so that nothing is measured there.
    """
    moved = np.rint(sample(there.grey.astype(np.float32), start)).astype(np.uint8)
    shown = _inside(start) & (sample(there.known.astype(np.float32), start) > _WHOLE)
    one = np.where(here.known | ~shown, here.grey, moved)
    two = np.where(shown | ~here.known, moved, here.grey)
    flow = np.asarray(_dis(finest).calc(one, two, np.zeros((*one.shape, 2), np.float32)), np.float32)
    return sample(start, np.asarray(_grid(one.shape) + flow, np.float32))


def sample(picture: NDArray[np.float32], at: NDArray[np.float32]) -> NDArray[np.float32]:
    """Linear samples of (h, w) or (h, w, c) at absolute positions; the border is continued."""
    x, y = at[..., 0], at[..., 1]
    return np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _dis(finest: int) -> cv2.DISOpticalFlow:
    dis = cv2.DISOpticalFlow.create(cv2.DISOpticalFlow_PRESET_FAST)
    dis.setFinestScale(finest)
    dis.setPatchSize(8)
    dis.setPatchStride(4)
    dis.setGradientDescentIterations(12)
    dis.setVariationalRefinementIterations(5)
    return dis


def _grid(shape: tuple[int, ...]) -> NDArray[np.float32]:
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    return np.stack([columns, rows], axis=2)


def _through(matrix: Matrix, points: NDArray[np.float32]) -> NDArray[np.float32]:
    mapped = cv2.perspectiveTransform(points.reshape(1, -1, 2).astype(np.float64), matrix)
    return np.asarray(mapped, np.float32).reshape(points.shape)


def _inside(at: NDArray[np.float32]) -> Mask:
    height, width = at.shape[:2]
    x, y = at[..., 0], at[..., 1]
    return np.asarray((x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1), bool)
