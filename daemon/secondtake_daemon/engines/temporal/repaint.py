"""A removal with painted frames: what no frame shows is taken from where the artist painted it, not invented.

At the painted frame the painting stands as it is. In the others what was seen stays; what would be invented comes from
the nearest painting, by the camera's motion, with the frame's exposure, its seam closed and its grain made again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake_daemon.engines.contract import Known, Shot
from secondtake_daemon.engines.grain import Grain, regrain
from secondtake_daemon.engines.temporal.align import Aligner, source_box, warp, warp_mask
from secondtake_daemon.engines.temporal.carry_grain import flat_power
from secondtake_daemon.engines.temporal.compose import Composer
from secondtake_daemon.engines.temporal.gains import gain_at_tracks
from secondtake_daemon.engines.temporal.holes import hole_boxes
from secondtake_daemon.engines.temporal.kept import Kept
from secondtake_daemon.engines.temporal.kinds import Colour, Mask
from secondtake_daemon.engines.temporal.proxy import sane
from secondtake_daemon.engines.temporal.seam import close_seam
from secondtake_daemon.engines.temporal.stored import Study

__all__ = ["Repainter"]

_HELD = 2


@dataclass(frozen=True, slots=True)
class _Painting:
    """A painted frame, whole. Levelled values."""

    pixels: Colour
    good: Mask
    kept: float
    """Share of the plate's grain variance that it has inside the matte."""


class Repainter:
    """Paints frames of one shot. What it answers depends on the shot alone."""

    def __init__(
        self, *, study: Study, shot: Shot, composer: Composer, grained: bool, step: Callable[[], None]
    ) -> None:
        self._study = study
        self._shot = shot
        self._composer = composer
        self._grain = study.grain if grained else Grain.none()
        self._step = step
        self._aligner = Aligner(study.analysis)
        self._references = tuple(shot.frames.index(frame) for frame in shot.references)
        self._painting = Kept(self._read, most=_HELD)

    def paint(self, *, out: Colour, known: NDArray[np.uint8], index: int, crop: Box) -> None:
        """Write the frame's crop (counted from the frame's corner), filled, into `out`. Plate values, all finite.

        known: (h, w), gets the `Known` of every pixel that was made.
        """
        self._composer.paint(out=out, known=known, index=index, crop=crop)
        if index in self._references:
            self._copy(out, known, index, crop)
            return
        hole = self._hole(index)
        for box in hole_boxes(hole=hole):
            if not box.intersect(crop).is_empty:
                self._mend(out, known, index, crop, box)

    def notes(self) -> tuple[str, ...]:
        """What the artist should know about the whole shot."""
        return self._composer.notes()

    def _copy(self, out: Colour, known: NDArray[np.uint8], index: int, crop: Box) -> None:
        """The painting itself."""
        edit = self._shot.reference(self._shot.frames[index], self._there(crop))
        use = (known != Known.UNSAID) & np.isfinite(edit).all(axis=2)
        np.copyto(out, edit, where=use[..., None])
        known[use] = Known.CARRIED

    def _mend(self, out: Colour, known: NDArray[np.uint8], index: int, crop: Box, box: Box) -> None:
        """One part of the hole: worked on as a whole, so that the crop has no say."""
        pixels = np.zeros((box.height, box.width, 3), np.float32)
        says = np.zeros((box.height, box.width), np.uint8)
        self._composer.paint(out=pixels, known=says, index=index, crop=box)
        gain = np.float32(self._study.analysis.level.gain)
        pixels *= gain
        wanted = says == Known.INVENTED
        parts = self._study.analysis.parts
        near = sorted((one for one in self._references if parts[one] == parts[index]), key=lambda one: abs(one - index))
        for reference in near:
            if wanted.any():
                wanted = self._brought(pixels, says, wanted, index, reference, box)
        common = box.intersect(crop)
        here, there = common.within(crop), common.within(box)
        made = (says[there] == Known.CARRIED) & (known[here] == Known.INVENTED)
        np.copyto(out[here], pixels[there] / gain, where=made[..., None])
        known[here][made] = Known.CARRIED

    def _brought(
        self, pixels: Colour, says: NDArray[np.uint8], wanted: Mask, index: int, reference: int, box: Box
    ) -> Mask:
        """Lay a painting over what is wanted; returns what is wanted still."""
        self._step()
        matrix = self._aligner.motion(layer=0, target=index, source=reference)
        frame = Box(0, 0, self._shot.bounds.width, self._shot.bounds.height)
        there = frame if matrix is None else source_box(matrix=matrix, box=box, frame=frame)
        if matrix is None or there.is_empty:
            return wanted
        painting = self._painting(reference)
        at = there.within(frame)
        fill = warp(painting.pixels[at], matrix=matrix, origin=there, box=box)
        valid = warp_mask(painting.good[at], matrix=matrix, origin=there, box=box)
        tracks = self._study.analysis.tracks
        factor = gain_at_tracks(tracks[index], tracks[reference])
        fill = fill if factor is None else np.asarray(fill * factor, np.float32)
        fill = close_seam(fill=fill, plate=pixels, hole=wanted, usable=~wanted, filled=valid)
        kept = np.where(wanted & valid, np.float32(painting.kept), np.float32(1))
        number = self._shot.frames[index]
        fill = regrain(pixels=fill, kept=kept, grain=self._grain, frame=number, box=box)
        use = wanted & valid & np.isfinite(fill).all(axis=2)
        pixels[use] = fill[use]
        says[use] = Known.CARRIED
        return np.asarray(wanted & ~use, bool)

    def _read(self, index: int) -> _Painting:
        edit = self._shot.reference(self._shot.frames[index], self._shot.bounds)
        good = sane(edit)
        pixels = np.where(good[..., None], edit, 0).astype(np.float32) * np.float32(self._study.analysis.level.gain)
        hole = self._hole(index)
        kept = flat_power(pixels, use=hole & good, grain=self._study.grain)
        usual = flat_power(pixels, use=~hole & good, grain=self._study.grain)
        share = float(np.clip(kept / max(usual, 1e-6), 0, 1))
        return _Painting(pixels, good, share if share < 0.5 else 1.0)

    def _hole(self, index: int) -> Mask:
        return np.asarray(~(self._shot.hole(self._shot.frames[index], self._shot.bounds) <= 0), bool)

    def _there(self, box: Box) -> Box:
        bounds = self._shot.bounds
        return Box(box.x + bounds.x, box.y + bounds.y, box.width, box.height)
