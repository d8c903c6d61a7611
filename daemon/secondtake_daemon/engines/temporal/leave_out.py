"""Whether an invented picture may be carried through the shot: tried where the truth is known.

The core that no frame shows is laid over known surroundings, which are hidden for the purpose (leave-one-out, on the
shot itself). Two guesses are compared with the truth: one for all frames, carried along the camera's motion, and one
made on each frame alone. Where the background stays what it was, they are alike, and the one that stands still is
better. Where it changes (smoke, a lens flare, a motion that does not fit), what is carried is wrong from then on.

On small matching pictures with Telea's fill: only the difference between the two ways counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.analysis import Analysis
from secondtake_daemon.engines.temporal.kinds import Grey, Mask, Matrix, Plane, Points
from secondtake_daemon.engines.temporal.proxy import dilate
from secondtake_daemon.engines.temporal.pyramid import spread

__all__ = ["Verdict", "try_carrying"]

_WIDEST_PX = 160
_FRAMES = 7
"""On which the key's guess is tried."""
_SHIFTS = ((0.6, 0.0), (-0.6, 0.0), (1.1, 0.0), (-1.1, 0.0), (0.0, 0.6), (0.0, -0.6))
"""Where the core is laid, in shares of its width and height."""
_RADIUS_PX = 5.0
_BAND_PX = 3
_CLOSE_PX = 7
"""The core is known by scattered points."""
_LEAST_PIXELS = 20
_LEAST_SHARE = 0.5
"""Of the core must lie over known surroundings."""
_GRAIN = 4.0
"""Squared 8-bit steps: two guesses that miss by less are both right."""
_LEAST_TRIALS = 12
_TOLERATED_DB = 0.15
"""For standing still. On real clips where it stays the same the loss is below 0, where it changes above 0.3."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the trials of one key frame said."""

    trials: int
    loss_db: float
    """Mean over the trials: how much worse the carried guess is than one made on each frame alone."""

    @property
    def carries(self) -> bool:
        """Unless it is seen that carrying loses, it is better: the picture stands still."""
        return self.trials < _LEAST_TRIALS or self.loss_db <= _TOLERATED_DB


def try_carrying(
    analysis: Analysis, *, key: int, unseen: list[Points], step: Callable[[], None] = lambda: None
) -> Verdict:
    """unseen: for each frame, the proxy points of its core."""
    bench = _Bench(analysis, unseen)
    together = np.flatnonzero(analysis.parts == analysis.parts[key])
    spaced = np.unique(np.linspace(together[0], together[-1], _FRAMES + 1).round().astype(int)).tolist()
    frames = [one for one in spaced if one != key and len(unseen[one]) and not analysis.pictures[one].blind]
    losses = [loss for shift in bench.shifts(key) for loss in bench.losses(key, frames, shift, step)]
    return Verdict(len(losses), float(np.mean(losses)) if losses else 0.0)


@dataclass(frozen=True, slots=True)
class _Small:
    grey: Grey
    known: Mask
    core: Mask


@dataclass(frozen=True, slots=True)
class _Hidden:
    """One frame with its core laid over what is known."""

    small: _Small
    gap: Mask
    guess: Plane


