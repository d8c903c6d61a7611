"""Do motion vectors fit the plate? A photometric check that names the mistake: sign, units, length, or order.

For sampled pixels that move, the plate is compared with its neighbour where the vectors point, and where they would
point if they had been made with one of the usual mistakes. The given ones are doubted only when another reading is
clearly better in nearly every pair, so that grain, flicker, motion blur and hidden pixels raise no alarm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Evidence", "measure", "misfit"]

FloatImage = NDArray[np.float32]
_Points = NDArray[np.float64]
_Errors = NDArray[np.float32]

_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)
_WIDTH_PX = 480
"""Of the small pictures that are compared; averaging takes the grain out …"""
_STEP_PX = 1.5
"""… but if the median motion falls below this, wrong and right look alike, and the pictures are made larger …"""
_WIDEST_PX = 1920
"""… up to this width."""
_BLUR_PX = 1.0
"""Makes grain as smooth as interpolation does, which else would favour broken distances."""
_FLOOR = 0.02
"""Added before the logarithm, as a share of the median luma."""
_POINTS = 16_000
_MOVING_PX = 0.5
"""Shorter vectors say nothing about their sign."""
_STILL_PX = 0.25
_STILL_SHARE = 0.01
"""If no more than this share of the pixels is longer than that, the vectors say that nothing moves."""
_FEWEST = 300
"""Pixels over all pairs that a doubt needs, and in a pair that is to have a vote."""
_FEWEST_OF_PAIR = 60
_NOISE = 0.004
"""log2 units; below it, errors are as good as equal."""
_CLEARLY = 1.2
"""Ratio of median errors. Over 100 random motions true vectors stayed below 1, and wrong ones began at 1.8."""
_AGREE = 0.75
"""Share of the pairs, or of the picture's cells, that must say the same."""
_PAN_GAIN = 0.6
"""A shift must leave less than this share of the error."""
_CELLS = 4
"""The picture is cut into so many cells each way: a large object that moves fills some, a pan all."""

