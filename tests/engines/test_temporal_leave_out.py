"""Where what was invented may be carried, where each frame is filled alone, and what the artist is told."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from secondtake.messages import Quality
from secondtake_daemon.engines.temporal.analysis import Analysis, analyse
from secondtake_daemon.engines.temporal.core import Mean
from secondtake_daemon.engines.temporal.engine import TemporalEngine
from secondtake_daemon.engines.temporal.keys import choose_keys, never_seen
from secondtake_daemon.engines.temporal.kinds import preset_for
from secondtake_daemon.engines.temporal.leave_out import Verdict, try_carrying

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "quality"))

from array_shots import ArrayShot, job_in, removed, windows_of
from scores import psnr, telea
from textures import draw

Array = NDArray[np.float32]


def standing(*, changing: bool, frames: int = 8) -> ArrayShot:
    """A box that never moves before a locked camera; behind it a picture, or a light that wanders over it."""
    width, height = 160, 96
    picture = draw(np.random.default_rng(5), width, height)
    columns = np.arange(width, dtype=np.float32)[None].repeat(height, axis=0)
    clean = []
    for place in range(frames):
        light = np.exp(-((columns - 45.0 - 10.0 * place) ** 2) / 600)
        clean.append(picture * (0.4 + 2.4 * light[..., None]) if changing else picture)
    truth = np.stack(clean).astype(np.float32)
    noise = 0.004 * np.random.default_rng(1).normal(size=truth.shape)
    plates, holes = (truth + noise).astype(np.float32), np.zeros(truth.shape[:3], np.float32)
    plates[:, 30:66, 66:94] = 0.7
    holes[:, 28:68, 64:96] = 1.0
    return ArrayShot(plates, holes, truth)


def analysed(shot: ArrayShot) -> Analysis:
    return analyse(shot=shot, preset=preset_for(quality=Quality.FINAL), step=lambda: None)


def verdict(shot: ArrayShot) -> Verdict:
    analysis = analysed(shot)
    unseen = never_seen(analysis, step=lambda: None)
    return try_carrying(analysis, key=len(shot.plates) // 2, unseen=unseen)


def test_what_stays_the_same_is_carried() -> None:
    found = verdict(standing(changing=False))
    assert found.trials >= 12
    assert found.carries and abs(found.loss_db) < 0.1


def test_a_changing_background_is_not_carried() -> None:
    found = verdict(standing(changing=True))
    assert found.trials >= 12
    assert not found.carries and found.loss_db > 0.3


def test_keys_are_chosen_only_where_carrying_pays() -> None:
    for changing, wanted in ((False, True), (True, False)):
        analysis = analysed(standing(changing=changing))
        unseen = never_seen(analysis, step=lambda: None)
        assert bool(choose_keys(analysis, unseen=unseen, step=lambda: None)) is wanted


def test_each_frame_follows_a_changing_background(tmp_path: Path) -> None:
    shot = standing(changing=True)
    assert shot.clean is not None
    ours = psnr(removed(shot, tmp_path, grain="none"), shot.clean, shot.holes)
    assert ours >= psnr(telea(shot.plates, shot.holes), shot.clean, shot.holes) - 0.5


def test_without_enough_trials_or_a_clear_loss_it_is_carried() -> None:
    sure = Verdict(trials=20, loss_db=1.0)
    assert not sure.carries
    assert replace(sure, trials=4).carries
    assert replace(sure, loss_db=0.05).carries
    assert replace(sure, loss_db=-1.0).carries


def test_a_hole_over_nearly_the_whole_frame_leaves_nothing_to_try() -> None:
    shot = standing(changing=True)
    shot.holes[:, 2:94, 2:158] = 1.0
    assert verdict(shot) == Verdict(0, 0.0)


def test_the_mean_of_guesses_counts_only_what_is_valid() -> None:
    one, four = np.full((2, 2, 3), 1.0, np.float32), np.full((2, 2, 3), 4.0, np.float32)
    mean = Mean(one)
    mean.add(four, valid=np.array([[True, False], [False, False]]))
    found = mean.value()
    assert np.allclose(found[0, 0], np.sqrt(1.01 * 4.01) - 0.01, atol=1e-3)
    assert np.allclose(found[1], 1.0, atol=1e-5)


def notes_of(shot: ArrayShot, folder: Path) -> tuple[str, ...]:
    engine, job = TemporalEngine(), job_in(folder, grain="none")
    engine.load(job)
    return [engine.generate(window, job) for window in windows_of(shot)][-1].notes


def test_the_artist_is_told_of_views_that_were_refused(tmp_path: Path) -> None:
    """Behind the object that walks off, another picture every time: all frames show it, none agree."""
    rng = np.random.default_rng(3)
    width, height, frames = 160, 96, 8
    still = draw(rng, width, height)
    plates = np.repeat(still[None], frames, axis=0)
    holes = np.zeros((frames, height, width), np.float32)
    for place in range(frames):
        plates[place, 24:72, 20:140] = draw(rng, 120, 48) * rng.uniform(0.3, 2.0)
        plates[place, 30:66, 24 + 14 * place : 46 + 14 * place] = 0.6
        holes[place, 28:68, 22 + 14 * place : 48 + 14 * place] = 1.0
    said = notes_of(ArrayShot(plates.astype(np.float32), holes), tmp_path / "a")
    assert any("did not match" in note for note in said)
    assert not any("did not match" in note for note in notes_of(standing(changing=False), tmp_path / "b"))
