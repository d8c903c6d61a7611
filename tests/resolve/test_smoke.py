"""The script for a real machine, run against the stand-in: it asks everything, and documents itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "plugins" / "resolve")]
try:
    import compare

    import smoke
finally:
    del sys.path[:2]
from standin.spec import Contract
from standin.world import World


def test_every_question_is_answered(contract: Contract, tmp_path: Path) -> None:
    world = World(contract)
    world.project.name = "Second Take smoke 1"
    folder = smoke.main({"resolve": world.resolve}, folder=tmp_path / "smoke")
    answers = (folder / "answers.txt").read_text().splitlines()[1:]
    verdicts = {int(line[:2]): line.split()[1] for line in answers}
    assert sorted(verdicts) == list(range(1, 20))
    assert "FAIL" not in verdicts.values(), answers
    assert {number for number, verdict in verdicts.items() if verdict == "PASS"} == {1, 2, 3, 5, 7, 8, 18, 19}
    calls = [json.loads(line)["call"] for line in (folder / "transcript.jsonl").read_text().splitlines()]
    assert "MediaPool.AppendToTimeline" in calls
    assert world.project.jobs == []


def test_a_resolve_that_is_otherwise_fails(contract: Contract, tmp_path: Path) -> None:
    world = World(contract)
    world.project.name = "Second Take smoke 2"
    world.quirks.stubborn_properties = ("FPS",)
    world.quirks.refuses_takes = True
    folder = smoke.main({"resolve": world.resolve}, folder=tmp_path / "smoke")
    failed = [int(line[:2]) for line in (folder / "answers.txt").read_text().splitlines()[1:] if " FAIL " in line]
    assert failed == [1, 7]


def test_only_in_a_project_of_that_name(contract: Contract, tmp_path: Path) -> None:
    world = World(contract)
    before = world.snapshot()
    with pytest.raises(SystemExit, match="Second Take smoke"):
        smoke.main({"resolve": world.resolve}, folder=tmp_path / "smoke")
    assert world.snapshot() == before


def test_transcripts_are_compared_by_kind(tmp_path: Path) -> None:
    lines = {"a": [True, "x", [1], None], "b": [False, "y", [2], None]}
    for name, answers in lines.items():
        text = "".join(json.dumps({"call": f"C.{at}", "answer": each}) + "\n" for at, each in enumerate(answers))
        (tmp_path / name).write_text(text)
    assert compare.differences(tmp_path / "a", tmp_path / "b") == ["C.0: Resolve answered True, the stand-in False"]
