"""Stages 3 and 4 for one frame: candidates, alignment, merge, choice. What other frames saw behind the hole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake_daemon.engines.temporal.align import Aligner, source_box, warp, warp_mask
from secondtake_daemon.engines.temporal.along import Along
from secondtake_daemon.engines.temporal.analysis import Analysis
from secondtake_daemon.engines.temporal.gains import gain_at_tracks, gain_on_ring
from secondtake_daemon.engines.temporal.holes import hole_boxes
from secondtake_daemon.engines.temporal.kinds import Colour, Mask, Matrix, Plane, Preset, largest
from secondtake_daemon.engines.temporal.label import Chosen, Hypothesis, choose, doubt
from secondtake_daemon.engines.temporal.merge import View, merge, soften
from secondtake_daemon.engines.temporal.proxy import dilate
from secondtake_daemon.engines.temporal.reader import Crop, Reader
from secondtake_daemon.engines.temporal.residual import find_residual, warp_along
from secondtake_daemon.engines.temporal.segment import Segmenter
from secondtake_daemon.engines.temporal.sources import choose_sources, hole_points

if TYPE_CHECKING:  # a study is made with the help of this module
    from secondtake_daemon.engines.temporal.stored import KeyPicture

__all__ = ["Background", "Filler", "hole_boxes"]

_RING_PX = 25
_AGE_FRAMES = 12.0
_ERROR_SLACK = 0.9
_ERROR_FLOOR = 0.5
_ERROR_UNKNOWN = 3.0
_LEAST_RING = 40
_RIM_SLACK = 1.5
_VIEWS_BYTES = 512 * 1024 * 1024
_LEAST_VIEWS = 3
_LAYER_HANDICAP = 0.03
_FLOW_HANDICAP = 0.05
_FLOW_AGE_FRAMES = 6.0
_SURFACE_HANDICAP = 0.06
_DOUBT = 0.25
_DOUBT_LAYERED = 0.11  # slices of a surface that bends pass for layers, and explain most of it
_LEAST_PRESENCE = 0.3


@dataclass(frozen=True, slots=True)
class Background:
    """What is known behind the hole of one frame, in a box around it. Levelled values."""

    box: Box
    fill: Colour
    """The merged views, wherever `seen`, also around the hole."""
    plate: Colour
    hole: Mask
    """Everything that is not trusted: the matte and its rim."""
    seen: Mask
    rim: Mask
    """The part of `hole` that is only its rim, where the plate turned out to be clean of the object."""
    kept: Plane
    """Share of the plate's grain variance that is still in `fill`."""
    confirmed: Mask
    """Seen, and two views of a rigid motion agree."""
    refused: Mask
    """In the hole, shown by some frame, and not believed."""


