"""Stages 5 and 6 for one frame: the borrowed background, the invented core from its key frame, the seams between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake_daemon.engines.contract import Known
from secondtake_daemon.engines.grain import Grain, regrain
from secondtake_daemon.engines.temporal.align import source_box, warp
from secondtake_daemon.engines.temporal.core import Mean, invent, spatial_fill
from secondtake_daemon.engines.temporal.fill import Background, Filler, hole_boxes
from secondtake_daemon.engines.temporal.kept import Kept
from secondtake_daemon.engines.temporal.kinds import Colour, Mask, Matrix, Plane, Preset, largest
from secondtake_daemon.engines.temporal.merge import soften
from secondtake_daemon.engines.temporal.proxy import dilate
from secondtake_daemon.engines.temporal.seam import close_seam
from secondtake_daemon.engines.temporal.stored import KeyPicture, Study
from secondtake_daemon.engines.temporal.unmix import unmix

__all__ = ["Composer"]

_RING_PX = 25
_NOTED_SHARE = 0.01
_NOTED_EDGE_PX = 2
_NOTED_REFUSED = 0.05
_WITNESSES = 4
_SETTLED_SHARE = 0.9
_SAME = 3.0
"""Sigmas of grain."""


@dataclass(slots=True)
class _Canvas:
    """One frame in the making. Levelled values in a box."""

    box: Box
    pixels: Colour
    filled: Mask
    """Plate, or filled already."""
    kept: Plane
    """Share of the plate's grain variance in the pixels."""
    known: NDArray[np.uint8]


