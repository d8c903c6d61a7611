"""Which frames a model renders, and which windows wait for which."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondtake_daemon.engines.diffusion.families import FAMILIES
from secondtake_daemon.engines.diffusion.family import Family
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


def random_shot(rng: np.random.Generator) -> tuple[int, ...]:
    """Of 1 … 400 frames, every first to third one, and of one in four a few are missing."""
    step = int(rng.integers(1, 4))
    first = int(rng.integers(0, 3000)) * step
    shot = tuple(range(first, first + int(rng.integers(1, 400)) * step, step))
    return tuple(frame for frame in shot if rng.random() < 0.95) or shot if rng.random() < 0.25 else shot


@pytest.mark.parametrize("family", [each for each in FAMILIES if each.longest > 1], ids=lambda each: each.name)
def test_of_3000_shots_every_frame_is_made_once(family: Family) -> None:
    rng = np.random.default_rng(5)
    for _ in range(3000):
        shot = random_shot(rng)
        windows, made = plan_windows(shot, window_frames=family.window_frames), []
        for window in windows:
            span = span_for(window, shot=shot, head=family.head, tail=family.tail, every=family.every)
            made += span.frames[span.own]
            assert (len(span.frames) - 1) % family.every == 0
            assert len(span.frames) <= family.longest
            assert span.first % family.every == 0
            looked_at = set(window) | set(handles_of(window, shot, head=family.head, tail=family.tail))
            assert set(span.frames) <= looked_at, "its patch's content key does not hold a frame that it saw"
        assert tuple(made) == shot


@pytest.mark.parametrize("start", range(1001, 1009))
def test_a_latent_stands_for_the_same_frames_wherever_the_shot_begins(start: int) -> None:
    """Then noise that is keyed to it stays with its frames when a shot is made longer at its front."""
    shot = tuple(range(start, 1200))
    window = plan_windows(shot, window_frames=64)[0]
    span = span_for(window, shot=shot, head=8, tail=9, every=4)
    place = span.frames.index(1016)
    assert span.first + place == 1016
    assert (place % 4, span.first % 4) == (0, 0)


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
