"""How true a painted frame arrives in the others: one frame is painted, the rest compared with the edit made for real.

PSNR in display encoding, where the edit shows and nothing stands in front, against the grain-free truth. Beside it the
same motion with plain colours carried, which does not follow the light.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from bars import CARRY, CarryBars
from numpy.typing import NDArray
from rows import Choice, Row

sys.path.append(str(Path(__file__).resolve().parents[1] / "quality"))

from array_shots import ArrayShot, composited, job_in, windows_of
from carry_scenes import CarryShot, make_carry
from scores import psnr

from secondtake.messages import Operation
from secondtake_daemon.engines.temporal.engine import TemporalEngine

Frames = NDArray[np.float32]


def measure(choice: Choice) -> list[Row]:
    """Two rows for each shot and seed; one more where the light changes."""
    rows: list[Row] = []
    for (motion, edit), bars in CARRY.items():
        for seed in choice.seeds if choice.has("carry", motion, edit, f"{motion} {edit}") else ():
            print(f"carry: {motion} {edit} {seed}", file=sys.stderr)
            rows += _rows(f"{edit}, {motion}", seed, make_carry(motion, edit, seed=seed), bars)
    return rows


def _rows(name: str, seed: int, scene: CarryShot, bars: CarryBars) -> list[Row]:
    painted = len(scene.plates) // 2
    shot = scene.shot(painted)
    started = time.perf_counter()
    ours = carried(shot)
    seconds = (time.perf_counter() - started) / len(ours)
    near = _others(ours, scene, painted)
    rows = [
        Row(bench="carry", what=name, seed=seed, figure="PSNR", value=near, unit="dB", rival="plate",
            rival_value=_others(scene.plates, scene, painted), goal=f"≥ {bars.psnr_db:g} dB", met=near >= bars.psnr_db),
        Row(bench="carry", what=name, seed=seed, figure="time", value=seconds, unit="s/frame"),
    ]  # fmt: skip
    if bars.over_colour_db is not None:
        plain = _others(carried(shot, transfer="colour"), scene, painted)
        rows.append(
            Row(bench="carry", what=name, seed=seed, figure="PSNR", value=near, unit="dB", rival="colours",
                rival_value=plain, goal=f"≥ {bars.over_colour_db:+g} dB", met=near - plain >= bars.over_colour_db)
        )  # fmt: skip
    return rows


def _others(result: Frames, scene: CarryShot, painted: int) -> float:
    """Over all frames but the painted one."""
    at = [index for index in range(len(result)) if index != painted]
    return psnr(result[at], scene.clean[at], scene.inside[at].astype(np.float32))


def carried(shot: ArrayShot, *, transfer: str = "") -> Frames:
    """The whole shot with the painted frames carried through it, inside the matte."""
    with tempfile.TemporaryDirectory() as folder:
        job = job_in(Path(folder), grain="none", operation=Operation.MODIFY)
        if transfer:
            job = replace(job, options={**job.options, "transfer": transfer})
        engine = TemporalEngine()
        engine.load(job)
        patches = [engine.generate(window, job) for window in windows_of(shot)]
        engine.unload()
    return composited(shot, patches)