class Composer:
    """Paints frames of one shot."""

    def __init__(self, *, study: Study, preset: Preset, grained: bool, step: Callable[[], None]) -> None:
        self._study = study
        self._grain = study.grain if grained else Grain.none()
        self._reader = study.reader()
        self._filler = Filler(analysis=study.analysis, reader=self._reader, preset=preset, step=step)
        self._textured = preset.name == "final"
        self._step = step
        self._key = Kept(self._made_key, most=max(len(study.keys), 1))
        self._refused: set[int] = set()

    def paint(self, *, out: Colour, known: NDArray[np.uint8], index: int, crop: Box) -> None:
        """Write the frame's crop (counted from the frame's corner), filled, into `out`. Plate values, all finite.

        known: (h, w), gets the `Known` of every pixel that was made. Several threads may paint at once.
        """
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
            known[at] = np.where(hole.usable | hole.rim, Known.UNSAID, picture.known[inner])

    def notes(self) -> tuple[str, ...]:
        """What the artist should know about the shot, and about the frames that were painted so far."""
        share, edge = self._study.invented_share, self._study.edge_px
        notes = []
        if share >= _NOTED_SHARE:
            notes.append(f"{share:.0%} of the matte was never seen in any frame and is invented")
        if edge >= _NOTED_EDGE_PX:
            notes.append(
                f"The matte seems too tight: the object's edge shows up to {edge} px outside it; use --grow {edge + 1}"
            )
        if self._refused:
            notes.append(
                f"In some frames more than {_NOTED_REFUSED:.0%} of the matte was shown by other frames that did not "
                "match; it was filled from its surroundings"
            )
        return tuple(notes)

    def _pictures(self, index: int, crop: Box) -> Iterator[KeyPicture]:
        """The finished parts of a frame that touch the crop."""
        if index in self._study.keys:
            yield from (picture for picture in self._key(index) if not picture.box.intersect(crop).is_empty)
            return
        for box in hole_boxes(hole=self._reader.hole(index=index)):
            if not box.intersect(crop).is_empty:
                yield self._painted(index, box, self._study.keys)

    def _made_key(self, index: int) -> tuple[KeyPicture, ...]:
        """The finished pictures of a key frame: from the keys before it, and the rest invented."""
        held = self._study.recall_key(index)
        if held is None:
            before = self._study.keys[: self._study.keys.index(index)]
            held = tuple(
                self._painted(index, box, before, textured=self._textured)
                for box in hole_boxes(hole=self._reader.hole(index=index))
            )
            self._study.keep_key(index, held)
        return held

    def _painted(self, index: int, box: Box, keys: tuple[int, ...], *, textured: bool = False) -> KeyPicture:
        seen = self._filler.background(index=index, box=box)
        if seen.refused.sum() > _NOTED_REFUSED * max(int(seen.hole.sum()), 1):
            self._refused.add(index)
        fill = close_seam(fill=seen.fill, plate=seen.plate, hole=seen.hole, usable=~seen.hole, filled=seen.seen)
        canvas = self._begun(seen, fill)
        for key in keys:
            if not canvas.filled.all() and self._study.analysis.parts[key] == self._study.analysis.parts[index]:
                self._carry(canvas, index, key)
        self._finished(canvas, seen, fill, index, textured=textured)
        if self._study.analysis.pictures[index].blind:  # a black frame has no grain either
            canvas.kept = np.ones_like(canvas.kept)
        return KeyPicture(index=index, box=box, pixels=canvas.pixels, kept=canvas.kept, known=canvas.known)

    @staticmethod
    def _begun(seen: Background, fill: Colour) -> _Canvas:
        """The plate, and what other frames show of the hole."""
        borrowed, rim = seen.hole & seen.seen, seen.rim & ~seen.seen
        known = np.full(seen.hole.shape, Known.INVENTED, np.uint8)
        known[seen.seen | rim] = Known.CARRIED
        known[seen.confirmed | rim] = Known.SEEN
        return _Canvas(
            box=seen.box,
            pixels=np.where(borrowed[..., None], fill, seen.plate).astype(np.float32),
            filled=~seen.hole | seen.seen | rim,
            kept=np.where(borrowed, seen.kept, np.float32(1.0)),
            known=known,
        )

    def _finished(self, canvas: _Canvas, seen: Background, fill: Colour, index: int, *, textured: bool) -> None:
        """Invent the rest, from surroundings without their grain where several frames show them."""
        unknown = ~canvas.filled
        if not unknown.any():
            return
        calm = ~seen.hole & seen.seen & self._agree(fill, seen.plate)
        around = np.where(calm[..., None], fill, canvas.pixels).astype(np.float32)
        made, kept = spatial_fill(pixels=around, unknown=unknown, step=self._step), np.zeros_like(canvas.kept)
        if textured:
            through, shown = self._shining_through(canvas, seen, index, made, unknown)
            around = np.where(shown[..., None], through, around)
            guide = self._settled(canvas, made, unknown & ~shown, index)
            made = invent(pixels=around, unknown=unknown & ~shown, guide=guide, step=self._step)
            kept = shown.astype(np.float32)
        canvas.pixels = np.where(unknown[..., None], made, canvas.pixels).astype(np.float32)
        canvas.kept = np.where(unknown, kept, canvas.kept).astype(np.float32)

    def _settled(self, canvas: _Canvas, guess: Colour, unknown: Mask, index: int) -> Colour:
        """The mean of the guesses on several frames, so that who passes by on the key frame does not colour them all.

        Just this guess where the first other one agrees with it.
        """
        if not unknown.any():
            return guess
        rows, columns = np.flatnonzero(unknown.any(axis=1)), np.flatnonzero(unknown.any(axis=0))
        size = (int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
        box = Box(canvas.box.x + int(columns[0]), canvas.box.y + int(rows[0]), *size)
        box = box.pad(_RING_PX).intersect(canvas.box)
        at = box.within(canvas.box)
        own = np.where(unknown[..., None], guess, canvas.pixels)[at].astype(np.float32)
        mean, count = Mean(own), 0
        for other in self._witnesses(index):
            for pixels, valid in self._guesses(own, unknown[at], box, index, other):
                mean.add(pixels, valid=valid)
                count += 1
                if count == 1 and self._agree(own, pixels)[unknown[at] & valid].mean() > _SETTLED_SHARE:
                    return guess
        result = guess.copy()
        result[at] = np.where(unknown[at][..., None], mean.value(), result[at])
        return result

    def _witnesses(self, index: int) -> list[int]:
        """Frames spread between the same cuts, without this one."""
        analysis = self._study.analysis
        together = np.flatnonzero((analysis.parts == analysis.parts[index]) & analysis.holes)
        spaced = together[np.linspace(0, len(together) - 1, _WITNESSES + 1).round().astype(int)]
        return [int(one) for one in np.unique(spaced) if one != index and not analysis.pictures[one].blind]

    def _guesses(self, own: Colour, unknown: Mask, box: Box, index: int, other: int) -> Iterator[tuple[Colour, Mask]]:
        """What another frame's surroundings say of the unknown pixels, brought here, and where it says something."""
        matrix = self._filler.aligner.motion(layer=0, target=index, source=other)
        if matrix is None:
            return
        there = source_box(matrix=matrix, box=box, frame=self._reader.frame_box)
        for part in hole_boxes(hole=self._reader.hole(index=other)):
            if part.intersect(there).is_empty:
                continue
            placed = self._filler.placed_picture(picture=self._painted(other, part, ()), matrix=matrix, box=box)
            if placed is not None and (placed[1] & unknown).any():
                pixels, valid = placed
                yield pixels * self._filler.gain(index, other, own, pixels, valid & ~unknown), valid

    def _agree(self, one: Colour, other: Colour) -> Mask:
        """Where two pictures differ no more than by their grain."""
        noise = self._study.analysis.noise
        apart = largest(np.abs(noise.stabilise(soften(one)) - noise.stabilise(soften(other))))
        return np.asarray(apart < _SAME, bool)

    def _shining_through(
        self, canvas: _Canvas, seen: Background, index: int, guess: Colour, unknown: Mask
    ) -> tuple[Colour, Mask]:
        """The background in the object's soft edge, where nothing better is known."""
        coverage = self._study.coverage(index, seen.box)
        noise = self._study.analysis.noise
        found = unmix(pixels=seen.plate, coverage=coverage, guess=guess, where=unknown, noise=noise)
        canvas.known[found[1]] = Known.CARRIED
        return found

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
        ring = dilate(~canvas.filled, _RING_PX) & canvas.filled & valid
        pixels = pixels * self._filler.gain(index, picture.index, canvas.pixels, pixels, ring)
        unknown = ~canvas.filled
        pixels = close_seam(fill=pixels, plate=canvas.pixels, hole=unknown, usable=canvas.filled, filled=valid)
        use = unknown & valid
        beside = np.stack([picture.kept, picture.known == Known.INVENTED], axis=-1).astype(np.float32)
        there = warp(beside, matrix=matrix, origin=picture.box, box=canvas.box, linear=True)
        canvas.pixels = np.where(use[..., None], pixels, canvas.pixels).astype(np.float32)
        canvas.kept = np.where(use, there[..., 0], canvas.kept).astype(np.float32)
        canvas.known[use] = np.where(there[..., 1] > 0.5, Known.INVENTED, Known.CARRIED)[use]
        canvas.filled = canvas.filled | use
