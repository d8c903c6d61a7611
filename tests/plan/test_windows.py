"""Windows: every frame once, none too long, and the same ones for any range."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from secondtake_daemon.plan.windows import plan_windows

FRAMES = st.lists(st.integers(-50, 3000), unique=True, max_size=300).map(sorted)


@given(FRAMES, st.integers(1, 90))
def test_each_frame_once_in_windows_that_are_not_too_long(frames: list[int], longest: int) -> None:
    windows = plan_windows(frames, window_frames=longest)
    assert [frame for window in windows for frame in window] == frames
    assert all(1 <= len(window) <= longest for window in windows)


@given(st.integers(-2000, 2000), st.integers(2, 300), st.integers(1, 40), st.integers(0, 60), st.integers(0, 60))
def test_a_longer_range_has_the_windows_of_a_shorter_one(
    first: int, count: int, longest: int, before: int, after: int
) -> None:
    short = plan_windows(range(first, first + count), window_frames=longest)
    long = plan_windows(range(first - before, first + count + after), window_frames=longest)
    assert set(short[1:-1]) <= set(long)
    assert len(long) <= (before + count + after) // longest + 2
    assert len(set(long) - set(short)) <= before // longest + after // longest + 4


@given(st.integers(-2000, 2000), st.integers(2, 300), st.integers(2, 20), st.integers(1, 40))
def test_every_nth_frame_has_whole_windows(first: int, count: int, step: int, longest: int) -> None:
    frames = range(first, first + count * step, step)
    windows = plan_windows(frames, window_frames=longest)
    assert all(len(window) == longest for window in windows[1:-1])
    assert set(windows[1:-1]) <= set(plan_windows([first - step, *frames], window_frames=longest))
