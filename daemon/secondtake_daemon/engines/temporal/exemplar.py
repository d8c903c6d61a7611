"""Texture for a gap, from patches of what surrounds it, over a smooth guide.

Expectation-maximisation over patches, from coarse to fine (Wexler, Shechtman, Irani: Space-time completion of video,
PAMI 2007): each patch that touches the gap finds its most alike among those that do not, and their votes are averaged.
Coarse pictures are searched wholly, finer ones by coherence: a neighbour's find, shifted (Ashikhmin: Synthesizing
natural textures, I3D 2001). Nothing is drawn at random. Patches are compared in whole numbers, so that the order of
a sum cannot matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.diffuse import coarser
from secondtake_daemon.engines.temporal.kinds import Colour, Mask

__all__ = ["add_texture"]

_REACH_PX = 2
_SIDE_PX = 2 * _REACH_PX + 1
_LEVELS = 3
_ROUNDS = (6, 4, 3)
"""From the coarsest level on."""
_MOST_PAIRS = 60_000_000
_MOST_PATCHES = 150_000
_LEAST_SIDE_PX = 24
_BLOCK = 512
_SWEEPS = 2
_FALL = 1.3
"""What a vote loses for each pixel from the known."""
_HOLD_PX = 5.0
_SOFT_PX = 0.9
"""Sharper texture than this would shimmer, as each frame samples it anew."""
_STRENGTH = 0.7
"""Of the texture: at full contrast a guess errs more than a blur does."""
_NEIGHBOURS = tuple((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x)

Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class _Grid:
    """The patches of a picture, by the place of their corner; a place is y · width + x."""

    width: int
    height: int
    targets: Places
    """Touch the gap."""
    usable: NDArray[np.bool_]
    """By place: do not touch it."""

    @classmethod
    def of(cls, gap: Mask) -> _Grid:
        touched = cv2.dilate(gap.astype(np.uint8), np.ones((_SIDE_PX, _SIDE_PX), np.uint8))
        inner = np.asarray(touched, np.uint8)[_REACH_PX:-_REACH_PX, _REACH_PX:-_REACH_PX] > 0
        return cls(inner.shape[1], inner.shape[0], np.flatnonzero(inner), ~inner.ravel())

    @property
    def pairs(self) -> int:
        """How many comparisons a whole search takes."""
        return len(self.targets) * int(self.usable.sum())

    def moved(self, places: Places, y: int, x: int) -> tuple[Places, NDArray[np.bool_]]:
        """The places next to these, and which of them lie on the grid."""
        rows, columns = places // self.width + y, places % self.width + x
        inside = (rows >= 0) & (rows < self.height) & (columns >= 0) & (columns < self.width)
        return np.where(inside, rows * self.width + columns, places), inside


def add_texture(*, values: Colour, gap: Mask, guide: Colour, step: Callable[[], None] = lambda: None) -> Colour:
    """values (log) with the gap filled by texture whose low frequencies are the guide's.

    The guide alone where the surroundings are too small to learn from.
    """
    levels = [(values, gap)]
    while min(levels[-1][1].shape) >= 2 * _LEAST_SIDE_PX and (
        len(levels) < _LEVELS or _Grid.of(levels[-1][1]).pairs > _MOST_PAIRS
    ):
        levels.append(coarser(*levels[-1], least_share=1.0))
    current, found = guide, None
    for place, (picture, unknown) in enumerate(reversed(levels)):
        size = picture.shape[1::-1]
        way = cv2.INTER_AREA if place == 0 else cv2.INTER_CUBIC
        current = np.asarray(cv2.resize(current, size, interpolation=way), np.float32)
        current = np.where(unknown[..., None], current, picture).astype(np.float32)
        grid = _Grid.of(unknown)
        if not len(grid.targets) or not grid.usable.any():
            continue
        best = None if found is None else _finer(found, grid)
        if best is None and grid.pairs > 8 * _MOST_PAIRS:
            continue
        if best is None or len(grid.usable) <= _MOST_PATCHES:
            rounds = _ROUNDS[min(place, len(_ROUNDS) - 1)]
            whole = rounds if best is None else int(grid.pairs <= _MOST_PAIRS)
            current, best = _rounds(current, picture, unknown, grid, best, (rounds, whole), step)
        else:
            current = _voted(current, picture, unknown, grid, best, grid.usable[best].astype(np.float32), step)
        found = (grid, best)
    return _held(values, gap, guide, current, _HOLD_PX * 2 ** max(len(levels) - _LEVELS, 0))


def _held(values: Colour, gap: Mask, guide: Colour, made: Colour, hold_px: float) -> Colour:
    """What was made, slightly soft and held back, with the guide's low frequencies."""
    detail = np.where(gap[..., None], made - guide, 0).astype(np.float32)
    low = cv2.GaussianBlur(detail, (0, 0), hold_px)
    high = np.asarray(cv2.GaussianBlur(detail - low, (0, 0), _SOFT_PX), np.float32)
    return np.where(gap[..., None], guide + np.float32(_STRENGTH) * high, values).astype(np.float32)


