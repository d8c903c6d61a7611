"""Where a surface's points were while they could not be seen: their motion is a mix of a few motions over time.

The displacements of all points of a surface, frame by point, form a matrix of low rank (Irani: Multi-frame
correspondence estimation using subspace constraints, IJCV 2002). Its missing entries follow from a probabilistic PCA
with missing data (Tipping, Bishop, JRSS B 1999; EM as in Roweis, NIPS 1998), here with the coefficients tied to those
of their neighbours on the surface by a thin plate, so that a point that was seen seldom follows the points around it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.pyramid import spread

__all__ = ["complete_motion"]

_MOST_BASIS = 6
_FRAMES_A_BASIS = 3
_ROUNDS = (8, 3, 3)
_THIN = 3
_SIGMA_PX = 0.3
_OUTLIER_PX = 0.6
_STIFF = 15.0
_PRIOR = 0.1
_STEPS = 60
_RELATIVE = 1e-5

Numbers = NDArray[np.float64]


def complete_motion(*, measured: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Displacements for all frames and points from those measured.

    measured: (frames, h, w, 2) in pixels, on a grid over the surface; weight: (frames, h, w), 0 where nothing was
    measured … 1. Returns the shape of `measured`; what was measured is smoothed a little and cleared of outliers.
    """
    frames, height, width = weight.shape
    values = measured.reshape(frames, -1, 2).astype(np.float64)
    trust = weight.reshape(frames, -1).astype(np.float64)
    basis = _first_basis(measured, weight)
    found = values
    for rounds in _ROUNDS:
        exact = trust / (1.0 + _squared(values - found) / _OUTLIER_PX**2) / _SIGMA_PX**2  # all of it in the first
        for _ in range(rounds):
            basis = _improved(basis, values[:, ::_THIN], exact[:, ::_THIN])
        coefficients = _tied(basis, values, exact, (height, width))
        found = np.einsum("tr,nrc->tnc", basis, coefficients)
    return found.reshape(measured.shape).astype(np.float32)


def _first_basis(measured: NDArray[np.float32], weight: NDArray[np.float32]) -> Numbers:
    """From fields whose gaps are filled from their surroundings, scaled so that coefficients have a variance of 1."""
    frames = len(measured)
    rank = int(np.clip(frames // _FRAMES_A_BASIS, 1, _MOST_BASIS))
    filled = np.stack([spread(values=one, weight=share) for one, share in zip(measured, weight, strict=True)])
    rows = filled.reshape(frames, -1).astype(np.float64)
    size, ways = np.linalg.eigh(np.einsum("tn,sn->ts", rows, rows))
    scale = np.sqrt(np.maximum(size[-rank:], 1e-9) / rows.shape[1])
    return np.asarray(ways[:, -rank:] * scale, np.float64)


def _improved(basis: Numbers, values: Numbers, exact: Numbers) -> Numbers:
    """One round of EM: the points' coefficients, then the basis that explains the values best with them."""
    rank, points = basis.shape[1], values.shape[1]
    normal, right = _equations(basis, values, exact)
    covariance = np.linalg.inv(normal + np.eye(rank))
    found = np.einsum("nrs,nsc->nrc", covariance, right)
    spread_of = ((found[:, :, None] * found[:, None]).sum(axis=3) + 2 * covariance).reshape(points, -1)
    left = np.einsum("tn,nk->tk", exact, spread_of).reshape(-1, rank, rank) + 1e-6 * np.eye(rank)
    both = np.einsum("tk,kr->tr", (exact[..., None] * values).reshape(len(values), -1), _by_point(found))
    return np.asarray(np.linalg.solve(left, both[..., None])[..., 0], np.float64)


def _by_point(found: Numbers) -> Numbers:
    """(points · 2, rank), as values lie in memory."""
    return np.ascontiguousarray(found.transpose(0, 2, 1)).reshape(-1, found.shape[1])


def _equations(basis: Numbers, values: Numbers, exact: Numbers) -> tuple[Numbers, Numbers]:
    """Every point's normal equations for its coefficients: (points, rank, rank) and (points, rank, 2).

    Plain sums on purpose: a threaded BLAS is slower on such slim matrices, and may round otherwise with other threads.
    """
    rank, points = basis.shape[1], values.shape[1]
    pairs = (basis[:, :, None] * basis[:, None]).reshape(len(basis), -1)
    normal = np.einsum("tn,tk->nk", exact, pairs).reshape(points, rank, rank)
    weighted = (exact[..., None] * values).reshape(len(values), -1)
    right = np.einsum("tn,tr->nr", weighted, basis).reshape(points, 2, rank)
    return normal, np.ascontiguousarray(right.transpose(0, 2, 1))


def _tied(basis: Numbers, values: Numbers, exact: Numbers, shape: tuple[int, int]) -> Numbers:
    """(points, rank, 2) coefficients, tied to the neighbours': preconditioned conjugate gradients."""
    normal, right = _equations(basis, values, exact)
    normal += _PRIOR * np.eye(basis.shape[1])
    inverse = np.linalg.inv(normal + 20 * _STIFF * np.eye(basis.shape[1]))

    def guess(one: Numbers) -> Numbers:
        return np.asarray(np.einsum("nrs,nsc->nrc", inverse, one), np.float64)

    def applied(one: Numbers) -> Numbers:
        bent = _bent(one.reshape(*shape, -1)).reshape(one.shape)
        return np.asarray(np.einsum("nrs,nsc->nrc", normal, one) + _STIFF * bent, np.float64)

    found = guess(right)
    rest = right - applied(found)
    way = better = guess(rest)
    power = float((rest * better).sum())
    enough = _RELATIVE * float((right * found).sum())
    for _ in range(_STEPS):
        if power <= enough:
            break
        ahead = applied(way)
        length = power / float((way * ahead).sum())
        found, rest = found + length * way, rest - length * ahead
        better = guess(rest)
        now = float((rest * better).sum())
        way, power = better + (now / power) * way, now
    return np.asarray(found, np.float64)


def _bent(field: Numbers) -> Numbers:
    """Gradient of the thin plate's energy: squared second differences, the borders free. (h, w, c)."""
    result = np.zeros_like(field)
    for axis in (0, 1):
        if field.shape[axis] > 2:
            second = np.diff(field, n=2, axis=axis)
            result += np.diff(_padded(second, axis, 2), n=2, axis=axis)
    if min(field.shape[:2]) > 1:
        mixed = np.diff(np.diff(field, axis=0), axis=1)
        result += 2 * np.diff(np.diff(_padded(_padded(mixed, 0, 1), 1, 1), axis=0), axis=1)
    return result


def _padded(field: Numbers, axis: int, by: int) -> Numbers:
    return np.pad(field, [(by, by) if place == axis else (0, 0) for place in range(field.ndim)])


def _squared(apart: Numbers) -> Numbers:
    return np.asarray((apart**2).sum(axis=-1), np.float64)
