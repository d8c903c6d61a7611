"""The way to the model's canvas and back moves nothing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondtake.boxes import Box
from secondtake_daemon.engines.diffusion.canvas import canvas_for


@settings(max_examples=200)
@given(width=st.integers(16, 4000), height=st.integers(16, 4000), area=st.integers(64 * 64, 1280 * 720))
def test_sides_are_legal_and_never_larger_than_the_crop(width: int, height: int, area: int) -> None:
    canvas = canvas_for(Box(0, 0, width, height), area_px=area, stride_px=16)
    assert canvas.width % 16 == canvas.height % 16 == 0
    assert canvas.width <= width
    assert canvas.height <= height
    assert canvas.width * canvas.height <= max(area, 16 * max(canvas.width, canvas.height))


@pytest.mark.parametrize("size", [(400, 304), (413, 287), (960, 540)])
def test_registered_to_a_hundredth_of_a_pixel(size: tuple[int, int]) -> None:
    width, height = size
    rng = np.random.default_rng(1)
    picture = cv2.GaussianBlur(rng.random((height, width, 3), np.float32), (0, 0), 6)
    canvas = canvas_for(Box(0, 0, width, height), area_px=256 * 160, stride_px=16)
    assert not canvas.is_crop
    back = canvas.enlarge(canvas.shrink(picture))
    window = cv2.createHanningWindow((width, height), cv2.CV_64F)
    shift, _ = cv2.phaseCorrelate(picture[..., 1].astype(float), back[..., 1].astype(float), window)
    assert np.hypot(*shift) < 0.01


def test_a_hole_is_never_lost() -> None:
    hole = np.zeros((300, 400), np.float32)
    hole[171, 233] = 0.01
    canvas = canvas_for(Box(0, 0, 400, 300), area_px=160 * 128, stride_px=16)
    assert canvas.shrink_hole(hole).sum() >= 1


def test_a_small_crop_is_seen_as_it_is() -> None:
    canvas = canvas_for(Box(0, 0, 64, 48), area_px=832 * 480, stride_px=16)
    picture = np.random.default_rng(0).random((48, 64, 3), np.float32)
    assert canvas.is_crop
    assert canvas.enlarge(canvas.shrink(picture)) is picture