def _rounds(
    current: Colour, picture: Colour, gap: Mask, grid: _Grid, best: Places | None, rounds: tuple[int, int],
    step: Callable[[], None],
) -> tuple[Colour, Places]:  # fmt: skip
    """Search and vote in turns. best: where each target found its like; rounds: how many, and the wholly searched."""
    low, high = np.quantile(picture[~gap], (0.001, 0.999))
    patches = _patches(_whole_numbers(picture, low, high))
    for count in range(rounds[0]):
        step()
        wanted = _patches(_whole_numbers(current, low, high))[grid.targets]
        if count < rounds[1] or best is None:
            best, apart = _search(wanted, patches, grid, step)
        else:
            best, apart = _follow(wanted, patches, grid, best)
        usual = max(float(np.quantile(apart, 0.75)), 1.0)
        share = np.exp(-apart / (2 * usual)) * grid.usable[best]
        current = _voted(current, picture, gap, grid, best, share, step)
    assert best is not None
    return current, best


def _whole_numbers(picture: Colour, low: float, high: float) -> Colour:
    scaled = (picture - np.float32(low)) * np.float32(255 / max(high - low, 1e-3))
    return np.asarray(np.clip(np.rint(scaled), 0, 255), np.float32)


def _patches(picture: Colour) -> NDArray[np.float32]:
    """(places, samples)."""
    view = np.lib.stride_tricks.sliding_window_view(picture, (_SIDE_PX, _SIDE_PX), axis=(0, 1))
    return np.ascontiguousarray(view.reshape(view.shape[0] * view.shape[1], -1))


def _search(
    wanted: NDArray[np.float32], patches: NDArray[np.float32], grid: _Grid, step: Callable[[], None]
) -> tuple[Places, NDArray[np.float32]]:
    """The most alike of all usable patches."""
    usable = np.flatnonzero(grid.usable)
    others = np.ascontiguousarray(patches[usable].T)
    half = 0.5 * (others * others).sum(axis=0)
    best, apart = np.empty(len(wanted), np.intp), np.empty(len(wanted), np.float32)
    for start in range(0, len(wanted), _BLOCK):
        step()
        some = wanted[start : start + _BLOCK]
        likeness = some @ others
        likeness -= half
        nearest = likeness.argmax(axis=1)
        best[start : start + _BLOCK] = usable[nearest]
        apart[start : start + _BLOCK] = (some * some).sum(axis=1) - 2.0 * likeness[np.arange(len(some)), nearest]
    return best, apart


def _follow(
    wanted: NDArray[np.float32], patches: NDArray[np.float32], grid: _Grid, best: Places
) -> tuple[Places, NDArray[np.float32]]:
    """Improve on what was found: the neighbours' finds, shifted, and what lies next to the own."""
    best = best.copy()
    apart = np.where(grid.usable[best], _distance(wanted, patches[best]), np.float32(np.inf))
    order = np.zeros(grid.width * grid.height, np.intp)
    order[grid.targets] = np.arange(len(grid.targets))
    for _ in range(_SWEEPS):
        before = best.copy()
        for y, x in _NEIGHBOURS:
            beside, inside = grid.moved(grid.targets, y, x)
            inside &= ~grid.usable[beside]  # only targets have finds
            shifted, on_grid = grid.moved(before[order[beside]], -y, -x)
            near, near_on = grid.moved(before, y, x)
            for candidate, possible in ((shifted, inside & on_grid), (near, near_on)):
                ask = np.flatnonzero(possible & grid.usable[candidate] & (candidate != best))
                distance = _distance(wanted[ask], patches[candidate[ask]])
                better = distance < apart[ask]
                best[ask[better]], apart[ask[better]] = candidate[ask[better]], distance[better]
    return best, np.where(np.isfinite(apart), apart, np.float32(1e9)).astype(np.float32)


def _distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(((one - other) ** 2).sum(axis=1), np.float32)


def _finer(found: tuple[_Grid, Places], grid: _Grid) -> Places:
    """What was found at half the size, for the targets of this one: twice as far, and the odd pixels too."""
    before, best = found
    half = np.zeros(before.width * before.height, np.intp)
    half[before.targets] = best
    known = np.zeros(len(half), bool)
    known[before.targets] = True
    rows, columns = grid.targets // grid.width, grid.targets % grid.width
    place = np.minimum(rows // 2, before.height - 1) * before.width + np.minimum(columns // 2, before.width - 1)
    there = np.where(known[place], half[place], place)
    y = np.minimum(2 * (there // before.width) + rows % 2, grid.height - 1)
    x = np.minimum(2 * (there % before.width) + columns % 2, grid.width - 1)
    return np.asarray(y * grid.width + x, np.intp)


def _voted(
    current: Colour, picture: Colour, gap: Mask, grid: _Grid, best: Places, weight: NDArray[np.float32],
    step: Callable[[], None],
) -> Colour:  # fmt: skip
    """The mean of all patches laid over the gap, those near the known first."""
    depth = cv2.distanceTransform(np.pad(gap, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
    rows, columns = np.divmod(grid.targets, grid.width)
    from_rows, from_columns = np.divmod(best, grid.width)
    share = weight.astype(np.float32) * np.float32(_FALL) ** -depth[rows + _REACH_PX, columns + _REACH_PX]
    total, mass = np.zeros_like(current), np.zeros(gap.shape, np.float32)
    for y in range(_SIDE_PX):
        step()
        for x in range(_SIDE_PX):
            total[rows + y, columns + x] += picture[from_rows + y, from_columns + x] * share[:, None]
            mass[rows + y, columns + x] += share
    mean = total / np.maximum(mass, 1e-12)[..., None]
    return np.where((gap & (mass > 1e-12))[..., None], mean, current).astype(np.float32)
