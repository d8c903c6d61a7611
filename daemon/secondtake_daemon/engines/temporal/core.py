"""What no frame ever saw: invented once, on a key frame, and carried to the others, so that it stands still.

The keys are chosen from geometry alone, for the whole shot, so that every window draws on the same pictures.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal.analysis import Analysis
from secondtake_daemon.engines.temporal.camera import apply
from secondtake_daemon.engines.temporal.kinds import Colour, Mask, Points
from secondtake_daemon.engines.temporal.pyramid import spread
from secondtake_daemon.engines.temporal.sources import hole_points, offsets_for, visible_from

__all__ = ["choose_keys", "never_seen", "spatial_fill"]

_MOST_KEYS = 8
_LEAST_SHARE = 0.002
_RADIUS_PX = 5.0
_LOG_FLOOR = 0.01


def never_seen(analysis: Analysis, *, step: Callable[[], None]) -> list[Points]:
    """For each frame, the proxy points in its hole that no other frame shows by the camera's motion."""
    result = []
    for target in range(len(analysis.frames)):
        step()
        left = hole_points(analysis, target) if analysis.holes[target] else np.empty((0, 2), np.float32)
        for offset in offsets_for(len(analysis.frames)):
            for source in (target - offset, target + offset):
                if not len(left):
                    break
                if 0 <= source < len(analysis.frames) and analysis.parts[source] == analysis.parts[target]:
                    left = left[~visible_from(analysis, layer=0, target=target, source=source, points=left)]
        result.append(left)
    return result


def choose_keys(analysis: Analysis, *, unseen: list[Points], step: Callable[[], None]) -> tuple[int, ...]:
    """Frames to invent on, in order; each covers what the ones before did not. Ties go to the middle of the shot."""
    left = list(unseen)
    keys: list[int] = []
    middle = len(left) / 2
    area = analysis.grid.proxy_width * analysis.grid.proxy_height
    while len(keys) < _MOST_KEYS:
        step()
        key = max(range(len(left)), key=lambda index: (len(left[index]), -abs(index - middle), -index), default=-1)
        if key < 0 or len(left[key]) < max(_LEAST_SHARE * area / 100, 4):
            break
        keys.append(key)
        left = [
            points[~_shown_by(analysis, target, key, points)] if len(points) else points
            for target, points in enumerate(left)
        ]
        left[key] = left[key][:0]
    return tuple(keys)


def _shown_by(analysis: Analysis, target: int, key: int, points: Points) -> NDArray[np.bool_]:
    """Which points fall inside the key frame."""
    if analysis.parts[target] != analysis.parts[key]:
        return np.zeros(len(points), bool)
    x, y = apply(analysis.layers.chained(0, target, key), points).T
    grid = analysis.grid
    return np.asarray((x >= 0) & (y >= 0) & (x <= grid.proxy_width - 1) & (y <= grid.proxy_height - 1), bool)


def spatial_fill(*, pixels: Colour, unknown: Mask) -> Colour:
    """Continue the surroundings into the unknown pixels, in log, float throughout.

    Half Telea (An image inpainting technique based on the fast marching method, 2004), which carries edges inwards,
    half pull-push, which has no streaks. 0 where nothing is known.
    """
    if not unknown.any():
        return pixels
    if unknown.all():
        return np.zeros_like(pixels)
    log = np.log(np.maximum(pixels, 0.0) + np.float32(_LOG_FLOOR))
    smooth = spread(
        values=np.where(unknown[..., None], 0, log).astype(np.float32), weight=(~unknown).astype(np.float32)
    )
    low, high = (float(np.quantile(log[~unknown], share)) for share in (0.001, 0.999))
    scale = 255.0 / max(high - low, 1e-3)
    shown = np.clip(np.rint((np.where(unknown[..., None], low, log) - low) * scale), 0, 255).astype(np.uint8)
    marched = cv2.inpaint(shown, unknown.astype(np.uint8), _RADIUS_PX, cv2.INPAINT_TELEA).astype(np.float32)
    mixed = 0.5 * smooth + 0.5 * (marched / scale + low)
    value = np.maximum(np.exp(mixed) - _LOG_FLOOR, 0.0)
    return np.where(unknown[..., None], value, pixels).astype(np.float32)
