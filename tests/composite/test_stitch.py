"""The patch over the plate: soft edges mix, hostile plate values give way, the largest half is the limit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondtake.boxes import Box
from secondtake.errors import EngineFault
from secondtake_daemon.composite.matte import Stitch
from secondtake_daemon.composite.stitch import check_samples, stitch

RGB = ("R", "G", "B")


def matte_of(*alpha: float) -> Stitch:
    return Stitch(box=Box(0, 0, len(alpha), 1), alpha=np.array([alpha], np.float32))


def planes_of(values: list[float], dtype: type = np.float16) -> dict[str, np.ndarray]:
    return {name: np.array([values], dtype) for name in RGB}


@given(st.floats(0, 1, width=32), st.floats(-10, 10, width=32), st.floats(-10, 10, width=32))
def test_mixes_by_alpha(alpha: float, plate: float, patch: float) -> None:
    out = stitch(
        plate=planes_of([plate], np.float32),
        samples=np.full((int(alpha > 0), 3), patch, np.float32),
        matte=matte_of(alpha),
        channels=RGB,
    )
    assert out["G"].item() == pytest.approx(plate * (1 - alpha) + patch * alpha, abs=1e-5)


@pytest.mark.parametrize("hostile", [np.nan, np.inf, -np.inf])
def test_plate_values_that_are_no_numbers_give_way(hostile: float) -> None:
    out = stitch(
        plate=planes_of([hostile, hostile]),
        samples=np.full((2, 3), 0.5, np.float32),
        matte=matte_of(0.25, 1.0),
        channels=RGB,
    )
    assert out["R"].tolist() == [[0.5, 0.5]]


def test_untouched_bits_stay() -> None:
    plate = {name: np.array([[-0.0, np.nan, np.inf, 65504, 6e-8]], np.float16) for name in RGB}
    out = stitch(plate=plate, samples=np.zeros((0, 3), np.float32), matte=matte_of(0, 0, 0, 0, 0), channels=RGB)
    for name in RGB:
        np.testing.assert_array_equal(out[name].view(np.uint16), plate[name].view(np.uint16))


def test_half_keeps_highlights_up_to_its_largest_value() -> None:
    samples = np.array([[1e6, 100.25, -1e6]], np.float32)
    out = stitch(plate=planes_of([0]), samples=samples, matte=matte_of(1), channels=RGB)
    assert [out[name].item() for name in RGB] == [65504, 100.25, -65504]
    out = stitch(plate=planes_of([0], np.float32), samples=samples, matte=matte_of(1), channels=RGB)
    assert [out[name].item() for name in RGB] == [1e6, 100.25, -1e6]


def test_luminance_takes_the_mean() -> None:
    out = stitch(
        plate={"Y": np.zeros((1, 1), np.float32)},
        samples=np.array([[1, 2, 6]], np.float32),
        matte=matte_of(1),
        channels=("Y",),
    )
    assert out["Y"].item() == 3


def test_a_patch_with_nan_is_refused() -> None:
    with pytest.raises(EngineFault, match="1 values in frame 12"):
        check_samples(np.array([[0, np.nan, 1]], np.float32), frame=12, engine="x")
