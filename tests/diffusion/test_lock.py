"""A model's tint is found and taken back; what the model made on purpose is not."""

from __future__ import annotations

import numpy as np
import pytest

from secondtake_daemon.engines.diffusion.lock import SAME, solve_lock

RNG = np.random.default_rng(0)


def test_a_tint_is_taken_back() -> None:
    known = RNG.random((5000, 3), np.float32)
    made = (known - np.float32([0.02, -0.01, 0.03])) / np.float32([1.05, 0.97, 1.0])
    lock = solve_lock(made + RNG.normal(0, 0.01, made.shape).astype(np.float32), known)
    assert lock.gain == pytest.approx((1.05, 0.97, 1.0), abs=0.01)
    assert lock.offset == pytest.approx((0.02, -0.01, 0.03), abs=0.006)
    assert np.abs(lock.apply(made) - known).mean() < 0.25 * np.abs(made - known).mean()


def test_a_third_that_is_something_else_does_not_rule() -> None:
    known = RNG.random((6000, 3), np.float32)
    made = known / np.float32(1.04)
    made[:2000] = RNG.random((2000, 3), np.float32)
    assert solve_lock(made, known).gain == pytest.approx((1.04,) * 3, abs=0.02)


def test_it_never_does_much() -> None:
    lock = solve_lock(RNG.random((1000, 3), np.float32), np.zeros((1000, 3), np.float32))
    assert min(lock.gain) >= 0.9
    assert min(lock.offset) >= -0.1


def test_too_few_pixels_say_nothing() -> None:
    assert solve_lock(np.ones((10, 3), np.float32), np.zeros((10, 3), np.float32)) == SAME


def test_a_flat_ring_gives_an_offset_only() -> None:
    lock = solve_lock(np.full((500, 3), 0.5, np.float32), np.full((500, 3), 0.52, np.float32))
    assert lock.gain == (1.0, 1.0, 1.0)
    assert lock.offset == pytest.approx((0.02,) * 3, abs=1e-5)
