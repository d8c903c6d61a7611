"""How well a matte drawn on one frame follows its thing: intersection over union with the true coverage.

Beside it what doing nothing gives: the drawn matte, held.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from bars import TRACK_IOU
from numpy.typing import NDArray
from rows import Choice, Row

sys.path.append(str(Path(__file__).resolve().parents[1] / "quality"))

from track_scenes import KINDS, TrackShot, band_error, held, make_track, overlap

from secondtake.messages import Quality
from secondtake_daemon.engines.temporal.analysis import analyse
from secondtake_daemon.engines.temporal.kinds import preset_for
from secondtake_daemon.engines.temporal.matte_track import track_matte

Frames = NDArray[np.float32]


def measure(choice: Choice) -> list[Row]:
    """Three rows for each kind of thing and seed."""
    rows: list[Row] = []
    for kind in KINDS:
        for seed in choice.seeds if choice.has("track", kind) else ():
            print(f"track: {kind} {seed}", file=sys.stderr)
            rows += _rows(kind, seed)
    return rows


def _rows(kind: str, seed: int) -> list[Row]:
    scene = make_track(kind, seed=seed)
    drawn = len(scene.plates) // 2
    started = time.perf_counter()
    found = tracked(scene, drawn)
    seconds = (time.perf_counter() - started) / len(found)
    still, true = held(scene, drawn), scene.alphas
    shared, other = overlap(found, true), overlap(still, true)
    return [
        Row(bench="track", what=kind, seed=seed, figure="overlap", value=shared, unit="", rival="held",
            rival_value=other, goal=f"≥ {TRACK_IOU:g}", met=shared >= TRACK_IOU),
        Row(bench="track", what=kind, seed=seed, figure="edge error", value=band_error(found, true), unit="",
            rival="held", rival_value=band_error(still, true)),
        Row(bench="track", what=kind, seed=seed, figure="time", value=seconds, unit="s/frame"),
    ]  # fmt: skip


def tracked(scene: TrackShot, drawn: int) -> Frames:
    """(frames, h, w): the true matte of one frame, carried to all."""
    analysis = analyse(shot=scene.shot, preset=preset_for(quality=Quality.FINAL), step=lambda: None)
    found = np.zeros_like(scene.alphas)
    for one in track_matte(analysis, drawn=[drawn], read=lambda index: scene.alphas[index], step=lambda: None):
        found[one.index] = one.coverage
    return found
