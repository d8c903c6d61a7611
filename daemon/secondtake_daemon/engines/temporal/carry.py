"""Painted frames, carried through the shot: registered on the plates, lit and grained as each frame is.

For each frame: where does each painted frame show what stands here (`correspond`), how did the light change
(`transfer`), one resampling, and a mean of what the painted frames say. What the artist did not change stays the
frame's own plate, and so does what passes in front.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadInput
from secondtake_daemon.engines.contract import Known, Shot
from secondtake_daemon.engines.grain import regrain
from secondtake_daemon.engines.temporal.carry_grain import swapped
from secondtake_daemon.engines.temporal.carry_place import enlarged, positions, resampled
from secondtake_daemon.engines.temporal.carry_view import View, Viewer
from secondtake_daemon.engines.temporal.holes import hole_boxes
from secondtake_daemon.engines.temporal.kinds import Colour, Mask, Plane
from secondtake_daemon.engines.temporal.stored import Study
from secondtake_daemon.engines.temporal.transfer import Transfer, regraded

__all__ = ["Carrier"]

_MOST_PARTS = 4
_BAND_PX = 256
_MARGIN_PX = 16
_TRUSTED = 0.5
_PAINTED = 0.02
_POOR_SHARE = 0.6
_POOR_ERROR = 3.0


class _Doubt(IntEnum):
    """What is wrong with a frame."""

    NONE = 0
    POOR = 1
    CUT = 2


class Carrier:
    """Paints frames of one shot. What it answers depends on the shot alone.

    study: of the shot without its matte. Raises BadInput if nothing is painted.
    """

    def __init__(
        self, *, study: Study, shot: Shot, transfer: Transfer | None, grained: bool, step: Callable[[], None]
    ) -> None:
        self._study = study
        self._shot = shot
        self._viewer = Viewer(study=study, shot=shot, transfer=transfer, step=step)
        self._grained = grained
        self._step = step
        self._reader = study.reader()
        self._doubt: dict[int, _Doubt] = {}
        if all(self._viewer.read(one) is None for one in self._viewer.references):
            raise BadInput(
                "No painted frame differs from the plate inside the matte",
                remedy="Check that the references are the painted images, and that the matte covers what was painted",
            )

    def paint(self, *, out: Colour, known: NDArray[np.uint8], index: int, crop: Box) -> None:
        """Write the frame's crop (counted from the frame's corner), painted, into `out`. Plate values, all finite.

        known: (h, w), gets the `Known` of every pixel of the matte.
        """
        frame, bounds = self._shot.frames[index], self._shot.bounds
        there = Box(crop.x + bounds.x, crop.y + bounds.y, crop.width, crop.height)
        out[:] = np.nan_to_num(self._shot.plate(frame, there), nan=0.0, posinf=0.0, neginf=0.0)
        hole = np.asarray(~(self._shot.hole(frame, bounds) <= 0), bool)
        inside = hole[crop.y : crop.bottom, crop.x : crop.right]
        known[:] = np.where(inside, Known.INVENTED, Known.UNSAID)
        if index in self._viewer.references:
            self._copy(out, known, frame, there, inside)
        elif inside.any():
            self._carry(out, known, index, crop, hole)

    def notes(self, *, frames: tuple[int, ...]) -> tuple[str, ...]:
        """What the artist should know about these frames (numbers of the shot), which were painted before."""
        doubts = {frame: self._doubt.get(self._shot.frames.index(frame), _Doubt.NONE) for frame in frames}
        cut, poor = ([frame for frame in frames if doubts[frame] is kind] for kind in (_Doubt.CUT, _Doubt.POOR))
        said = []
        if cut:
            said.append(f"{_named(cut)}: a cut lies between here and every painted frame, so the plate is kept")
        if poor:
            said.append(f"{_named(poor)}: little here looks as it does where it was painted; paint one of these too")
        return tuple(said)

    def _copy(self, out: Colour, known: NDArray[np.uint8], frame: int, there: Box, inside: Mask) -> None:
        """The painted frame itself, as it is."""
        edit = self._shot.reference(frame, there)
        use = inside & np.isfinite(edit).all(axis=2)
        changed = use & (edit != out).any(axis=2)
        np.copyto(out, edit, where=use[..., None])
        known[use] = np.where(changed[use], Known.CARRIED, Known.SEEN)

    def _carry(self, out: Colour, known: NDArray[np.uint8], index: int, crop: Box, hole: Mask) -> None:
        """Part by part of the matte, each with a motion of its own."""
        boxes = hole_boxes(hole=hole)
        for part in [(box,) for box in boxes] if len(boxes) <= _MOST_PARTS else [boxes]:
            if all(box.intersect(crop).is_empty for box in part):
                continue
            region = self._viewer.small_mask(_within(hole, part))
            views = self._viewer.views(index=index, region=region)
            self._doubt[index] = max(self._doubt.get(index, _Doubt.NONE), self._judge(views, region))
            for band in (band for box in part for band in _bands(box)):
                common = band.intersect(crop)
                if not common.is_empty and views:
                    at = common.within(crop)
                    self._lay(out[at], known[at], index, band, common, views, hole)

    def _judge(self, views: list[View], region: Plane) -> _Doubt:
        """Whether this part of a frame is worth a look."""
        if not views:
            return _Doubt.CUT
        box = views[0].box
        wanted = region[box.y : box.bottom, box.x : box.right] > 0.5
        if not wanted.any():
            return _Doubt.NONE
        trust = np.max(np.stack([view.field.trust for view in views]), axis=0)[wanted]
        errors = (
            float(np.median(view.error[wanted])) / self._viewer.usual(view.painted.index).error_grey for view in views
        )
        return _Doubt.POOR if trust.mean() < _POOR_SHARE or min(errors) > _POOR_ERROR else _Doubt.NONE

    def _lay(
        self,
        out: Colour,
        known: NDArray[np.uint8],
        index: int,
        band: Box,
        common: Box,
        views: list[View],
        hole: Mask,
    ) -> None:
        """Paint the common part of band and crop: what the views say, by their weight."""
        self._step()
        grid = self._study.analysis.grid
        wide = band.pad(_MARGIN_PX).intersect(self._reader.frame_box)
        plate = self._reader.crop(index=index, box=wide).pixels
        change = np.zeros_like(plate)
        total, trusted, painted = (np.zeros(plate.shape[:2], np.float32) for _ in range(3))
        for view in views:
            weight = enlarged(view.weight, small=view.box, grid=grid, box=wide)
            share, pixels = self._said(index, plate, view, wide)
            change += (weight * share)[..., None] * (pixels - plate)
            painted += weight * share
            total += weight
            trusted = np.maximum(trusted, enlarged(view.field.trust, small=view.box, grid=grid, box=wide))
        at = common.within(wide)
        scale = trusted[at] / np.maximum(total[at], 1e-12)
        shown = painted[at] * scale
        finished = (plate[at] + change[at] * scale[..., None]) / np.float32(self._study.analysis.level.gain)
        inside = hole[common.y : common.bottom, common.x : common.right]
        laid = inside & (shown > 0) & np.isfinite(finished).all(axis=2)
        np.copyto(out, finished, where=laid[..., None])
        known[inside & (trusted[at] > _TRUSTED)] = Known.SEEN
        known[laid & (shown > _PAINTED)] = Known.CARRIED

    def _said(self, index: int, plate: Colour, view: View, box: Box) -> tuple[Plane, Colour]:
        """How far the painting changes each pixel of the box, 0 … 1, and what it makes of it. Levelled."""
        painted, grid = view.painted, self._study.analysis.grid
        to = positions(view.field.to, small=view.box, grid=grid, box=box)
        to -= np.array([painted.box.x, painted.box.y], np.float32)
        changed = cv2.remap(painted.changed, to[..., 0], to[..., 1], cv2.INTER_LINEAR)
        share: Plane = np.clip(np.asarray(changed, np.float32), 0, 1)
        if not (share > 0).any():
            return share, plate
        if painted.transfer is Transfer.LOG:
            return share, regraded(plate=plate, ratio=resampled(painted.ratio, to=to))
        light = np.exp(enlarged(view.light, small=view.box, grid=grid, box=box))
        edit = resampled(painted.edit, to=to)
        if painted.transfer is Transfer.GAIN:
            edit = np.asarray(edit * light, np.float32)
        if self._study.grain.is_none or not self._grained:
            return share, edit
        grained = self._viewer.usual(painted.index).grained
        if grained.shared:
            source = np.asarray(resampled(painted.plate, to=to) * light, np.float32)
            return share, swapped(edit=edit, plate=plate, source=source, grain=self._study.grain, amount=1.0)
        kept = np.full(share.shape, grained.kept, np.float32)
        frame = self._shot.frames[index]
        return share, regrain(pixels=edit, kept=kept, grain=self._study.grain, frame=frame, box=box)


def _within(hole: Mask, boxes: tuple[Box, ...]) -> Mask:
    part = np.zeros_like(hole)
    for box in boxes:
        at = (slice(box.y, box.bottom), slice(box.x, box.right))
        part[at] = hole[at]
    return part


def _named(frames: list[int]) -> str:
    """Frame 7, or Frames 7-9, 12."""
    breaks = [0, *(place + 1 for place, (one, two) in enumerate(pairwise(frames)) if two > one + 1), len(frames)]
    runs = [frames[first:end] for first, end in pairwise(breaks)]
    said = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
    return f"Frame {said}" if len(frames) == 1 else f"Frames {said}"


def _bands(box: Box) -> list[Box]:
    """Parts of a box, cut at the frame's multiples of 256 rows."""
    first, last = box.y // _BAND_PX, (box.bottom - 1) // _BAND_PX
    rows = (Box(box.x, number * _BAND_PX, box.width, _BAND_PX) for number in range(first, last + 1))
    return [one.intersect(box) for one in rows]
