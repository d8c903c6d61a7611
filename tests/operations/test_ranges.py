"""Which frames an extension adds, in which order windows are made, and what the empty frames are."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_process import header, planes, write_plate

from secondtake.errors import BadInput
from secondtake.frames import FrameSet
from secondtake_daemon.images.exr_blank import kind_like, write_blank
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.sequences import Sequence
from secondtake_daemon.images.timecode import TimeCode, moved_on
from secondtake_daemon.job.blanks import added_frames
from secondtake_daemon.plan.windows import handles_of, outward, plan_windows, red_black


def plate_of(frames: range) -> Sequence:
    return Sequence(name="p.####.exr", folder=Path("/p"), prefix="p.", suffix=".exr", padding=4, frames=tuple(frames))


@given(
    first=st.integers(-50, 5000), count=st.integers(1, 60), step=st.integers(1, 3), before=st.integers(0, 30),
    after=st.integers(0, 30), skipped=st.integers(0, 20),
)  # fmt: skip
def test_every_frame_is_the_plates_or_new(
    first: int, count: int, step: int, before: int, after: int, skipped: int
) -> None:
    plate = range(first, first + count * step, step)
    skipped = min(skipped, count - 1) if not before else 0
    if count - skipped == 1:
        step = 1
        plate = range(plate[-1], plate[-1] + 1)
        skipped = 0
    begin = plate[skipped] - before * step
    wanted = FrameSet(range(begin, plate[-1] + after * step + 1, step))
    if not before + after:
        with pytest.raises(BadInput, match="by none"):
            added_frames(wanted, plate_of(plate))
        return
    kept, added = added_frames(wanted, plate_of(plate))
    assert sorted((*kept, *added)) == list(wanted)
    assert set(kept) == set(plate) & set(wanted)
    assert len(added) == before + after
    assert not set(added) & set(range(plate[0], plate[-1] + 1))


@pytest.mark.parametrize("wanted", ["1060-1070", "1001-1048,1050-1060", "900-910,1001-1060", "1001-1048,1060"])
def test_a_gap_before_the_new_frames_is_refused(wanted: str) -> None:
    with pytest.raises(BadInput, match="do not follow") as refused:
        added_frames(FrameSet.parse(wanted), plate_of(range(1001, 1049)))
    assert "one range" in refused.value.remedy


@given(
    count=st.integers(1, 120), size=st.integers(1, 12), first=st.integers(0, 3000),
    blind=st.sets(st.integers(0, 130)), anchored=st.sets(st.integers(0, 130), max_size=3),
)  # fmt: skip
def test_nobody_waits_for_ever(count: int, size: int, first: int, blind: set[int], anchored: set[int]) -> None:
    frames = tuple(range(first, first + count))
    windows = plan_windows(frames, window_frames=size)
    before = red_black(windows, frames, window_frames=size)
    needs, ranks = outward(windows, before, blind=blind, anchored=anchored)
    done: set[int] = set()
    for rank in range(max(ranks) + 1):
        mine = [at for at in range(len(windows)) if ranks[at] == rank]
        for at in sorted(mine, key=lambda at: (len(needs[at]) if not rank else 0, at)):
            assert set(needs[at]) <= done
            assert all(abs(other - at) == 1 for other in needs[at])
            done.add(at)
    assert len(done) == len(windows)
    if not blind:
        assert needs == before
    begins = {at for at in range(len(windows)) if at not in blind or at in anchored} or {0}
    for at in blind - begins:
        assert at >= len(windows) or needs[at], "a blind window goes on from a neighbour"


def test_where_two_rows_meet_the_later_window_sees_both() -> None:
    windows = plan_windows(tuple(range(40)), window_frames=8)
    needs, ranks = outward(windows, red_black(windows, tuple(range(40)), window_frames=8), blind={1, 2, 3}, anchored=())
    assert needs == ((), (0,), (1, 3), (4,), ())
    assert ranks == (0, 2, 3, 2, 0)
    assert handles_of(windows[2], tuple(range(40)), head=4, tail=5)[0] == 12


@pytest.mark.parametrize(
    ("code", "rate", "frames", "wanted"),
    [
        ((1, 2, 3, 23), (24, 1), 1, (1, 2, 4, 0)),
        ((0, 0, 0, 0), (24, 1), -1, (23, 59, 59, 23)),
        ((23, 59, 59, 24), (25, 1), 2, (0, 0, 0, 1)),
        ((10, 0, 0, 0), (24000, 1001), 24 * 60, (10, 1, 0, 0)),
    ],
)
def test_a_time_code_goes_on(
    tmp_path: Path, code: tuple[int, ...], rate: tuple[int, int], frames: int, wanted: tuple[int, ...]
) -> None:
    raw = packed(tmp_path, code)
    assert moved_on(raw, rate, frames) == TimeCode(*wanted)
    assert moved_on(raw, None, frames) is None
    assert moved_on(packed(tmp_path, code, drop=1), rate, frames) is None


def packed(root: Path, code: tuple[int, ...], *, drop: int = 0) -> bytes:
    """As the library writes it."""
    write_plate(root, range(1, 2), timeCode=OpenEXR.TimeCode(*code, drop, *(0,) * 13))
    found = inspect(root / "sh010.0001.exr").parts[0].time_code
    assert found is not None
    return found


def test_an_empty_frame_is_of_the_plates_kind(tmp_path: Path) -> None:
    code = OpenEXR.TimeCode(1, 0, 0, 10, *(0,) * 14)
    write_plate(tmp_path, range(5, 6), timeCode=code, framesPerSecond=Fraction(25), pixelAspectRatio=2.0)
    write_blank(tmp_path / "new.exr", kind_like(tmp_path / "sh010.0005.exr"), apart=3)
    before, after = planes(tmp_path / "sh010.0005.exr"), planes(tmp_path / "new.exr")
    assert {name: plane.dtype for name, plane in before.items()} == {name: plane.dtype for name, plane in after.items()}
    assert (after["A"] == 1).all()
    assert not after["Z"].any()
    assert header(tmp_path / "new.exr")["pixelAspectRatio"] == 2.0
    assert header(tmp_path / "new.exr")["timeCode"].frame == 13
    assert "lensSerial" not in header(tmp_path / "new.exr")


def test_an_empty_frame_has_all_parts(tmp_path: Path) -> None:
    half, whole = np.ones((20, 30), np.float16), np.ones((20, 30), np.uint32)
    parts = [
        OpenEXR.Part({"type": OpenEXR.scanlineimage}, {"R": half, "G": half, "B": half, "A": half}, "beauty"),
        OpenEXR.Part({"type": OpenEXR.scanlineimage}, {"id": whole, "A": half}, "ids"),
    ]
    OpenEXR.File(parts).write(str(tmp_path / "a.exr"))
    write_blank(tmp_path / "b.exr", kind_like(tmp_path / "a.exr"), apart=1)
    made = OpenEXR.File(str(tmp_path / "b.exr"), separate_channels=True).parts
    assert [part.name() for part in made] == ["beauty", "ids"]
    assert (made[0].channels["A"].pixels == 1).all()
    assert not made[1].channels["A"].pixels.any()
    assert made[1].channels["id"].pixels.dtype == np.uint32
