"""Bring drawn coverage to another frame: one resampling at full size, and outlines that meet instead of crossing.

The motion of a thing is known from the frame it was drawn in to the target; coverage is looked up the other way round,
so the motion is inverted by fixed-point iteration about its affine part (Chen, Lu, Chen, Ruchala, Olivera: A simple
fixed-point approach to invert a deformation field, Medical Physics 2008). Two drawings are blended by their signed
distances (Raya, Udupa: Shape-based interpolation of multidimensional objects, IEEE TMI 1990): a blend of the coverages
would show both outlines.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake_daemon.engines.temporal.camera import apply
from secondtake_daemon.engines.temporal.flows import sample
from secondtake_daemon.engines.temporal.kinds import Mask, Matrix, Plane
from secondtake_daemon.engines.temporal.matte_track_motion import NODE_PX, Pose, Thing
from secondtake_daemon.engines.temporal.matte_track_seen import Vectors
from secondtake_daemon.engines.temporal.proxy import Grid

__all__ = ["blend", "carry"]

_ROUNDS = 12
_FOLD_PX = 1.0
_OVERHANG = 0.2
_FAR_PX = 64.0


def carry(coverage: Plane, *, thing: Thing, pose: Pose, grid: Grid) -> Plane:
    """The thing's coverage in the frame of the pose, of the shape of `coverage` (the plate's own pixels), 0 … 1.

    Where the drawn frame ends, what touches its border goes on for a fifth of the thing's size: an actor cut off at the
    waist does not float when the camera tilts down.
    """
    result = np.zeros_like(coverage)
    box = _landing(pose, grid)
    if box.is_empty:
        return result
    proxy = Box(0, 0, grid.proxy_width, grid.proxy_height)
    small = _on_proxy(box, grid).intersect(proxy)
    back, sound = _inverse(thing, pose, small)
    x, y = _scaled(grid.to_proxy(), np.arange(box.x, box.right)[None], np.arange(box.y, box.bottom)[:, None])
    at = np.stack(np.broadcast_arrays(x - small.x, y - small.y), axis=2).astype(np.float32)
    way = sample(back, at)
    full = np.stack(_scaled(_from_proxy(grid), x + way[..., 0], y + way[..., 1]), axis=2).astype(np.float32)
    values = cv2.remap(coverage, full[..., 0], full[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    allowed = (sample(sound.astype(np.float32), at) > 0.5) & _near_frame(full, thing, grid)
    result[box.y : box.bottom, box.x : box.right] = np.where(allowed, np.clip(values, 0, 1), 0)
    return result


def blend(one: Plane, other: Plane, *, share: float) -> Plane:
    """Two carried mattes of one frame as one: share 0 is the first, 1 the other. Keeps the width of soft edges."""
    if share <= 0 or not (other > 0).any():
        return one
    if share >= 1 or not (one > 0).any():
        return other
    rows, columns = np.nonzero(np.maximum(one, other) > 0)
    height, width = one.shape
    box = Box(int(columns.min()), int(rows.min()), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
    at = box.pad(2).intersect(Box(0, 0, width, height)).within(Box(0, 0, width, height))
    first, second = _distance(one[at]), _distance(other[at])
    between = (1 - share) * first + share * second
    shifted = [_shifted(matte[at], own, between - own) for matte, own in ((one, first), (other, second))]
    result = np.zeros_like(one)
    result[at] = np.clip((1 - share) * shifted[0] + share * shifted[1], 0, 1)
    return result


def _from_proxy(grid: Grid) -> Matrix:
    return np.asarray(np.linalg.inv(grid.to_proxy()), np.float64)


def _scaled(matrix: Matrix, x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Through a matrix that only scales and shifts."""
    return matrix[0, 0] * x + matrix[0, 2], matrix[1, 1] * y + matrix[1, 2]


