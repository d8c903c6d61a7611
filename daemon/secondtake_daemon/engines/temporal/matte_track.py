"""Carry a matte that was drawn on a few frames through its shot.

Between two drawn frames both are carried, from each side, and blended; beyond the first and the last the nearest one is
carried alone. Nothing is carried over a cut. Separate parts of a matte are followed each by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.analysis import Analysis
from secondtake_daemon.engines.temporal.kinds import Plane
from secondtake_daemon.engines.temporal.matte_track_motion import Pose, Thing, poses
from secondtake_daemon.engines.temporal.matte_track_warp import blend, carry
from secondtake_daemon.engines.temporal.proxy import dilate

__all__ = ["Carried", "track_matte"]

_MOST_PARTS = 6
_PART_SHARE = 0.03
_PART_LEAST_PX = 48
_TOGETHER_PX = 2
_LEAST_TRUST = 0.05


@dataclass(frozen=True, slots=True)
class Carried:
    """The matte of one frame."""

    index: int
    """Position of the frame in the shot."""
    coverage: Plane
    """(height, width) of the shot's bounds, 0 … 1."""
    confidence: float
    """0 … 1: how much of what is covered still looks as it was drawn, or came to look as it does step by step; 1 for a
    drawn frame, 0 for one that no drawn frame reaches."""
    reached: bool = True
    """False if a cut lies between this frame and every drawn one: its matte is empty."""


_Poses = tuple[Pose, ...]


def track_matte(
    analysis: Analysis, *, drawn: Sequence[int], read: Callable[[int], Plane], step: Callable[[], None]
) -> Iterator[Carried]:
    """The matte of every frame, each once, not in their order; drawn ones exactly as drawn.

    analysis: of the whole picture, without holes. drawn: positions of the drawn frames, ascending, at least one.
    read(position): coverage of a drawn frame, (height, width) of the shot's bounds, 0 … 1; empty says that the thing
    is not in the picture there. step: called often.
    """
    first = _Source(analysis, drawn[0], read(drawn[0]), step)
    yield from _alone(first, range(first.key - 1, -1, -1))
    for key in drawn[1:]:
        yield Carried(first.key, first.coverage, 1.0)
        second = _Source(analysis, key, read(key), step)
        yield from _between(first, second)
        first = second
    yield Carried(first.key, first.coverage, 1.0)
    yield from _alone(first, range(first.key + 1, len(analysis.frames)))


def _alone(source: _Source, frames: Sequence[int]) -> Iterator[Carried]:
    """Carried from one side, as far as it goes."""
    reached = 0
    for index, found in source.follow(frames):
        reached += 1
        yield source.carried(index, found)
    yield from (source.nothing(index) for index in frames[reached:])


def _between(first: _Source, second: _Source) -> Iterator[Carried]:
    """Carried from both sides; the nearer one, and the one that sees more of the thing, counts for more."""
    frames = range(first.key + 1, second.key)
    behind = dict(second.follow(frames[::-1]))
    ahead = first.follow(frames)
    for index in frames:
        one, other = next(ahead, None), behind.pop(index, None)
        found = [
            source.carried(index, way)
            for source, way in ((first, one[1] if one else None), (second, other))
            if way is not None
        ]
        if len(found) < 2:
            yield found[0] if found else first.nothing(index)
            continue
        step = (index - first.key) / (second.key - first.key)
        weights = [
            near * max(side.confidence, _LEAST_TRUST) ** 2 for near, side in zip((1 - step, step), found, strict=True)
        ]
        share = weights[1] / sum(weights)
        matte = blend(found[0].coverage, found[1].coverage, share=share)
        yield Carried(index, matte, (1 - share) * found[0].confidence + share * found[1].confidence)


class _Source:
    """One drawn frame, from which its parts are followed."""

    def __init__(self, analysis: Analysis, key: int, coverage: Plane, step: Callable[[], None]) -> None:
        self.key = key
        self.coverage = coverage
        self._analysis = analysis
        self._step = step
        self._of_part, self._things = _parts(coverage, analysis)

    def follow(self, frames: Sequence[int]) -> Iterator[tuple[int, _Poses]]:
        """Where the parts stand in these frames, neighbours first, up to a cut."""
        analysis = self._analysis
        within = [index for index in frames if analysis.parts[index] == analysis.parts[self.key]]
        ways = [
            poses(thing=thing, pictures=analysis.pictures, key=self.key, frames=within, step=self._step)
            for thing in self._things
        ]
        for index in within:
            yield index, tuple(next(way) for way in ways)

    def carried(self, index: int, found: _Poses) -> Carried:
        """The matte of a frame in which the parts stand so."""
        total = np.zeros_like(self.coverage)
        for part, (thing, pose) in enumerate(zip(self._things, found, strict=True)):
            self._step()
            own = self.coverage if len(found) == 1 else np.where(self._of_part == part, self.coverage, 0)
            total += carry(np.asarray(own, np.float32), thing=thing, pose=pose, grid=self._analysis.grid)
        sizes = [float(thing.inside.sum()) for thing in self._things]
        trusts = [pose.trust for pose in found]
        confidence = float(np.average(trusts, weights=sizes)) if sizes else 1.0
        return Carried(index, np.minimum(total, 1), min(max(confidence, 0.0), 1.0))

    def nothing(self, index: int) -> Carried:
        """For a frame that is not reached."""
        return Carried(index, np.zeros_like(self.coverage), 0.0, reached=False)


def _parts(coverage: Plane, analysis: Analysis) -> tuple[NDArray[np.uint8], list[Thing]]:
    """To which separate part each pixel of the coverage belongs, and the parts; specks go with what is nearest."""
    grid = analysis.grid
    size = (grid.proxy_width, grid.proxy_height)
    small = coverage if coverage.shape == size[::-1] else cv2.resize(coverage, size, interpolation=cv2.INTER_AREA)
    near = _labels(np.asarray(small, np.float32))
    things = [
        thing
        for part in range(int(near.max()) + 1)
        if (thing := Thing.of(np.where(near == part, small, 0).astype(np.float32))) is not None
    ]
    if len(things) == 1:
        return np.zeros(coverage.shape, np.uint8), things
    wide = cv2.resize(near, coverage.shape[::-1], interpolation=cv2.INTER_NEAREST)
    return np.asarray(wide, np.uint8), things


def _labels(small: Plane) -> NDArray[np.uint8]:
    """(h, w): number of the large separate part that is nearest to each pixel."""
    together = dilate(small > 0.02, _TOGETHER_PX)
    count, labels = cv2.connectedComponents(together.astype(np.uint8), connectivity=8)
    areas = np.bincount(labels[small > 0.5], minlength=count)
    areas[0] = 0
    least = max(_PART_SHARE * areas.sum(), _PART_LEAST_PX)
    large = sorted(range(1, count), key=lambda label: (-areas[label], label))[:_MOST_PARTS]
    large = [label for label in large if areas[label] >= least]
    if len(large) <= 1:
        return np.zeros(small.shape, np.uint8)
    apart = [cv2.distanceTransform((labels != label).astype(np.uint8), cv2.DIST_L2, 5) for label in large]
    return np.asarray(np.argmin(np.stack(apart), axis=0), np.uint8)