_BOTH = "both signs are flipped"
_STANDS = "the plate moves less than they say"
_NOTHING = "they say that nothing moves, but the plate does"
_FACTORS: dict[str, tuple[float, float]] = {
    _BOTH: (-1, -1),
    "Y is flipped": (1, -1),
    "X is flipped": (-1, 1),
    "they are halved": (0.5, 0.5),
    "they are doubled": (2, 2),
    _STANDS: (0, 0),
}
_SWAPPED = "the ways to the previous and to the next frame change places"
_UNITS: dict[str, tuple[float, float]] = {
    "they are multiplied by the frame's size": (1, 1),
    "they are multiplied by the frame's size, with Y flipped": (1, -1),
    "they are multiplied by half the frame's size": (0.5, 0.5),
    "they are multiplied by half the frame's size, with Y flipped": (0.5, -0.5),
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one pair of frames says."""

    onward: dict[str, tuple[_Errors, _Errors]]
    """For each other reading of the way to the next frame: absolute errors of the given vectors and of this reading,
    at the same pixels."""
    back: dict[str, tuple[_Errors, _Errors]]
    """The same for the way to the previous frame."""
    known: int
    """Sampled pixels with vectors."""
    moving: int
    """Those of them that move."""
    pans: bool
    """The whole picture moves."""


def measure(*, first: FloatImage, second: FloatImage, of_first: FloatImage, of_second: FloatImage) -> Evidence:
    """Compare two neighbouring frames. Pictures: (h, w, 3) float32, any encoding; vectors: (h, w, 4) as `Shot.motion`.

    Not finite pixels and vectors are left out. Pure; the same arrays give the same answer.
    """
    size = np.array(first.shape[1::-1], np.float64)
    points = _grid(first.shape)
    vectors = [_at(motion, points) for motion in (of_first, of_second)]
    onward, back = vectors[0][:, 2:], vectors[1][:, :2]
    lengths = np.concatenate([_length(onward), _length(back)])
    lengths = lengths[np.isfinite(lengths)]
    factor = _unit_size(lengths, size)
    moving = lengths[lengths * factor >= _MOVING_PX] * factor
    pictures = _pictures(first, second, float(np.median(moving)) if moving.size else 0.0)
    return Evidence(
        onward=_readings(pictures[0], pictures[1], points, onward, vectors[0][:, :2], size),
        back=_readings(pictures[1], pictures[0], points, back, vectors[1][:, 2:], size),
        known=len(lengths),
        moving=int(np.count_nonzero(lengths >= _STILL_PX)),
        pans=_pans(pictures[0], pictures[1]),
    )


def misfit(evidence: Sequence[Evidence]) -> str:
    """What is wrong with the vectors, to follow "The motion vectors do not fit the plate: "; "" if nothing is clear."""
    if not evidence:
        return ""
    if not any(each.known for each in evidence):
        return "they hold no number"
    onward = _best([each.onward for each in evidence])
    back = _best([each.back for each in evidence])
    if onward and onward == back:
        return _sentence(onward, "they fit")
    if onward or back:
        said = [("(X, Y) fits", back), ("(Z, W) fits", onward)]
        return "; ".join(_sentence(hint, who) for who, hint in said if hint)
    if all(each.moving <= _STILL_SHARE * each.known for each in evidence):
        pans = sum(each.pans for each in evidence)
        return _NOTHING if pans >= _AGREE * len(evidence) else ""
    return ""


def _sentence(hint: str, who: str) -> str:
    return hint if hint == _STANDS else f"{who} when {hint}"


def _best(pairs: Sequence[dict[str, tuple[_Errors, _Errors]]]) -> str:
    """The reading that beats the given one most, if it does so clearly; of equals the plainer one, named first."""
    best, gain = "", _CLEARLY
    for hint in dict.fromkeys(hint for pair in pairs for hint in pair):
        found = [pair[hint] for pair in pairs if hint in pair]
        given, other = (np.concatenate([errors[side] for errors in found]) for side in (0, 1))
        if given.size < _FEWEST:
            continue
        votes = [_ratio(*errors) > 1 for errors in found if errors[0].size >= _FEWEST_OF_PAIR]
        ratio = _ratio(given, other)
        if ratio > gain * (1.05 if best else 1) and sum(votes) >= _AGREE * len(votes):
            best, gain = hint, ratio
    return best


def _ratio(given: _Errors, other: _Errors) -> float:
    return float((np.median(given) + _NOISE) / (np.median(other) + _NOISE))


def _readings(
    here: FloatImage, there: FloatImage, points: _Points, given: _Points, swapped: _Points, size: _Points
) -> dict[str, tuple[_Errors, _Errors]]:
    scale = here.shape[1] / size[0]
    texture = _texture(here)
    others = {hint: given * factor for hint, factor in _FACTORS.items()}
    others[_SWAPPED] = swapped
    lengths = _length(given)
    if _unit_size(lengths[np.isfinite(lengths)], size) > 1:
        others |= {hint: given * np.array(factor) * size for hint, factor in _UNITS.items()}
        lengths = lengths * size[0]
    moves = lengths >= _MOVING_PX
    points, given = points[moves], given[moves]
    detail = _sample(texture, points, scale)
    rich = detail >= np.median(detail) if len(detail) else np.zeros(0, bool)
    points, given = points[rich], given[rich]
    base = _sample(here, points, scale)
    moved = _sample(there, points + given, scale) - base
    found = {}
    for hint, other in others.items():
        change = _sample(there, points + other[moves][rich], scale) - base
        both = np.isfinite(moved) & np.isfinite(change)
        if both.any():
            found[hint] = (_spread(moved[both]), _spread(change[both]))
    return found


def _spread(change: _Errors) -> _Errors:
    """Absolute errors, free of a change of exposure."""
    return np.asarray(np.abs(change - np.median(change)), np.float32)


def _unit_size(lengths: _Points, size: _Points) -> float:
    """The frame's width if the vectors look like shares of the frame, else 1."""
    is_share = lengths.size > 0 and 0 < float(np.quantile(lengths, 0.995)) <= 1
    return float(size[0]) if is_share else 1.0


def _grid(shape: tuple[int, ...]) -> _Points:
    """(n, 2) x and y of sampled pixels, evenly over the frame."""
    height, width = shape[:2]
    step = max(1, round((height * width / _POINTS) ** 0.5))
    y, x = np.mgrid[step // 2 : height : step, step // 2 : width : step]
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64)


def _at(motion: FloatImage, points: _Points) -> _Points:
    x, y = points.astype(np.int64).T
    return np.asarray(motion[y, x], np.float64)


def _length(vectors: _Points) -> _Points:
    return np.asarray(np.hypot(vectors[:, 0], vectors[:, 1]), np.float64)


def _pictures(first: FloatImage, second: FloatImage, motion_px: float) -> tuple[FloatImage, FloatImage]:
    """Small log-luma pictures; less small if the motion would be lost in them."""
    width = first.shape[1]
    scale = _WIDTH_PX / width
    if motion_px * scale < _STEP_PX and motion_px > 0:
        scale = min(_STEP_PX / motion_px, _WIDEST_PX / width)
    size = tuple(max(8, round(side * min(scale, 1.0))) for side in first.shape[1::-1])
    luma = [_small_luma(image, (size[0], size[1])) for image in (first, second)]
    bright = np.concatenate([each[np.isfinite(each)] for each in luma])
    level = float(np.median(np.maximum(bright, 0))) if bright.size else 0.0
    floor = _FLOOR * (level or 1.0)
    return _log(luma[0], floor), _log(luma[1], floor)


def _small_luma(image: FloatImage, size: tuple[int, int]) -> FloatImage:
    with np.errstate(invalid="ignore", over="ignore"):
        luma = image @ _LUMA
    if (luma.shape[1], luma.shape[0]) == size:
        return luma
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.float32)


