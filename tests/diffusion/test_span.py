"""Which frames a model renders, and which windows wait for which."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from secondtake_daemon.engines.diffusion.span import span_for
from secondtake_daemon.plan.windows import handles_of, plan_windows, red_black


@given(
    first=st.integers(0, 5000), count=st.integers(1, 300), m=st.integers(3, 24), head=st.integers(0, 2),
    tail=st.integers(0, 9), every=st.sampled_from([4, 8]),
)  # fmt: skip
def test_every_span_is_legal_and_holds_its_window(
    first: int, count: int, m: int, head: int, tail: int, every: int
) -> None:
    shot = tuple(range(first, first + count))
    own = m * every
    for window in plan_windows(shot, window_frames=own):
        span = span_for(window, shot=shot, head=head * every, tail=tail, every=every)
        assert (len(span.frames) - 1) % every == 0
        assert span.frames[span.own] == window
        assert len(span.frames) >= head * every + len(window) + tail
        assert set(span.frames) <= set(shot)
        assert list(span.frames) == sorted(span.frames)


@given(
    frames=st.sets(st.integers(0, 400), min_size=1).map(sorted).map(tuple), size=st.integers(1, 40),
    longer=st.integers(0, 50),
)  # fmt: skip
def test_nobody_waits_for_one_who_waits(frames: tuple[int, ...], size: int, longer: int) -> None:
    windows = plan_windows(frames, window_frames=size)
    needs = red_black(windows, frames, window_frames=size)
    assert len(needs) == len(windows)
    assert all(not needs[near] for many in needs for near in many)
    assert all(abs(near - at) == 1 for at, many in enumerate(needs) for near in many)


@given(count=st.integers(1, 200), more=st.integers(0, 50), size=st.integers(2, 40))
def test_a_longer_shot_waits_for_the_same(count: int, more: int, size: int) -> None:
    short, long = tuple(range(1001, 1001 + count)), tuple(range(1001, 1001 + count + more))
    a, b = plan_windows(short, window_frames=size), plan_windows(long, window_frames=size)
    before, after = red_black(a, short, window_frames=size), red_black(b, long, window_frames=size)
    for at, (one, two) in enumerate(zip(a[:-1], b, strict=False)):
        if one == two and at + 1 < len(a) - 1:
            assert before[at] == after[at]


def test_handles() -> None:
    frames = tuple(range(10, 30))
    assert handles_of((10, 11), frames, head=3, tail=2) == (12, 13)
    assert handles_of((16, 17), frames, head=3, tail=2) == (13, 14, 15, 18, 19)
    assert handles_of((28, 29), frames, head=3, tail=2) == (25, 26, 27)
