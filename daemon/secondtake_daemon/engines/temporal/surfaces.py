"""Backgrounds that deform, or are one depth after another: the motion of every point of an anchor frame over time.

Each frame within reach is matched to the anchor itself, from where the frame before was found, so that no error adds
up (DIS optical flow, see flows.py, two passes). The motion of points while they are hidden follows from `subspace.py`;
with it the frames are matched once more. A frame that hides a point then finds it through an anchor that shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.analysis import Analysis
from secondtake_daemon.engines.temporal.camera import fit_affine
from secondtake_daemon.engines.temporal.flows import refine_flow, sample
from secondtake_daemon.engines.temporal.kept import Kept
from secondtake_daemon.engines.temporal.kinds import Grey, Mask, Matrix, Plane
from secondtake_daemon.engines.temporal.proxy import Picture
from secondtake_daemon.engines.temporal.pyramid import spread
from secondtake_daemon.engines.temporal.subspace import complete_motion
from secondtake_daemon.engines.temporal.tracks import shared

__all__ = ["Surface", "Surfaces"]

_REACH = 24
_APART = 8
_WIDEST_PX = 640
_CELL_PX = 8
_HELD = 8
_TEXTURES = 4
_STEADY_PX = 3.0
_LEAST_SHARED = 12
_LEAST_OVERLAP = 0.2
_TEXTURE = 1.0
_TRUST_GREY = 8.0
_LEAST_WEIGHT = 0.02
_FIT_PX = 2.0
_TURNS = 8
_PASSES = 1

Field = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Surface:
    """What the anchor frame shows, and where each of its points stands in the frames around it. Matching pixels."""

    anchor: int
    first: int
    """The first frame of `steady` and `bend`."""
    steady: NDArray[np.float64]
    """(frames, 3, 3) affine, from the anchor to each frame."""
    bend: NDArray[np.float32]
    """(frames, h, w, 2) what is to be added after it, on cells of the anchor."""
    cell: tuple[float, float]
    """Width and height of a cell."""

    def reaches(self, index: int) -> bool:
        """Whether the frame is among those measured."""
        return self.first <= index < self.first + len(self.bend)

    def ahead(self, index: int, points: Field) -> Field:
        """Where points of the anchor stand in a frame. points: (h, w, 2) x, y."""
        return np.asarray(_mapped(self.steady[index - self.first], points) + self._bent(index, points), np.float32)

    def back(self, index: int, points: Field) -> Field:
        """Where points of a frame stand in the anchor."""
        inverse = np.linalg.inv(self.steady[index - self.first])
        found = _mapped(inverse, points)
        for _ in range(_TURNS):
            found = _mapped(inverse, np.asarray(points - self._bent(index, found), np.float32))
        return found

    def _bent(self, index: int, points: Field) -> Field:
        x = (points[..., 0] + 0.5) / self.cell[0] - 0.5
        y = (points[..., 1] + 0.5) / self.cell[1] - 0.5
        grid = self.bend[index - self.first]
        return np.asarray(
            cv2.remap(
                grid, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            ),
            np.float32,
        )


class Surfaces:
    """Anchors at fixed frames of the shot, each worked out when first wanted."""

    def __init__(self, analysis: Analysis, *, step: Callable[[], None]) -> None:
        self._analysis = analysis
        self._step = step
        self._surfaces = Kept(self._measured, most=_HELD)
        self._textures = Kept(self._textured, most=_TEXTURES)
        grid = analysis.grid
        shrink = min(1.0, _WIDEST_PX / grid.proxy_width)
        self._size = (max(round(grid.proxy_width * shrink), 8), max(round(grid.proxy_height * shrink), 8))

    @property
    def from_plate(self) -> tuple[float, float]:
        """Matching pixels here for one plate pixel, along x and y; both count from the corner of the first pixel."""
        grid = self._analysis.grid
        return self._size[0] / grid.width, self._size[1] / grid.height

    def anchors(self, *, target: int) -> tuple[int, ...]:
        """The anchors that may know what the frame hides, nearest first."""
        parts = self._analysis.parts
        part = np.flatnonzero(parts == parts[target])
        apart = int(np.clip(len(part) // 4, 1, _APART))
        fixed = [int(one) for one in part[min(apart // 2, len(part) - 1) :: apart]]
        near = [one for one in fixed if abs(one - target) <= _REACH and not self._analysis.pictures[one].blind]
        return tuple(sorted(near, key=lambda one: (abs(one - target), one)))

    def surface(self, anchor: int) -> Surface | None:
        """The anchor's surface; None if it can be followed nowhere."""
        return self._surfaces(anchor)

    def known(self, index: int) -> Plane:
        """1 where the frame shows the background, 0 where it is hidden, at this module's size."""
        return np.asarray(self._picture(index).known, np.float32)

    def _measured(self, anchor: int) -> Surface | None:
        near = self._near(anchor)
        fields: dict[int, Field] = {}
        for way in (1, -1):
            self._walk(anchor, [one for one in near if (one - anchor) * way > 0][::way], fields)
        if not fields:
            return None
        frames = sorted([*fields, anchor])
        fields[anchor] = _pixels(self._size)
        surface = None
        for _ in range(_PASSES):
            surface = self._fitted(anchor, frames, fields, surface)
            for index in frames:
                self._step()
                start = surface.ahead(index, _pixels(self._size))
                fields[index] = start if index == anchor else self._matched(anchor, index, start)
        return self._fitted(anchor, frames, fields, surface)

    def _near(self, anchor: int) -> list[int]:
        parts, pictures = self._analysis.parts, self._analysis.pictures
        low, high = max(anchor - _REACH, 0), min(anchor + _REACH, len(parts) - 1)
        return [one for one in range(low, high + 1) if parts[one] == parts[anchor] and not pictures[one].blind]

    def _walk(self, anchor: int, frames: list[int], fields: dict[int, Field]) -> None:
        """Match frame after frame, away from the anchor, until too little of it is left to see."""
        before, field = anchor, _pixels(self._size)
        for index in frames:
            self._step()
            field = _mapped(self._camera(before, index), field)
            field = self._matched(anchor, index, field)
            if self._weight(anchor, index, field)[1] < _LEAST_OVERLAP:
                return
            fields[index], before = field, index

    def _matched(self, anchor: int, index: int, start: Field) -> Field:
        """One pass of flow; where nothing is seen, what surrounds it is continued."""
        found = refine_flow(self._picture(anchor), self._picture(index), start=start)
        weight, _ = self._weight(anchor, index, found)
        around = start + _continued(found - start, weight)
        return np.where((weight > 0)[..., None], found, around).astype(np.float32)

    def _camera(self, before: int, index: int) -> Matrix:
        """One affine motion for all tracks, wherever they belong; only a start."""
        tracks = self._analysis.tracks
        _, one, two = shared(tracks[before], tracks[index])
        fit = None
        if len(one) >= _LEAST_SHARED:
            fit = fit_affine(tracks[before].points[one], tracks[index].points[two], threshold_px=_STEADY_PX)
        grid = self._analysis.grid
        scale = np.diag([self._size[0] / grid.proxy_width, self._size[1] / grid.proxy_height, 1.0])
        motion = self._analysis.layers.chained(0, before, index) if fit is None else fit[0]
        return np.asarray(scale @ motion @ np.linalg.inv(scale), np.float64)

    def _weight(self, anchor: int, index: int, field: Field) -> tuple[Plane, float]:
        """How far each pixel's match can be trusted, and the share of the anchor that the frame shows at all."""
        here, there = self._picture(anchor), self._picture(index)
        inside = _inside(field) & (sample(there.known.astype(np.float32), field) > 0.99) & here.known
        apart = np.abs(cv2.blur(sample(there.grey.astype(np.float32), field) - here.grey, (5, 5)))
        weight = np.exp(-((np.asarray(apart) / _TRUST_GREY) ** 2)) * self._textures(anchor)
        share = float(inside.sum()) / max(float(here.known.sum()), 1.0)
        return np.where(inside, weight, 0.0).astype(np.float32), share

    def _fitted(self, anchor: int, frames: list[int], fields: dict[int, Field], before: Surface | None) -> Surface:
        """The steady part, the bend where it was seen, and by the subspace where it was not.

        The steady part must not follow what happens to be seen, or the bend's rank rises: it is taken from the surface
        known before, hidden points and all.
        """
        width, height = self._size
        cells = (max(round(width / _CELL_PX), 2), max(round(height / _CELL_PX), 2))
        places = _coarse(_pixels(self._size), cells)
        first, last = frames[0], frames[-1]
        steady = np.tile(np.eye(3), (last - first + 1, 1, 1))
        bend = np.zeros((last - first + 1, cells[1], cells[0], 2), np.float32)
        trust = np.zeros(bend.shape[:3], np.float32)
        for index in frames:
            weight = self._weight(anchor, index, fields[index])[0]
            if index == anchor:
                weight = self._picture(anchor).known.astype(np.float32)
            share = _coarse(weight, cells)
            shift = (fields[index] - _pixels(self._size)) * weight[..., None]
            mean = _coarse(shift, cells) / np.maximum(share, 1e-6)[..., None]
            moved = np.asarray(places + mean, np.float32)
            trust[index - first] = np.where(share > _LEAST_WEIGHT, share, 0)
            if before is None:
                steady[index - first] = _affine(places, moved, trust[index - first])
            else:
                steady[index - first] = _affine(
                    places, before.ahead(index, places), np.ones(places.shape[:2], np.float32)
                )
            flat = _mapped(steady[index - first], places)
            bend[index - first] = np.where((trust[index - first] > 0)[..., None], moved - flat, 0)
        smooth = complete_motion(measured=bend, weight=trust)
        for place in range(len(bend)):  # what was measured counts where it was; the subspace where it was not
            bend[place] = smooth[place] + _continued(bend[place] - smooth[place], trust[place])
        return Surface(anchor, first, steady, bend, (width / cells[0], height / cells[1]))

    def _textured(self, anchor: int) -> Plane:
        return _texture(self._picture(anchor).grey)

    def _picture(self, index: int) -> Picture:
        picture = self._analysis.pictures[index]
        if picture.grey.shape[::-1] == self._size:
            return picture
        grey = cv2.resize(picture.grey, self._size, interpolation=cv2.INTER_AREA)
        known = cv2.resize(picture.known.astype(np.uint8) * np.uint8(255), self._size, interpolation=cv2.INTER_AREA)
        return Picture.of(np.asarray(grey, np.uint8), known=np.asarray(known) == 255, blind=picture.blind)


