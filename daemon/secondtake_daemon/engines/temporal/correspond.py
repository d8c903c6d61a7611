"""Where in frame `source` is what stands here in frame `target`? Dense, for what is visible in both.

Several answers are made and the pictures decide (`pair.py`): the layers' motions refitted on this pair of frames, a
local motion fitted to the corners of the region, the chain of optical flow, and a smooth field that bends the best of
them. Far frames are reached over a few between, each hop measured anew, and the last step is always measured on the
two frames themselves: nothing drifts. With exact vectors of a renderer the chain of those replaces all of it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake_daemon.engines.temporal.align import Aligner
from secondtake_daemon.engines.temporal.analysis import Analysis
from secondtake_daemon.engines.temporal.flows import Field, Flows
from secondtake_daemon.engines.temporal.given import Given
from secondtake_daemon.engines.temporal.kept import Kept
from secondtake_daemon.engines.temporal.kinds import Mask, Plane
from secondtake_daemon.engines.temporal.match import Look, grain_of_greys
from secondtake_daemon.engines.temporal.pair import NEAR_PX, Guess, Pair, applied

__all__ = ["Answers", "Correspondence"]

_HOP = 8
_HELD_BYTES = 192 * 1024 * 1024
_LOOKS = 8
_LAYER_LEAST = 12
_MARGIN_PX = 16
_BETTER = 0.8
_SLACK_GREY = 1.0
_VOTE_PX = 4.0

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Answers:
    """What is known about a part of the target."""

    box: Box
    """In proxy pixels of the target."""
    fields: tuple[Field, ...]
    """Over the box: the region's own motion first, then those of other layers. Trust is 0 where something else stands
    in front, or the way leads out of the picture."""
    errors: tuple[Plane, ...]
    """For each, by how many grey levels the two textures differ."""


class Correspondence:
    """Answers from bounded caches; what it answers follows from the analysis (and the vectors) alone."""

    def __init__(
        self, *, analysis: Analysis, flows: Flows, given: Given | None = None, step: Callable[[], None]
    ) -> None:
        self._analysis = analysis
        self._flows = flows
        self._given = given
        self._step = step
        self._aligner = Aligner(analysis)
        self._grain = grain_of_greys(analysis)
        self._look = Kept(self._looked, most=_LOOKS)
        self._hops: OrderedDict[tuple[int, int], Field] = OrderedDict()
        self._hopping = Lock()

    def between(self, *, target: int, source: int, region: Mask | None = None) -> Field:
        """Over the whole proxy picture: the region's own motion, and another layer's where that is clearly better.

        region: (h, w), proxy pixels of the target; None is the whole picture.
        """
        whole = self._look(target).box
        answers = self._answers(target, source, region, whole)
        if len(answers.fields) == 1:
            return answers.fields[0]
        costs = [_wide(error + 40 * (1 - one.trust)) for one, error in zip(answers.fields, answers.errors, strict=True)]
        costs[0] = costs[0] * np.float32(_BETTER) - np.float32(_SLACK_GREY)
        winner = np.argmin(np.stack(costs), axis=0)
        votes = [_wide((winner == place).astype(np.float32)) for place in range(len(costs))]
        winner = np.argmax(np.stack(votes), axis=0)[None]
        to = np.take_along_axis(np.stack([one.to for one in answers.fields]), winner[..., None], axis=0)[0]
        trust = np.take_along_axis(np.stack([one.trust for one in answers.fields]), winner, axis=0)[0]
        match = self._look(target).compared(self._analysis.pictures[source], to)
        return Field(to, np.minimum(trust, match.trust).astype(np.float32))

    def answers(self, *, target: int, source: int, region: Mask) -> Answers:
        """For a region of the target, (h, w) proxy pixels, and what is around it."""
        whole = self._look(target).box
        rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
        if not len(rows):
            return self._answers(target, source, None, whole)
        tight = Box(int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
        return self._answers(target, source, region, tight.pad(NEAR_PX + _MARGIN_PX).intersect(whole))

    def _answers(self, target: int, source: int, region: Mask | None, box: Box) -> Answers:
        analysis = self._analysis
        here = self._look(target).part(box)
        shape = here.grey.shape
        if target == source:
            return Answers(box, (Field(applied(np.eye(3), here), np.ones(shape, np.float32)),), (_nothing(shape),))
        blind = analysis.pictures[target].blind or analysis.pictures[source].blind
        if blind or analysis.parts[target] != analysis.parts[source]:
            return Answers(box, (Field(self._camera(target, source, here), _nothing(shape)),), (_nothing(shape),))
        if self._given is not None:
            given = _part(self._given.chain(target, source), box)
            match = here.compared(analysis.pictures[source], given.to)
            return Answers(box, (Field(given.to, given.trust * match.trust),), (match.error,))
        start = self._start(target, source)
        found = self._measured(target, source, None if start is None else _part(start, box), region, here)
        fields = tuple(Field(one.to, one.match.trust) for one in found)
        return Answers(box, fields, tuple(one.match.error for one in found))

    def _start(self, target: int, source: int) -> Field | None:
        """The way over the frames between: flow for a few frames, else hops whose ends are measured anew."""
        ends = self._ends(target, source)
        if not ends:
            return self._flows.chain(target, source)
        field: Field | None = None
        with self._hopping:
            for place in range(len(ends) - 1, -1, -1):  # from the source's side, so that a long way needs no recursion
                there = ends[place + 1] if place + 1 < len(ends) else source
                field = self._hop(ends[place], there, source, field)
        one = self._flows.chain(target, ends[0])
        return field if one is None or field is None else one.then(field)

    @staticmethod
    def _ends(target: int, source: int) -> list[int]:
        """Frames between, every eighth of the shot, beginning at the target's side."""
        if abs(target - source) <= _HOP:
            return []
        way = 1 if source > target else -1
        first = target // _HOP + 1 if way > 0 else -(-target // _HOP) - 1
        last = (source - 1) // _HOP if way > 0 else source // _HOP + 1
        return [number * _HOP for number in range(first, last + way, way)]

    def _hop(self, here: int, there: int, source: int, rest: Field | None) -> Field:
        """From `here` to the source by way of `there`, measured on these two frames."""
        key = (here, source)
        if key not in self._hops:
            one = self._flows.chain(here, there)
            start = one if one is None or rest is None else one.then(rest)
            main = self._measured(here, source, start, None, self._look(here))[0]
            self._hops[key] = Field(main.to, main.match.trust)
            most = max(_HELD_BYTES // (12 * main.match.trust.size), 8)
            while len(self._hops) > most:
                self._hops.popitem(last=False)
        self._hops.move_to_end(key)
        return self._hops[key]

    def _measured(self, target: int, source: int, start: Field | None, region: Mask | None, here: Look) -> list[Guess]:
        """The region's own motion first."""
        self._step()
        inside = (
            np.ones(here.grey.shape, bool)
            if region is None
            else region[here.box.y : here.box.bottom, here.box.x : here.box.right]
        )
        pair = Pair(here=here, there=self._analysis.pictures[source], inside=inside)
        layers = [pair.guess(to, rigid=True) for to in self._layers(target, source, here)]
        return pair.answers(layers=layers, start=None if start is None else pair.guess(start.to, rigid=False))

    def _layers(self, target: int, source: int, here: Look) -> list[Vectors]:
        """By the layers that have tracks in the box, refitted on this pair. The camera's is always among them."""
        layers, tracks = self._analysis.layers, self._analysis.tracks[target]
        found = [self._camera(target, source, here)]
        x, y = tracks.points.T
        near = (x >= here.box.x) & (y >= here.box.y) & (x < here.box.right) & (y < here.box.bottom)
        for layer in range(1, layers.count):
            if (near & (layers.of_track[tracks.ids] == layer)).sum() >= _LAYER_LEAST:
                matrix = self._aligner.motion(layer=layer, target=target, source=source)
                found += [] if matrix is None else [self._through(matrix, here)]
        return found

    def _camera(self, target: int, source: int, here: Look) -> Vectors:
        matrix = self._aligner.motion(layer=0, target=target, source=source)
        return self._through(np.eye(3) if matrix is None else matrix, here)

    def _through(self, matrix: NDArray[np.float64], here: Look) -> Vectors:
        """Positions by a motion of plate pixels."""
        scale = self._analysis.grid.to_proxy()
        return applied(scale @ matrix @ np.linalg.inv(scale), here)

    def _looked(self, index: int) -> Look:
        return Look.at(self._analysis.pictures[index], self._grain)


def _part(field: Field, box: Box) -> Field:
    at = (slice(box.y, box.bottom), slice(box.x, box.right))
    return Field(field.to[at], field.trust[at])


def _nothing(shape: tuple[int, ...]) -> Plane:
    return np.zeros(shape, np.float32)


def _wide(plane: Plane) -> Plane:
    return np.asarray(cv2.GaussianBlur(plane.astype(np.float32), (0, 0), _VOTE_PX), np.float32)