def _log(luma: FloatImage, floor: float) -> FloatImage:
    known = np.isfinite(luma)
    logs = np.log2(np.maximum(np.where(known, luma, 0), 0) + np.float32(floor)).astype(np.float32)
    blurred = np.asarray(cv2.GaussianBlur(logs, (0, 0), _BLUR_PX), np.float32)
    blurred[cv2.dilate((~known).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0] = np.nan
    return blurred


def _texture(picture: FloatImage) -> FloatImage:
    x = cv2.Sobel(picture, cv2.CV_32F, 1, 0)
    y = cv2.Sobel(picture, cv2.CV_32F, 0, 1)
    return np.nan_to_num(np.hypot(x, y).astype(np.float32), nan=0.0)


def _sample(picture: FloatImage, points: _Points, scale: float) -> _Errors:
    """Linear, at positions of the plate; NaN outside and next to unknown pixels."""
    if not len(points):
        return np.zeros(0, np.float32)
    at = ((points + 0.5) * scale - 0.5).astype(np.float32)
    at = np.nan_to_num(at, nan=-10.0, posinf=-10.0, neginf=-10.0)
    height, width = picture.shape
    inside = (at >= 0).all(axis=1) & (at[:, 0] <= width - 1) & (at[:, 1] <= height - 1)
    out = np.full(len(at), np.nan, np.float32)
    x, y = at[inside].T
    column, row = np.minimum(x.astype(np.int64), width - 2), np.minimum(y.astype(np.int64), height - 2)
    across, down = x - column, y - row
    upper = picture[row, column] * (1 - across) + picture[row, column + 1] * across
    lower = picture[row + 1, column] * (1 - across) + picture[row + 1, column + 1] * across
    out[inside] = upper * (1 - down) + lower * down
    return out


def _pans(first: FloatImage, second: FloatImage) -> bool:
    """True if one shift explains nearly every textured part of the picture far better than standing still."""
    known = np.isfinite(first) & np.isfinite(second)
    if known.mean() < 0.5:
        return False
    one, two = (np.where(known, each, np.median(each[known])).astype(np.float64) for each in (first, second))
    height, width = first.shape
    (x, y), _ = cv2.phaseCorrelate(one, two, cv2.createHanningWindow((width, height), cv2.CV_64F))
    if not 1.0 <= float(np.hypot(x, y)) <= min(width, height) / 4:
        return False
    points = _grid(first.shape)
    base = _sample(first, points, 1.0)
    still = _sample(second, points, 1.0) - base
    shifted = _sample(second, points + np.array([x, y]), 1.0) - base
    both = np.isfinite(still) & np.isfinite(shifted)
    cells = np.floor(points / (width, height) * _CELLS).astype(np.int64) @ (1, _CELLS)
    votes = []
    for cell in range(_CELLS * _CELLS):
        inside = both & (cells == cell)
        if np.count_nonzero(inside) < _CELLS:
            continue
        standing, moving = np.median(_spread(still[inside])), np.median(_spread(shifted[inside]))
        if standing > _NOISE:
            votes.append(bool(moving + _NOISE < _PAN_GAIN * (standing + _NOISE)))
    return len(votes) >= _CELLS and sum(votes) >= _AGREE * len(votes)