def _landing(pose: Pose, grid: Grid) -> Box:
    """The plate pixels that can hold something of the thing."""
    full = apply(_from_proxy(grid), pose.nodes.reshape(-1, 2))
    full = np.clip(full, -1e6, 1e6)
    x, y = np.floor(full.min(axis=0)).astype(int) - NODE_PX
    right, bottom = np.ceil(full.max(axis=0)).astype(int) + NODE_PX
    return Box(int(x), int(y), int(right - x), int(bottom - y)).intersect(Box(0, 0, grid.width, grid.height))


def _on_proxy(box: Box, grid: Grid) -> Box:
    corners = apply(grid.to_proxy(), np.array([[box.x, box.y], [box.right, box.bottom]], np.float32))
    x, y = np.floor(corners[0]).astype(int) - 1
    right, bottom = np.ceil(corners[1]).astype(int) + 2
    return Box(int(x), int(y), int(right - x), int(bottom - y))


def _inverse(thing: Thing, pose: Pose, box: Box) -> tuple[Vectors, Mask]:
    """For the proxy pixels of a box in the target: the way back to the drawn frame, and where there is one."""
    rows, columns = np.mgrid[: pose.nodes.shape[0], : pose.nodes.shape[1]].astype(np.float64)
    drawn = np.stack([thing.box.x + NODE_PX * columns, thing.box.y + NODE_PX * rows], axis=2)
    design = np.concatenate([drawn, np.ones((*rows.shape, 1))], axis=2).reshape(-1, 3)
    matrix, *_ = np.linalg.lstsq(design, pose.nodes.reshape(-1, 2).astype(np.float64), rcond=None)
    rest = (pose.nodes - (design @ matrix).reshape(pose.nodes.shape)).astype(np.float32)
    turn = np.linalg.pinv(matrix[:2])
    y, x = np.mgrid[box.y : box.bottom, box.x : box.right].astype(np.float64)
    target = np.stack([x, y], axis=2)
    corner = np.array([thing.box.x, thing.box.y], np.float64)
    back = (target - matrix[2]) @ turn
    for _ in range(_ROUNDS):
        back = (target - matrix[2] - _rest_at(rest, back - corner)) @ turn
    again = back @ matrix[:2] + matrix[2] + _rest_at(rest, back - corner)
    sound = np.linalg.norm(again - target, axis=2) < _FOLD_PX
    return (back - target).astype(np.float32), np.asarray(sound, bool)


def _rest_at(rest: Vectors, local: NDArray[np.float64]) -> Vectors:
    return sample(rest, (local / NODE_PX).astype(np.float32))


def _near_frame(at: Vectors, thing: Thing, grid: Grid) -> Mask:
    """Not further beyond the border of the drawn frame than the thing may go on."""
    reach = _OVERHANG * max(thing.tight.width, thing.tight.height) / grid.scale
    x, y = at[..., 0], at[..., 1]
    inside = (x >= -reach) & (y >= -reach) & (x <= grid.width - 1 + reach) & (y <= grid.height - 1 + reach)
    return np.asarray(inside, bool)


def _distance(alpha: Plane) -> Plane:
    """Pixels to the outline, above 0 inside; exact to a fraction of a pixel where the edge is soft."""
    inside = np.pad((alpha > 0.5).astype(np.uint8), 1, mode="edge")
    within = cv2.distanceTransform(inside, cv2.DIST_L2, 5)[1:-1, 1:-1]
    without = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)[1:-1, 1:-1]
    signed = np.where(within > 0, within - 0.5, 0.5 - without)
    return np.clip(cv2.GaussianBlur(signed, (0, 0), 1.0), -_FAR_PX, _FAR_PX).astype(np.float32)


def _shifted(alpha: Plane, distance: Plane, further: Plane) -> Plane:
    """Coverage, with its outline moved outward by `further` pixels along its own normal. Cubic, for hard edges stay."""
    rows, columns = np.gradient(distance)
    length = np.maximum(np.hypot(rows, columns), 0.3)
    y, x = np.mgrid[: alpha.shape[0], : alpha.shape[1]].astype(np.float32)
    x, y = x + columns / length * further, y + rows / length * further
    at = x.astype(np.float32), y.astype(np.float32)
    return np.clip(cv2.remap(alpha, *at, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), 0, 1)
