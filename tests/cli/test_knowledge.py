"""The line that says how a take's pixels are known, and the command that prints it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondtake.messages import Knowledge
from secondtake_daemon.cli.knowledge import frames_of, knowledge_line
from secondtake_daemon.images.exr_layers import CONFIDENCE
from secondtake_daemon.takes.manifest import TakeFrame

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
from exr_shots import Layout, write_shot

FRAMES = [1001, 1002, 1003]
COUNTS = st.integers(0, 10**9) | st.integers(0, 3)


def knowledge(seen: int, carried: int, invented: int) -> Knowledge:
    return Knowledge(seen=seen, carried=carried, invented=invented)


def record(frame: int, known: Knowledge | None) -> TakeFrame:
    return TakeFrame(
        frame=frame,
        file="",
        digest="",
        plate="",
        plate_digest="",
        matte_digest="",
        way="splice",
        outside_changed=0,
        outside_samples=0,
        inside_samples=0,
        known=known,
    )


@pytest.mark.parametrize(
    ("counts", "line"),
    [
        ((93, 5, 2), "93 % seen, 5 % carried, 2 % invented"),
        ((1, 1, 1), "34 % seen, 33 % carried, 33 % invented"),
        ((7, 0, 0), "100 % seen, 0 % carried, 0 % invented"),
        ((10**6, 0, 1), "99 % seen, 0 % carried, < 1 % invented"),
        ((10**6, 1, 1), "99 % seen, < 1 % carried, < 1 % invented"),
        ((9820, 90, 90), "98 % seen, < 1 % carried, < 1 % invented"),
        ((99, 0, 1), "99 % seen, 0 % carried, 1 % invented"),
        ((0, 0, 0), "0 % seen, 0 % carried, 0 % invented"),
    ],
)
def test_the_line(counts: tuple[int, int, int], line: str) -> None:
    assert knowledge_line(knowledge(*counts), ()) == line


@given(st.tuples(COUNTS, COUNTS, COUNTS))
def test_percentages_are_true_and_sum_to_100(counts: tuple[int, int, int]) -> None:
    line = knowledge_line(knowledge(*counts), ())
    shown = re.findall(r"(< )?(\d+) % ", line)
    total = sum(counts)
    whole = sum(int(number) for small, number in shown if not small)
    small = [count for count, (is_small, _) in zip(counts, shown, strict=True) if is_small]
    assert all(0 < 100 * count < total for count in small)
    for count, (is_small, number) in zip(counts, shown, strict=True):
        assert (number == "0" and not is_small) == (count == 0), line
        assert is_small or abs(100 * count - int(number) * total) <= 2 * total
    if total:
        assert whole + -(-100 * sum(small) // total) == 100, line


def test_the_worst_frame_is_the_one_with_the_most_invented_pixels() -> None:
    frames = [
        record(1011, knowledge(0, 0, 10)),
        record(1012, knowledge(900, 20, 80)),
        record(1013, knowledge(900, 20, 80)),
        record(1014, None),
    ]
    line = knowledge_line(knowledge(1800, 40, 170), frames)
    assert line == "90 % seen, 2 % carried, 8 % invented; most invented in frame 1012 (8 %)"
    assert "most" not in knowledge_line(knowledge(0, 0, 10), frames[:1]), "there is only this one"
    assert "most" not in knowledge_line(knowledge(9, 1, 0), [record(1, knowledge(9, 1, 0)), record(2, None)])


def test_no_folder_no_frames(tmp_path: Path) -> None:
    assert frames_of(str(tmp_path / "take.json")) == ()


def test_the_command_says_it_and_writes_the_layer(secondtake: Callable[..., Any], tmp_path: Path) -> None:
    plate, matte = write_shot(tmp_path, Layout(), FRAMES)
    words = ["fix", plate, "--matte", matte, "--aov", "confidence", "--aov", "confidence"]
    here = ["--out", tmp_path / "a", "--job", "0123456789abcdef" * 2]
    told = secondtake(*words, *here)
    assert told.status == 0, told.err
    line = told.out.splitlines()[1]
    assert re.fullmatch(r"(< )?\d+ % seen, (< )?\d+ % carried, (< )?\d+ % invented(; most .* \((< )?\d+ %\))?", line)
    ran = secondtake(*words, *here, "--json")
    assert ran.status == 0, ran.err
    counts = list(ran.json["knowledge"].values())
    assert list(ran.json["knowledge"]) == ["seen", "carried", "invented"]
    written = []
    for file in ran.json["files"]:
        channels = OpenEXR.File(file, separate_channels=True).channels()
        written.append([int(np.count_nonzero(channels[name].pixels == 1)) for name in CONFIDENCE.channels])
    assert np.sum(written, axis=0).tolist() == counts
    shown = secondtake("show", tmp_path / "a")
    assert f"pixels      {line}" in shown.out.splitlines()
    manifest = secondtake("show", tmp_path / "a", "--json").json["manifest"]
    assert manifest["knowledge"] == ran.json["knowledge"]
    assert [list(frame["known"].values()) for frame in manifest["frames"]] == written
    for wrong, code, status, says in (
        (["--aov", "depth"], "usage", 2, "There is no layer 'depth' to write"),
        (["--engine", "standin"], "no_such_engine", 12, "The engine 'standin' does not say how it knows its pixels"),
    ):
        refused = secondtake(*words, *wrong, "--out", tmp_path / "c", "--json")
        assert (refused.status, refused.json["error"]["code"]) == (status, code)
        assert refused.json["error"]["message"] == says
        assert "confidence" in refused.json["error"]["remedy"] or "temporal" in refused.json["error"]["remedy"]
    assert not (tmp_path / "c").exists()
