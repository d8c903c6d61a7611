"""What `fix --on` and `fix --revise` make of the command line, and what they refuse before anything is sent."""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path

import msgspec
import pytest

from secondtake.errors import SecondTakeError
from secondtake.figures import Figures
from secondtake.home import Home
from secondtake.messages import FixRequest, Operation, Phase, Quality, Reference
from secondtake_daemon.cli import app
from secondtake_daemon.cli.asked import Asked, request_of
from secondtake_daemon.pipeline import Folders, render_fix
from secondtake_daemon.takes.manifest import load

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
from exr_shots import Layout, write_shot

FRAMES = [1001, 1002]
TAKE = "tab1234"


class Silent:
    def phase(self, phase: Phase, total: int = 0) -> None: ...

    def frame(self, frame: int) -> None: ...

    def figures(self, figures: Figures) -> None: ...

    def stage(self, stage: object) -> None: ...

    def step(self) -> None: ...


@pytest.fixture
def folder(home: Path, tmp_path: Path) -> Path:
    """The folder of a take, in the home of the test."""
    return make(tmp_path, TAKE, instruction="a hat", seed=7, grow_px=2, quality=Quality.DRAFT, matte_channel="Y")


def make(root: Path, take: str, **values: object) -> Path:
    if not (root / "plate").exists():
        write_shot(root, Layout(), FRAMES)
    request = FixRequest(
        job=uuid.uuid4().hex,
        shot="sh",
        plate=str(root / "plate" / "sh.####.exr"),
        matte=str(root / "matte" / "m.####.exr"),
        out=str(root / take),
        operation=Operation.REMOVE,
        engine="standin",
        **values,
    )
    home = Home.find()
    folders = Folders(cache=home.cache, takes=home.data / "takes", cache_bytes=1 << 30)
    render_fix(request, take=take, folders=folders, report=Silent())
    return root / take


def test_on_takes_over_what_belongs_to_the_shot_only(folder: Path, tmp_path: Path) -> None:
    request = request_of(Asked(on="tab", matte="/m.exr", out="/out"))
    assert request.plate == str(folder / f"sh.{TAKE}.%04d.exr")
    assert (request.parent, request.revises, request.shot, request.frames) == (TAKE, "", "sh", "1001-1002")
    assert request.colourspace == load(folder).plate.colourspace
    assert (request.operation, request.engine, request.seed, request.grow_px) == (Operation.REMOVE, "temporal", 0, 0)
    assert (request.instruction, request.instructions, request.matte_channel) == ("", (), "")
    painted = request_of(Asked(on=TAKE, matte="/m.exr", out="/out", references=["/p.exr@1001"], frames="1001"))
    assert painted.operation is Operation.MODIFY
    assert painted.references == (Reference(path="/p.exr", frame=1001),)
    assert painted.frames == "1001"


def test_revise_takes_over_all_that_is_not_given(folder: Path, tmp_path: Path) -> None:
    old = load(folder).request
    request = request_of(Asked(revise=TAKE, instruction="darker", out="/out"))
    assert (request.instructions, request.instruction, request.said) == (("a hat",), "darker", "a hat\ndarker")
    assert (request.revises, request.parent, request.out) == (TAKE, "", "/out")
    changed = {"job", "out", "frames", "instruction", "instructions", "revises"}
    for name in set(FixRequest.__struct_fields__) - changed:
        assert getattr(request, name) == getattr(old, name), name
    given = request_of(
        Asked(
            revise=TAKE,
            out="/out",
            matte="/other.exr",
            matte_channel="",
            seed=0,
            grow_px=0,
            feather_px=3,
            quality=Quality.FINAL,
            engine="temporal",
            engine_options=["grain=true"],
            operation=Operation.MODIFY,
            motion="",
            references=["/look.exr"],
            reference_colourspace="ACEScg",
            aovs=["confidence", "confidence"],
            frames="1002",
        )
    )
    assert (given.matte, given.matte_channel, given.seed, given.grow_px, given.feather_px) == (
        "/other.exr",
        "",
        0,
        0,
        3,
    )
    assert (given.quality, given.engine, given.engine_options) == (Quality.FINAL, "temporal", {"grain": "true"})
    assert (given.operation, given.frames, given.aovs) == (Operation.MODIFY, "1002", ("confidence",))
    assert given.references == (Reference(path="/look.exr", colourspace="ACEScg"),)
    assert (given.instruction, given.instructions) == ("a hat", ())


