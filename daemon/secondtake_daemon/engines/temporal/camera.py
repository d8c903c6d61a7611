"""Motion models between two sets of points, the richest that they carry.

Homography by MAGSAC++ (Barath, Noskova, Ivashechkin, Matas, CVPR 2020), affine and similarity by RANSAC.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.kinds import Matrix, Points

__all__ = ["apply", "fit_affine", "fit_best", "fit_homography", "is_sound"]

_HOMOGRAPHY_LEAST = 60
_AFFINE_LEAST = 14
_SIMILAR_LEAST = 5
_SCALE_RANGE = 0.05


def apply(matrix: Matrix, points: Points) -> Points:
    """Points through a 3×3."""
    mapped = points.astype(np.float64) @ matrix[:, :2].T + matrix[:, 2]
    depth = np.where(np.abs(mapped[:, 2:]) < 1e-9, 1e-9, mapped[:, 2:])
    return np.asarray(mapped[:, :2] / depth, np.float32)


def is_sound(matrix: Matrix, width: int, height: int) -> bool:
    """Finite, and no corner of the frame is turned over or blown up more than eightfold."""
    if not np.isfinite(matrix).all():
        return False
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    depth = corners @ matrix[2, :2] + matrix[2, 2]
    if (depth <= 1e-3).any():
        return False
    x, y = apply(matrix, corners.astype(np.float32)).astype(np.float64).T
    area = 0.5 * float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))
    return width * height / 8.0 < area < width * height * 8.0


def fit_homography(source: Points, target: Points, *, threshold_px: float) -> tuple[Matrix, NDArray[np.bool_]] | None:
    """Maps source to target, with the inliers; None without at least 12 of them."""
    if len(source) < 12:
        return None
    matrix, inlier = cv2.findHomography(source, target, cv2.USAC_MAGSAC, threshold_px, maxIters=1000, confidence=0.999)
    if matrix is None:
        return None
    good = inlier.ravel() > 0
    if good.sum() < 12:
        return None
    return np.asarray(matrix, np.float64), good


def fit_affine(source: Points, target: Points, *, threshold_px: float) -> tuple[Matrix, NDArray[np.bool_]] | None:
    """Maps source to target, with the inliers; None if there is no fit."""
    if len(source) < 4:
        return None
    rows, inlier = cv2.estimateAffine2D(
        source, target, method=cv2.RANSAC, ransacReprojThreshold=threshold_px, maxIters=500, confidence=0.995
    )
    if rows is None or not np.isfinite(rows).all():
        return None
    return np.vstack([rows, [0.0, 0.0, 1.0]]), inlier.ravel() > 0


def fit_best(source: Points, target: Points, *, rich: bool) -> Matrix | None:
    """Homography (if `rich`), else affine, else similarity, else shift, as the number of points allows.

    None with fewer than 3 points.
    """
    if rich and len(source) > _HOMOGRAPHY_LEAST:
        found = fit_homography(source, target, threshold_px=0.8)
        if found is not None and found[1].mean() > 0.25:
            return found[0]
    if len(source) >= _AFFINE_LEAST:
        found = fit_affine(source, target, threshold_px=0.8)
        if found is not None and found[1].mean() >= 0.5:
            return found[0]
    if len(source) >= _SIMILAR_LEAST:
        rows, _ = cv2.estimateAffinePartial2D(source, target, method=cv2.RANSAC, ransacReprojThreshold=0.8)
        if rows is not None and abs(np.hypot(rows[0, 0], rows[1, 0]) - 1.0) <= _SCALE_RANGE:
            return np.vstack([rows, [0.0, 0.0, 1.0]])
    if len(source) < 3:
        return None
    x, y = np.median(target - source, axis=0)
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)
