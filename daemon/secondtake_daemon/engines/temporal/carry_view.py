"""What each painted frame says about a frame: where it shows what stands here, in which light, how far to trust it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake_daemon.engines.contract import Shot
from secondtake_daemon.engines.temporal.carry_grain import Grained, measure_grained, swapped
from secondtake_daemon.engines.temporal.carry_painted import Painted, read_painted
from secondtake_daemon.engines.temporal.carry_place import enlarged, positions, resampled
from secondtake_daemon.engines.temporal.correspond import Answers, Correspondence
from secondtake_daemon.engines.temporal.flows import Field, Flows, sample
from secondtake_daemon.engines.temporal.given import Given
from secondtake_daemon.engines.temporal.kept import Kept
from secondtake_daemon.engines.temporal.kinds import Colour, Mask, Plane
from secondtake_daemon.engines.temporal.light import Light, light_between
from secondtake_daemon.engines.temporal.small import read_small
from secondtake_daemon.engines.temporal.stored import Study
from secondtake_daemon.engines.temporal.transfer import Transfer

__all__ = ["Usual", "View", "Viewer"]

_MOST_REFERENCES = 3
_AGE_FRAMES = 10.0
_ERROR_GREY = 6.0
_SMALLS = 6
_LIGHT_AROUND = 0.1
_LIGHT_REACH_PX = 8.0
_LEAST_LEFT = 2e-4
_LEAST_ERROR_GREY = 2.0
_ISLAND_SHARE = 0.05
_LOOK_PX = 384
_NEIGHBOURS = 4


@dataclass(frozen=True, slots=True)
class View:
    """What one painted frame says about a part of a frame; planes at the size of the matching pictures."""

    painted: Painted
    box: Box
    """Of the planes, in pixels of the matching pictures."""
    field: Field
    error: Plane
    """By how many grey levels the two textures differ."""
    weight: Plane
    """Against other views."""
    light: Colour
    """Log of the factor from the painted frame's light to this frame's."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What is measured between a painted frame and its neighbour."""

    error_grey: float
    grained: Grained


@dataclass(frozen=True, slots=True)
class _Look:
    """A neighbour over a box of the painted frame."""

    box: Box
    pixels: Colour
    trust: Plane
    error_grey: float


