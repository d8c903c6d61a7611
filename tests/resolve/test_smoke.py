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

OPEN = {
    1: ("take", "extents"), 2: ("startFrame",), 3: ("marker at 0",), 4: ("comp.Render", "Saver"), 5: ("Python",),
    6: ("alpha",), 7: ("FPS",), 8: ("preset",), 9: ("DisableCcDuringRecording", "NumFramesOfHandles"), 10: ("Undo",),
    11: ("re-import", "unmanaged", "RCM", "ACEScct"), 12: ("GetSelectedClips", "away from the playhead"),
    13: ("dialog",), 14: ("Lua", "21.1.2"), 15: ("grade", "linked audio"), 16: ("key",), 17: ("folder", "menu"),
    18: ("child",),
}  # fmt: skip
"""What is unsettled of the API: a number, and words without which the question is not asked."""
TAKEN_FOR_GRANTED = {
    19: ("Source frames",), 20: ("EllipseMask", "Width and Height"), 21: ("GetBezierPolyline", "lower left", "handles"),
    22: ("marks",), 23: ("queued job", "folder", "range"),
}  # fmt: skip
"""What the plugin believes besides, and docs/resolve.md says so."""


def test_all_that_is_open_is_asked(contract: Contract, tmp_path: Path) -> None:
    world = World(contract)
    world.project.name = "Second Take smoke 1"
    folder = smoke.main({"resolve": world.resolve}, folder=tmp_path / "smoke")
    asked = {int(line[:2]): line for line in (folder / "answers.txt").read_text().splitlines()[1:]}
    assert list(asked) == [*OPEN, *TAKEN_FOR_GRANTED]
    for number, words in {**OPEN, **TAKEN_FOR_GRANTED}.items():
        assert all(word in asked[number] for word in words), asked[number]


def test_every_question_is_answered(contract: Contract, tmp_path: Path) -> None:
    world = World(contract)
    world.project.name = "Second Take smoke 1"
    folder = smoke.main({"resolve": world.resolve}, folder=tmp_path / "smoke")
    answers = (folder / "answers.txt").read_text().splitlines()[1:]
    verdicts = {int(line[:2]): line.split()[1] for line in answers}
    assert sorted(verdicts) == list(range(1, 24))
    assert "FAIL" not in verdicts.values(), answers
    passed = {1, 2, 3, 5, 7, 8, 18, 19, 20, 22, 23}
    assert {number for number, verdict in verdicts.items() if verdict == "PASS"} == passed
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