class Filler:
    """Fills single frames. What it answers depends on the shot alone."""

    def __init__(self, *, analysis: Analysis, reader: Reader, preset: Preset, step: Callable[[], None]) -> None:
        self.analysis = analysis
        self.reader = reader
        self.aligner = Aligner(analysis)
        self._segmenter = Segmenter(analysis)
        self._along = Along(analysis, reader, step=step)
        self._preset = preset
        self._step = step

    def background(self, *, index: int, box: Box) -> Background:
        """box: one of `hole_boxes`."""
        target = self.reader.crop(index=index, box=box)
        hole = ~target.usable
        ring = dilate(hole, _RING_PX) & target.usable
        hypotheses = self._hypotheses(index, target, ring)
        chosen = choose(
            hypotheses=hypotheses,
            plate=target.pixels,
            hole=hole,
            ring=ring,
            noise=self.analysis.noise,
            in_front=lambda layer: self._segmenter.in_front(of=layer),
        )
        rim = self._clean_rim(chosen, target, ring)
        refused = chosen.refused & ~target.rim
        return Background(
            box, chosen.pixels, target.pixels, hole, chosen.seen, rim, chosen.kept, chosen.confirmed, refused
        )

    def _hypotheses(self, index: int, target: Crop, ring: Mask) -> list[Hypothesis]:
        analysis, preset = self.analysis, self._preset
        points = hole_points(analysis, index)
        layered = analysis.layers.count > 1
        room = max(_VIEWS_BYTES // max(target.pixels.nbytes, 1), _LEAST_VIEWS)
        found: list[Hypothesis] = []
        near: tuple[int, ...] = ()
        for layer in range(analysis.layers.count):
            first, last = analysis.layers.lives[layer]
            if not first - 2 <= index <= last + 2:
                continue
            most = min(preset.sources_layered if layered else preset.sources, room)
            sources = choose_sources(analysis, layer=layer, target=index, points=points, views=preset.views, most=most)
            views = [view for view in (self._view(layer, index, one, target, ring) for one in sources) if view]
            merged = merge(views=views, noise=analysis.noise, shape=target.usable.shape, step=self._step)
            present = self._present(layer, index, sources, target.box) if layered else None
            found.append(Hypothesis(merged, _LAYER_HANDICAP * layer, layer=layer, present=present))
            near = sources if layer == 0 else near
        bent: list[Hypothesis] = []
        seen = bool(found) and bool(found[0].merged.views.any())  # what no frame shows, no surface shows either
        if preset.bends and seen:
            limit = _DOUBT_LAYERED if layered else _DOUBT
            if doubt(hypotheses=found, plate=target.pixels, ring=ring, noise=analysis.noise) > limit:
                bent = self._along_surfaces(index, target, ring)
        if preset.bends and not bent:
            bent = self._along_flow(index, near, target, ring)
        return found + bent

    def _present(self, layer: int, index: int, sources: tuple[int, ...], box: Box) -> Plane:
        """0 … 1: how sure other frames are that the layer itself stands here, whether or not another hides it."""
        votes, seen = np.zeros((box.height, box.width), np.float32), np.full((box.height, box.width), 1e-6, np.float32)
        for source in sources:
            matrix = self.aligner.motion(layer=layer, target=index, source=source)
            there = None if matrix is None else source_box(matrix=matrix, box=box, frame=self.reader.frame_box)
            if matrix is None or there is None or there.is_empty:
                continue
            near = np.float32(np.exp(-abs(index - source) / _AGE_FRAMES))
            own = self._segmenter.own(index=source, layer=layer, box=there)
            usable = self.reader.crop(index=source, box=there).usable
            hidden = self._segmenter.hidden(index=source, layer=layer, box=there)
            for mask, total in ((own & usable, votes), (usable & ~hidden, seen)):
                total += near * warp(mask.astype(np.float32), matrix=matrix, origin=there, box=box, linear=True)
        return np.where(seen > _LEAST_PRESENCE, votes / seen, 0).astype(np.float32)

    def _along_surfaces(self, index: int, target: Crop, ring: Mask) -> list[Hypothesis]:
        """What surfaces show that may deform; none without two views.

        The views by one anchor share its errors, so that they count as one.
        """
        by_anchor: dict[int, list[View]] = {}
        for one in self._along.views(target=index, box=target.box, hole=~target.usable):
            pixels = one.pixels * self.gain(index, one.source, target.pixels, one.pixels, ring & one.valid)
            error = self._ring_error(target.pixels, pixels, ring & one.valid)
            view = View(pixels, one.valid, _weight(abs(index - one.source), error, _AGE_FRAMES), one.source)
            by_anchor.setdefault(one.anchor, []).append(view)
        shape, noise = target.usable.shape, self.analysis.noise
        views = []
        for anchor, own in by_anchor.items():
            merged = merge(views=own, noise=noise, shape=shape, step=self._step)
            views.append(View(merged.pixels, merged.views > 0, max(one.weight for one in own), anchor))
        if not views:
            return []
        merged = merge(views=views, noise=noise, shape=shape, step=self._step)
        return [Hypothesis(merged, _SURFACE_HANDICAP, rigid=False)]

    def _along_flow(self, index: int, sources: tuple[int, ...], target: Crop, ring: Mask) -> list[Hypothesis]:
        """A hypothesis of its own from the sources that residual flow makes fit better; none without two of them."""
        views = [view for view in (self._view_along(index, one, target, ring) for one in sources) if view]
        if len(views) < 2:
            return []
        merged = merge(views=views, noise=self.analysis.noise, shape=target.usable.shape, step=self._step)
        return [Hypothesis(merged, _FLOW_HANDICAP, rigid=False)]

    def _view_along(self, index: int, source: int, target: Crop, ring: Mask) -> View | None:
        self._step()
        matrix = self.aligner.motion(layer=0, target=index, source=source)
        if matrix is None:
            return None
        residual = find_residual(self.analysis, target=index, source=source, matrix=matrix, box=target.box)
        if residual is None:
            return None
        reach = int(np.ceil(np.abs(residual.flow).max())) + 2
        there = source_box(matrix=matrix, box=target.box.pad(reach), frame=self.reader.frame_box)
        if there.is_empty:
            return None
        crop = self.reader.crop(index=source, box=there)
        pixels = warp_along(crop.pixels, residual=residual, matrix=matrix, origin=there, box=target.box)
        soft = warp_along(
            crop.usable.astype(np.float32), residual=residual, matrix=matrix, origin=there, box=target.box, linear=True
        )
        valid = soft > 0.995
        pixels = pixels * self.gain(index, source, target.pixels, pixels, ring & valid)
        error = self._ring_error(target.pixels, pixels, ring & valid)
        weight = _weight(abs(index - source), error, _FLOW_AGE_FRAMES) / (1.0 + 0.3 * residual.length_px)
        return View(pixels, valid, weight, source)

    def _view(self, layer: int, index: int, source: int, target: Crop, ring: Mask) -> View | None:
        self._step()
        matrix = self.aligner.motion(layer=layer, target=index, source=source)
        if matrix is None:
            return None
        placed = self.placed(matrix=matrix, source=source, box=target.box, layer=layer)
        if placed is None or not placed[1].any():
            return None
        pixels, valid = placed
        gain = self.gain(index, source, target.pixels, pixels, ring & valid)
        pixels = pixels * gain
        error = self._ring_error(target.pixels, pixels, ring & valid)
        return View(pixels, valid, _weight(abs(index - source), error, _AGE_FRAMES), source)

    def placed(self, *, matrix: Matrix, source: int, box: Box, layer: int) -> tuple[Colour, Mask] | None:
        """The source frame's trusted pixels of the layer, resampled once into the target box; None if it has none."""
        there = source_box(matrix=matrix, box=box, frame=self.reader.frame_box)
        if there.is_empty:
            return None
        crop = self.reader.crop(index=source, box=there)
        usable = crop.usable
        if self.analysis.layers.count > 1:
            usable = usable & self._segmenter.allowed(index=source, layer=layer, box=there)
        if not usable.any():
            return None
        valid = warp_mask(usable, matrix=matrix, origin=there, box=box)
        return warp(crop.pixels, matrix=matrix, origin=there, box=box), valid

    def placed_picture(self, *, picture: KeyPicture, matrix: Matrix, box: Box) -> tuple[Colour, Mask] | None:
        """A finished key frame, resampled into the target box; None if it does not reach there."""
        there = source_box(matrix=matrix, box=box, frame=picture.box)
        if there.is_empty:
            return None
        pixels = picture.pixels[there.within(picture.box)]
        valid = warp_mask(np.ones(pixels.shape[:2], bool), matrix=matrix, origin=there, box=box)
        return warp(pixels, matrix=matrix, origin=there, box=box), valid

    def gain(self, index: int, source: int, plate: Colour, pixels: Colour, ring: Mask) -> NDArray[np.float32]:
        """(3,) exposure factor for the source's pixels."""
        tracks = self.analysis.tracks
        found = gain_at_tracks(tracks[index], tracks[source])
        return gain_on_ring(plate, pixels, ring) if found is None else found

    def _clean_rim(self, chosen: Chosen, target: Crop, ring: Mask) -> Mask:
        """The rim, if it matches what other frames saw there no worse than the ring beyond it does; else nothing.

        A matte with room around the object hides nothing in its rim, and what must be invented starts from there.
        """
        rim, around = target.rim & chosen.seen, ring & chosen.seen
        if min(rim.sum(), around.sum()) < _LEAST_RING:
            return np.zeros_like(target.rim)
        noise = self.analysis.noise
        apart = largest(np.abs(noise.stabilise(chosen.pixels) - noise.stabilise(target.pixels)))
        limits = [float(np.quantile(apart[around], share)) for share in (0.5, 0.9)]
        found = [float(np.quantile(apart[rim], share)) for share in (0.5, 0.9)]
        clean = all(one < _RIM_SLACK * limit for one, limit in zip(found, limits, strict=True))
        return target.rim if clean else np.zeros_like(target.rim)

    def _ring_error(self, plate: Colour, pixels: Colour, ring: Mask) -> float:
        if ring.sum() < _LEAST_RING:
            return _ERROR_UNKNOWN
        noise = self.analysis.noise
        apart = largest(np.abs(noise.stabilise(soften(plate)) - noise.stabilise(soften(pixels))))
        return float(np.median(apart[ring]))


def _weight(age_frames: int, error: float, life_frames: float) -> float:
    """Near and well matching sources count most."""
    return float(np.exp(-age_frames / life_frames)) / (_ERROR_FLOOR + max(error - _ERROR_SLACK, 0.0)) ** 2
