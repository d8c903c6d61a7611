"""One pair of frames: several answers to where things went, and how each of them pleases the two pictures."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.camera import apply, fit_affine, fit_homography, is_sound
from secondtake_daemon.engines.temporal.flows import sample
from secondtake_daemon.engines.temporal.kinds import Grey, Mask, Matrix, Plane
from secondtake_daemon.engines.temporal.match import Look, Match, bring, texture
from secondtake_daemon.engines.temporal.proxy import Picture, dilate
from secondtake_daemon.engines.temporal.refine import refine
from secondtake_daemon.engines.temporal.tracks import follow

__all__ = ["NEAR_PX", "Guess", "Pair", "applied"]

NEAR_PX = 48
"""How far around the region its motion is looked for."""

_CORNERS = 300
_CORNER_QUALITY = 0.005
_CORNER_APART_PX = 4
_LEAST = 12
_RICH = 40
_FIT_PX = 2.0
_FIT_SHARE = 0.4
_ROUND_TRIP_PX = 0.4
_FLOW_ROUND_TRIP_PX = 1.0
_BETTER = 0.8
_RIGID_SLACK = 1.04
_TORN_GREY = 40.0
_LEAST_SIDE_PX = 24

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Guess:
    """One answer over the target's box."""

    to: Vectors
    """(h, w, 2): absolute positions in the source."""
    match: Match
    rigid: bool

    @property
    def cost(self) -> Plane:
        """Grey levels."""
        return self.match.error + np.float32(_TORN_GREY) * (1 - self.match.trust)

    def mean(self, inside: Mask) -> float:
        """Cost over a region."""
        return float(self.cost[inside].mean())


class Pair:
    """A box of the target, and the source's whole picture."""

    def __init__(self, *, here: Look, there: Picture, inside: Mask) -> None:
        self._here = here
        self._there = there
        self._inside = inside if inside.any() else np.ones_like(inside)

    def guess(self, to: Vectors, *, rigid: bool) -> Guess:
        """Judge an answer."""
        return Guess(to, self._here.compared(self._there, to), rigid)

    def answers(self, *, layers: list[Guess], start: Guess | None) -> list[Guess]:
        """The region's own motion first, then the layers'. start: the way over the frames between.

        A local motion and residual flow are fitted to the best so far; the rigid one wins if it explains the region as
        well as the flexible one does.
        """
        first = [*layers, *([] if start is None else [start])]
        local = self._local(self._best(first))
        rigid = layers if local is None else [local, *layers]
        loose = [] if start is None else [start]
        loose += self._residual(rigid, loose)
        refined = self._refined(rigid, loose)
        main = self._best(rigid)
        if float(np.median(main.match.error[self._inside])) > _RIGID_SLACK * float(
            np.median(refined.match.error[self._inside])
        ):
            main = refined
        return [main, *(one for one in layers if one is not main)]

    def _best(self, guesses: list[Guess]) -> Guess:
        return min(guesses, key=lambda one: one.mean(self._inside))

    def _local(self, start: Guess) -> Guess | None:
        """One motion for the region: its corners followed into the source as the start brings it here."""
        here = self._here
        near = dilate(self._inside, NEAR_PX) & here.known
        corners = cv2.goodFeaturesToTrack(
            here.grey, _CORNERS, _CORNER_QUALITY, _CORNER_APART_PX, mask=near.astype(np.uint8), blockSize=5
        )
        if corners is None or len(corners) < _LEAST:
            return None
        points = np.asarray(corners, np.float32).reshape(-1, 2)
        found, good = follow(here.grey, self._brought(start), points, points, levels=2, round_trip_px=_ROUND_TRIP_PX)
        landed = sample(start.to, found[None])[0]
        good &= sample(start.match.trust, found[None])[0] > 0
        matrix = _fitted(points[good] + np.array([here.box.x, here.box.y], np.float32), landed[good])
        height, width = self._there.grey.shape
        if matrix is None or not is_sound(matrix, width, height):
            return None
        return self.guess(applied(matrix, here), rigid=True)

    def _residual(self, rigid: list[Guess], loose: list[Guess]) -> list[Guess]:
        """What flow between the two frames still finds, where it makes them clearly more alike."""
        if min(self._here.grey.shape) < _LEAST_SIDE_PX:
            return []
        before = min(one.mean(self._inside) for one in (*rigid, *loose))
        found = (self._flowed(start) for start in (self._best(rigid), *loose))
        return [one for one in found if one.mean(self._inside) < _BETTER * before]

    def _flowed(self, start: Guess) -> Guess:
        here, warped = self._here.grey, self._brought(start)
        rows, columns = np.mgrid[: here.shape[0], : here.shape[1]].astype(np.float32)
        nothing = np.zeros((*here.shape, 2), np.float32)
        forward = np.asarray(_dis().calc(here, warped, nothing), np.float32)
        backward = np.asarray(_dis().calc(warped, here, nothing), np.float32)
        at = np.stack([columns, rows], axis=2) + forward
        apart = np.linalg.norm(forward + sample(backward, at), axis=2)
        found = self.guess(sample(start.to, at), rigid=False)
        trust = found.match.trust * np.clip(2.0 - apart / _FLOW_ROUND_TRIP_PX, 0, 1)
        return Guess(found.to, Match(found.match.error, trust.astype(np.float32)), False)

    def _refined(self, rigid: list[Guess], loose: list[Guess]) -> Guess:
        """The best of them, smooth and precise, as a departure from the best rigid one."""
        start, base = self._best([*rigid, *loose]), self._best(rigid)
        noise = max(float(np.median(start.match.error[self._inside])), 1.0)

        def look(at: Vectors) -> tuple[Plane, Plane]:
            grey, known = bring(self._there, at)
            return texture(grey), known

        to = refine(here=self._here.texture, to=start.to, base=base.to, noise=noise, bring=look)
        return self.guess(to, rigid=False)

    def _brought(self, guess: Guess) -> Grey:
        grey, _ = bring(self._there, guess.to)
        return np.ascontiguousarray(np.clip(np.rint(grey), 0, 255).astype(np.uint8))


