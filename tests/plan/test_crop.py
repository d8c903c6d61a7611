"""The crop box: around the matte, inside the plate, sides as the engine needs them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from secondtake.boxes import Box
from secondtake_daemon.plan.crop import GRID_PX, crop_box
from secondtake_daemon.plan.fix import FixPlan, plan_fix


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
    narrow = crop_box(matte=matte, bounds=bounds, context_px=10, context_ratio=0.0, stride_px=1)
    assert narrow == Box(384, 384, 128, 128)
    wide = crop_box(matte=matte, bounds=bounds, context_px=10, context_ratio=0.5, stride_px=1)
    assert wide == Box(320, 320, 256, 192)


@given(st.integers(0, 400), st.integers(0, 300))
def test_a_matte_that_moves_inside_the_grid_keeps_its_crop(x: int, y: int) -> None:
    def crop(matte: Box) -> Box:
        return crop_box(matte=matte, bounds=Box(0, 0, 1001, 703), context_px=0, context_ratio=0, stride_px=8)

    corner = Box(x // GRID_PX * GRID_PX + 1, y // GRID_PX * GRID_PX + 1, 40, 40)
    assert crop(corner) == crop(corner._replace(x=corner.x + 20, y=corner.y + 22))


def test_a_crop_for_each_window_or_one_for_all() -> None:
    mattes = {1: Box(10, 10, 20, 20), 2: Box(0, 0, 0, 0), 3: Box(0, 0, 0, 0), 4: Box(600, 300, 9, 9)}

    def plan(*, steady: bool) -> FixPlan:
        return plan_fix(
            mattes=mattes,
            bounds=Box(0, 0, 1000, 700),
            window_frames=2,
            context_px=0,
            context_ratio=0,
            stride_px=1,
            steady_crop=steady,
        )

    own, shared = plan(steady=False), plan(steady=True)
    assert own.windows == shared.windows == ((1,), (2, 3), (4,))
    assert own.crops == (Box(0, 0, 64, 64), Box(0, 0, 0, 0), Box(576, 256, 64, 64))
    assert own.crop == Box(0, 0, 640, 320)
    assert shared.crops == (Box(0, 0, 640, 320),) * 3
