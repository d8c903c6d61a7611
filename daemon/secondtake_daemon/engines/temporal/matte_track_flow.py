"""What is left of a thing's motion pixel by pixel: dense flow between two views of it, believed only where it holds.

Kroeger, Timofte, Dai, Van Gool: Fast optical flow using dense inverse search, ECCV 2016.

An object that passes in front shows up as flow that does not lead back, that tears, or that strays from what is around
it; the weight of such pixels falls, and their neighbours' motion takes their place.
"""

from __future__ import annotations

import cv2
import numpy as np

from secondtake.boxes import Box
from secondtake_daemon.engines.temporal.flows import sample
from secondtake_daemon.engines.temporal.kinds import Grey, Mask, Plane
from secondtake_daemon.engines.temporal.matte_track_seen import Seen, Vectors, difference, filled, grid_of
from secondtake_daemon.engines.temporal.pyramid import spread

__all__ = ["left_over", "smoothed"]

_MATCH_GREY = 8.0
_WORSE_GREY = 0.5
_FLAT_GREY = 2.0
_RETURN_PX = 0.4
_BENT = 0.15
_COMPANY_PX = 8.0
_STRAY_PX = 1.6
_SMOOTH_PX = 2.5
_STRUCTURE_PX = 2.0


def left_over(one: Seen, other: Seen, *, inside: Mask, core: Plane) -> Vectors:
    """Smooth flow from one view to the other, (h, w, 2) proxy pixels, continued everywhere.

    inside: pixels of the thing that both show. core: 0 … 1, less near its rim, where the background is mixed in.
    """
    here, there = filled(one.grey, inside), filled(other.grey, inside)
    flow, back = _flow(here, there), _flow(there, here)
    at = grid_of(Box(0, 0, inside.shape[1], inside.shape[0])) + flow
    before, after = difference(here, there), difference(here, sample(there.astype(np.float32), at))
    returned = np.linalg.norm(flow + sample(back, at), axis=2)
    edges = _structure(here)
    weight = core * edges / (edges + _FLAT_GREY) * (after <= before + _WORSE_GREY)
    for value, scale in ((after, _MATCH_GREY), (returned, _RETURN_PX), (_bent(flow), _BENT)):
        weight = weight * np.exp(-((value / scale) ** 2))
    weight = np.where(inside, weight, 0).astype(np.float32)
    return smoothed(flow, weight * _in_company(flow, weight))


def smoothed(flow: Vectors, weight: Plane) -> Vectors:
    """Smooth where it is known, continued where it is not."""
    share = cv2.GaussianBlur(weight, (0, 0), _SMOOTH_PX)
    mean = cv2.GaussianBlur(flow * weight[..., None], (0, 0), _SMOOTH_PX) / np.maximum(share, 1e-6)[..., None]
    return spread(values=np.asarray(mean, np.float32), weight=np.minimum(share * 2, 1).astype(np.float32))


def _in_company(flow: Vectors, weight: Plane) -> Plane:
    """0 … 1: how far each vector agrees with those around it. A part that the background dragged away does not."""
    share = cv2.GaussianBlur(weight, (0, 0), _COMPANY_PX) + 1e-6
    mean = cv2.GaussianBlur(flow * weight[..., None], (0, 0), _COMPANY_PX) / share[..., None]
    apart = np.linalg.norm(flow - mean, axis=2)
    return np.asarray(np.exp(-((apart / _STRAY_PX) ** 2)), np.float32)


def _structure(grey: Grey) -> Plane:
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    return np.asarray(cv2.GaussianBlur(np.hypot(across, down), (0, 0), 2.0) / 8, np.float32)


def _bent(flow: Vectors) -> Plane:
    """How much the flow stretches or shears, per pixel."""
    soft = cv2.GaussianBlur(flow, (0, 0), 1.5)
    rows, columns = np.gradient(soft, axis=(0, 1))
    return np.asarray(np.sqrt((rows**2).sum(axis=2) + (columns**2).sum(axis=2)), np.float32)


def _flow(one: Grey, other: Grey) -> Vectors:
    dis = cv2.DISOpticalFlow.create(cv2.DISOpticalFlow_PRESET_FAST)
    dis.setFinestScale(1)
    dis.setPatchSize(8)
    dis.setPatchStride(4)
    dis.setGradientDescentIterations(12)
    dis.setVariationalRefinementIterations(5)
    return np.asarray(dis.calc(one, other, np.zeros((*one.shape, 2), np.float32)), np.float32)