def applied(matrix: Matrix, here: Look) -> Vectors:
    """Where a motion of proxy pixels takes the pixels of the target's box."""
    box = here.box
    rows, columns = np.mgrid[box.y : box.bottom, box.x : box.right].astype(np.float64)
    place = np.stack([columns, rows], axis=2)
    mapped = cv2.perspectiveTransform(place.reshape(1, -1, 2), matrix)
    return np.asarray(mapped, np.float32).reshape(place.shape)


def _fitted(points: NDArray[np.float32], landed: NDArray[np.float32]) -> Matrix | None:
    """A homography from many corners, else an affine motion; then once more from those that agree best."""
    if len(points) < _LEAST:
        return None
    fit_any = fit_homography if len(points) >= _RICH else fit_affine
    fit = fit_any(points, landed, threshold_px=_FIT_PX)
    if fit is None or fit[1].mean() < _FIT_SHARE:
        return None
    apart = np.linalg.norm(apply(fit[0], points) - landed, axis=1)
    close = apart <= max(float(np.quantile(apart[fit[1]], 0.7)), 0.3)
    if close.sum() < _RICH:
        return fit[0]
    matrix, _ = cv2.findHomography(points[close], landed[close], 0)
    return fit[0] if matrix is None else np.asarray(matrix, np.float64)


def _dis() -> cv2.DISOpticalFlow:
    dis = cv2.DISOpticalFlow.create(cv2.DISOpticalFlow_PRESET_FAST)
    dis.setFinestScale(1)
    dis.setPatchSize(8)
    dis.setPatchStride(4)
    dis.setGradientDescentIterations(12)
    dis.setVariationalRefinementIterations(5)
    return dis
