"""What a model may see of the plate when frames are added to it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "quality"))
from array_shots import ArrayShot

from secondtake.boxes import Box
from secondtake.messages import Operation, Quality
from secondtake_daemon.engines.contract import Job, Window
from secondtake_daemon.engines.diffusion.families import wan_vace
from secondtake_daemon.engines.diffusion.render import Look, render
from secondtake_daemon.engines.diffusion.run import Made, Run

HEIGHT, WIDTH, PLATE, COUNT = 32, 48, 8, 20


@pytest.mark.parametrize("is_before", [False, True], ids=["after", "before"])
def test_every_frame_of_the_plate_is_shown_beside_whole_new_ones(tmp_path: Path, is_before: bool) -> None:
    plates = np.random.default_rng(0).random((COUNT, HEIGHT, WIDTH, 3), np.float32)
    holes = np.zeros((COUNT, HEIGHT, WIDTH), np.float32)
    new = slice(0, COUNT - PLATE) if is_before else slice(PLATE, COUNT)
    plates[new], holes[new] = 0, 1
    shot = ArrayShot(plates, holes)
    seen: list[Run] = []

    def model(run: Run) -> Made:
        seen.append(run)
        return Made(codes=run.codes)

    family = replace(wan_vace.FAMILY, longest=37, head=8, tail=9)
    look = Look(family=family, settings=family.final, gain=1.0, shape="hull")
    job = Job(
        operation=Operation.EXTEND, instruction="", quality=Quality.FINAL, seed=0, options={}, scratch=tmp_path,
        step=lambda: None,
    )  # fmt: skip
    render(Window(index=0, frames=shot.frames, crop=Box(0, 0, WIDTH, HEIGHT), shot=shot), job, look=look, model=model)
    (run,) = seen
    is_plate = run.codes.any(axis=(1, 2, 3))
    assert is_plate.sum() >= PLATE
    assert not run.holes[is_plate].any()
    assert run.holes[~is_plate].all()
