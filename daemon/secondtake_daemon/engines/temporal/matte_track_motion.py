"""Where the thing inside a drawn matte stands in the other frames of its shot.

Everything is measured in the coordinates of the drawn frame, where it is known exactly which pixels belong to the
thing: each further frame is brought there by what is known so far, and only what is left over is measured — inside the
matte alone, so that the background behind a moving outline never leads. Outside, the motion is continued.

Each frame is compared with the one before and with the drawn one itself, so that nothing drifts as long as the thing
still looks as it did: first as a whole (a shift by masked correlation, then an affine motion of corners by
Lucas-Kanade), then pixel by pixel (`matte_track_flow`). What is covered for a while is remembered as it was seen last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake_daemon.engines.temporal.camera import apply, fit_affine, fit_best
from secondtake_daemon.engines.temporal.flows import sample
from secondtake_daemon.engines.temporal.kinds import Mask, Matrix, Plane
from secondtake_daemon.engines.temporal.matte_track_flow import left_over, smoothed
from secondtake_daemon.engines.temporal.matte_track_seen import Seen, Vectors, agreement, grid_of, moved, seen_at
from secondtake_daemon.engines.temporal.proxy import Picture
from secondtake_daemon.engines.temporal.tracks import follow

__all__ = ["NODE_PX", "Pose", "Thing", "poses"]

NODE_PX = 4
"""A pose is kept at every fourth proxy pixel."""

_PAD_SHARE = 0.3
_LEAST_PAD_PX = 16
_LEAST_SIDE_PX = 24
_LEAST_PIXELS = 30
_RIM_PX = 3.0
_LOST = 0.06

_SEARCH_SIDE_PX = 96
_SEARCH_REACH = 0.35
_INERTIA = 2.0
_FOREIGN_GREY = 40.0

_CORNERS = 300
_CORNER_QUALITY = 0.005
_ROUND_TRIP_PX = 0.5
_LEVELS = 3
_FIT_PX = 1.0
_AFFINE_LEAST = 10
_AFFINE_SHARE = 0.4

_ROBUST_PX = 2.0
_STIFF_PX = 1.0

_FRESH = 0.3
_FADE = 0.98


@dataclass(frozen=True, slots=True)
class Thing:
    """What was drawn, on proxy pixels of its frame."""

    box: Box
    """The part of the proxy in which it is followed; may reach beyond the picture."""
    inside: Mask
    """(h, w) of the box: pixels of the thing."""
    tight: Box
    """The smallest box around it."""

    @classmethod
    def of(cls, coverage: Plane) -> Thing | None:
        """From the coverage of the drawn frame, (h, w) of the proxy. None if there is nothing."""
        inside = coverage > 0.5
        if not inside.any():
            inside = coverage > 0.5 * float(coverage.max())  # something thin, or half transparent
        rows, columns = np.flatnonzero((coverage > 0).any(axis=1)), np.flatnonzero((coverage > 0).any(axis=0))
        if not len(rows):
            return None
        tight = Box(int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
        box = tight.pad(max(round(_PAD_SHARE * max(tight.width, tight.height)), _LEAST_PAD_PX))
        whole = np.zeros((box.height, box.width), bool)
        whole[tight.within(box)] = inside[tight.y : tight.bottom, tight.x : tight.right]
        return cls(box, whole, tight)


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the thing stands in one frame."""

    nodes: Vectors
    """Positions in the frame, in proxy pixels, of every fourth pixel of the thing's box, from its corner."""
    trust: float
    """0 … 1: the share of the thing that looks there as it was drawn, or as it did a frame before."""


def poses(
    *, thing: Thing, pictures: Sequence[Picture], key: int, frames: Sequence[int], step: Callable[[], None]
) -> Iterator[Pose]:
    """Follow the thing from the frame in which it was drawn through `frames`, in this order, neighbours first."""
    follower = _Follower(thing, pictures[key])
    for frame in frames:
        step()
        yield follower.to(pictures[frame])


