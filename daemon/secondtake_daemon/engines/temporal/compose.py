"""Stages 5 and 6 for one frame: the borrowed background, the invented core from its key frame, the seams between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from secondtake.boxes import Box
from secondtake_daemon.engines.temporal.core import spatial_fill
from secondtake_daemon.engines.temporal.fill import Filler, hole_boxes
from secondtake_daemon.engines.temporal.grain import Grain, regrain
from secondtake_daemon.engines.temporal.kinds import Colour, Mask, Matrix, Preset
from secondtake_daemon.engines.temporal.proxy import dilate
from secondtake_daemon.engines.temporal.reader import Reader
from secondtake_daemon.engines.temporal.seam import close_seam
from secondtake_daemon.engines.temporal.stored import KeyPicture, Study

__all__ = ["Composer"]

_RING_PX = 25
_NOTED_SHARE = 0.01


@dataclass(slots=True)
class _Canvas:
    """One frame in the making. Levelled values in a box."""

    box: Box
    pixels: Colour
    known: Mask
    """Plate, or filled already."""


class Composer:
    """Paints frames of one shot."""

    def __init__(
        self, *, study: Study, reader: Reader, preset: Preset, grained: bool, step: Callable[[], None]
    ) -> None:
        self._study = study
        self._grain = study.grain if grained else Grain.none()
        self._reader = reader
        self._filler = Filler(analysis=study.analysis, reader=reader, preset=preset, step=step)
        self._keys: dict[int, tuple[KeyPicture, ...]] = {}

    def paint(self, *, out: Colour, index: int, crop: Box) -> None:
        """Write the frame's crop (counted from the frame's corner), filled, into `out`. Plate values, all finite."""
        gain = np.float32(self._study.analysis.level.gain)
        out[:] = self._reader.crop(index=index, box=crop).pixels / gain
        for picture in self._pictures(index, crop):
            common = picture.box.intersect(crop)
            hole = self._reader.crop(index=index, box=common)
            at = common.within(crop)
            inner = common.within(picture.box)
            grained = regrain(
                pixels=picture.pixels[inner],
                kept=picture.kept[inner],
                grain=self._grain,
                frame=self._study.analysis.frames[index],
                box=common,
            )
            mixed = np.where(hole.usable[..., None], out[at], grained / gain)
            out[at] = np.nan_to_num(mixed, nan=0.0, posinf=0.0, neginf=0.0)

    def notes(self) -> tuple[str, ...]:
        """What the artist should know about the whole shot."""
        share = self._study.invented_share
        if share < _NOTED_SHARE:
            return ()
        return (f"{share:.0%} of the matte was never seen in any frame and is invented",)

    def _pictures(self, index: int, crop: Box) -> Iterator[KeyPicture]:
        """The finished parts of a frame that touch the crop."""
        if index in self._study.keys:
            yield from (picture for picture in self._key(index) if not picture.box.intersect(crop).is_empty)
            return
        for box in hole_boxes(hole=self._reader.hole(index=index)):
            if not box.intersect(crop).is_empty:
                yield self._painted(index, box, self._study.keys)

    def _key(self, index: int) -> tuple[KeyPicture, ...]:
        """The finished pictures of a key frame, made once: from the keys before it, and the rest invented."""
        if index not in self._keys:
            held = self._study.recall_key(index)
            if held is None:
                before = self._study.keys[: self._study.keys.index(index)]
                held = tuple(
                    self._painted(index, box, before) for box in hole_boxes(hole=self._reader.hole(index=index))
                )
                self._study.keep_key(index, held)
            self._keys[index] = held
        return self._keys[index]

    def _painted(self, index: int, box: Box, keys: tuple[int, ...]) -> KeyPicture:
        seen = self._filler.background(index=index, box=box)
        fill = close_seam(fill=seen.fill, plate=seen.plate, hole=seen.hole, usable=~seen.hole, filled=seen.seen)
        pixels = np.where((seen.hole & seen.seen)[..., None], fill, seen.plate).astype(np.float32)
        rim = seen.rim & ~seen.seen
        canvas = _Canvas(box, pixels, ~seen.hole | seen.seen | rim)
        for key in keys:
            if not canvas.known.all() and self._study.analysis.parts[key] == self._study.analysis.parts[index]:
                self._carry(canvas, index, key)
        blind = self._study.analysis.pictures[index].blind  # a black frame has no grain either
        kept = np.where(seen.hole & seen.seen & (not blind), seen.kept, np.float32(1.0))
        pixels = spatial_fill(pixels=canvas.pixels, unknown=~canvas.known)
        return KeyPicture(index=index, box=box, pixels=pixels, kept=kept)

    def _carry(self, canvas: _Canvas, index: int, key: int) -> None:
        """Bring the key's picture into what is still unknown."""
        matrix = self._filler.aligner.motion(layer=0, target=index, source=key)
        if matrix is None:
            return
        for picture in self._key(key):
            self._lay(canvas, index, picture, matrix)

    def _lay(self, canvas: _Canvas, index: int, picture: KeyPicture, matrix: Matrix) -> None:
        placed = self._filler.placed_picture(picture=picture, matrix=matrix, box=canvas.box)
        if placed is None:
            return
        pixels, valid = placed
        ring = dilate(~canvas.known, _RING_PX) & canvas.known & valid
        pixels = pixels * self._filler.gain(index, picture.index, canvas.pixels, pixels, ring)
        unknown = ~canvas.known
        pixels = close_seam(fill=pixels, plate=canvas.pixels, hole=unknown, usable=canvas.known, filled=valid)
        use = unknown & valid
        canvas.pixels = np.where(use[..., None], pixels, canvas.pixels).astype(np.float32)
        canvas.known = canvas.known | use
