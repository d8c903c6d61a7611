"""Frame numbers: each rule by example and by property, and a written list of mutants of which none survives."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standin.model_timeline import Timeline
from standin.spec import Contract
from standin.world import World

from secondtake_resolve import ranges as real

SOURCE = Path(real.__file__)
MUTANTS = (
    ("self.end < self.start", "self.end <= self.start"),
    ("self.end < self.start", "self.end > self.start"),
    ("return self.end - self.start", "return self.end - self.start + 1"),
    ("return self.end - self.start", "return self.end + self.start"),
    ("if not self.count:", "if self.count:"),
    ("cast(Frame, self.end - 1)", "cast(Frame, self.end)"),
    ("cast(Frame, self.end - 1)", "cast(Frame, self.end - 2)"),
    ("self.start <= frame < self.end", "self.start < frame < self.end"),
    ("self.start <= frame < self.end", "self.start <= frame <= self.end"),
    (
        "max(self.start, other.start) < min(self.end, other.end)",
        "max(self.start, other.start) <= min(self.end, other.end)",
    ),
    ("max(self.start, other.start) < min(self.end, other.end)", "self.start < min(self.end, other.end)"),
    ("max(self.start, other.start) < min(self.end, other.end)", "max(self.start, other.start) < self.end"),
    ("self.start - before", "self.start + before"),
    ("self.end + after", "self.end - after"),
    ("self.end + after", "self.end + before"),
    ('f"{self.start}-{self.last}"', 'f"{self.start}-{self.end}"'),
    ("return frames.start, frames.last", "return frames.start, frames.end"),
    ("return frames.start, frames.last", "return frames.last, frames.start"),
    ("start = first + offset", "start = first"),
    ("start = first + offset", "start = first - offset"),
    ("SourceFrame(start + count)", "SourceFrame(start + count - 1)"),
    ("SourceFrame(start + count)", "SourceFrame(first + count)"),
    ("max(min(wanted, before), 0)", "min(wanted, before)"),
    ("max(min(wanted, before), 0)", "max(wanted, 0)"),
    ("max(min(wanted, before), 0)", "max(min(wanted, after), 0)"),
    ("max(min(wanted, after), 0)", "min(wanted, after)"),
    ("max(min(wanted, after), 0)", "max(min(wanted, before), 0)"),
    ("abs(spanned - count) <= tolerance", "abs(spanned - count) < tolerance"),
    ("abs(spanned - count) <= tolerance", "spanned - count <= tolerance"),
    ("abs(spanned - count) <= tolerance", "count - spanned <= tolerance"),
    ("len(parts) != 4", "len(parts) < 4"),
    ("or not all(", "or not any("),
    ("(hours * 60 + minutes) * 60 + seconds) * rate + frames", "(hours * 60 + minutes) * 60 + seconds) * rate"),
    ("hours * 60 + minutes) * 60", "hours * 24 + minutes) * 60"),
    ('if ";" in timecode', 'if ":" in timecode'),
    ("number -= rate // 15", "number += rate // 15"),
    ("number -= rate // 15", "number -= rate // 30"),
    ("all_minutes - all_minutes // 10", "all_minutes"),
    ("all_minutes = hours * 60 + minutes", "all_minutes = minutes"),
)


def check_all(ranges: ModuleType) -> None:
    """Everything that the arithmetic promises, on one version of it."""
    check_ranges(ranges)
    check_kinds(ranges)
    check_timecodes(ranges)


def check_ranges(ranges: ModuleType) -> None:
    made = ranges.Range
    assert made(5, 5).count == 0
    assert made(1001, 1049).count == 48
    assert made(1001, 1049).last == 1048
    assert fails(lambda: made(6, 5))
    assert fails(lambda: made(5, 5).last)
    assert [frame in made(3, 5) for frame in (2, 3, 4, 5)] == [False, True, True, False]
    assert made(3, 5).grown(before=2, after=3) == made(1, 8)
    assert made(1001, 1049).words() == "1001-1048"
    for other, shared in ((made(0, 3), False), (made(0, 4), True), (made(4, 5), True), (made(5, 9), False)):
        assert made(3, 5).overlaps(other) is shared
        assert other.overlaps(made(3, 5)) is shared
    assert not made(3, 5).overlaps(made(-5, -3))
    assert not made(3, 5).overlaps(made(8, 9))


def check_kinds(ranges: ModuleType) -> None:
    assert ranges.inclusive(ranges.Range(86400, 86448)) == (86400, 86447)
    assert ranges.source_range(first=1001, offset=4, count=8) == ranges.Range(1005, 1013)
    assert ranges.handles_within(8, before=3, after=20) == (3, 8)
    assert ranges.handles_within(8, before=20, after=3) == (8, 3)
    assert ranges.handles_within(8, before=-1, after=-2) == (0, 0)
    assert ranges.spans_whole(48.25, count=48, tolerance=0.25)
    assert ranges.spans_whole(47.75, count=48, tolerance=0.25)
    assert ranges.spans_whole(48, count=48, tolerance=0)
    assert not ranges.spans_whole(48.3, count=48, tolerance=0.25)
    assert not ranges.spans_whole(24, count=48, tolerance=0.25)


def check_timecodes(ranges: ModuleType) -> None:
    read = ranges.absolute_of_timecode
    assert read("01:00:00:00", rate=24) == 86400
    assert read("01:02:03:04", rate=25) == ((62 * 60) + 3) * 25 + 4
    # SMPTE ST 12-1: 00:01:00;02 comes right after 00:00:59;29, and one hour has 107,892 frames at 29.97
    assert read("00:00:59;29", rate=30) == 1799
    assert read("00:01:00;02", rate=30) == 1800
    assert read("00:10:00;00", rate=30) == 17982
    assert read("01:00:00;00", rate=30) == 107892
    assert read("01:00:00;00", rate=60) == 215784
    assert read("00:01:00;04", rate=60) == 3600
    for text in ("", "01:00:00", "01:00:00:00:00", "a:00:00:00", "01:00:00:x"):
        assert read(text, rate=24) is None


def fails(act: Callable[[], object]) -> bool:
    try:
        act()
    except ValueError:
        return True
    return False


def test_ranges() -> None:
    check_all(real)


@pytest.mark.parametrize(("text", "mutant"), MUTANTS)
def test_no_mutant_survives(text: str, mutant: str, tmp_path: Path) -> None:
    source = SOURCE.read_text(encoding="utf-8")
    assert text in source, "the list of mutants is older than the arithmetic"
    path = tmp_path / "mutant.py"
    path.write_text(source.replace(text, mutant, 1), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("mutant_ranges", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutant_ranges"] = module
    spec.loader.exec_module(module)
    with pytest.raises((AssertionError, ValueError, TypeError)):
        check_all(module)


@given(frame=st.integers(0, 3_000_000), rate=st.sampled_from([24.0, 25.0, 29.97, 30.0, 59.94]), drop=st.booleans())
def test_timecode_of_a_frame_reads_back(contract: Contract, frame: int, rate: float, drop: bool) -> None:
    is_drop = drop and rate in (29.97, 59.94)
    timeline = Timeline(World(contract), "t", start=0, rate=rate, drop_frame=is_drop)
    assert real.absolute_of_timecode(timeline.timecode(frame), rate=round(rate)) == frame


@given(start=st.integers(-(10**6), 10**6), count=st.integers(1, 10**4))
def test_inclusive_ends_count_the_same_frames(start: int, count: int) -> None:
    frames = real.Range(real.AbsoluteFrame(start), real.AbsoluteFrame(start + count))
    first, last = real.inclusive(frames)
    assert last - first + 1 == count == frames.count
    assert first in frames
    assert last in frames
    assert real.AbsoluteFrame(last + 1) not in frames