class _Follower:
    def __init__(self, thing: Thing, picture: Picture) -> None:
        self._thing = thing
        self._grid = grid_of(thing.box)
        self._drawn = seen_at(picture, self._grid)
        self._last = self._drawn
        self._place = self._grid
        self._move = np.zeros_like(self._grid)
        self._held = np.ones(thing.inside.shape, np.float32)
        depth = cv2.distanceTransform(np.pad(thing.inside, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
        self._core = np.clip((depth - 1) / _RIM_PX, 0.03, 1).astype(np.float32) * thing.inside
        solid = thing.inside & (depth > 1.5)
        self._solid = solid if solid.sum() > 0.4 * thing.inside.sum() else thing.inside
        far = cv2.distanceTransform((~thing.inside).astype(np.uint8), cv2.DIST_L2, 5)
        self._near = np.exp(-((far / (0.5 * _LEAST_PAD_PX)) ** 2)).astype(np.float32)

    def to(self, picture: Picture) -> Pose:
        """Go on to the next frame."""
        on = self._place + self._move
        left = self._thing.inside & _inside(on, picture.grey.shape)
        if picture.blind or left.sum() < _LOST * self._thing.inside.sum():  # nothing to measure: on as it went
            self._place = on
            self._held = self._held * np.float32(0.5)
            return self._pose(picture, self._held)
        place = self._by_corners(picture, self._guess(picture), self._last)
        place = self._by_corners(picture, place, self._drawn)
        place = self._by_flow(picture, place, self._last)
        place = self._by_flow(picture, place, self._drawn)
        seen = seen_at(picture, place)
        place = self._continued(place, 0.01 + self._trust(seen))
        seen = seen_at(picture, place)
        trust = self._trust(seen)
        self._remember(seen, trust)
        self._move, self._place = place - self._place, place
        return self._pose(picture, trust)

    def _remember(self, seen: Seen, trust: Plane) -> None:
        """What is covered just now is remembered as it was seen last."""
        fresh = (cv2.erode(trust, np.ones((3, 3), np.uint8)) > _FRESH) | ~self._thing.inside
        self._last = Seen(np.where(fresh, seen.grey, self._last.grey), np.where(fresh, seen.known, self._last.known))
        self._held = np.where(fresh, trust, self._held * np.float32(_FADE))

    def _trust(self, seen: Seen) -> Plane:
        """0 … 1: it looks as it was drawn, or as it did before where that was to be trusted."""
        inside = self._thing.inside & seen.known
        as_before = self._held * agreement(self._last, seen, inside)
        return np.asarray(np.maximum(agreement(self._drawn, seen, inside), as_before), np.float32)

    def _continued(self, place: Vectors, trust: Plane) -> Vectors:
        """Outside the thing: its motion as a whole, and near it what its rim does beyond that."""
        whole = _affine_part(self._grid, place, self._core * trust)
        rest = smoothed(place - whole, self._core * trust)
        return np.asarray(whole + rest * self._near[..., None], np.float32)

    def _pose(self, picture: Picture, held: Plane) -> Pose:
        inside = self._thing.inside
        there = inside & _inside(self._place, picture.grey.shape)
        trust = float(held[there if there.any() else inside].mean())
        return Pose(self._place[::NODE_PX, ::NODE_PX].copy(), trust)

    def _guess(self, picture: Picture) -> Vectors:
        """Standing still, going on, or a shift found by search: what looks most like the frame before.

        Far from where it was going it has to look so much better: behind something it is not to be found at all.
        """
        tried = [self._move, np.zeros_like(self._move)]
        tried += [one + self._search(picture, self._place + one) for one in tried]
        side = max(self._thing.inside.shape)
        costs = []
        for move in tried:
            astray = float(np.median(np.linalg.norm(move - self._move, axis=2))) / side
            costs.append(self._cost(picture, self._place + move, self._last) * (1 + _INERTIA * astray))
        return np.asarray(self._place + tried[int(np.argmin(costs))], np.float32)

    def _cost(self, picture: Picture, place: Vectors, other: Seen) -> float:
        """How unlike the other it is there: mean difference of what is in the picture, each pixel's bounded."""
        seen = seen_at(picture, place)
        inside = self._thing.inside & seen.known
        if inside.sum() < _LOST * self._thing.inside.sum():
            return 255.0
        apart = np.minimum(np.abs(seen.grey[inside].astype(np.float32) - other.grey[inside]), _FOREIGN_GREY)
        return float(np.average(apart, weights=0.05 + self._held[inside]))

    def _search(self, picture: Picture, place: Vectors) -> NDArray[np.float32]:
        """The whole thing's shift by masked correlation, on small pictures."""
        inside = self._thing.inside
        side = max(inside.shape)
        small = max(side / _SEARCH_SIDE_PX, 1.0)
        reach = round(_SEARCH_REACH * side)
        wide = grid_of(Box(-reach, -reach, inside.shape[1] + 2 * reach, inside.shape[0] + 2 * reach))
        centre = place - self._grid
        shift = np.median(centre[inside], axis=0)
        corner = np.array([self._thing.box.x, self._thing.box.y], np.float32)
        around = sample(picture.grey.astype(np.float32), wide + corner + shift)
        scene, wanted, mask = (
            _shrunk(one, small) for one in (around, self._last.grey.astype(np.float32), inside.astype(np.float32))
        )
        mask = (mask > 0.6).astype(np.float32)
        if mask.sum() < _LEAST_PIXELS / 3:
            return np.zeros(2, np.float32)
        score = cv2.matchTemplate(scene, wanted, cv2.TM_SQDIFF, mask=mask)
        _, _, (x, y), _ = cv2.minMaxLoc(score)
        across, down = around.shape[1] / scene.shape[1], around.shape[0] / scene.shape[0]
        return np.array([x * across - reach, y * down - reach], np.float32)

    def _by_corners(self, picture: Picture, place: Vectors, other: Seen) -> Vectors:
        """What is left of the motion as a whole, from corners inside the matte."""
        seen = seen_at(picture, place)
        mask = (self._thing.inside & other.known).astype(np.uint8)
        apart = max(3, self._thing.inside.shape[1] // 60)
        corners = cv2.goodFeaturesToTrack(other.grey, _CORNERS, _CORNER_QUALITY, apart, mask=mask, blockSize=5)
        if corners is None:
            return place
        points = np.asarray(corners, np.float32).reshape(-1, 2)
        found, good = follow(other.grey, seen.grey, points, points, levels=_LEVELS, round_trip_px=_ROUND_TRIP_PX)
        good &= _known_at(seen.known, found)
        matrix = _whole(points[good], found[good])
        if matrix is None:
            return place
        found_place = moved(place, self._to(matrix))
        better = self._cost(picture, found_place, other) < self._cost(picture, place, other)
        return found_place if better else place

    def _to(self, matrix: Matrix) -> Vectors:
        local = self._grid - self._grid[0, 0]
        return np.asarray(apply(matrix, local.reshape(-1, 2)).reshape(local.shape) - local, np.float32)

    def _by_flow(self, picture: Picture, place: Vectors, other: Seen) -> Vectors:
        """What is left of it pixel by pixel, where the flow makes the two alike."""
        if min(self._thing.inside.shape) < _LEAST_SIDE_PX:
            return place
        seen = seen_at(picture, place)
        inside = self._solid & seen.known & other.known
        if inside.sum() < _LEAST_PIXELS:
            return place
        return moved(place, left_over(other, seen, inside=inside, core=self._core))


def _whole(here: NDArray[np.float32], there: NDArray[np.float32]) -> Matrix | None:
    if len(here) >= _AFFINE_LEAST:
        found = fit_affine(here, there, threshold_px=_FIT_PX)
        if found is not None and found[1].mean() >= _AFFINE_SHARE:
            return found[0]
    return fit_best(here, there, rich=False)


def _affine_part(grid: Vectors, place: Vectors, weight: Plane) -> Vectors:
    """The affine motion that most of the weight agrees on (iteratively reweighted, Cauchy), at every pixel.

    A little stiff, so that a speck or a wire does not shear without bound.
    """
    chosen = weight > 0
    here, way = grid[chosen].astype(np.float64), (place - grid)[chosen].astype(np.float64)
    share = weight[chosen].astype(np.float64)
    for _ in range(4):
        total = share.sum()
        centre, shift = share @ here / total, share @ way / total
        around = here - centre
        spread_of = (around.T * share) @ around + _STIFF_PX**2 * total * np.eye(2)
        linear = np.linalg.solve(spread_of, (around.T * share) @ (way - shift))
        apart = np.linalg.norm(around @ linear + shift - way, axis=1)
        share = weight[chosen] / (1 + (apart / _ROBUST_PX) ** 2)
    return np.asarray(grid + (grid - centre) @ linear + shift, np.float32)


def _shrunk(picture: Plane, factor: float) -> Plane:
    if factor <= 1:
        return picture
    size = (max(round(picture.shape[1] / factor), 1), max(round(picture.shape[0] / factor), 1))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def _known_at(mask: Mask, points: NDArray[np.float32]) -> Mask:
    x, y = np.rint(points).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < mask.shape[1]) & (y < mask.shape[0])
    result = np.zeros(len(points), bool)
    result[inside] = mask[y[inside], x[inside]]
    return result


def _inside(at: Vectors, shape: tuple[int, ...]) -> Mask:
    x, y = at[..., 0], at[..., 1]
    return np.asarray((x >= 0) & (y >= 0) & (x <= shape[1] - 1) & (y <= shape[0] - 1), bool)
