"""Light to codes and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondtake_daemon.engines.diffusion.shaper import SHAPERS, Shaper

KINDS = pytest.mark.parametrize("shaper", SHAPERS.values(), ids=SHAPERS)


@KINDS
@given(light=st.floats(0.001, 50.0))
def test_there_and_back(shaper: Shaper, light: float) -> None:
    given = np.float32([light])
    assert shaper.decode(shaper.encode(given)) == pytest.approx(given, rel=2e-4)


@KINDS
def test_it_rises_from_0_to_1(shaper: Shaper) -> None:
    light = np.linspace(shaper.low, shaper.top, 100_001).astype(np.float32)
    codes = shaper.encode(light)
    assert codes[0] == pytest.approx(0, abs=1e-6)
    assert codes[-1] == pytest.approx(1, abs=1e-6)
    assert (np.diff(codes.astype(np.float64)) >= 0).all()


@pytest.mark.parametrize(
    ("name", "codes"),
    [("display", (0.461, 0.822, 0.941)), ("acescct", (0.414, 0.555, 0.783)), ("logc3", (0.391, 0.571, 0.8673))],
)
def test_known_values(name: str, codes: tuple[float, ...]) -> None:
    assert SHAPERS[name].encode(np.float32([0.18, 1, 16])) == pytest.approx(codes, abs=6e-4)


@KINDS
def test_what_no_model_can_be_given(shaper: Shaper) -> None:
    codes = shaper.encode(np.float32([np.nan, -np.inf, np.inf, -1e30, 1e30]))
    assert (codes >= 0).all()
    assert (codes <= 1).all()
    assert codes[2] == codes[4] == 1


@KINDS
def test_the_way_back_clamps_nothing(shaper: Shaper) -> None:
    beyond = shaper.decode(np.float32([-0.02, 1.02]))
    assert beyond[0] < shaper.low
    assert beyond[1] > shaper.top
