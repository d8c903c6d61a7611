"""Stage 1 and 2: look once through the whole shot. What is found here, every window is filled from.

The frames are streamed: of each only its matching picture, its tracks and a few numbers stay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake_daemon.engines.contract import Shot
from secondtake_daemon.engines.temporal.kinds import Colour, Mask, Preset
from secondtake_daemon.engines.temporal.layers import Layers, sort_layers
from secondtake_daemon.engines.temporal.noise import Noise, measure_noise
from secondtake_daemon.engines.temporal.proxy import (
    Grid,
    Level,
    Picture,
    make_picture,
    measure_level,
    trusted,
)
from secondtake_daemon.engines.temporal.small import Small, read_smalls, rim_px
from secondtake_daemon.engines.temporal.tracks import FrameTracks, Tracker

__all__ = ["Analysis", "analyse"]

_BLUR_PX = 7
_NOISE_PIXELS = 500_000
_BAND_PX = 64


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything known about the shot. Frames are counted 0, 1, 2 … in the order of `frames`."""

    frames: tuple[int, ...]
    grid: Grid
    level: Level
    noise: Noise
    pictures: tuple[Picture, ...]
    tracks: tuple[FrameTracks, ...]
    parts: NDArray[np.int32]
    """Between which cuts each frame lies."""
    layers: Layers
    holes: NDArray[np.bool_]
    """Frames that have a hole at all."""


def analyse(*, shot: Shot, preset: Preset, step: Callable[[], None]) -> Analysis:
    """Measure the shot. The same whatever window is asked for first."""
    grid = Grid.fit(shot.bounds, preset.proxy_width_px)
    level, noise = _measure(shot, grid, step, preset.samples)
    tracker, pictures, holes = Tracker(most=preset.tracks), [], []
    for small in read_smalls(shot=shot, frames=shot.frames, grid=grid):
        step()
        picture = make_picture(plate=small.pixels, known=small.known, level=level)
        pictures.append(picture)
        holes.append(small.has_hole)
        tracker.add(picture=picture, colours=_blurred(small))
    layers = sort_layers(
        frames=tracker.frames,
        parts=tracker.parts,
        pictures=pictures,
        most=preset.most_layers,
        step=step,
    )
    return Analysis(
        frames=tuple(shot.frames),
        grid=grid,
        level=level,
        noise=noise,
        pictures=tuple(pictures),
        tracks=tuple(tracker.frames),
        parts=np.array(tracker.parts, np.int32),
        layers=layers,
        holes=np.array(holes, bool),
    )


def _measure(shot: Shot, grid: Grid, step: Callable[[], None], most: int) -> tuple[Level, Noise]:
    """From a few frames, spread over the shot."""
    places = np.unique(np.linspace(0, len(shot.frames) - 1, most).round().astype(int))
    frames = [shot.frames[place] for place in places]
    smalls = []
    for small in read_smalls(shot=shot, frames=frames, grid=grid):
        step()
        smalls.append((small.pixels, small.known))
    level = measure_level(samples=smalls)
    return level, measure_noise(samples=[_band(shot, frame, level) for frame in frames])


def _band(shot: Shot, frame: int, level: Level) -> tuple[Colour, Mask]:
    """Levelled rows at full size, where grain is what it is, spread over a large frame."""
    bounds = shot.bounds
    plate, hole = shot.plate(frame, bounds), shot.hole(frame, bounds)
    count = max(_NOISE_PIXELS // (bounds.width * _BAND_PX), 2)
    if bounds.height > count * _BAND_PX:
        starts = np.linspace(0, bounds.height - _BAND_PX, count).astype(int)
        plate, hole = (np.concatenate([one[y : y + _BAND_PX] for y in starts]) for one in (plate, hole))
    usable = trusted(plate=plate, hole=hole, rim_px=rim_px(bounds.width))
    return (np.where(usable[..., None], plate, 0) * np.float32(level.gain)).astype(np.float32), usable


def _blurred(small: Small) -> Colour:
    """The small frame, box-blurred; NaN within a blur of anything not trusted."""
    soft = cv2.blur(np.where(small.known[..., None], small.pixels, 0).astype(np.float32), (_BLUR_PX, _BLUR_PX))
    share = cv2.blur(small.known.astype(np.float32), (_BLUR_PX, _BLUR_PX))
    return np.where((share > 0.999)[..., None], soft, np.float32(np.nan)).astype(np.float32)
