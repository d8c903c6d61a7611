"""A conversation with a shot, as an artist has it: on a take, said again, named, shown, checked, deleted."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

from secondtake import Client

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
from exr_shots import Layout, changed_outside, read, write_plate, write_shot

FRAMES = [1001, 1002]
Command = Callable[..., Any]


@pytest.fixture(scope="module")
def home(make_home: Callable[[], AbstractContextManager[Path]]) -> Iterator[Path]:
    """One home, and so one daemon, for all tests of this file."""
    with make_home() as root:
        yield root


class Artist:
    """Makes takes of one shot, in folders named as she likes."""

    def __init__(self, secondtake: Command, root: Path) -> None:
        self.secondtake = secondtake
        self.root = root
        self.shot = f"sh{root.parent.name}{root.name}".replace("_", "")
        root.mkdir(exist_ok=True)
        self.plate, self.matte = write_shot(root, Layout(), FRAMES)
        self.second = self.box("second", 2, 20, 16, 8)

    def box(self, name: str, x: int, y: int, width: int, height: int) -> Path:
        canvas = np.zeros((30, 40), np.float16)
        canvas[y : y + height, x : x + width] = 1
        path = self.root / f"{name}.exr"
        OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": canvas}).write(str(path))
        return path

    def first(self, out: str, *words: object) -> dict[str, Any]:
        base = (self.plate, "--matte", self.matte, "--shot", self.shot, "--engine", "standin")
        return self.made("fix", *base, "--out", self.root / out, *words)

    def on(self, take: object, out: str, *words: object) -> dict[str, Any]:
        base = ("--on", take, "--matte", self.second, "--engine", "standin")
        return self.made("fix", *base, "--out", self.root / out, *words)

    def revise(self, take: object, out: str, *words: object) -> dict[str, Any]:
        return self.made("fix", "--revise", take, "--out", self.root / out, *words)

    def made(self, *words: object) -> dict[str, Any]:
        ran = self.secondtake(*words, "--json")
        assert ran.status == 0, ran.err
        answer: dict[str, Any] = ran.json
        return answer

    def refused(self, *words: object, code: str = "bad_input") -> str:
        """What the command says, in JSON and on stderr; nothing else happens."""
        before = sorted(self.root.rglob("*"))
        ran = self.secondtake(*words, "--json")
        assert ran.json["error"]["code"] == code, ran.err
        assert ran.status == {"usage": 2}.get(code, 12)
        assert ran.json["error"]["remedy"]
        assert sorted(self.root.rglob("*")) == before
        return str(ran.json["error"]["message"])

    def request(self, made: dict[str, Any]) -> dict[str, Any]:
        recorded: dict[str, Any] = json.loads(Path(made["manifest"]).read_text())["request"]
        return recorded


@pytest.fixture
def artist(secondtake: Command, tmp_path: Path) -> Artist:
    return Artist(secondtake, tmp_path)


def test_a_conversation(artist: Artist, secondtake: Command, tmp_path: Path) -> None:
    beard = artist.first("a", "--instruction", "no beard", "--seed", "7", "--grow", "2")
    hat = artist.on(beard["take"], "b", "--instruction", "a hat", "--operation", "replace", "--feather", "1")
    assert (hat["parent"], hat["shot"], hat["frames"]) == (beard["take"], artist.shot, FRAMES)
    assert (hat["proof"]["outside_changed"], hat["line_proof"]["outside_changed"]) == (0, 0)
    darker = artist.revise(hat["take"][:5], "c", "--instruction", "darker")
    assert darker["parent"] == beard["take"]
    request = artist.request(darker)
    assert (request["instructions"], request["instruction"]) == (["a hat"], "darker")
    assert request["revises"] == hat["take"]
    kept = ("plate", "parent", "matte", "operation", "engine", "seed", "feather_px", "grow_px", "quality", "frames")
    assert {name: request[name] for name in kept} == {name: artist.request(hat)[name] for name in kept}
    for at, frame in enumerate(FRAMES):
        ((_, planes),) = read(artist.second)
        parent, plate = Path(beard["files"][at]), tmp_path / "plate" / f"sh.{frame}.exr"
        assert changed_outside(parent, Path(darker["files"][at]), planes["Y"] > 0, ("R", "G", "B")) == []
        assert Path(darker["files"][at]).read_bytes() != Path(hat["files"][at]).read_bytes()
        assert changed_outside(plate, Path(darker["files"][at]), planes["Y"] > 0, ("R", "G", "B")) != []
    verified = secondtake("verify", darker["take"], "--json").json
    assert (verified["holds"], verified["line"], verified["line_changed"]) == (True, [beard["take"]], 0)
    assert verified["line_samples"] == darker["line_proof"]["outside_samples"] > 0

    secondtake("rename", hat["take"], "the hat", "--note", "client likes it")
    secondtake("star", "the hat")
    lines = secondtake("takes", artist.shot).out.splitlines()
    assert [line.split()[0] for line in lines] == ["TAKE", beard["take"], "├", "└"]
    assert f"├ {hat['take']} *" in lines[2]
    assert "the hat: client likes it" in lines[2]
    assert f'replace "darker", again for {hat["take"]}, by standin' in lines[3]
    listed = {take["take"]: take for take in secondtake("takes", artist.shot, "--json").json["takes"]}
    assert [listed[made["take"]]["parent"] for made in (beard, hat, darker)] == ["", beard["take"], beard["take"]]
    assert [listed[made["take"]]["starred"] for made in (beard, hat, darker)] == [False, True, False]
    shown = secondtake("show", f"{artist.shot}/the hat").out
    assert f"take        {hat['take']} — the hat *\nabout it    client likes it\n" in shown
    assert f"on          take {beard['take']}\nline        plate → {beard['take']} → {hat['take']}\n" in shown
    assert f"plate       {artist.plate}\n" in shown
    again = secondtake("show", darker["take"]).out
    assert "instruction 1. a hat\ninstruction 2. darker\n" in again


def test_said_again_with_something_else(artist: Artist) -> None:
    hat = artist.first("a", "--instruction", "a hat", "--seed", "7", "--frames", "1001")
    more = ["--matte", artist.second, "--seed", "8", "--quality", "draft", "--operation", "modify"]
    request = artist.request(artist.revise(artist.root / "a", "b", "--instruction", "taller", *more))
    assert (request["matte"], request["seed"], request["quality"]) == (str(artist.second), 8, "draft")
    assert (request["operation"], request["frames"], request["parent"]) == ("modify", "1001", "")
    same = artist.revise(hat["take"], "c")
    assert artist.request(same)["instructions"] == []
    assert Path(same["files"][0]).read_bytes() == Path(hat["files"][0]).read_bytes()
    longer = artist.revise(hat["take"], "d", "--frames", "1001-1002")
    assert longer["frames"] == FRAMES


def test_names(artist: Artist) -> None:
    first, second = artist.first("a"), artist.first("b", "--seed", "1")
    artist.made("rename", first["take"], "beard")
    assert "is called 'beard' already" in artist.refused("rename", second["take"], "beard")
    assert "looks like the id" in artist.refused("rename", first["take"], "t3k9x0c", code="usage")
    assert "cannot be a take's name" in artist.refused("rename", first["take"], "a/b", code="usage")
    assert artist.made("rename", first["take"], "beard", "--note", "again")["note"] == "again"
    artist.made("star", second["take"])
    assert artist.made("unstar", second["take"])["starred"] is False
    assert artist.made("rename", second["take"], "")["name"] == ""
    other = Artist(artist.secondtake, artist.root / "other")
    stranger = other.first("a")
    other.made("rename", stranger["take"], "beard")
    assert "'beard' could be" in artist.refused("show", "beard")
    assert artist.made("show", f"{artist.shot}/beard")["manifest"]["take"] == first["take"]


def test_delete_of_a_middle_take(artist: Artist, secondtake: Command, tmp_path: Path) -> None:
    first = artist.first("a", "--instruction", "x")
    middle = artist.on(first["take"], "b")
    last = artist.on(middle["take"], "c")
    sibling = artist.revise(first["take"], "d")
    (tmp_path / "b" / "mine.txt").write_text("not a file of the take")
    said = artist.refused("delete", middle["take"])
    assert last["take"] in said
    assert first["take"] not in said
    assert artist.refused("delete", first["take"]).count(" t") >= 2
    gone = secondtake("delete", middle["take"], "--with-children", "--json")
    assert gone.status == 0, gone.err
    assert [one["take"] for one in gone.json["deleted"]] == [last["take"], middle["take"]]
    assert [one["files"] for one in gone.json["deleted"]] == [4, 4]
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["mine.txt"]
    assert not (tmp_path / "c").exists()
    for take in (first, sibling):
        assert secondtake("verify", take["take"]).status == 0
    listed = {take["take"] for take in secondtake("takes", artist.shot, "--json").json["takes"]}
    assert listed == {first["take"], sibling["take"]}
    assert artist.refused("show", middle["take"], code="not_found")


def test_delete_asks_on_a_terminal(artist: Artist, home: Path, tmp_path: Path) -> None:
    first = artist.first("a")
    command = [sys.executable, "-P", "-m", "secondtake_daemon", "delete", first["take"]]
    environment = {**os.environ, "SECONDTAKE_HOME": str(home)}
    terminal, end = pty.openpty()
    try:
        asked = subprocess.run(command, stdin=end, capture_output=True, text=True, env=environment, check=False)
        assert asked.returncode == 2
        assert "4 files" in asked.stderr
        assert "Nothing was deleted" in asked.stderr
        assert (tmp_path / "a" / "take.json").exists()
        done = subprocess.run([*command, "--yes"], stdin=end, capture_output=True, env=environment, check=False)
        assert done.returncode == 0
    finally:
        os.close(terminal)
        os.close(end)
    assert not (tmp_path / "a").exists()


def test_a_take_that_a_job_works_on_is_not_deleted(artist: Artist, secondtake: Command, home: Path) -> None:
    first = artist.first("a")
    words = ["fix", "--on", first["take"], "--matte", artist.second, "--out", artist.root / "b", "--engine", "standin"]
    running = started(home, *words, "--engine-option", "frame_s=30")
    with Client.connect(home=home) as client:
        job = _job_on(client, first["take"])
        said = artist.secondtake("delete", first["take"], "--json")
        assert (said.status, said.json["error"]["code"]) == (12, "bad_input")
        assert f"The job {job[:8]} works on take {first['take']}" in said.json["error"]["message"]
        client.cancel(job)
    assert running.wait(timeout=30) == 3
    assert secondtake("delete", first["take"]).status == 0


def started(home: Path, *words: object) -> subprocess.Popen[bytes]:
    """The command, without waiting for its end."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "secondtake_daemon", *map(str, words)],
        env={**os.environ, "SECONDTAKE_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _job_on(client: Client, take: str) -> str:
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        for view in client.jobs():
            if view.parent == take and not view.state.is_final:
                return view.job
        time.sleep(0.05)
    raise AssertionError("the job did not come")


def test_a_folder_edited_by_hand(artist: Artist, secondtake: Command, tmp_path: Path) -> None:
    first = artist.first("a")
    write_plate(Path(first["files"][1]), Layout(), np.random.default_rng(3))
    checked = secondtake("verify", first["take"], "--json")
    assert checked.status == 20
    assert "Frame 1002 is not the file that was recorded" in checked.json["problems"]
    fix = ("fix", "--on", first["take"], "--matte", artist.second, "--engine", "standin", "--out", tmp_path / "new")
    assert artist.refused(*fix).startswith(f"Frame 1002 of take {first['take']} is not the file that was recorded")


def test_moved_copied_and_of_another_home(
    artist: Artist, secondtake: Command, tmp_path: Path, make_home: Callable[[], AbstractContextManager[Path]]
) -> None:
    first = artist.first("a")
    (tmp_path / "a").rename(tmp_path / "moved")
    assert "not in its folder any more" in artist.refused("show", first["take"], code="not_found")
    assert secondtake("show", tmp_path / "moved").status == 0
    child = artist.on(first["take"], "b")
    assert secondtake("verify", child["take"]).status == 0
    with make_home() as other:
        environment = {**os.environ, "SECONDTAKE_HOME": str(other)}
        words = ["fix", "--on", tmp_path / "moved", "--matte", artist.second, "--engine", "standin", "--json"]
        command = [sys.executable, "-P", "-m", "secondtake_daemon", *map(str, words), "--out", str(tmp_path / "there")]
        ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert ran.returncode == 0, ran.stderr
        shutil.rmtree(other / "data", ignore_errors=True)
    assert secondtake("verify", tmp_path / "there").status == 0
    assert "└" in secondtake("takes", artist.shot).out


def test_the_figures_come_while_the_frames_do(artist: Artist, home: Path) -> None:
    first = artist.first("a")
    words = ["fix", "--on", first["take"], "--matte", artist.matte, "--out", artist.root / "b", "--engine", "standin"]
    running = started(home, *words, "--engine-option", "frame_s=0.8")
    with Client.connect(home=home) as client:
        views = list(client.watch(_job_on(client, first["take"]), timeout_s=20.0))
    assert running.wait(20) == 0
    told = [view.figures for view in views if view.figures is not None]
    assert told, "before the job ended"
    assert views[-1].figures is None
    assert (told[-1].seam_frame, told[-1].seam > 0.01) == (1001, True)
    assert (told[-1].outside_changed, told[-1].bad, told[-1].missing) == (0, 0, ())
