"""Which frame is made first, who is shown it, and that a longer range keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondtake.boxes import Box
from secondtake.errors import UsageError
from secondtake_daemon.plan.anchor import Wish
from secondtake_daemon.plan.fix import FixPlan, plan_fix

SIDE = 8
"""Frames of a window."""
NOTHING = Box(0, 0, 0, 0)
ANY = Wish()


def plan(
    frames: Sequence[int], *, wish: Wish | None = ANY, sizes: dict[int, int] | None = None, **changes: object
) -> FixPlan:
    """sizes: the matte's side in some frames, 20 in the others; 0 is none."""
    sides = {frame: (sizes or {}).get(frame, 20) for frame in frames}
    given: dict[str, Any] = {
        "mattes": {frame: Box(0, 0, side, side) if side else NOTHING for frame, side in sides.items()},
        "bounds": Box(0, 0, 1000, 700), "window_frames": SIDE, "context_px": 0, "context_ratio": 0, "stride_px": 1,
        "steady_crop": True, "head_frames": 4, "tail_frames": 5, "anchor": wish,
    }  # fmt: skip
    return plan_fix(**(given | changes))


def first_frames(made: FixPlan) -> list[int]:
    return [made.windows[at][0] for at in made.order]


def test_it_is_made_first_and_everybody_sees_it_or_is_shown_it() -> None:
    made = plan(range(1001, 1049))  # windows 125 … 131; two divides 128 most often
    assert made.anchor is not None
    assert made.windows[made.anchor.window] == tuple(range(1024, 1032))
    assert made.anchor.frame == 1027
    assert first_frames(made)[0] == 1024
    assert made.shown == {0, 1, 5, 6}, "all but itself and its neighbours, which see its frames beside theirs"
    assert [made.needs[at] for at in (0, 1, 2, 3, 4)] == [(1, 3), (3,), (1, 3), (), (3, 5)]


def test_a_shot_whose_windows_all_see_the_first_has_none() -> None:
    assert plan(range(1016, 1032)).anchor is None
    assert plan(range(1008, 1024)) == plan(range(1008, 1024), wish=None)
    assert plan(range(1016, 1040)).anchor is None, "the middle one of three is seen from both sides"
    assert plan(range(1001, 1049), wish=None).anchor is None
    assert plan(range(1001, 1049), sizes=dict.fromkeys(range(1001, 1049), 0)).anchor is None


def test_a_much_larger_matte_is_worth_more_than_a_place() -> None:
    made = plan(range(1001, 1049), sizes={1035: 80, 1036: 81})
    assert made.anchor is not None
    assert made.anchor.frame == 1036
    little = plan(range(1001, 1049), sizes={1035: 21})
    assert little.anchor is not None
    assert little.anchor.frame == 1027


def test_windows_without_a_matte_are_not_shown_it() -> None:
    made = plan(range(1001, 1049), sizes=dict.fromkeys(range(1001, 1016), 0))
    assert made.shown == {5, 6}


def test_a_frame_that_is_named_is_the_one() -> None:
    made = plan(range(1001, 1049), wish=Wish(frame=1018))
    assert made.anchor is not None
    assert (made.windows[made.anchor.window][0], made.anchor.frame) == (1016, 1018)
    assert made.needs[made.anchor.window] == (), "an odd window too waits for none then"
    assert first_frames(made)[0] == 1016


@pytest.mark.parametrize("frame", [1000, 1049, -1])
def test_a_frame_of_elsewhere_is_refused(frame: int) -> None:
    with pytest.raises(UsageError, match=f"anchor {frame} is not one of the frames 1001-1048") as refused:
        plan(range(1001, 1049), wish=Wish(frame=frame))
    assert refused.value.remedy


def test_whole_frames_begin_where_they_began_without_it() -> None:
    frames = range(1001, 1049)
    made, before = plan(frames, blind=frames), plan(frames, blind=frames, wish=None)
    assert made.anchor is not None
    assert made.windows[made.anchor.window][0] == 1001
    assert made.order == before.order
    assert made.needs[1] == before.needs[1] == (0,)
    assert made.needs[4] == (3, 0)
    middle = plan(frames, blind=frames, wish=Wish(frame=1026))
    assert first_frames(middle)[:3] == [1024, 1016, 1032], "away from it on both sides"


def test_what_goes_on_from_the_plate_cannot_be_first() -> None:
    with pytest.raises(UsageError, match="goes on from frames that the plate shows"):
        plan(range(1001, 1049), blind=range(1024, 1049), wish=Wish(frame=1030))
    made = plan(range(1001, 1049), blind=range(1024, 1049), wish=Wish(frame=1003))
    assert made.anchor is not None
    assert made.needs[3] == (2, 0)


@given(
    first=st.integers(0, 3000), count=st.integers(1, 120), step=st.integers(1, 3),
    gone=st.sets(st.integers(0, 119)), bare=st.sets(st.integers(0, 119)), blind=st.sets(st.integers(0, 119)),
    handles=st.booleans(), named=st.integers(0, 119), is_named=st.booleans(),
)  # fmt: skip
def test_nobody_waits_for_one_who_waits_for_them(
    first: int, count: int, step: int, gone: set[int], bare: set[int], blind: set[int], handles: bool,
    named: int, is_named: bool,
) -> None:  # fmt: skip
    frames = [first + at * step for at in range(count) if at not in gone] or [first]
    wish = Wish(frame=frames[named % len(frames)]) if is_named else Wish()
    try:
        made = plan(
            frames, wish=wish, sizes={first + at * step: 0 for at in bare},
            blind={first + at * step for at in blind - bare},
            **({} if handles else {"head_frames": 0, "tail_frames": 0}),
        )  # fmt: skip
    except UsageError:
        assert is_named
        return
    done: set[int] = set()
    for at in made.needed_first:
        assert set(made.needs[at]) <= done
        done.add(at)
    assert len(done) == len(made.windows)
    if made.anchor is not None:
        assert made.order[0] == made.needed_first[0] == made.anchor.window
        for at, window in enumerate(made.windows):
            is_bare = all((frame - first) // step in bare for frame in window)
            assert is_bare or at == made.anchor.window or made.anchor.window in made.needs[at]
            assert (at in made.shown) <= (made.anchor.window in made.needs[at])


@given(first=st.integers(0, 3000), count=st.integers(60, 200), longer=st.integers(1, 60), is_front=st.booleans())
def test_a_longer_range_keeps_it_or_has_a_better_place(first: int, count: int, longer: int, is_front: bool) -> None:
    short = range(first, first + count)
    long = range(max(first - longer, 0), first + count) if is_front else range(first, first + count + longer)
    before, after = plan(short).anchor, plan(long).anchor
    assert before is not None and after is not None
    if set(range(after.frame // SIDE * SIDE, after.frame // SIDE * SIDE + SIDE)) & set(short):
        assert after.frame // SIDE == before.frame // SIDE, "another window of the short range, for no reason"
