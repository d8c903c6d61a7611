"""A dense motion made smooth and precise: a thin plate through everything that the two pictures have to hold on to.

Lucas, Kanade: An iterative image registration technique with an application to stereo vision, IJCAI 1981, for all
pixels at once, with weights that leave out what does not match (compare Baker, Matthews: Lucas-Kanade 20 years on,
IJCV 2004). What is solved for is the departure from a rigid motion, and its bending costs as much as grain would
mislead it: a flat area follows its surroundings, not its grain. Conjugate gradients, coarse to fine.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.kinds import Plane

__all__ = ["refine"]

_ROUNDS = 4
_STEPS = (120, 30)
"""Of the solver, on the coarse grid and on the fine one."""
_COARSER = 4
_GRID_PX = 128
"""Widest grid on which it is solved; no cell is smaller than four pixels."""
_CELL_PX = 4
_GRAIN_AREA_PX = 8.0
_PLATE_AREA_PX = 400.0
_BEND = 1e-4
_BEND_SHARE = 4e-4
"""Curvature to expect, in px per px², and how much more of it for each pixel of departure."""
_OUTLIER = 3.0
_SLIP_PX = 1.0
_LEAST_NOISE = 0.1

Vectors = NDArray[np.float32]


def refine(
    *, here: Plane, to: Vectors, base: Vectors, noise: float, bring: Callable[[Vectors], tuple[Plane, Plane]]
) -> Vectors:
    """`to`, (h, w, 2) absolute positions, made precise.

    here: (h, w), the target's texture; base: positions by a rigid motion; noise: how far two textures of the same
    thing differ, in grey levels; bring: texture of the source, and how far it is known, at such positions.
    """
    turn = _turn(base)
    rest = _times(np.asarray(np.linalg.inv(turn), np.float32), to - base)
    for _ in range(_ROUNDS):
        there, known = bring(base + _times(turn, rest))
        rest = _solved(here, there, known, rest, noise)
    return np.asarray(base + _times(turn, rest), np.float32)


def _solved(here: Plane, there: Plane, known: Plane, rest: Vectors, noise: float) -> Vectors:
    """The departure that makes the two alike, given the present one."""
    apart = here - there
    across, down = _slopes(0.5 * (here + there))
    near = _OUTLIER**2 * noise**2 + _SLIP_PX**2 * cv2.blur(across**2 + down**2, (5, 5))  # a slip is no outlier
    weight = known / (1 + cv2.blur(apart**2, (5, 5)) / near) ** 2
    weight = weight * noise**2 / (_LEAST_NOISE * noise**2 + cv2.blur(apart**2, (15, 15)))  # dark parts are grainier
    xx, xy, yy = weight * across * across, weight * across * down, weight * down * down
    bx = xx * rest[..., 0] + xy * rest[..., 1] + weight * across * apart
    by = xy * rest[..., 0] + yy * rest[..., 1] + weight * down * apart
    cell = max(_CELL_PX, -(-here.shape[1] // _GRID_PX))
    fine = [_shrunk(one, cell) for one in (xx, xy, yy, bx, by)]
    bend = 1 / ((_BEND + _BEND_SHARE * _usual(fine)) ** 2 * _PLATE_AREA_PX) * noise**2 * _GRAIN_AREA_PX
    coarse = [_shrunk(one, _COARSER) for one in fine]
    start = _bent(coarse, np.zeros((*coarse[0].shape, 2), np.float32), bend / (_COARSER * cell) ** 4, _STEPS[0])
    start = np.asarray(cv2.resize(start, fine[0].shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)
    found = _bent(fine, start, bend / cell**4, _STEPS[1])
    return np.asarray(cv2.resize(found, here.shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def _bent(planes: list[Plane], start: Vectors, bend: float, steps: int) -> Vectors:
    """Least of vᵀAv − 2bᵀv + bend · |Δv|², by conjugate gradients with a diagonal preconditioner."""
    xx, xy, yy, bx, by = planes
    stiff, found = np.float32(bend), start
    ease = np.asarray(1 / np.stack([xx + 20 * stiff, yy + 20 * stiff], axis=2), np.float32)

    def pulled(v: Vectors) -> Vectors:
        bent = _curve(_curve(v)) * stiff
        data = np.stack([xx * v[..., 0] + xy * v[..., 1], xy * v[..., 0] + yy * v[..., 1]], axis=2)
        return np.asarray(data + bent, np.float32)

    rest = np.stack([bx, by], axis=2) - pulled(found)
    eased = np.asarray(ease * rest, np.float32)
    way, power = eased, float((rest * eased).sum())
    for _ in range(steps):
        pull = pulled(way)
        length = power / max(float((way * pull).sum()), 1e-20)
        found, rest = found + np.float32(length) * way, rest - np.float32(length) * pull
        eased = ease * rest
        before, power = power, float((rest * eased).sum())
        way = eased + np.float32(power / max(before, 1e-20)) * way
    return np.asarray(found, np.float32)


def _curve(v: Vectors) -> Vectors:
    return np.asarray(cv2.Laplacian(v, cv2.CV_32F, ksize=1, borderType=cv2.BORDER_REPLICATE), np.float32)


def _usual(planes: list[Plane]) -> float:
    """Root mean square of the departure, where there is something to hold on to."""
    xx, xy, yy, bx, by = (cv2.GaussianBlur(one, (0, 0), 2.0) for one in planes)
    scale = xx * yy - xy * xy
    x, y = (yy * bx - xy * by) / np.maximum(scale, 1e-3), (xx * by - xy * bx) / np.maximum(scale, 1e-3)
    sure = scale / np.maximum(xx + yy, 1e-3)
    return float(np.sqrt((sure * np.minimum(x * x + y * y, 64.0)).sum() / max(float(sure.sum()), 1e-6)))


def _shrunk(plane: Plane, times: int) -> Plane:
    size = (-(-plane.shape[1] // times), -(-plane.shape[0] // times))
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)


def _turn(base: Vectors) -> NDArray[np.float32]:
    """(h, w, 2, 2): how positions change from pixel to pixel."""
    down, across = np.gradient(base, axis=(0, 1))
    return np.stack([across, down], axis=3).astype(np.float32)


def _times(turn: NDArray[np.float32], vectors: Vectors) -> Vectors:
    return np.asarray(np.einsum("hwij,hwj->hwi", turn, vectors), np.float32)


def _slopes(plane: Plane) -> tuple[Plane, Plane]:
    across, down = (cv2.Sobel(plane, cv2.CV_32F, *way, ksize=3, scale=0.125) for way in ((1, 0), (0, 1)))
    return np.asarray(across, np.float32), np.asarray(down, np.float32)
