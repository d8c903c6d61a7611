"""How true a painted frame arrives in the others, on photographs: floors under what is measured."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from secondtake.messages import Operation
from secondtake_daemon.engines.contract import Known, Window
from secondtake_daemon.engines.temporal.engine import TemporalEngine

sys.path.insert(0, str(Path(__file__).parent))

from array_shots import composited, job_in
from carry_scenes import CarryShot, CarrySize, make_carry
from scores import psnr
from textures import photographs

SIZE = CarrySize(width=320, height=180, frames=20)
PAINTED = 8
SCORED = (2, 6, 13, 18)

needs_photographs = pytest.mark.skipif(not photographs(), reason="no installed package ships photographs")


def carried(
    scene: CarryShot, folder: Path, *painted: int, **options: str
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """The scored frames, and how each pixel is known: (frames, h, w, 3) and (frames, h, w)."""
    shot = scene.shot(*(painted or (PAINTED,)))
    job = replace(job_in(folder, operation=Operation.MODIFY), options=options)
    engine = TemporalEngine()
    engine.load(job)
    frames = tuple(shot.frames[place] for place in SCORED)
    patch = engine.generate(Window(index=0, frames=frames, crop=shot.bounds, shot=shot), job)
    assert patch.known is not None
    return composited(shot, [patch])[list(SCORED)], patch.known


def score(result: NDArray[np.float32], scene: CarryShot, *, clean: bool = False) -> float:
    """PSNR where the edit shows."""
    truth = (scene.clean if clean else scene.edited)[list(SCORED)]
    return psnr(result, truth, scene.inside[list(SCORED)].astype(np.float32))


@needs_photographs
@pytest.mark.parametrize(("motion", "edit", "floor_db"), [
    ("rigid", "paint", 34.0), ("deform", "paint", 33.0), ("lit", "paint", 33.0), ("hard", "paint", 31.0),
    ("rigid", "logo", 32.0), ("deform", "grade", 38.0), ("lit", "grade", 38.0), ("rigid", "blemish", 32.0),
])  # fmt: skip
def test_painted_frame_arrives(motion: str, edit: str, floor_db: float, tmp_path: Path) -> None:
    scene = make_carry(motion, edit, seed=0, size=SIZE)
    result, known = carried(scene, tmp_path)
    assert score(result, scene) >= floor_db
    assert (known[scene.inside[list(SCORED)]] == Known.CARRIED).mean() > 0.97


@needs_photographs
def test_without_grain_it_is_measured_against_the_clean_truth(tmp_path: Path) -> None:
    scene = make_carry("rigid", "paint", seed=0, size=SIZE)
    result, _ = carried(scene, tmp_path, grain="none")
    assert score(result, scene, clean=True) >= 36


@needs_photographs
@pytest.mark.parametrize("motion", ["lit", "hard"])
def test_light_is_followed(motion: str, tmp_path: Path) -> None:
    scene = make_carry(motion, "paint", seed=0, size=SIZE)
    ours, _ = carried(scene, tmp_path / "a")
    plain, _ = carried(scene, tmp_path / "b", transfer="colour")
    assert score(ours, scene) >= score(plain, scene) + 8


@needs_photographs
def test_an_occluder_stays_in_front(tmp_path: Path) -> None:
    scene = make_carry("covered", "paint", seed=0, size=SIZE)
    result, _ = carried(scene, tmp_path, 0, 19)
    assert score(result, scene) >= 31
    front = scene.front[list(SCORED)]
    apart = np.abs(result - scene.plates[list(SCORED)]).max(axis=3)[front]
    assert front.sum() > 2000
    assert (apart > 0.02).mean() < 0.2  # two pixels at either edge of a post of 28


def test_scenes_follow_from_their_seed() -> None:
    size = CarrySize(96, 64, 3)
    one, two, other = (make_carry("lit", "logo", seed=seed, size=size, drawn=True) for seed in (4, 4, 5))
    assert one.edited.tobytes() == two.edited.tobytes() != other.edited.tobytes()


def test_vectors_lead_from_frame_to_frame() -> None:
    """Ten steps along the vectors end where the surface is."""
    scene = make_carry("deform", "paint", seed=4, size=replace(SIZE, frames=11), grain=0.0, drawn=True)
    rows, columns = np.mgrid[:180, :320].astype(np.float32)
    at = np.stack([columns, rows], axis=2)
    for frame in range(10):
        at = at + cv2.remap(scene.vectors[frame, ..., 2:], at[..., 0], at[..., 1], cv2.INTER_LINEAR)
    moved = cv2.remap(scene.clean[10], at[..., 0], at[..., 1], cv2.INTER_CUBIC)
    inside = cv2.erode(scene.inside[0].astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert np.abs(moved - scene.clean[0])[inside].mean() < 0.02
