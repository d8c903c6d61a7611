"""What other frames show of the background behind a hole, along surfaces that need not be rigid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake_daemon.engines.temporal.analysis import Analysis
from secondtake_daemon.engines.temporal.flows import sample
from secondtake_daemon.engines.temporal.kinds import Colour, Mask
from secondtake_daemon.engines.temporal.reader import Reader
from secondtake_daemon.engines.temporal.surfaces import Surface, Surfaces

__all__ = ["Along", "Placed"]

_MOST_ANCHORS = 4
_ANCHORS_A_POINT = 2
_AGE = 0.06
_AROUND = (0, -1, 1)
_LEAST_SHARE = 0.005
_WHOLE = 0.99
_KERNEL_PX = 3

Places = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Placed:
    """One source frame, resampled once into the target box."""

    anchor: int
    """The frame whose surface led there; views by one anchor err alike."""
    source: int
    pixels: Colour
    valid: Mask


class Along:
    """Views of what a frame hides, through anchors that show it."""

    def __init__(self, analysis: Analysis, reader: Reader, *, step: Callable[[], None]) -> None:
        self._analysis = analysis
        self._reader = reader
        self._step = step
        self._surfaces = Surfaces(analysis, step=step)

    def views(self, *, target: int, box: Box, hole: Mask) -> Iterator[Placed]:
        """From the anchors that together show the hole, and their neighbours. Boxes in plate pixels."""
        for surface, there, shown in self._chosen(target, box, hole):
            for source in (surface.anchor + offset for offset in _AROUND):
                if surface.reaches(source) and source != target:
                    self._step()
                    placed = self._placed(source, surface, there, shown)
                    if placed is not None:
                        yield placed

    def _chosen(self, target: int, box: Box, hole: Mask) -> list[tuple[Surface, Places, Mask]]:
        """A greedy cover: each point should be seen through two anchors, near ones first."""
        offered = [one for one in self._offers(target, box) if (one[2] & hole).any()]
        need = np.where(hole, _ANCHORS_A_POINT, 0)
        chosen: list[tuple[Surface, Places, Mask]] = []
        while offered and len(chosen) < _MOST_ANCHORS:
            worth = [float((need * one[2]).sum()) / (1.0 + _AGE * abs(one[0].anchor - target)) for one in offered]
            best = int(np.argmax(worth))
            if float((need * offered[best][2]).sum()) < _LEAST_SHARE * hole.sum():
                break
            need = np.maximum(need - offered[best][2], 0)
            chosen.append(offered.pop(best))
        return chosen

    def _offers(self, target: int, box: Box) -> Iterator[tuple[Surface, Places, Mask]]:
        """Every anchor that reaches the target, where the box's pixels stand in it, and which of them it shows."""
        small = self._small(box)
        for anchor in self._surfaces.anchors(target=target):
            surface = None if anchor == target else self._surfaces.surface(anchor)
            if surface is not None and surface.reaches(target):
                there = surface.back(target, small)
                yield surface, there, np.asarray(sample(self._surfaces.known(anchor), there) > _WHOLE, bool)

    def _placed(self, source: int, surface: Surface, there: Places, shown: Mask) -> Placed | None:
        if (
            self._analysis.pictures[source].blind
            or self._analysis.parts[source] != self._analysis.parts[surface.anchor]
        ):
            return None
        at = self._large(surface.ahead(source, there))
        frame = self._reader.frame_box
        reach = shown & (at[..., 0] > -1) & (at[..., 1] > -1) & (at[..., 0] < frame.width) & (at[..., 1] < frame.height)
        if not reach.any():
            return None
        low, high = np.floor(at[reach].min(axis=0)).astype(int), np.ceil(at[reach].max(axis=0)).astype(int)
        box = Box(int(low[0]), int(low[1]), int(high[0] - low[0]) + 1, int(high[1] - low[1]) + 1)
        crop = self._reader.crop(index=source, box=box.pad(_KERNEL_PX).intersect(frame))
        x, y = at[..., 0] - crop.box.x, at[..., 1] - crop.box.y
        inner = cv2.erode(crop.usable.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0)
        soft = cv2.remap(inner * np.uint8(255), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        valid = np.asarray(np.asarray(soft) >= 254, bool) & shown
        if not valid.any():
            return None
        pixels = np.asarray(cv2.remap(crop.pixels, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.float32)
        return Placed(surface.anchor, source, np.maximum(pixels, min(0.0, float(crop.pixels.min(initial=0.0)))), valid)

    def _small(self, box: Box) -> Places:
        """The box's pixels as the surfaces count them."""
        scale = self._surfaces.from_plate
        x = (np.arange(box.x, box.right, dtype=np.float32) + 0.5) * scale[0] - 0.5
        y = (np.arange(box.y, box.bottom, dtype=np.float32) + 0.5) * scale[1] - 0.5
        return np.stack(np.meshgrid(x, y), axis=2).astype(np.float32)

    def _large(self, places: Places) -> Places:
        scale = np.array(self._surfaces.from_plate, np.float32)
        return np.asarray((places + 0.5) / scale - 0.5, np.float32)
