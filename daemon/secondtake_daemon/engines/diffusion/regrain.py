"""The plate's grain, given back to pixels that a model made: its VAE keeps pictures, not noise.

The plate's grain is measured between neighbouring frames of the window, over the middle of the frame and whatever the
hole is, so that a matte that is drawn again changes nothing. What the model left of it is measured the same way on what
it made, and only the rest is added.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.messages import Operation
from secondtake_daemon.engines.contract import FloatImage, Job, Shot, Window
from secondtake_daemon.engines.grain import Grain, Pair, measure_grain, regrain, wants_grain

__all__ = ["Grains", "grain_wanted"]

T = TypeVar("T")
_PAIRS = 4
_NEAREST = 4
"""Frames of the plate beside a window that has none: no more than any card's handles hold."""
_SIDE_PX = 768
_TILE_PX = 96
_SURE = 0.05
"""Peak of a phase correlation above which it is a motion."""
_GREY = 0.18
_PICTURES = frozenset({Operation.RESTYLE, Operation.GENERATE})
"""What is another picture has no grain of the plate, unless it is asked for."""


def grain_wanted(job: Job) -> bool:
    """Whether to match the plate's grain. Raises BadInput if the switch says anything else than match or none."""
    is_wanted = wants_grain(options=job.options, quality=job.quality)
    return is_wanted and (job.operation not in _PICTURES or "grain" in job.options)


class Grains:
    """The grain of one job's windows."""

    def __init__(self, *, gain: float) -> None:
        """gain: brings the shot's light to the level that grain is measured at."""
        self._gain = np.float32(gain)
        self._is_seen: dict[int, bool] = {}

    def put(self, window: Window, *, light: Sequence[FloatImage], painted: Collection[int] = ()) -> list[FloatImage]:
        """The light of a window's frames, (height, width, 3) of the crop each, with the grain that is missing.

        painted: frames that nobody but the artist made; they are returned as they are.
        """
        grain = self._measured(window)
        made = {frame: each for frame, each in zip(window.frames, light, strict=True) if frame not in painted}
        if grain.is_none or not made:
            return list(light)
        kept = self._left(made, grain)
        return [
            self._grained(each, grain, frame=frame, crop=window.crop, kept=kept) if frame in made else each
            for frame, each in zip(window.frames, light, strict=True)
        ]

    def _grained(self, light: FloatImage, grain: Grain, *, frame: int, crop: Box, kept: float) -> FloatImage:
        share = np.full(light.shape[:2], kept, np.float32)
        return regrain(pixels=light * self._gain, kept=share, grain=grain, frame=frame, box=crop) / self._gain

    def _measured(self, window: Window) -> Grain:
        """Of the plate in this window, or nearest to it."""
        shot = window.shot
        box = _middle(shot.bounds)
        frames = [frame for frame in window.frames if self._shows(shot, frame, box)]
        if not frames and all((shot.hole(frame, box) > 0).all() for frame in window.frames):
            frames = self._nearest(window, box)  # which this window was made after
        chosen = _spread(list(pairwise(frames)), _PAIRS)
        return measure_grain(pairs=self._aligned(((shot.plate(one, box), shot.plate(two, box)) for one, two in chosen)))

    def _left(self, made: Mapping[int, FloatImage], grain: Grain) -> float:
        """Share of the variance that the model left, 0 … 1."""
        pairs = _spread([(made[one], made[two]) for one, two in pairwise(made)], _PAIRS)
        found = measure_grain(pairs=self._aligned(pairs))
        if found.is_none:
            return 0.0
        level = np.full((1, 1, 3), _GREY, np.float32)
        share = float((found.sigma(level) ** 2).sum() / max(float((grain.sigma(level) ** 2).sum()), 1e-12))
        return min(share, 1.0)

    def _nearest(self, window: Window, box: Box) -> list[int]:
        """Frames of the plate before the window, else after it."""
        shot = window.shot
        before = [frame for frame in shot.frames if frame < window.frames[0]]
        after = [frame for frame in shot.frames if frame > window.frames[-1]]
        near = _take(frame for frame in reversed(before) if self._shows(shot, frame, box))
        return sorted(near) or _take(frame for frame in after if self._shows(shot, frame, box))

    def _shows(self, shot: Shot, frame: int, box: Box) -> bool:
        """False for a frame that nobody shot."""
        if frame not in self._is_seen:
            self._is_seen[frame] = bool(np.nan_to_num(shot.plate(frame, box)).any())
        return self._is_seen[frame]

    def _aligned(self, pictures: Iterable[tuple[FloatImage, FloatImage]]) -> list[Pair]:
        return [_pair(one * self._gain, two * self._gain) for one, two in pictures]


def _take(frames: Iterator[int]) -> list[int]:
    return [frame for frame, _ in zip(frames, range(_NEAREST), strict=False)]


def _middle(bounds: Box) -> Box:
    width, height = min(bounds.width, _SIDE_PX), min(bounds.height, _SIDE_PX)
    return Box(bounds.x + (bounds.width - width) // 2, bounds.y + (bounds.height - height) // 2, width, height)


def _spread(things: list[T], most: int) -> list[T]:
    if len(things) <= most:
        return things
    return [things[round(at * (len(things) - 1) / (most - 1))] for at in range(most)]


def _pair(one: FloatImage, other: FloatImage) -> Pair:
    """The second picture laid on the first tile by tile, in whole pixels: between pixels grain is softer than it is."""
    known = np.isfinite(one + other).all(axis=-1, keepdims=True)[..., 0]
    one, other = np.nan_to_num(one, posinf=0, neginf=0), np.nan_to_num(other, posinf=0, neginf=0)
    greys = np.sqrt(np.maximum(one.mean(axis=-1), 0)), np.sqrt(np.maximum(other.mean(axis=-1), 0))
    laid, use = np.zeros_like(one), np.zeros(one.shape[:2], np.bool_)
    height, width = one.shape[:2]
    window = np.asarray(cv2.createHanningWindow((_TILE_PX, _TILE_PX), cv2.CV_64F), np.float64)
    for y in range(0, height - _TILE_PX + 1, _TILE_PX):
        for x in range(0, width - _TILE_PX + 1, _TILE_PX):
            tile = (slice(y, y + _TILE_PX), slice(x, x + _TILE_PX))
            dx, dy = _shift(greys[0][tile], greys[1][tile], window)
            top, left = y + dy, x + dx
            if not (0 <= top <= height - _TILE_PX and 0 <= left <= width - _TILE_PX):
                continue
            there = (slice(top, top + _TILE_PX), slice(left, left + _TILE_PX))
            laid[tile] = other[there]
            use[tile] = known[tile] & known[there]
    return Pair(one, laid, use)


def _shift(one: FloatImage, other: FloatImage, window: NDArray[np.float64]) -> tuple[int, int]:
    (dx, dy), peak = cv2.phaseCorrelate(one.astype(np.float64), other.astype(np.float64), window)
    return (round(dx), round(dy)) if peak > _SURE else (0, 0)
