"""Quality figures rise when a fault of known size is put in, and stay low when not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from secondtake.figures import Figures, FrameFigures
from secondtake_daemon.composite.figures import measure_frame
from secondtake_daemon.takes.figures import figures_of

FRAMES = 24
WINDOWS = (tuple(range(1, 9)), tuple(range(9, 17)), tuple(range(17, 25)))

Frames = NDArray[np.float32]


@pytest.fixture(scope="module")
def plates() -> Frames:
    """A textured picture that slides by, with grain."""
    rng = np.random.default_rng(5)
    coarse = rng.random((20, 40, 3), np.float32)
    wide = np.repeat(np.repeat(coarse, 8, axis=0), 8, axis=1)
    for _ in range(4):
        wide = (wide + np.roll(wide, 3, 0) + np.roll(wide, 3, 1) + np.roll(wide, -3, 1)) / 4
    frames = [0.1 + 0.4 * wide[20:116, 2 * at : 2 * at + 128] for at in range(FRAMES)]
    return np.stack([one + rng.normal(0, 0.004, one.shape).astype(np.float32) for one in frames]).astype(np.float32)


@pytest.fixture(scope="module")
def alpha() -> NDArray[np.float32]:
    rows, columns = np.mgrid[:96, :128]
    return (((rows - 48) ** 2 + (columns - 64) ** 2) < 30**2).astype(np.float32)


def figures(takes: Frames, plates: Frames, alpha: NDArray[np.float32]) -> Figures:
    frames = {at + 1: measure_frame(take=takes[at], parent=plates[at], alpha=alpha) for at in range(len(takes))}
    return figures_of(frames=frames, wanted=tuple(range(1, FRAMES + 1)), windows=WINDOWS, outside_changed=0)


def with_gain(plates: Frames, alpha: NDArray[np.float32], stops: NDArray[np.float64]) -> Frames:
    gain = np.exp2(stops).astype(np.float32)[:, None, None, None]
    return np.where((alpha > 0)[None, ..., None], plates * gain, plates).astype(np.float32)


def test_an_untouched_plate_has_nothing_wrong(plates: Frames, alpha: NDArray[np.float32]) -> None:
    found = figures(plates, plates, alpha)
    assert found.seam < 0.06
    assert found.flicker < 0.02
    assert found.window_step < 0.05
    assert found.drift == (0, 0, 0)
    assert (found.bad, found.missing, found.doubled) == (0, (), ())


@pytest.mark.parametrize("stops", [0.15, 0.3, -0.3])
def test_a_step_at_the_edge_is_seen_as_large_as_it_is(plates: Frames, alpha: NDArray[np.float32], stops: float) -> None:
    found = figures(with_gain(plates, alpha, np.full(FRAMES, stops)), plates, alpha)
    assert found.seam == pytest.approx(abs(stops), rel=0.5, abs=0.03)
    assert found.drift == pytest.approx((stops,) * 3, abs=0.01)
    assert found.flicker < 0.02


def test_flicker_is_the_sigma_of_the_jitter(plates: Frames, alpha: NDArray[np.float32]) -> None:
    jitter = np.random.default_rng(1).normal(0, 0.1, FRAMES)
    known = np.sqrt((np.diff(jitter, 2) ** 2).mean() / 6)  # of this draw
    assert figures(with_gain(plates, alpha, jitter), plates, alpha).flicker == pytest.approx(known, rel=0.15)


def test_light_that_changes_everywhere_is_no_flicker(plates: Frames, alpha: NDArray[np.float32]) -> None:
    gains = np.exp2(np.random.default_rng(2).normal(0, 0.2, FRAMES)).astype(np.float32)[:, None, None, None]
    assert figures(plates * gains, plates * gains, alpha).flicker < 0.02


def test_a_slow_change_is_no_flicker(plates: Frames, alpha: NDArray[np.float32]) -> None:
    assert figures(with_gain(plates, alpha, np.linspace(0, 1, FRAMES)), plates, alpha).flicker < 0.02


def test_a_jump_between_windows_is_found_where_it_is(plates: Frames, alpha: NDArray[np.float32]) -> None:
    stops = np.where(np.arange(FRAMES) >= 8, 0.2, 0.0)
    found = figures(with_gain(plates, alpha, stops), plates, alpha)
    assert found.window_step == pytest.approx(0.2, abs=0.05)
    assert found.window_frame == 9


def test_a_jump_inside_a_window_is_not_its_border(plates: Frames, alpha: NDArray[np.float32]) -> None:
    stops = np.where(np.arange(FRAMES) >= 12, 0.2, 0.0)
    assert figures(with_gain(plates, alpha, stops), plates, alpha).window_step < 0.05


def test_bad_samples_are_counted(plates: Frames, alpha: NDArray[np.float32]) -> None:
    takes = plates.copy()
    takes[3, 48, 60:65, 1] = np.nan
    takes[4, 48, 60, 0] = np.inf
    takes[4, 2, 2, 0] = np.nan  # outside: the plate's own
    assert figures(takes, plates, alpha).bad == 6


def test_missing_and_doubled_frames(plates: Frames, alpha: NDArray[np.float32]) -> None:
    takes = plates.copy()
    takes[7] = np.where((alpha > 0)[..., None], takes[6], takes[7])
    assert figures(takes, plates, alpha).doubled == (8,)
    assert figures(takes[:-2], plates, alpha).missing == (23, 24)


def test_a_frozen_plate_may_have_frozen_frames(plates: Frames, alpha: NDArray[np.float32]) -> None:
    frozen = plates.copy()
    frozen[7] = frozen[6]
    assert figures(frozen, frozen, alpha).doubled == ()


def test_a_frame_without_matte_says_nothing(plates: Frames) -> None:
    found = measure_frame(take=plates[0], parent=plates[0], alpha=np.zeros((96, 128), np.float32))
    assert found == FrameFigures(
        inside=(0, 0, 0), around=(0, 0, 0), drift=(0, 0, 0), seam=0, bad=0, content="", plate_content=""
    )