def test_revise_finds_a_parent_that_was_moved(folder: Path, tmp_path: Path) -> None:
    child = request_of(Asked(on=TAKE, matte=str(tmp_path / "matte" / "m.####.exr"), out="/o", instruction="x"))
    home = Home.find()
    folders = Folders(cache=home.cache, takes=home.data / "takes", cache_bytes=1 << 30)
    sent = msgspec.structs.replace(child, out=str(tmp_path / "child"), engine="standin")
    render_fix(sent, take="tchild1", folders=folders, report=Silent())
    moved = folder.rename(tmp_path / "moved")
    with pytest.raises(SecondTakeError, match="Take tab1234 of sh is not in its folder any more"):
        request_of(Asked(revise="tchild1", out="/o"))
    assert request_of(Asked(on=str(moved), matte="/m", out="/o")).parent == TAKE
    assert request_of(Asked(revise="tchild1", out="/o")).plate == str(moved / f"sh.{TAKE}.%04d.exr")


def test_the_plate_may_be_said_again(folder: Path, tmp_path: Path) -> None:
    names = ["sh.####.exr", "sh.%04d.exr", "sh.@@@@.exr"]
    for name in names:
        assert request_of(Asked(on=TAKE, plate=str(tmp_path / "plate" / name), matte="/m", out="/o")).parent == TAKE


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--on", TAKE, "--matte", "m", "--shot", "sh999"], "bad_input", "is a take of another shot, sh, not of sh999"),
        (["other.####.exr", "--on", TAKE, "--matte", "m"], "bad_input", "is a take of another plate"),
        (["--on", TAKE, "--matte", "m", "--frames", "1002-1003"], "missing_frames", "frames 1001-1002, not 1003"),
        (["--on", TAKE, "--matte", "m", "--colorspace", "ACEScg"], "bad_input", "what is made from it stays so"),
        (["--on", "tnothere", "--matte", "m"], "not_found", "There is no take 'tnothere'"),
        (["--on", "", "--matte", "m"], "usage", "names no take"),
        (["--on", TAKE], "usage", "There is no matte"),
        (["--on", TAKE, "--revise", TAKE], "usage", "two things"),
        (["--matte", "m"], "usage", "There is no plate"),
        (["--revise", "tsilent1"], "bad_input", "Take tsilent1 has no instruction that could be said again"),
    ],
)
def test_what_cannot_be_gone_on_from(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], words: list[str], code: str, says: str
) -> None:
    make(tmp_path, "tsilent1")
    status = app.run(["fix", *words, "--out", str(tmp_path / "new"), "--json"])
    answer = json.loads(capfd.readouterr().out)
    assert (answer["error"]["code"], status) == (code, 2 if code == "usage" else 12)
    assert says in answer["error"]["message"]
    assert answer["error"]["remedy"]
    assert not (tmp_path / "new").exists()
    assert not Home.find().runtime_file.exists(), "nothing was sent to anybody"


def test_a_take_of_an_older_version(folder: Path) -> None:
    """One that knows nothing of lines can be said again, but nothing can be made on it."""
    old = json.loads((folder / "take.json").read_text())
    for name in ("revises", "instructions", "line", "root_plate", "supports", "line_proof"):
        old.pop(name)
    for name in ("parent", "revises", "instructions"):
        old["request"].pop(name)
    (folder / "take.json").write_bytes(msgspec.json.encode(old))
    assert request_of(Asked(revise=TAKE, instruction="darker", out="/o")).said == "a hat\ndarker"
    request = msgspec.structs.replace(request_of(Asked(on=TAKE, matte="/m.exr", out=str(folder.parent / "new"))))
    folders = Folders(cache=folder / "c", takes=folder / "t", cache_bytes=1 << 20)
    with pytest.raises(SecondTakeError, match="is of an older version and does not say where it may change") as error:
        render_fix(request, take="tnew", folders=folders, report=Silent())
    assert error.value.exit_status == 12
