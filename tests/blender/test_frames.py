"""Frame mapping, file names, orders: arithmetic and text, without Blender."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondtake.frames import FrameSet
from secondtake_blender.frames import MediaTime, Pair, clip_file_index, frame_text, pairs_between
from secondtake_blender.orders import (
    Beauty,
    MatteOrder,
    MatteRoute,
    Order,
    PlateOrder,
    PlateRoute,
    PrevizOrder,
    read_order,
    write_order,
)
from secondtake_blender.plate import rendered_numbers
from secondtake_blender.sequence import name_sequence, numbered, split_name
from secondtake_daemon.images.sequences import find

times = st.builds(
    MediaTime,
    start=st.integers(-500, 500).map(float),
    count=st.integers(1, 300),
    trim=st.integers(0, 50),
    is_reversed=st.booleans(),
    strobe=st.sampled_from([0.0, 1.0, 2.0, 3.0, 7.0]),
)


@given(times, st.integers(-2000, 2000))
def test_an_index_is_always_in_the_content(time: MediaTime, frame: int) -> None:
    assert time.trim <= time.index(frame) < time.trim + time.count


@given(st.integers(-500, 500), st.integers(1, 300), st.integers(0, 50), st.booleans())
def test_every_frame_of_the_content_is_seen_once(start: int, count: int, trim: int, is_reversed: bool) -> None:
    time = MediaTime(start=start, count=count, trim=trim, is_reversed=is_reversed)
    seen = [time.index(frame) for frame in range(start, start + count)]
    assert sorted(seen) == list(range(trim, trim + count)) and (seen == sorted(seen)) != (is_reversed and count > 1)
    assert time.index(start - 1) == seen[0] and time.index(start + count) == seen[-1]


@given(times, st.integers(-50, 350), st.integers(1, 60), st.integers(0, 20))
def test_handles_end_where_the_content_does(time: MediaTime, first: int, count: int, handles: int) -> None:
    last = first + count - 1
    pairs = pairs_between(first, last, handles=handles, number=time.index, holds=time.holds)
    frames = [pair.timeline for pair in pairs]
    assert frames == list(range(frames[0], frames[-1] + 1))
    head, tail = first - frames[0], frames[-1] - last
    assert 0 <= head <= handles and 0 <= tail <= handles
    assert all(time.holds(frame) for frame in (*range(frames[0], first), *range(last + 1, frames[-1] + 1)))
    assert head == handles or not time.holds(frames[0] - 1)


@given(st.lists(st.integers(0, 5000), max_size=60))
def test_frame_text_is_what_the_daemon_reads(numbers: list[int]) -> None:
    text = frame_text(numbers)
    assert text == str(FrameSet(numbers))
    assert not numbers or FrameSet.parse(text) == FrameSet(numbers)


@given(st.integers(-50, 50), st.integers(0, 100), st.integers(1, 5))
def test_rendered_files_never_have_a_negative_number(first: int, length: int, step: int) -> None:
    pairs = rendered_numbers(first, first + length, step=step)
    assert pairs[0] == Pair(first, max(first, 0)) and min(pair.number for pair in pairs) >= 0
    assert {pair.number - pair.timeline for pair in pairs} == {max(-first, 0)}


def test_a_clip_counts_from_its_offset() -> None:
    assert clip_file_index(8, frame_start=11, frame_offset=3) == 0


@given(
    st.text("ab é.-_#@%[v0", max_size=8),
    st.lists(st.integers(0, 99999), min_size=2, max_size=8, unique=True),
    st.integers(1, 6),
)
def test_a_pattern_names_each_file_again(before: str, numbers: list[int], padding: int) -> None:
    before = before.rstrip("0")
    names = [f"{before}{number:0{padding}d}.exr" for number in numbers]
    found = name_sequence(names)
    if found is not None:
        assert [numbered(found.pattern, number) for number in found.numbers] == names
        assert list(found.numbers) == numbers


@pytest.mark.parametrize(
    ("names", "pattern", "numbers"),
    [
        (["sh010.1002.exr", "sh010.1001.exr", "sh010.1002.exr"], "sh010.####.exr", (1002, 1001, 1002)),
        (["a9.png", "a10.png"], "a%01d.png", (9, 10)),
        (["still_v2.exr"] * 3, "still_v2.exr", (0, 0, 0)),
        (["x.09.exr", "x.100.exr"], "x.##.exr", (9, 100)),
        (["a [x] b.01.exr", "a [x] b.02.exr"], "a [x] b.##.exr", (1, 2)),
    ],
)
def test_the_daemon_finds_what_is_named(
    names: list[str], pattern: str, numbers: tuple[int, ...], tmp_path: Path
) -> None:
    found = name_sequence(names)
    assert found is not None and (found.pattern, found.numbers) == (pattern, numbers)
    for name in names:
        (tmp_path / name).touch()
    sequence = find(str(tmp_path / pattern))
    if 0 not in numbers:
        assert set(sequence.frames) == set(numbers)
    assert {sequence.path(frame).name for frame in sequence.frames} == set(names)


@pytest.mark.parametrize(
    "names", [[], ["a.png", "b.png"], ["a1.png", "b2.png"], ["a.01.exr", "a.001.exr"], ["a1.x#y", "a2.x#y"]]
)
def test_what_is_no_sequence(names: list[str]) -> None:
    assert name_sequence(names) is None


def test_a_file_alone_says_its_sequence() -> None:
    assert split_name("sh010.0101.exr") == ("sh010.####.exr", 101)
    assert split_name("plate.exr") is None


@pytest.mark.parametrize(
    "order",
    [
        PlateOrder(route=PlateRoute.STRIP, scene="Szene", name="plate", pairs=(Pair(-1, 0), Pair(0, 1))),
        MatteOrder(route=MatteRoute.OBJECTS, scene="s", names=("a,b", "é"), size=(8, 4), pairs=(Pair(1, 1),)),
        PrevizOrder(scene="s", pairs=(Pair(1, 1),), beauty=Beauty.WORKBENCH, samples=3),
    ],
)
def test_orders_are_read_as_written(order: Order, tmp_path: Path) -> None:
    write_order(tmp_path / "order.json", order)
    assert read_order(tmp_path / "order.json") == order
