"""One painted frame, read once: what the artist changed in it, and how that is to be carried."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from secondtake.boxes import Box
from secondtake_daemon.engines.contract import Shot
from secondtake_daemon.engines.temporal.kinds import Colour, Mask, Plane
from secondtake_daemon.engines.temporal.proxy import dilate, sane
from secondtake_daemon.engines.temporal.pyramid import spread
from secondtake_daemon.engines.temporal.transfer import Transfer, choose_transfer, differing, log_ratio, regraded

__all__ = ["Painted", "read_painted"]

_RIM_PX = 3
_SOFT_PX = 1.0
_MARGIN_PX = 24
_REACH_PX = 12
_EDGE_PX = 1
_SMOOTH_PX = 1.2


@dataclass(frozen=True, slots=True)
class Painted:
    """The part of a painted frame around its edit. Levelled values; the box counts from the frame's corner."""

    index: int
    box: Box
    plate: Colour
    edit: Colour
    """The painting; beyond the matte of its frame, where nobody painted, a short continuation of it."""
    ratio: Colour
    """log(edit / plate) without grain."""
    changed: Plane
    """0 … 1, soft: where the artist changed something."""
    transfer: Transfer


def read_painted(*, shot: Shot, index: int, gain: float, transfer: Transfer | None) -> Painted | None:
    """The painted frame, counted as in `Analysis`. transfer: what to carry, None decides. None if nothing changed."""
    frame, bounds = shot.frames[index], shot.bounds
    plate, edit = shot.plate(frame, bounds), shot.reference(frame, bounds)
    good = sane(plate) & sane(edit)
    plate, edit = (np.where(good[..., None], one, 0).astype(np.float32) for one in (plate, edit))
    matte = np.asarray(~(shot.hole(frame, bounds) <= 0), bool)
    reach = dilate(matte, _REACH_PX)
    changed = good & reach & differing(edit=edit, plate=plate, painted=reach | ~good)
    if not changed.any():
        return None
    box = _around(changed, _MARGIN_PX)
    at = (slice(box.y, box.bottom), slice(box.x, box.right))
    good, matte, changed, plate, edit = good[at], matte[at], changed[at], plate[at], edit[at]
    plate, edit = plate * np.float32(gain), edit * np.float32(gain)
    chosen = transfer or choose_transfer(edit=edit, plate=plate, inside=changed)
    return _finished(index, box, plate, edit, changed, good & (matte | changed), chosen)


def _finished(
    index: int, box: Box, plate: Colour, edit: Colour, changed: Mask, valid: Mask, chosen: Transfer
) -> Painted:
    soft = [cv2.GaussianBlur(one, (0, 0), _SMOOTH_PX) for one in (edit, plate)]
    ratio = log_ratio(edit=np.asarray(soft[0], np.float32), plate=np.asarray(soft[1], np.float32))
    grown = dilate(changed, _RIM_PX)
    share = cv2.GaussianBlur(grown.astype(np.float32), (0, 0), _SOFT_PX)
    if valid.all():
        return Painted(index, box, plate, edit, ratio, np.asarray(share, np.float32), chosen)
    inner = valid.astype(np.float32)
    ratio = np.where(valid[..., None], ratio, spread(values=ratio * inner[..., None], weight=inner))
    near = cv2.distanceTransform((~valid).astype(np.uint8), cv2.DIST_L2, 5)
    edge = (valid & dilate(~valid, _EDGE_PX)).astype(np.float32)  # paint that ends before the matte's edge ends there
    beyond = spread(values=edge * changed, weight=edge) * np.clip(2 - 2 * near / _REACH_PX, 0, 1)
    edit = np.where(valid[..., None], edit, regraded(plate=plate, ratio=ratio.astype(np.float32)))
    share = np.where(valid, share, beyond)
    return Painted(
        index, box, plate, edit.astype(np.float32), ratio.astype(np.float32), share.astype(np.float32), chosen
    )


def _around(mask: Mask, margin_px: int) -> Box:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    tight = Box(int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
    return tight.pad(margin_px).intersect(Box(0, 0, mask.shape[1], mask.shape[0]))
