"""The object's soft edge: what shines through it is used, what spills over the matte is noticed."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from secondtake_daemon.engines.temporal import compose
from secondtake_daemon.engines.temporal.noise import Noise
from secondtake_daemon.engines.temporal.unmix import unmix

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "quality"))

from array_shots import ArrayShot, composited, job_in, removed, windows_of
from scenes import Size, grain, make
from scores import display
from textures import draw

from secondtake_daemon.engines.temporal.engine import TemporalEngine

Array = NDArray[np.float32]
NOISE = Noise(6e-4, 1.5e-5)


def soft_object(seed: int, *, blur_px: float = 7.0) -> tuple[Array, Array, Array]:
    """plate, clean plate and coverage of a bright soft disc before a drawing; no grain."""
    rng = np.random.default_rng(seed)
    clean = draw(rng, 160, 120)
    alpha = np.zeros((120, 160), np.float32)
    cv2.circle(alpha, (80, 60), 30, 1.0, -1, cv2.LINE_AA)
    alpha = np.asarray(cv2.GaussianBlur(alpha, (0, 0), blur_px), np.float32)
    alpha[alpha < 0.004] = 0.0
    alpha[alpha > 0.996] = 1.0
    colour = np.array([1.2, 0.9, 0.3], np.float32) * (1 + 0.1 * draw(rng, 160, 120))
    plate = alpha[..., None] * colour + (1 - alpha[..., None]) * clean
    return plate.astype(np.float32), clean, alpha


def still(plate: Array, clean: Array, alpha: Array, *, frames: int = 3) -> ArrayShot:
    """A locked camera on an object that stands still: nobody ever sees what is behind it."""
    rng = np.random.default_rng(0)
    plates = np.stack([plate + 0.3 * grain(plate, rng) for _ in range(frames)])
    return ArrayShot(plates, np.repeat(alpha[None], frames, 0), np.repeat(clean[None], frames, 0))


def error_db(one: Array, true: Array, where: NDArray[np.bool_]) -> float:
    return float(-10 * np.log10(((display(one) - display(true))[where] ** 2).mean()))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_soft_edge_is_unmixed_not_invented(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plate, clean, alpha = soft_object(seed)
    band = (alpha > 0.05) & (alpha < 0.7)
    shot = still(plate, clean, alpha)
    ours = removed(shot, tmp_path / "a", grain="none")
    monkeypatch.setattr(compose, "unmix", lambda **asked: (asked["pixels"], np.zeros_like(asked["where"])))
    invented = removed(shot, tmp_path / "b", grain="none")
    assert error_db(ours[1], clean, band) > error_db(invented[1], clean, band) + 3
    assert error_db(ours[1], clean, alpha > 0) > error_db(invented[1], clean, alpha > 0)


def test_the_background_is_solved_for(tmp_path: Path) -> None:
    plate, clean, alpha = soft_object(5)
    guess = np.asarray(cv2.GaussianBlur(clean, (0, 0), 6.0), np.float32)
    found, where = unmix(pixels=plate, coverage=alpha, guess=guess, where=alpha > 0, noise=NOISE)
    assert where.any() and alpha[where].max() <= 0.7
    assert np.abs(found - clean)[where].mean() < 0.25 * np.abs(plate - clean)[where].mean()
    assert np.array_equal(found[~where], plate[~where])


def test_a_matte_that_was_merely_blurred_is_not_believed() -> None:
    """A hard-edged object under a soft matte: nothing shines through it."""
    plate, clean, alpha = soft_object(5)
    hard = np.where((alpha > 0.5)[..., None], plate / 1.0, clean).astype(np.float32)
    hard[alpha > 0.5] = np.array([1.2, 0.9, 0.3], np.float32)
    guess = np.asarray(cv2.GaussianBlur(clean, (0, 0), 6.0), np.float32)
    assert not unmix(pixels=hard, coverage=alpha, guess=guess, where=alpha > 0, noise=NOISE)[1].any()


def test_a_thin_edge_and_an_all_soft_matte_are_left_alone() -> None:
    plate, clean, alpha = soft_object(5)
    thin = np.clip((alpha - 0.5) * 40 + 0.5, 0, 1).astype(np.float32)
    for coverage in (thin, np.minimum(alpha, 0.9)):
        assert not unmix(pixels=plate, coverage=coverage, guess=clean, where=coverage > 0, noise=NOISE)[1].any()


def tightened(shot: ArrayShot, px: int) -> ArrayShot:
    """The same with a smaller matte."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * px + 1, 2 * px + 1))
    holes = np.stack([np.asarray(cv2.erode(hole, kernel), np.float32) for hole in shot.holes])
    return ArrayShot(shot.plates, holes, shot.clean)


def noted(shot: ArrayShot, folder: Path) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    engine, job = TemporalEngine(), job_in(folder, grain="none")
    engine.load(job)
    patches = [engine.generate(window, job) for window in windows_of(shot)]
    return patches[0].notes, composited(shot, patches)


@pytest.fixture(scope="module")
def passing() -> ArrayShot:
    """A motion-blurred object on a panning camera, with a matte two pixels larger than its blur."""
    return make("pan", seed=2, size=Size(width=240, height=136, frames=10, subframes=3, over=2))


def test_a_matte_with_room_is_not_complained_about(passing: ArrayShot, tmp_path: Path) -> None:
    assert noted(passing, tmp_path)[0] == ()


def test_a_tight_matte_is_noticed_and_its_fringe_is_not_borrowed(passing: ArrayShot, tmp_path: Path) -> None:
    tight = tightened(passing, 5)
    notes, result = noted(tight, tmp_path)
    assert any("too tight" in note and "--grow" in note for note in notes)
    assert passing.clean is not None
    deep = np.stack([cv2.erode((hole > 0).astype(np.uint8), np.ones((3, 3))) > 0 for hole in tight.holes])
    assert error_db(result, passing.clean, deep) > 30