class _Bench:
    """The frames of a shot at the size of a trial."""

    def __init__(self, analysis: Analysis, unseen: list[Points]) -> None:
        grid = analysis.grid
        scale = min(1.0, _WIDEST_PX / grid.proxy_width)
        self._size = (max(round(grid.proxy_width * scale), 2), max(round(grid.proxy_height * scale), 2))
        x, y = self._size[0] / grid.proxy_width, self._size[1] / grid.proxy_height
        self._scale: Matrix = np.array([[x, 0, 0.5 * x - 0.5], [0, y, 0.5 * y - 0.5], [0, 0, 1]], np.float64)
        self._analysis = analysis
        self._unseen = unseen
        self._held: dict[int, _Small] = {}

    def shifts(self, key: int) -> Iterator[NDArray[np.float64]]:
        """The places at which enough of the key's core lies over known surroundings."""
        small = self._small(key)
        rows, columns = np.nonzero(small.core)
        if len(rows) < _LEAST_PIXELS:
            return
        for across, down in _SHIFTS:
            shift = np.array([across * (np.ptp(columns) + 1), down * (np.ptp(rows) + 1)], np.float64)
            if (self._laid(small, shift) & small.known).sum() >= _LEAST_SHARE * len(rows):
                yield shift

    def losses(
        self, key: int, frames: list[int], shift: NDArray[np.float64], step: Callable[[], None]
    ) -> Iterator[float]:
        """How much worse the key's guess is in each of the frames, in dB."""
        here = self._hidden(key, shift)
        others = {index: self._hidden(index, shift) for index in frames}
        source = np.where(here.gap, self._settled(key, here, others), here.small.grey).astype(np.float32)
        for index, there in others.items():
            step()
            whole = self._carried((here.gap & here.small.known).astype(np.float32), key, index) > 0.99
            asked = there.gap & there.small.known & whole
            if asked.sum() < _LEAST_PIXELS:
                continue
            true, carried = there.small.grey.astype(np.float32), self._met(source, key, index, there)
            missed = [float(((one - true)[asked] ** 2).mean()) + _GRAIN for one in (carried, there.guess)]
            yield 10 * float(np.log10(missed[0] / missed[1]))

    def _settled(self, key: int, here: _Hidden, others: dict[int, _Hidden]) -> Plane:
        """The mean of the guesses on all frames, where they lie in the gap too: what is really carried."""
        total, count = here.guess.copy(), np.ones_like(here.guess)
        for index, there in others.items():
            valid = self._carried(there.gap.astype(np.float32), index, key) > 0.99
            total += np.where(valid, self._carried(there.guess, index, key), 0)
            count += valid
        return total / count

    def _met(self, source: Plane, key: int, index: int, there: _Hidden) -> Plane:
        """The key's picture in another frame, its level bent to what is known around the gap as `close_seam` does."""
        carried = self._carried(source, key, index)
        inside = self._carried(np.ones_like(source), key, index) > 0.99
        band = dilate(there.gap, _BAND_PX) & ~there.gap & there.small.known & inside
        step = np.where(band, there.small.grey - carried, 0).astype(np.float32)
        usual = 2.0 * float(np.quantile(np.abs(step[band]), 0.8)) + 1.0 if band.any() else 1.0
        weight = np.where(band, np.exp(-((step / usual) ** 2)), 0).astype(np.float32)
        return np.asarray(carried + spread(values=step, weight=weight), np.float32)

    def _hidden(self, index: int, shift: NDArray[np.float64]) -> _Hidden:
        small = self._small(index)
        gap = self._laid(small, shift)
        unknown = (gap | ~small.known).astype(np.uint8)
        return _Hidden(small, gap, cv2.inpaint(small.grey, unknown, _RADIUS_PX, cv2.INPAINT_TELEA).astype(np.float32))

    def _laid(self, small: _Small, shift: NDArray[np.float64]) -> Mask:
        moved = np.concatenate([np.eye(2), np.rint(shift)[:, None]], axis=1)
        return np.asarray(cv2.warpAffine(small.core.astype(np.uint8), moved, self._size), np.uint8) > 0

    def _carried(self, values: Plane, key: int, index: int) -> Plane:
        matrix = self._scale @ self._analysis.layers.chained(0, index, key) @ np.linalg.inv(self._scale)
        return np.asarray(
            cv2.warpPerspective(values, matrix, self._size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP), np.float32
        )

    def _small(self, index: int) -> _Small:
        if index not in self._held:
            self._held[index] = self._shrunk(index)
        return self._held[index]

    def _shrunk(self, index: int) -> _Small:
        picture = self._analysis.pictures[index]
        share = np.asarray(
            cv2.resize(picture.known.astype(np.float32), self._size, interpolation=cv2.INTER_AREA), np.float32
        )
        total = cv2.resize(
            np.where(picture.known, picture.grey, 0).astype(np.float32), self._size, interpolation=cv2.INTER_AREA
        )
        grey = np.clip(np.rint(total / np.maximum(share, 1e-3)), 0, 255).astype(np.uint8)
        return _Small(grey, share > 0.999, self._core(index))

    def _core(self, index: int) -> Mask:
        core = np.zeros(self._size[::-1], np.uint8)
        places = self._unseen[index].astype(np.float64) @ self._scale[:2, :2] + self._scale[:2, 2]
        x, y = np.clip(np.rint(places), 0, np.array(self._size) - 1).astype(int).T
        core[y, x] = 1
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_CLOSE_PX, _CLOSE_PX))
        return np.asarray(cv2.morphologyEx(core, cv2.MORPH_CLOSE, kernel), np.uint8) > 0