def _pixels(size: tuple[int, int]) -> Field:
    columns, rows = np.meshgrid(np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32))
    return np.stack([columns, rows], axis=2)


def _coarse(field: NDArray[np.float32], cells: tuple[int, int]) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(field, cells, interpolation=cv2.INTER_AREA), np.float32)


def _mapped(matrix: Matrix, points: Field) -> Field:
    """Affine, in 32 bits: these are whole pictures."""
    return np.asarray(cv2.transform(points, matrix[:2]), np.float32)


def _inside(points: Field) -> Mask:
    height, width = points.shape[:2]
    x, y = points[..., 0], points[..., 1]
    return np.asarray((x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1), bool)


def _continued(field: Field, weight: Plane) -> Field:
    return spread(values=np.where((weight > 0)[..., None], field, 0).astype(np.float32), weight=weight)


def _texture(grey: Grey) -> Plane:
    """0 on flat ground and along straight edges … 1 at corners: the lesser eigenvalue of the structure tensor."""
    soft = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.5)
    x, y = (cv2.Sobel(soft, cv2.CV_32F, 1 - down, down) / 8 for down in (0, 1))
    xx, yy, xy = (cv2.blur(one, (9, 9)) for one in (x * x, y * y, x * y))
    least = (xx + yy) / 2 - np.sqrt(((xx - yy) / 2) ** 2 + xy**2)
    return np.asarray(least / (least + _TEXTURE), np.float32)


def _affine(here: Field, there: Field, weight: Plane) -> Matrix:
    """Weighted least squares, three times, with what fits badly counting less."""
    use = weight > 0
    points = np.concatenate([here[use], np.ones((int(use.sum()), 1), np.float32)], axis=1).astype(np.float64)
    if len(points) < _LEAST_SHARED:
        return np.eye(3)
    aims, share = there[use].astype(np.float64), weight[use].astype(np.float64)
    rows = np.zeros((3, 2), np.float64)
    for turn in range(3):
        apart = ((aims - points @ rows) ** 2).sum(axis=1) if turn else np.zeros(len(points))
        counted = share / (1.0 + apart / _FIT_PX**2)
        left = points.T @ (points * counted[:, None]) + 1e-9 * np.eye(3)
        rows = np.asarray(np.linalg.solve(left, points.T @ (aims * counted[:, None])), np.float64)
    return np.vstack([rows.T, [0.0, 0.0, 1.0]])
