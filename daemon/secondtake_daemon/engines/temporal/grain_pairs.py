"""Aligned neighbours for the measurement of grain: bands of a few frames, spread over the shot."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from secondtake.boxes import Box
from secondtake_daemon.engines.grain import Grain, Pair, measure_grain
from secondtake_daemon.engines.temporal.align import Aligner, source_box
from secondtake_daemon.engines.temporal.analysis import Analysis
from secondtake_daemon.engines.temporal.gains import gain_at_tracks
from secondtake_daemon.engines.temporal.kinds import Colour, Mask, Matrix
from secondtake_daemon.engines.temporal.reader import Reader

__all__ = ["measure_shot"]

_PAIRS = 5
_BANDS = 4
_BAND_PX = 96


def measure_shot(*, reader: Reader, analysis: Analysis, step: Callable[[], None]) -> Grain:
    """The grain of the whole shot, on levelled values. None of it in a shot of one frame."""
    count = len(analysis.frames)
    if count < 2:
        return Grain.none()
    aligner = Aligner(analysis)
    pairs: list[Pair] = []
    for target in np.unique(np.linspace(0, count - 2, _PAIRS).round().astype(int)).tolist():
        source = target + 1
        together = analysis.parts[source] == analysis.parts[target]
        if not together or analysis.pictures[target].blind or analysis.pictures[source].blind:
            continue
        matrix = aligner.motion(layer=0, target=target, source=source)
        for band in _bands(reader.frame_box):
            step()
            found = None if matrix is None else _pair(reader, analysis, target, source, matrix, band)
            pairs += [] if found is None else [found]
    return measure_grain(pairs=pairs)


def _bands(frame: Box) -> list[Box]:
    if frame.height <= _BANDS * _BAND_PX:
        return [frame]
    tops = np.linspace(0, frame.height - _BAND_PX, _BANDS).astype(int).tolist()
    return [Box(0, top, frame.width, _BAND_PX) for top in tops]


def _pair(reader: Reader, analysis: Analysis, target: int, source: int, matrix: Matrix, band: Box) -> Pair | None:
    there = source_box(matrix=matrix, box=band, frame=reader.frame_box)
    if there.is_empty:
        return None
    one, other = reader.peek(index=target, box=band), reader.peek(index=source, box=there)
    pixels, valid = _nearest(other.pixels, other.usable, matrix=matrix, origin=there, box=band)
    gain = gain_at_tracks(analysis.tracks[target], analysis.tracks[source])
    return Pair(one.pixels, pixels if gain is None else pixels * gain, one.usable & valid)


def _nearest(picture: Colour, usable: Mask, *, matrix: Matrix, origin: Box, box: Box) -> tuple[Colour, Mask]:
    """Whole samples: between samples grain is softer than it is."""
    before = np.array([[1, 0, box.x], [0, 1, box.y], [0, 0, 1]], np.float64)
    after = np.array([[1, 0, -origin.x], [0, 1, -origin.y], [0, 0, 1]], np.float64)
    moved, size = after @ matrix @ before, (box.width, box.height)
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    pixels = np.asarray(cv2.warpPerspective(picture, moved, size, flags=flags), np.float32)
    shown = np.asarray(cv2.warpPerspective(usable.astype(np.uint8), moved, size, flags=flags), np.uint8)
    return pixels, np.asarray(shown > 0, bool)
