"""Edge-enhancing diffusion: continue what surrounds a gap along its edges, not across them.

Weickert, Welk: Tensor field interpolation with PDEs, 2006, after Weickert: Anisotropic diffusion in image processing,
1998 (a Charbonnier diffusivity steered by the structure tensor), from coarse to fine.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from secondtake_daemon.engines.temporal.kinds import Colour, Mask, Plane
from secondtake_daemon.engines.temporal.pyramid import spread

__all__ = ["coarser", "continue_edges"]

_STEP = 0.2
_CONTRAST = 0.1
"""Of log values: steps above it are edges."""
_SOFT_PX = 1.0
_AROUND_PX = 1.5
_TENSOR_EVERY = 8
_PASSES = (200, 120, 80, 60, 40, 30)
"""From the coarsest picture on."""
_MOST_PIXELS = 400_000
"""Larger pictures take the enlarged result of the next coarser one, with a few passes."""
_FEW = 8
_LEAST_SIDE_PX = 16


def continue_edges(*, values: Colour, unknown: Mask, step: Callable[[], None] = lambda: None) -> Colour:
    """values (log, finite) with the unknown pixels filled; some must be known."""
    levels = [(values, unknown)]
    while min(levels[-1][1].shape) > _LEAST_SIDE_PX and _depth(levels[-1][1]) > 2:
        levels.append(coarser(*levels[-1]))
    smallest, gap = levels[-1]
    current = spread(values=np.where(gap[..., None], 0, smallest).astype(np.float32), weight=(~gap).astype(np.float32))
    for place, (picture, gap) in enumerate(reversed(levels)):
        current = np.asarray(cv2.resize(current, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)
        current = np.where(gap[..., None], current, picture).astype(np.float32)
        passes = _PASSES[min(place, len(_PASSES) - 1)] if gap.size <= _MOST_PIXELS else _FEW
        current = _diffused(current, gap, passes, step)
    return current


def coarser(values: Colour, unknown: Mask, *, least_share: float = 0.5) -> tuple[Colour, Mask]:
    """Half the size: the mean of what is known; unknown where less than `least_share` is."""
    known = (~unknown).astype(np.float32)
    size = ((unknown.shape[1] + 1) // 2, (unknown.shape[0] + 1) // 2)
    share = np.asarray(cv2.resize(known, size, interpolation=cv2.INTER_AREA), np.float32)
    total = cv2.resize(values * known[..., None], size, interpolation=cv2.INTER_AREA)
    return (total / np.maximum(share, 1e-3)[..., None]).astype(np.float32), share < least_share - 1e-3


def _depth(gap: Mask) -> float:
    padded = np.pad(gap, 1).astype(np.uint8)
    return float(cv2.distanceTransform(padded, cv2.DIST_L2, 3).max())


def _diffused(picture: Colour, gap: Mask, passes: int, step: Callable[[], None]) -> Colour:
    """Explicit steps inside the gap; nothing flows over the picture's border."""
    share = gap[..., None].astype(np.float32) * np.float32(_STEP)
    for count in range(passes):
        if count % _TENSOR_EVERY == 0:
            step()
            along, across, down = (plane[..., None] for plane in _tensor(picture))
            right, below = 0.5 * (along[:, 1:] + along[:, :-1]), 0.5 * (down[1:] + down[:-1])
        flow_x, flow_y = right * (picture[:, 1:] - picture[:, :-1]), below * (picture[1:] - picture[:-1])
        change = _slope_x(across * _slope_y(picture)) + _slope_y(across * _slope_x(picture))
        change[:, :-1] += flow_x
        change[:, 1:] -= flow_x
        change[:-1] += flow_y
        change[1:] -= flow_y
        picture = picture + share * change
    return picture


def _tensor(picture: Colour) -> tuple[Plane, Plane, Plane]:
    """The diffusion tensor: 1 along edges, the diffusivity across. All channels share it."""
    soft = np.asarray(cv2.GaussianBlur(picture, (0, 0), _SOFT_PX), np.float32)
    x, y = (np.asarray(cv2.Scharr(soft, cv2.CV_32F, *way), np.float32) / 32 for way in ((1, 0), (0, 1)))
    products = ((x * x).sum(axis=2), (x * y).sum(axis=2), (y * y).sum(axis=2))
    xx, xy, yy = (np.asarray(cv2.GaussianBlur(one, (0, 0), _AROUND_PX), np.float32) for one in products)
    apart = np.sqrt((xx - yy) ** 2 + 4 * xy**2)
    least = np.maximum(apart, np.float32(1e-12))
    cosine, sine = np.where(apart > 0, (xx - yy) / least, 0), np.where(apart > 0, 2 * xy / least, 0)
    closed = 1.0 - 1.0 / np.sqrt(1.0 + 0.5 * (xx + yy + apart) / np.float32(_CONTRAST**2))
    tensor = (1.0 - closed * 0.5 * (1 + cosine), -closed * 0.5 * sine, 1.0 - closed * 0.5 * (1 - cosine))
    return np.asarray(tensor[0], np.float32), np.asarray(tensor[1], np.float32), np.asarray(tensor[2], np.float32)


def _slope_x(values: Colour) -> Colour:
    padded = np.pad(values, ((0, 0), (1, 1), (0, 0)), mode="edge")
    return np.asarray(0.5 * (padded[:, 2:] - padded[:, :-2]), np.float32)


def _slope_y(values: Colour) -> Colour:
    padded = np.pad(values, ((1, 1), (0, 0), (0, 0)), mode="edge")
    return np.asarray(0.5 * (padded[2:] - padded[:-2]), np.float32)
