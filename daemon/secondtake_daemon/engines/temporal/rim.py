"""How far outside the matte the object's soft or blurred edge still shows: measured, because mattes differ.

Around the hole each frame is compared with what other frames show there. Where the object's edge lies outside the
matte the difference is larger than further out; there the plate is not trusted as a source.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake_daemon.engines.contract import Shot
from secondtake_daemon.engines.temporal.align import Aligner, source_box, warp, warp_mask
from secondtake_daemon.engines.temporal.analysis import Analysis
from secondtake_daemon.engines.temporal.camera import apply
from secondtake_daemon.engines.temporal.gains import gain_at_tracks
from secondtake_daemon.engines.temporal.kinds import Mask, Points, largest
from secondtake_daemon.engines.temporal.merge import View, merge, soften
from secondtake_daemon.engines.temporal.proxy import Picture, dilate, sane
from secondtake_daemon.engines.temporal.reader import Reader
from secondtake_daemon.engines.temporal.sources import choose_sources

__all__ = ["MOST_RIM_PX", "measure_rim"]

MOST_RIM_PX = 8
_REFERENCE_PX = (12, 20)
_MARGIN_PX = 24
_PARTS = 2
_FRAMES = 6
_VIEWS = 3
_SOURCES = 4
_LEAST = 150
_SHARES = (0.5, 0.9)
_SLACK = (1.25, 1.4)
_POINTS = 1000
_CACHE_BYTES = 96 << 20
_LOST = 2.0
"""Sigmas: above it the surroundings do not fit either, and nothing can be said about the rim."""
_LEAST_APART = 1.0
"""Sigmas: less than this is nothing, also where the plate has no grain."""

Values = NDArray[np.float32]


def measure_rim(*, shot: Shot, analysis: Analysis, step: Callable[[], None]) -> int | None:
    """Pixels outside the matte that must not be trusted, 0 … MOST_RIM_PX; None where nothing can be compared."""
    reader = Reader(shot=shot, gain=analysis.level.gain, rim_px=MOST_RIM_PX, most_bytes=_CACHE_BYTES)
    aligner = Aligner(analysis)
    holed = np.flatnonzero(analysis.holes)
    if not len(holed) or len(analysis.frames) < 3:
        return None
    chosen = np.unique(holed[np.linspace(0, len(holed) - 1, _FRAMES).round().astype(int)])
    wary = _wary(analysis)
    found: list[tuple[Values, Values]] = []
    for index in chosen.tolist():
        for box in _parts(reader.hole(index=index)):
            step()
            found += _compared(shot, wary, reader, aligner, index, box)
    if not found:
        return None
    distance, apart = (np.concatenate(values) for values in zip(*found, strict=True))
    return _edge(distance, apart, is_layered=analysis.layers.count > 1)


def _parts(hole: Mask) -> list[Box]:
    """Boxes around the largest parts of the hole, with all that they are compared with."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(hole.astype(np.uint8), connectivity=8)
    largest_first = sorted(np.asarray(stats)[1:].tolist(), key=lambda row: (-row[cv2.CC_STAT_AREA], row))
    frame = Box(0, 0, hole.shape[1], hole.shape[0])
    return [
        Box(x, y, width, height).pad(_MARGIN_PX).intersect(frame) for x, y, width, height, _ in largest_first[:_PARTS]
    ]


def _wary(analysis: Analysis) -> Analysis:
    """With the widest rim taken from what is known, so that sources are chosen that show the edge of the hole."""
    wide = int(np.ceil(MOST_RIM_PX * analysis.grid.scale))
    pictures = (Picture.of(one.grey, known=~dilate(~one.known, wide), blind=one.blind) for one in analysis.pictures)
    return replace(analysis, pictures=tuple(pictures))


def _edge(distance: Values, apart: Values, *, is_layered: bool) -> int | None:
    """Where the differences become those of the clean surroundings.

    An edge fades. Where the largest differences do not within MOST_RIM_PX, something else passes by, as it does where
    there are layers, and the median decides alone.
    """
    beyond = apart[(distance >= _REFERENCE_PX[0]) & (distance <= _REFERENCE_PX[1])]
    bands = [apart[(distance > px - 0.5) & (distance <= px + 0.5)] for px in range(1, MOST_RIM_PX + 1)]
    if min(len(band) for band in (beyond, *bands)) < _LEAST or float(np.median(beyond)) > _LOST:
        return None
    typical, worst = (
        np.array([np.quantile(band, share) for band in bands])
        <= slack * max(float(np.quantile(beyond, share)), _LEAST_APART)
        for share, slack in zip(_SHARES, _SLACK, strict=True)
    )
    both = None if is_layered else _first_pair(typical & worst)
    found = _first_pair(typical) if both is None else both
    return MOST_RIM_PX if found is None else found


def _first_pair(clean: Mask) -> int | None:
    """How many bands come before the first two clean ones on end."""
    return next((place for place, pair in enumerate(pairwise(clean.tolist())) if all(pair)), None)


def _compared(
    shot: Shot, analysis: Analysis, reader: Reader, aligner: Aligner, index: int, box: Box
) -> list[tuple[Values, Values]]:
    """Distance from the matte, and the difference to what other frames show, of the pixels around one hole."""
    hole = reader.hole(index=index)[box.y : box.bottom, box.x : box.right]
    distance = np.asarray(cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, 5), np.float32)
    near, around = ((distance > 0) & (distance <= reach) for reach in (MOST_RIM_PX, _REFERENCE_PX[1]))
    sources = choose_sources(
        analysis, layer=0, target=index, points=_points(analysis, near, box), views=_VIEWS, most=_SOURCES
    )
    views = [view for view in (_view(analysis, reader, aligner, index, one, box) for one in sources) if view]
    if len(views) < 2:
        return []
    bounds = shot.bounds
    there = Box(box.x + bounds.x, box.y + bounds.y, box.width, box.height)
    good = sane(shot.plate(shot.frames[index], there))
    pixels = reader.crop(index=index, box=box).pixels
    merged = merge(views=views, noise=analysis.noise, shape=hole.shape)
    use = around & (merged.views > 1) & good
    apart = analysis.noise.stabilise(merged.pixels) - analysis.noise.stabilise(pixels)
    share = np.maximum(soften(use.astype(np.float32)), 1e-6)  # nothing of the object is blurred into its surroundings
    apart = largest(np.abs(soften(np.where(use[..., None], apart, 0).astype(np.float32)) / share[..., None]))
    return [(distance[use], apart[use])]


def _points(analysis: Analysis, around: NDArray[np.bool_], box: Box) -> Points:
    """Some of the pixels, on the proxy."""
    rows, columns = np.nonzero(around)
    thin = max(len(rows) // _POINTS, 1)
    on_plate = np.stack([columns[::thin] + box.x, rows[::thin] + box.y], axis=1).astype(np.float32)
    return apply(analysis.grid.to_proxy(), on_plate)


def _view(analysis: Analysis, reader: Reader, aligner: Aligner, index: int, source: int, box: Box) -> View | None:
    matrix = aligner.motion(layer=0, target=index, source=source)
    there = None if matrix is None else source_box(matrix=matrix, box=box, frame=reader.frame_box)
    if matrix is None or there is None or there.is_empty:
        return None
    crop = reader.crop(index=source, box=there)
    gain = gain_at_tracks(analysis.tracks[index], analysis.tracks[source])
    pixels = warp(crop.pixels, matrix=matrix, origin=there, box=box)
    valid = warp_mask(crop.usable, matrix=matrix, origin=there, box=box)
    return View(pixels if gain is None else pixels * gain, valid, 1.0, source)
