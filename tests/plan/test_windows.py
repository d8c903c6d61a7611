"""Windows: every frame once, none too long, nearly equal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from secondtake_daemon.plan.windows import plan_windows


@given(st.lists(st.integers(-50, 3000), unique=True, max_size=300).map(sorted), st.integers(1, 90))
def test_each_frame_once_in_few_equal_windows(frames: list[int], longest: int) -> None:
    windows = plan_windows(frames, window_frames=longest)
    assert [frame for window in windows for frame in window] == frames
    lengths = [len(window) for window in windows]
    assert len(windows) == -(-len(frames) // longest)
    assert all(1 <= length <= longest for length in lengths)
    assert not lengths or max(lengths) - min(lengths) <= 1
