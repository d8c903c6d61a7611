"""`compare` and `export` as a script calls them, without a daemon."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from takes import Desk

Command = Callable[..., Any]


def test_compare_says_what_only_one_has(secondtake: Command, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.fix("taaaaaa")
    desk.fix("tbbbbbb", frames="1002-1003", seed=3)
    ran = secondtake("compare", tmp_path / "taaaaaa", tmp_path / "tbbbbbb", "--json")
    assert ran.status == 0
    assert {name: ran.json[name] for name in ("a", "b", "only_a", "only_b", "differing", "sheet", "wipe")} == {
        "a": "taaaaaa",
        "b": "tbbbbbb",
        "only_a": [1001],
        "only_b": [],
        "differing": [1002, 1003],
        "sheet": "",
        "wipe": "",
    }
    assert [one["frame"] for one in ran.json["frames"]] == [1002, 1003]
    assert ran.json["worst"] in (1002, 1003)
    by_id = secondtake("compare", "taa", "plate")  # the first call entered the folders
    assert by_id.status == 0
    assert "taaaaaa and plate differ in 3 of 3 frames" in by_id.out
    assert secondtake("compare", "plate", "plate", "--json").json["error"]["code"] == "bad_input"


def test_an_exported_take_verifies(secondtake: Command, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.fix("taaaaaa")
    ran = secondtake("export", tmp_path / "taaaaaa", "--out", "copy", "--json", cwd=tmp_path)
    assert (ran.json["form"], ran.json["folder"], len(ran.json["files"])) == ("full", str(tmp_path / "copy"), 5)
    assert secondtake("verify", tmp_path / "copy").status == 0
    assert secondtake("export", "taaaaaa", "--out", tmp_path / "copy", "--json").json["error"]["code"] == "bad_output"
    layers = secondtake("export", "taaaaaa", "--out", tmp_path / "layers", "--as", "layers", "--json").json
    assert (layers["form"], len(layers["files"]), layers["lost"]) == ("layers", 6, [])


@pytest.mark.parametrize("words", [("compare", "taaaaaa", "plate"), ("export", "taaaaaa", "--as", "layers")])
def test_a_terminated_one_leaves_nothing(home: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    desk = Desk(tmp_path)
    desk.fix("taaaaaa")
    before = {path.name for path in tmp_path.iterdir()}
    command = [sys.executable, "-P", "-m", "secondtake_daemon", *words, "--out", "new/out"]
    command[command.index("taaaaaa")] = str(tmp_path / "taaaaaa")
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith(f"{words[0]} 1/")
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert process.returncode in (0, 3), "0 if it was quicker than the signal"
    if process.returncode:
        assert {path.name for path in tmp_path.iterdir()} - {"new"} == before
        left = [path.name for path in (tmp_path / "new").rglob("*") if path.is_file()]
        assert left in ([], ["sh.taaaaaa-plate.wipe.mp4"])
