"""From the coverage that was drawn to the mattes that count.

Three mattes are kept apart: the *stitch* matte says which samples may change, the *generation* matte which samples an
engine must not trust, and the crop is the plan's, made of the stitch boxes. All are exactly 0 outside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.messages import Operation
from secondtake_daemon.images.coverage import Coverage
from secondtake_daemon.images.feather import feather_inward

__all__ = ["FrameMattes", "Stitch", "generation_matte", "stitch_matte", "support_digest"]

_FloatPlane = NDArray[np.float32]
_NOTHING = Box(0, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stitch:
    """A matte for one frame: alpha inside the box, exactly 0 outside. Empty if nothing may change in this frame."""

    box: Box
    """Tight around the samples above 0, in pixels of the plate; inside its data window."""
    alpha: _FloatPlane
    """(height, width) float32, 0..1."""


@dataclass(frozen=True, slots=True)
class FrameMattes:
    """The mattes of one frame, clipped to its data window."""

    hole: Stitch
    """Generation matte: what an engine must not use as source."""
    stitch: Stitch
    """What may change; 0 wherever the hole is 0."""


def stitch_matte(coverage: Coverage, *, operation: Operation, grow_px: int, feather_px: int, bounds: Box) -> Stitch:
    """What may change. grow_px enlarges by a disc (negative: shrinks), feather_px then softens inward only.

    For REMOVE every trace of the object must go, so alpha is 1 wherever coverage is left; for the other operations it
    is the coverage. bounds is the plate's data window; its border is not an edge of the matte.
    """
    canvas, alpha = _grown(coverage, grow_px, bounds)
    if operation is Operation.REMOVE:
        alpha = (alpha > 0).astype(np.float32)
    return _tight(canvas, feather_inward(alpha, feather_px=feather_px), bounds)


def generation_matte(coverage: Coverage, *, grow_px: int, bounds: Box) -> Stitch:
    """What an engine must not use as source: where the stitch matte is, before its feather, and all that was drawn.

    A shrunken stitch leaves a rim of the object in the picture; the rim is still the object, not background. Soft
    coverage stays soft also for REMOVE: an engine may see the background through it.
    """
    canvas, alpha = _grown(coverage, max(grow_px, 0), bounds)
    return _tight(canvas, alpha, bounds)


def support_digest(stitch: Stitch, data_window: Box) -> str:
    """BLAKE3, hex, of the samples that may change.

    Digested are x, y, width and height of the data window as little-endian int32, then row by row one bit a pixel
    (alpha > 0), most significant bit first, each row padded with zeros to whole bytes.
    """
    support = np.zeros((data_window.height, data_window.width), np.bool_)
    if not stitch.box.is_empty:
        support[stitch.box.within(data_window)] = stitch.alpha > 0
    digest = blake3(np.array(data_window, "<i4").tobytes())
    digest.update(np.packbits(support, axis=1).tobytes())
    return digest.hexdigest()


def _grown(coverage: Coverage, grow_px: int, bounds: Box) -> tuple[Box, _FloatPlane]:
    """Coverage after growing, on a canvas with a ring of zeros, except where canvas ends with the known picture."""
    support = _support(coverage.values, coverage.box)
    if support.is_empty:
        return _NOTHING, np.zeros((0, 0), np.float32)
    canvas = support.pad(max(grow_px, 0) + 1).intersect(bounds.union(coverage.box))
    values = np.zeros((canvas.height, canvas.width), np.float32)
    values[support.within(canvas)] = coverage.values[support.within(coverage.box)]
    if grow_px > 0:
        values = _dilate(values, grow_px)
    elif grow_px < 0:
        values = -_dilate(-values, -grow_px)
    return canvas, values


def _dilate(values: _FloatPlane, radius: int) -> _FloatPlane:
    """Grey dilation with the disc dx² + dy² ≤ radius²; soft edges stay soft. Beyond the array nothing counts.

    A disc is a stack of horizontal runs, and the maximum over a run is that of two shorter ones from a table of
    doubling widths, so a row offset costs two passes whatever the radius.
    """
    height, width = values.shape
    padded = np.pad(values, ((0, 0), (radius, radius)), constant_values=-np.inf)
    table = [padded]
    while (2 << (len(table) - 1)) <= 2 * radius + 1:
        half = 1 << (len(table) - 1)
        table.append(np.maximum(table[-1][:, :-half], table[-1][:, half:]))
    out = np.full_like(values, -np.inf)
    for dy in range(min(radius, height - 1) + 1):
        reach = int((radius * radius - dy * dy) ** 0.5)
        run = _run_maximum(table, start=radius - reach, length=2 * reach + 1, width=width)
        np.maximum(out[dy:], run[: height - dy], out=out[dy:])
        np.maximum(out[: height - dy], run[dy:], out=out[: height - dy])
    return out


def _run_maximum(table: list[_FloatPlane], *, start: int, length: int, width: int) -> _FloatPlane:
    level = length.bit_length() - 1
    second = start + length - (1 << level)
    return np.maximum(table[level][:, start : start + width], table[level][:, second : second + width])


def _tight(canvas: Box, alpha: _FloatPlane, bounds: Box) -> Stitch:
    """Clip to the bounds, then to the support."""
    inside = canvas.intersect(bounds)
    if inside.is_empty:
        return Stitch(box=_NOTHING, alpha=np.zeros((0, 0), np.float32))
    alpha = alpha[inside.within(canvas)]
    box = _support(alpha, inside)
    return Stitch(box=box, alpha=np.ascontiguousarray(alpha[box.within(inside)]))


def _support(values: _FloatPlane, box: Box) -> Box:
    """The smallest box around the values above 0."""
    rows = np.flatnonzero((values > 0).any(axis=1))
    if not rows.size:
        return Box(box.x, box.y, 0, 0)
    columns = np.flatnonzero((values > 0).any(axis=0))
    y, x = int(rows[0]), int(columns[0])
    return Box(box.x + x, box.y + y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1)
