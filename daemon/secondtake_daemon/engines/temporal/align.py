"""The motion between one pair of frames, refitted on that pair, and the one resampling that a source pixel gets."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake_daemon.engines.temporal.analysis import Analysis
from secondtake_daemon.engines.temporal.camera import apply, fit_affine, fit_best, fit_homography, is_sound
from secondtake_daemon.engines.temporal.kept import Kept
from secondtake_daemon.engines.temporal.kinds import Mask, Matrix, Points
from secondtake_daemon.engines.temporal.tracks import follow, shared

__all__ = ["Aligner", "source_box", "warp", "warp_mask"]

_REFIT_POINTS = 400
_REFIT_ROUND_TRIP_PX = 0.4
_REFIT_PX = 0.7
_REFIT_LEAST = 20
_REFIT_INLIERS = 12
_REFIT_SHARE = 0.2
_LAYER_LEAST = 5
_RICH = 40
_SNAP_PX = 0.06
_CACHED_PAIRS = 4096


class Aligner:
    """Answers: where in frame `source` is what stands here in frame `target`? Plate coordinates."""

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis
        self._fits = Kept(self._fit, most=_CACHED_PAIRS)

    def motion(self, *, layer: int, target: int, source: int) -> Matrix | None:
        """3×3 from target to source; None when it makes no sense."""
        matrix = self._fits((layer, target, source))
        grid = self._analysis.grid
        if not is_sound(matrix, grid.proxy_width, grid.proxy_height):
            return None
        return grid.on_plate(matrix)

    def _fit(self, pair: tuple[int, int, int]) -> Matrix:
        layer, target, source = pair
        chained = self._analysis.layers.chained(layer, target, source)
        if layer > 0:
            chained = self._from_tracks(layer, target, source, chained)
        return self._refit(layer, target, source, chained)

    def _from_tracks(self, layer: int, target: int, source: int, chained: Matrix) -> Matrix:
        """A layer's poses drift sooner than the camera's: prefer its tracks that are alive in both frames."""
        analysis = self._analysis
        chosen = analysis.layers.of_track == layer
        _, one, two = shared(analysis.tracks[target], analysis.tracks[source], chosen)
        if len(one) < _LAYER_LEAST:
            return chained
        points, there = analysis.tracks[target].points[one], analysis.tracks[source].points[two]
        fit = fit_best(points, there, rich=True)
        return chained if fit is None else fit

    def _refit(self, layer: int, target: int, source: int, chained: Matrix) -> Matrix:
        """Warp the source by the chained model, follow the target's corners into it, and fit anew."""
        analysis = self._analysis
        grid = analysis.grid
        size = (grid.proxy_width, grid.proxy_height)
        points = self._corners(layer, target)
        if len(points) < _REFIT_LEAST or not is_sound(chained, *size):
            return chained
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        here, there = analysis.pictures[target], analysis.pictures[source]
        moved = cv2.warpPerspective(there.grey, chained, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        warped = np.asarray(moved, np.uint8)
        found, good = follow(here.grey, warped, points, points, levels=1, round_trip_px=_REFIT_ROUND_TRIP_PX)
        landed = apply(chained, found)
        good &= _on(there.known, landed)
        if good.sum() < _REFIT_LEAST:
            return chained
        fit_any = fit_homography if good.sum() >= _RICH else fit_affine
        fit = fit_any(points[good], landed[good], threshold_px=_REFIT_PX)
        if fit is None or fit[1].sum() < _REFIT_INLIERS or fit[1].mean() < _REFIT_SHARE:
            return chained
        return fit[0] if is_sound(fit[0], *size) else chained

    def _corners(self, layer: int, target: int) -> Points:
        analysis = self._analysis
        tracks = analysis.tracks[target]
        own = tracks.points[analysis.layers.of_track[tracks.ids] == layer]
        points = own if layer > 0 or len(own) >= 2 * _REFIT_LEAST else tracks.points
        thin = max(len(points) // _REFIT_POINTS, 1)
        return np.ascontiguousarray(points[::thin])


def source_box(*, matrix: Matrix, box: Box, frame: Box) -> Box:
    """The part of the source frame that the target box needs, with room for the cubic kernel."""
    corners = np.array([[box.x, box.y], [box.right, box.y], [box.right, box.bottom], [box.x, box.bottom]], np.float32)
    mapped = np.clip(apply(matrix, corners), -1e6, 1e6)
    x, y = np.floor(mapped.min(axis=0)).astype(int) - 4
    right, bottom = np.ceil(mapped.max(axis=0)).astype(int) + 4
    return Box(int(x), int(y), int(right - x), int(bottom - y)).intersect(frame)


def warp(
    picture: NDArray[np.float32], *, matrix: Matrix, origin: Box, box: Box, linear: bool = False
) -> NDArray[np.float32]:
    """Sample `picture` (whose corner is origin's, in the source frame) at the target box.

    Keys' cubic kernel (IEEE ASSP 1981); a motion that is whole pixels but for a few hundredths copies samples instead.
    Undershoot is held at the least value of the picture, or at 0 where that is above.
    """
    moved = _local(matrix, origin, box)
    snapped = _snap(moved, box)
    flags = cv2.INTER_LINEAR if linear else cv2.INTER_CUBIC
    if snapped is not None:
        moved, flags = snapped, cv2.INTER_NEAREST
    result = cv2.warpPerspective(
        picture, moved, (box.width, box.height), flags=flags | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    if flags == cv2.INTER_CUBIC:
        result = np.maximum(result, min(0.0, float(picture.min(initial=0.0))))
    return np.asarray(result, np.float32)


def warp_mask(mask: Mask, *, matrix: Matrix, origin: Box, box: Box) -> Mask:
    """Where every sample behind the target pixel is set in the mask; nothing outside the mask is."""
    moved = _local(matrix, origin, box)
    snapped = _snap(moved, box)
    inner = mask.astype(np.uint8)
    if snapped is None:
        inner = np.asarray(
            cv2.erode(inner, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0), np.uint8
        )
    else:
        moved = snapped
    soft = cv2.warpPerspective(
        inner * np.uint8(255), moved, (box.width, box.height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    return np.asarray(soft >= 254, bool)


def _local(matrix: Matrix, origin: Box, box: Box) -> Matrix:
    before = np.array([[1, 0, box.x], [0, 1, box.y], [0, 0, 1]], np.float64)
    after = np.array([[1, 0, -origin.x], [0, 1, -origin.y], [0, 0, 1]], np.float64)
    return np.asarray(after @ matrix @ before, np.float64)


def _snap(matrix: Matrix, box: Box) -> Matrix | None:
    """The whole-pixel shift that this motion is, within a few hundredths of a pixel; else None."""
    corners = np.array([[0, 0], [box.width, 0], [box.width, box.height], [0, box.height]], np.float32)
    shift = apply(matrix, corners) - corners
    whole = np.rint(shift.mean(axis=0))
    if np.abs(shift - whole).max() > _SNAP_PX:
        return None
    return np.array([[1, 0, whole[0]], [0, 1, whole[1]], [0, 0, 1]], np.float64)


def _on(mask: Mask, points: Points) -> NDArray[np.bool_]:
    x, y = np.rint(points).T
    inside = (x >= 0) & (y >= 0) & (x < mask.shape[1]) & (y < mask.shape[0])
    result = np.zeros(len(points), bool)
    result[inside] = mask[y[inside].astype(int), x[inside].astype(int)]
    return result
