"""The crop box: around the matte, inside the plate, sides as the engine needs them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from secondtake.boxes import Box
from secondtake_daemon.plan.crop import crop_box


@st.composite
def plates_and_mattes(draw: st.DrawFn) -> tuple[Box, Box]:
    bounds = Box(
        draw(st.integers(-500, 500)), draw(st.integers(-500, 500)), draw(st.integers(1, 900)), draw(st.integers(1, 900))
    )
    x = draw(st.integers(bounds.x, bounds.right - 1))
    y = draw(st.integers(bounds.y, bounds.bottom - 1))
    width, height = draw(st.integers(1, bounds.right - x)), draw(st.integers(1, bounds.bottom - y))
    return bounds, Box(x, y, width, height)


@given(plates_and_mattes(), st.integers(0, 60), st.floats(0, 1), st.sampled_from([1, 8, 16, 32]))
def test_crop_holds_matte_and_stays_inside(boxes: tuple[Box, Box], context: int, ratio: float, stride: int) -> None:
    bounds, matte = boxes
    crop = crop_box(matte=matte, bounds=bounds, context_px=context, context_ratio=ratio, stride_px=stride)
    assert crop.width % stride == 0 and crop.height % stride == 0
    assert crop.contains(matte.pad(context).intersect(bounds))
    assert crop.width <= -(-bounds.width // stride) * stride and crop.height <= -(-bounds.height // stride) * stride
    assert crop.x >= bounds.x and crop.y >= bounds.y
    assert crop.right <= bounds.right or crop.x == bounds.x
    assert crop.bottom <= bounds.bottom or crop.y == bounds.y


def test_context_is_the_greater_of_pixels_and_share() -> None:
    bounds, matte = Box(0, 0, 1000, 1000), Box(400, 400, 100, 50)
    assert crop_box(matte=matte, bounds=bounds, context_px=10, context_ratio=0.0, stride_px=1) == matte.pad(10)
    assert crop_box(matte=matte, bounds=bounds, context_px=10, context_ratio=0.5, stride_px=1) == matte.pad(50)