class Viewer:
    """Answers from bounded caches; what it answers follows from the shot alone."""

    def __init__(self, *, study: Study, shot: Shot, transfer: Transfer | None, step: Callable[[], None]) -> None:
        self._study = study
        self._shot = shot
        self._transfer = transfer
        self._step = step
        analysis = study.analysis
        given = Given(shot=shot, grid=analysis.grid, step=step) if shot.has_motion else None
        flows = Flows(analysis, step=step)
        self._correspondence = Correspondence(analysis=analysis, flows=flows, given=given, step=step)
        self.references = tuple(shot.frames.index(frame) for frame in shot.references)
        self.read = Kept(self._read, most=_MOST_REFERENCES)
        """By index: a painted frame; None if it does not differ from its plate."""
        self.usual = Kept(self._measured, most=max(len(self.references), 1))
        """By index: what is usual between a painted frame and the frame beside it."""
        self.cleaned = Kept(self._clean, most=_MOST_REFERENCES)
        """By index: a painted frame with less of its grain; its neighbours show the same surface without it."""
        self._small = Kept(self._shrunk, most=_SMALLS)

    def _read(self, index: int) -> Painted | None:
        gain = self._study.analysis.level.gain
        return read_painted(shot=self._shot, index=index, gain=gain, transfer=self._transfer)

    def small_mask(self, mask: Mask) -> Plane:
        """Coverage at the size of the matching pictures, of a mask of the frame."""
        grid = self._study.analysis.grid
        size = (grid.proxy_width, grid.proxy_height)
        return np.asarray(cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32)

    def views(self, *, index: int, region: Plane) -> list[View]:
        """Of the nearest painted frames that no cut hides. region: the part of the matte, as `small_mask`.

        First each one's own motion of the region; then what moves by itself, where no view before knows anything.
        """
        ask = self._correspondence.answers
        answers = [(one, ask(target=index, source=one, region=region > 0)) for one in self._nearest(index)]
        if not answers:
            return []
        box = answers[0][1].box
        wanted = region[box.y : box.bottom, box.x : box.right]
        left = np.ones_like(wanted)
        views = [self._view(index, one, found, 0, wanted, left) for one, found in answers]
        for view in views:
            left = left * np.clip(1 - 1.5 * view.field.trust, 0, 1)
        for one, found in answers:
            for place in range(1, len(found.fields)):
                if float((left * (wanted > 0) * found.fields[place].trust).mean()) > _LEAST_LEFT:
                    views.append(self._view(index, one, found, place, wanted, left))
                    left = left * np.clip(1 - 1.5 * views[-1].field.trust, 0, 1)
        return views

    def _nearest(self, index: int) -> list[int]:
        """The painted frames to ask; no more are read than are needed."""
        parts = self._study.analysis.parts
        near = [one for one in self.references if parts[one] == parts[index]]
        near.sort(key=lambda one: (abs(one - index), one))
        return list(islice((one for one in near if self.read(one) is not None), _MOST_REFERENCES))

    def _view(self, index: int, reference: int, answers: Answers, place: int, wanted: Plane, left: Plane) -> View:
        """left: what no view before this one knows."""
        self._step()
        painted = self.cleaned(reference)
        assert painted is not None
        field, error = answers.fields[place], answers.errors[place]
        light = self._light(index, reference, answers.box, field, wanted)
        age = abs(index - reference)
        trust = np.asarray(light.trust * left, np.float32)
        if place == 0 and painted.transfer is Transfer.LOG:
            trust = _without_islands(trust, wanted)
        weight = trust * np.float32(np.exp(-age / _AGE_FRAMES) / age) / (1 + (error / _ERROR_GREY) ** 2)
        return View(painted, answers.box, Field(field.to, trust), error, weight.astype(np.float32), light.log)

    def _light(self, index: int, reference: int, box: Box, field: Field, wanted: Plane) -> Light:
        around = cv2.GaussianBlur(wanted, (0, 0), _LIGHT_REACH_PX)
        weight = _LIGHT_AROUND + np.maximum(wanted, around)
        return light_between(
            target=self._small(index)[box.y : box.bottom, box.x : box.right],
            source=sample(self._small(reference), field.to),
            trust=field.trust,
            weight=weight.astype(np.float32),
            noise=self._study.analysis.noise,
            scale=self._study.analysis.grid.proxy_width / 480,
        )

    def _measured(self, index: int) -> Usual:
        beside = self._near(index)
        painted = self.read(index)
        if not beside or painted is None:
            return Usual(_LEAST_ERROR_GREY, Grained(shared=True, kept=1.0))
        x, y = (max(side - _LOOK_PX, 0) // 2 for side in (painted.box.width, painted.box.height))
        size = min(painted.box.width, _LOOK_PX), min(painted.box.height, _LOOK_PX)
        look = self._aligned(painted, beside[0], Box(painted.box.x + x, painted.box.y + y, *size))
        if look is None:
            return Usual(_LEAST_ERROR_GREY, Grained(shared=True, kept=1.0))
        at = look.box.within(painted.box)
        use = np.asarray((painted.changed[at] > 0.99) & (look.trust > 0.9), bool)
        edit, plate, grain = painted.edit[at], painted.plate[at], self._study.grain
        grained = measure_grained(edit=edit, plate=plate, other=look.pixels, use=use, grain=grain)
        return Usual(max(look.error_grey, _LEAST_ERROR_GREY), grained)

    def _clean(self, index: int) -> Painted | None:
        painted, grain = self.read(index), self._study.grain
        if painted is None or grain.is_none or self._study.preset != "final" or not self.usual(index).grained.shared:
            return painted
        found = [self._aligned(painted, beside, painted.box) for beside in self._near(index)[:_NEIGHBOURS]]
        looks = [look for look in found if look is not None]
        edit, plate = painted.edit.copy(), painted.plate.copy()
        for look in looks:
            trust = look.trust[..., None]
            for picture, cleaner in ((painted.edit, edit), (painted.plate, plate)):
                better = swapped(
                    edit=picture, plate=look.pixels, source=painted.plate, grain=grain, amount=1 / (len(looks) + 1)
                )
                cleaner += trust * (better - picture)
        return replace(painted, edit=edit, plate=plate)

    def _near(self, index: int) -> list[int]:
        """Frames beside, nearest first, that no cut hides."""
        parts, pictures = self._study.analysis.parts, self._study.analysis.pictures
        places = [index + way * step for step in (1, 2) for way in (1, -1)]
        places = [one for one in places if 0 <= one < len(parts) and parts[one] == parts[index]]
        return [one for one in places if not (pictures[one].blind or pictures[index].blind)]

    def _aligned(self, painted: Painted, beside: int, box: Box) -> _Look | None:
        """A neighbour's plate, brought to a part of the painted frame and lit as there, at full size."""
        grid, reader = self._study.analysis.grid, self._study.reader()
        changed = np.zeros((grid.height, grid.width), bool)
        changed[painted.box.y : painted.box.bottom, painted.box.x : painted.box.right] = painted.changed > 0.5
        region = self.small_mask(changed)
        answers = self._correspondence.answers(target=painted.index, source=beside, region=region > 0)
        wanted = region[answers.box.y : answers.box.bottom, answers.box.x : answers.box.right]
        light = self._light(painted.index, beside, answers.box, answers.fields[0], wanted)
        to = positions(answers.fields[0].to, small=answers.box, grid=grid, box=box)
        there = _spanned(to).intersect(reader.frame_box)
        inside = wanted > 0.5
        if there.is_empty or not inside.any():
            return None
        found = resampled(reader.peek(index=beside, box=there).pixels, to=to - np.array([there.x, there.y], np.float32))
        gain, trust = (enlarged(one, small=answers.box, grid=grid, box=box) for one in (light.log, light.trust))
        error = float(np.median(answers.errors[0][inside]))
        return _Look(box, np.asarray(found * np.exp(gain), np.float32), trust, error)

    def _shrunk(self, index: int) -> Colour:
        analysis = self._study.analysis
        small = read_small(shot=self._study.shot, frame=self._shot.frames[index], grid=analysis.grid)
        return np.asarray(small.pixels * np.float32(analysis.level.gain), np.float32)


def _spanned(to: NDArray[np.float32]) -> Box:
    """Around positions, with room for the kernel."""
    low, high = np.floor(to.min(axis=(0, 1))).astype(int) - 4, np.ceil(to.max(axis=(0, 1))).astype(int) + 5
    return Box(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))


def _without_islands(trust: Plane, wanted: Plane) -> Plane:
    """Small places inside the region that look otherwise now: they belong to the thing, which opened or shines there.

    For a grade only: it does no harm to a snowflake.
    """
    doubted = ((trust < 0.5) & (wanted > 0)).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(doubted, connectivity=4)
    if count < 2:
        return trust
    rim = cv2.dilate((wanted <= 0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    rim[0], rim[-1], rim[:, 0], rim[:, -1] = True, True, True, True
    outside = np.unique(labels[rim])
    small = stats[:, cv2.CC_STAT_AREA] < _ISLAND_SHARE * float((wanted > 0).sum())
    small[0] = False
    small[outside] = False
    closed = cv2.dilate(small[labels].astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return np.where(closed & (wanted > 0), np.float32(1), trust).astype(np.float32)
