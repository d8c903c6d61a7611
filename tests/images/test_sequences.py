"""Sequence names and what they find on disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secondtake.errors import BadInput, MissingFrames
from secondtake.frames import FrameSet
from secondtake_daemon.images import sequences


def make(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"x")
    return folder


def numbered(prefix: str, frames: range, padding: int = 4, suffix: str = ".exr") -> list[str]:
    return [f"{prefix}{frame:0{padding}d}{suffix}" for frame in frames]


@pytest.mark.parametrize(
    "pattern",
    [
        "sh010.####.exr",
        "sh010.#.exr",
        "sh010.@@@@.exr",
        "sh010.%04d.exr",
        "sh010.$F4.exr",
        "sh010.1001-1003#.exr",
        "sh010.1001-1003####.exr",
        "sh010.1001-1003%04d.exr",
        "sh010.1001,1002-1003#.exr",
        "sh010.%d.exr",
    ],
)
def test_every_way_to_write_a_sequence(tmp_path: Path, pattern: str) -> None:
    make(tmp_path, *numbered("sh010.", range(1001, 1004)))
    found = sequences.find(str(tmp_path / pattern))
    assert found.frames == (1001, 1002, 1003)
    assert (found.prefix, found.suffix, found.folder) == ("sh010.", ".exr", tmp_path)
    assert found.path(1002) == tmp_path / "sh010.1002.exr"
    assert sequences.shot_name(pattern) == "sh010"


@pytest.mark.parametrize(
    ("token", "padding"), [("#", 4), ("##", 2), ("###", 3), ("#####", 5), ("@", 1), ("@@", 2), ("%06d", 6), ("$F", 1)]
)
def test_a_single_hash_is_four_digits_and_several_are_one_each(tmp_path: Path, token: str, padding: int) -> None:
    make(tmp_path, f"a.{7:0{padding}d}.exr", f"a.{7:0{padding + 1}d}.exr")
    found = sequences.find(str(tmp_path / f"a.{token}.exr"))
    assert (found.padding, found.frames) == (padding, (7,))
    assert found.path(7).exists()
    assert found.path(8).name == f"a.{8:0{padding}d}.exr"


def test_numbers_longer_than_the_padding_belong_to_it(tmp_path: Path) -> None:
    make(tmp_path, "a.998.exr", "a.999.exr", "a.1000.exr", "a.0997.exr")
    assert sequences.find(str(tmp_path / "a.###.exr")).frames == (998, 999, 1000)


def test_negative_frames_with_and_without_the_minus_in_the_padding(tmp_path: Path) -> None:
    make(tmp_path, "a.-002.exr", "a.-0001.exr", "a.0000.exr", "a.0001.exr")
    found = sequences.find(str(tmp_path / "a.####.exr"))
    assert found.frames == (-2, -1, 0, 1)
    assert [found.path(frame).name for frame in found.frames] == sorted(
        ["a.-002.exr", "a.-0001.exr", "a.0000.exr", "a.0001.exr"], key=lambda name: int(name[2:-4])
    )
    assert sequences.choose(found) == (-2, -1, 0, 1)
    assert sequences.find(str(tmp_path / "a.-2-0#.exr")).frames == (-2, -1, 0)


def test_a_name_without_a_folder_is_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a.0001.exr")
    monkeypatch.chdir(tmp_path)
    found = sequences.find("a.####.exr")
    assert found.path(1) == tmp_path / "a.0001.exr"
    assert found.name == str(tmp_path / "a.####.exr")


@pytest.mark.parametrize(
    ("filename", "frame", "padding", "shot"),
    [
        ("frame.0012.exr", 12, 4, "frame"),
        ("frame0012.exr", 12, 4, "frame"),
        ("frame_12.exr", 12, 2, "frame"),
        ("0012.exr", 12, 4, ""),
        ("a.-005.exr", -5, 4, "a"),
        ("shot-0005.exr", 5, 4, "shot"),
        ("sh010.exr", 1, 4, "sh010"),
        ("sh_v2.exr", 1, 4, "sh_v2"),
        ("sh_v0002.exr", 1, 4, "sh_v0002"),
        ("sh_v0002.0007.exr", 7, 4, "sh_v0002"),
        ("plate", 1, 4, "plate"),
    ],
)
def test_one_file_is_one_frame(tmp_path: Path, filename: str, frame: int, padding: int, shot: str) -> None:
    make(tmp_path, filename)
    name = str(tmp_path / filename)
    found = sequences.find(name)
    assert found.frames == sequences.choose(found) == (frame,)
    assert found.padding == padding
    assert found.path(frame) == tmp_path / filename
    assert not sequences.is_pattern(name)
    assert sequences.shot_name(name) == (shot or tmp_path.name.strip("._-"))


def test_a_file_that_is_called_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    make(tmp_path, "take #2.exr", "take 0001.exr")
    assert not sequences.is_pattern(str(tmp_path / "take #2.exr"))
    assert sequences.find(str(tmp_path / "take #2.exr")).path(1).name == "take #2.exr"
    assert sequences.is_pattern(str(tmp_path / "take #.exr"))


def test_hashes_and_digits_in_the_shot_do_not_confuse(tmp_path: Path) -> None:
    make(tmp_path, *numbered("cut #3 sh010_v02_", range(1, 3)), *numbered("sh010", range(1, 3)), "sh010")
    assert sequences.find(str(tmp_path / "cut #3 sh010_v02_####.exr")).frames == (1, 2)
    assert sequences.find(str(tmp_path / "sh010####.exr")).prefix == "sh010"
    assert sequences.shot_name("sh010####.exr") == "sh010"


def test_a_range_in_the_name_limits_it_and_is_what_is_wanted(tmp_path: Path) -> None:
    make(tmp_path, *numbered("a.", range(1, 8)))
    assert sequences.choose(sequences.find(str(tmp_path / "a.2-6x2#.exr"))) == (2, 4, 6)
    with pytest.raises(MissingFrames, match="2 frames are missing: 8-9"):
        sequences.choose(sequences.find(str(tmp_path / "a.5-9#.exr")))


def test_only_files_count_and_empty_ones_do(tmp_path: Path) -> None:
    make(tmp_path, "a.0001.exr")
    (tmp_path / "a.0002.exr").touch()
    (tmp_path / "a.0003.exr").mkdir()
    (tmp_path / "a.0004.exr").symlink_to(tmp_path / "gone.exr")
    assert sequences.find(str(tmp_path / "a.####.exr")).frames == (1, 2)


def test_a_gap_is_named_with_what_to_do(tmp_path: Path) -> None:
    frames = [frame for frame in range(1001, 1049) if frame not in (1006, 1007, 1008)]
    make(tmp_path, *(f"sh.{frame}.exr" for frame in frames))
    found = sequences.find(str(tmp_path / "sh.####.exr"))
    with pytest.raises(MissingFrames) as caught:
        sequences.choose(found)
    assert caught.value.message == "3 frames are missing: 1006-1008"
    assert caught.value.remedy == "Render them, or give --frames 1001-1005,1009-1048"
    assert sequences.choose(found, FrameSet.parse("1001-1005,1009-1048")) == tuple(frames)
    with pytest.raises(MissingFrames, match=r"1 frame is missing: 1006\. Render it, or give --frames 1005"):
        sequences.choose(found, FrameSet.parse("1005-1006"))


def test_a_range_outside_says_what_there_is(tmp_path: Path) -> None:
    make(tmp_path, *numbered("a.", range(1, 4)))
    found = sequences.find(str(tmp_path / "a.####.exr"))
    with pytest.raises(MissingFrames, match=r"has frames 1-3, not 4-6\. Give --frames inside 1-3"):
        sequences.choose(found, FrameSet.parse("2-6"))


def test_frames_far_apart_cost_nothing(tmp_path: Path) -> None:
    make(tmp_path, "a.1.exr", "a.999999999.exr")
    with pytest.raises(MissingFrames, match="999999997 frames are missing: 2-999999998"):
        sequences.choose(sequences.find(str(tmp_path / "a.%d.exr")))


def test_many_gaps_are_not_all_listed(tmp_path: Path) -> None:
    make(tmp_path, *numbered("a.", range(1, 41, 2)))
    with pytest.raises(MissingFrames, match=r"16 and 11 more ranges\. Render them\. "):
        sequences.choose(sequences.find(str(tmp_path / "a.####.exr")))


def test_nothing_there(tmp_path: Path) -> None:
    make(tmp_path, "a.012.exr")
    with pytest.raises(MissingFrames, match=r"There is a\.012\.exr: write ### or %d"):
        sequences.find(str(tmp_path / "a.####.exr"))
    with pytest.raises(MissingFrames, match="Check the name and the folder"):
        sequences.find(str(tmp_path / "b.####.exr"))
    with pytest.raises(MissingFrames, match="no such file or directory"):
        sequences.find(str(tmp_path / "nowhere" / "b.####.exr"))
    with pytest.raises(MissingFrames, match="There is no such file"):
        sequences.find(str(tmp_path / "b.0001.exr"))
    with pytest.raises(BadInput, match="This is a folder"):
        sequences.find(str(tmp_path))
    with pytest.raises(BadInput, match="empty"):
        sequences.find("")


@pytest.mark.parametrize(
    ("name", "shot"),
    [
        ("/x/sh010.####.exr", "sh010"),
        ("/x/sh010/####.exr", "sh010"),
        ("/x/a b [c].%04d.exr", "a_b_c"),
        ("/x/Straße_.####.exr", "Straße"),
        ("/x/clip.final.mov", "clip.final"),
        ("/####.exr", "shot"),
        ("/x/con.####.exr", "con_"),
        ("/x/../../etc.####.exr", "etc"),
        (f"/x/{'n' * 200}.####.exr", "n" * 64),
    ],
)
def test_shot_names_are_safe_in_a_file_name(name: str, shot: str) -> None:
    assert sequences.shot_name(name) == shot


SHOT = st.text(st.sampled_from("abZ 09._-[](){}#%+é漢!,'~"), max_size=12).filter(lambda text: text not in (".", ".."))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prefix=SHOT,
    frames=st.sets(st.integers(-9999, 200_000), min_size=1, max_size=4),
    padding=st.integers(2, 6),
    token=st.sampled_from("#@%$"),
    suffix=st.sampled_from([".exr", "", "_é.tif", ".beauty.exr"]),
)
def test_what_is_written_by_path_is_found_again(
    tmp_path: Path, prefix: str, frames: set[int], padding: int, token: str, suffix: str
) -> None:
    prefix = f"{prefix}_"
    folder = tmp_path / os.urandom(8).hex()
    make(folder, *(f"{prefix}{frame:0{padding}d}{suffix}" for frame in frames))
    number = {"%": f"%0{padding}d", "$": f"$F{padding}"}.get(token, token * padding)
    found = sequences.find(str(folder / f"{prefix}{number}{suffix}"))
    assert found.frames == tuple(sorted(frames))
    assert (found.prefix, found.suffix, found.padding) == (prefix, suffix, padding)
    for frame in frames:
        alone = sequences.find(str(found.path(frame)))
        assert alone.path(alone.frames[0]) == found.path(frame)
    assert sequences.find(found.name) == found
