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
    sane,
    trusted,
)
from secondtake_daemon.engines.temporal.tracks import FrameTracks, Tracker

__all__ = ["Analysis", "analyse", "rim_px"]

_SAMPLES = 6
_BLUR_PX = 7


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


def rim_px(width: int) -> int:
    """How far beyond the matte pixels are still not trusted."""
    return 2 if width < 1280 else 3


def analyse(*, shot: Shot, preset: Preset, step: Callable[[], None]) -> Analysis:
    """Measure the shot. The same whatever window is asked for first."""
    grid = Grid.fit(shot.bounds, preset.proxy_width_px)
    level, noise = _measure(shot, grid, step)
    tracker, pictures, holes = Tracker(), [], []
    for frame in shot.frames:
        step()
        plate, usable, hole = _read(shot, frame, grid)
        picture = make_picture(plate=plate, usable=usable, level=level, grid=grid)
        pictures.append(picture)
        holes.append(hole)
        tracker.add(picture=picture, colours=_blurred(plate, usable, grid))
    layers = sort_layers(
        frames=tracker.frames,
        parts=tracker.parts,
        width=grid.proxy_width,
        height=grid.proxy_height,
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


def _read(shot: Shot, frame: int, grid: Grid) -> tuple[Colour, Mask, bool]:
    plate, hole = shot.plate(frame, shot.bounds), shot.hole(frame, shot.bounds)
    return plate, trusted(plate=plate, hole=hole, rim_px=rim_px(grid.width)), bool((hole > 0).any())


def _measure(shot: Shot, grid: Grid, step: Callable[[], None]) -> tuple[Level, Noise]:
    places = np.unique(np.linspace(0, len(shot.frames) - 1, _SAMPLES).round().astype(int))
    samples: list[tuple[Colour, Mask]] = []
    for place in places:
        step()
        plate, usable, _ = _read(shot, shot.frames[place], grid)
        samples.append(_middle(plate, usable))
    level = measure_level(samples=samples)
    levelled = [(np.where(mask[..., None], plate, 0) * np.float32(level.gain), mask) for plate, mask in samples]
    return level, measure_noise(samples=levelled)


def _middle(plate: Colour, usable: Mask) -> tuple[Colour, Mask]:
    """Rows spread over a large frame, so that six samples of it stay small."""
    rows, band = plate.shape[0], 64
    if rows <= 1080:
        return plate, usable
    starts = np.linspace(0, rows - band, 1080 // band).astype(int)
    return np.concatenate([plate[y : y + band] for y in starts]), np.concatenate([usable[y : y + band] for y in starts])


def _blurred(plate: Colour, usable: Mask, grid: Grid) -> Colour:
    """The plate, box-blurred and at the proxy's size; NaN within a blur of anything not trusted."""
    clean = np.where(usable[..., None], plate, np.float32(np.nan)).astype(np.float32)
    size = (grid.proxy_width, grid.proxy_height)
    if size != (grid.width, grid.height):
        clean = np.asarray(cv2.resize(clean, size, interpolation=cv2.INTER_AREA), np.float32)
    good = sane(clean)
    soft = cv2.blur(np.where(good[..., None], clean, 0).astype(np.float32), (_BLUR_PX, _BLUR_PX))
    share = cv2.blur(good.astype(np.float32), (_BLUR_PX, _BLUR_PX))
    return np.where((share > 0.999)[..., None], soft, np.float32(np.nan)).astype(np.float32)
