"""The verbs as the artist meets them, and everything that may be wrong with the project, said in one sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from desk import shot_scene, write_launcher
from standin.world import World
from test_child_pythons import SHAPES, installer

from secondtake import host
from secondtake_resolve import entry
from secondtake_resolve.form import Form

MakeWorld = Callable[..., World]
ROOT = Path(__file__).parents[2]


@dataclass
class Artist:
    """A face that answers by itself."""

    answers: dict[str, str] = field(default_factory=dict)
    choices: list[str] = field(default_factory=list)
    cancels: bool = False
    """At the first look after the form."""
    told: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)
    forms: list[Form] = field(default_factory=list)

    def ask(self, form: Form) -> dict[str, str] | None:
        self.forms.append(form)
        return {**{each.key: each.value for each in form.fields}, **self.answers}

    def choose(self, question: str, choices: Sequence[str]) -> int | None:
        self.told += question.splitlines() if "Bring back results" in choices else []
        self.asked.append(question)
        wanted = self.choices.pop(0) if self.choices else ""
        return next((at for at, text in enumerate(choices) if wanted and wanted in text), None)

    def progress(self, words: str, share: float) -> bool:
        self.looks.append(words)
        return not (self.cancels and (self.forms or words.startswith("Looking")))

    def tell(self, lines: Sequence[str]) -> None:
        self.told += lines

    def close(self) -> None:
        raise AssertionError("a window that the script did not open is not its to close")


@pytest.fixture
def work(shared_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for takes, and the home that all tests here share."""
    folder = tmp_path / "Second Take é"
    monkeypatch.setenv("SECONDTAKE_HOME", str(shared_home))
    monkeypatch.setenv("SECONDTAKE_RESOLVE_FOLDER", str(folder))
    (tmp_path / "roto.json").write_text(json.dumps(SHAPES))
    return folder


def filled(tmp_path: Path, **answers: str) -> dict[str, str]:
    return {"engine": "standin", "matte_path": str(tmp_path / "roto.json"), "handles": "0", **answers}


def run(verb: str, world: World, artist: Artist) -> int:
    return entry.main(verb, {"resolve": world.resolve}, face=artist)


def no_project(world: World) -> None:
    world.has_project = False


def no_timeline(world: World) -> None:
    world.project.current = None


def a_gap(world: World) -> None:
    world.timeline.playhead = world.timeline.start + 400


def offline(world: World) -> None:
    world.timeline.tracks[0].items[-1].media.properties["Online Status"] = "Offline"  # type: ignore[union-attr]


def too_old(world: World) -> None:
    world.version = (17, 4, 6)


def unsaved(world: World) -> None:
    world.project.name = "Untitled Project"


def disk_full(world: World) -> None:
    world.quirks.render = "disk full"


def rendering(world: World) -> None:
    world.quirks.rendering_already = True


def raw(world: World) -> None:
    media = world.timeline.tracks[0].items[-1].media
    assert media is not None
    path = Path(media.properties["File Path"]).parent / "a.braw"
    path.write_bytes(b"raw")
    media.properties["File Path"] = str(path)


@pytest.mark.parametrize(
    ("wrong", "answers", "words"),
    [
        (no_project, {}, "No project is open"),
        (unsaved, {}, "never saved. Save it under a name"),
        (disk_full, {"route": "What the timeline shows, with the grade", "colourspace": "ACEScg"}, "(Disk full)"),
        (no_timeline, {}, "No timeline is open"),
        (a_gap, {}, "playhead is on a gap"),
        (offline, {}, "offline"),
        (too_old, {}, "too old"),
        (raw, {"route": "The source, without the grade"}, ".braw cannot be read"),
        (
            rendering,
            {"route": "What the timeline shows, with the grade", "colourspace": "ACEScg"},
            "Resolve is rendering",
        ),
        (lambda world: None, {"handles": "many"}, "no number"),
        (lambda world: None, {"matte_path": "/nowhere/roto.json"}, "/nowhere/roto.json"),
        (lambda world: None, {"matte": "A file or a folder", "matte_path": ""}, "no matte"),
    ],
)
def test_bad_input_is_one_sentence_and_alters_nothing(
    make_world: MakeWorld, footage: Path, tmp_path: Path, work: Path, wrong: Callable[[World], None],
    answers: dict[str, str], words: str,
) -> None:  # fmt: skip
    world = make_world()
    shot_scene(world, footage, count=4)
    wrong(world)
    before = world.snapshot()
    artist = Artist(filled(tmp_path, **answers))
    status = run("fix", world, artist)
    assert len(artist.told) == 1
    if wrong is raw:  # the other way was offered, and the artist went away
        assert (status, artist.told) == (0, ["Cancelled. Nothing was sent"])
        (said,) = artist.asked
    else:
        assert status == 1
        (said,) = artist.told
    assert words in said
    assert ". " in said  # what is wrong, and what to do
    assert "Traceback" not in said
    assert "\n" not in said
    assert world.snapshot() == before
    assert not list(work.rglob("sent.json"))


def test_no_launcher_file_and_a_daemon_of_another_version(
    make_world: MakeWorld, footage: Path, work: Path, home: Path, tmp_path: Path
) -> None:
    world = make_world()
    shot_scene(world, footage)
    before = world.snapshot()
    hello = {"event": "hello", "protocol_min": 7, "protocol_max": 9}
    newer = f"import json; print(json.dumps({hello!r}), flush=True); input(); input()"
    launcher = write_launcher(home, "-c", newer)
    artist = Artist(filled(tmp_path))
    assert run("fix", world, artist) == 1
    assert "protocol 7-9" in artist.told[0]
    launcher.write_text(json.dumps({"python": "/gone/away/python"}))
    artist = Artist(filled(tmp_path))
    assert run("fix", world, artist) == 1
    assert "/gone/away/python" in artist.told[0]
    launcher.unlink()
    artist = Artist(filled(tmp_path))
    assert run("fix", world, artist) == 1
    assert "secondtake bridge --install" in artist.told[0]
    assert world.snapshot() == before


def test_a_folder_that_cannot_be_written(
    make_world: MakeWorld, footage: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world()
    shot_scene(world, footage)
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("SECONDTAKE_RESOLVE_FOLDER", str(tmp_path / "file" / "x"))
    artist = Artist(filled(tmp_path))
    assert run("fix", world, artist) == 1
    assert "cannot be written" in artist.told[0]


def test_fix_reject_and_fix_again(make_world: MakeWorld, footage: Path, tmp_path: Path, work: Path) -> None:
    world = make_world()
    item = shot_scene(world, footage, count=3)
    before = world.snapshot()
    artist = Artist(filled(tmp_path))
    assert run("fix", world, artist) == 0, artist.told
    assert "is on the timeline" in artist.told[0]
    said = [line for line in artist.forms[0].lines if "colour tag" in line]
    assert said == ["The plate has no colour tag and is taken as Linear Rec.709 (sRGB)"]  # before anything is sent
    assert said[0] not in artist.told
    (ours,) = world.items_named("FIX")
    assert (ours.start, ours.count) == (item.start, 3)
    artist = Artist(choices=["Close"])
    assert run("open", world, artist) == 0
    assert "everything goes" in artist.told[0]
    assert "running" in artist.told[1]
    assert "remove" in artist.told[2]
    artist = Artist(choices=["Reject"])
    assert run("accept", world, artist) == 0, artist.told
    assert world.snapshot()["timelines"] == before["timelines"]
    artist = Artist(choices=["Bring back", "Close"])
    assert run("open", world, artist) == 0
    assert any("Nothing from this project waits" in line for line in artist.told)


def test_raw_media_is_rendered_once_the_artist_agrees(
    make_world: MakeWorld, footage: Path, tmp_path: Path, work: Path
) -> None:
    world = make_world()
    shot_scene(world, footage, count=3)
    raw(world)
    before = world.snapshot()
    artist = Artist(
        filled(tmp_path, route="The source, without the grade", colourspace="ACEScg"),
        choices=["what the timeline shows"],
    )
    assert run("fix", world, artist) == 0, artist.told
    after = world.snapshot()
    assert after["jobs"] == before["jobs"]
    assert after["render"] == before["render"]
    assert any("Rendering" in words for words in artist.looks)
    assert len(world.items_named("FIX")) == 1


def test_cancel_ends_the_job_and_leaves_nothing(
    make_world: MakeWorld, footage: Path, tmp_path: Path, work: Path, home: Path
) -> None:
    write_launcher(home)  # a daemon that has yet to start its worker: there is time to cancel
    world = make_world()
    shot_scene(world, footage, count=8)
    before = world.snapshot()
    artist = Artist(filled(tmp_path), cancels=True)
    assert run("fix", world, artist) == 0, artist.told
    assert "ancelled" in artist.told[0]
    assert world.snapshot() == before
    assert not list(work.rglob("*.exr"))


def test_a_job_that_outlived_its_script_is_brought_back_later(
    make_world: MakeWorld, footage: Path, tmp_path: Path, work: Path
) -> None:
    world = make_world()
    item = shot_scene(world, footage, count=3)

    class Killed(BaseException):
        pass

    def killed(name: str) -> None:
        if list(work.rglob("sent.json")):
            raise Killed

    world.guard.before = killed
    with pytest.raises(Killed):
        run("fix", world, Artist(filled(tmp_path)))
    world.guard.before = lambda name: None
    world.move(item, by=300)
    artist = Artist(cancels=True)
    assert run("bring_back", world, artist) == 0
    assert artist.told == ["Cancelled; the rest can be brought back later"]
    for _ in range(60):
        artist = Artist()
        assert run("bring_back", world, artist) == 0, artist.told
        if world.items_named("FIX"):
            break
        threading.Event().wait(0.3)
    assert "moved" in " ".join(artist.told)
    assert [each.start for each in world.items_named("FIX")] == [item.start]


def test_two_scripts_do_not_work_in_one_project(
    make_world: MakeWorld, footage: Path, tmp_path: Path, work: Path
) -> None:
    from secondtake_resolve.lock import only_one
    from secondtake_resolve.workplace import Workplace

    world = make_world()
    shot_scene(world, footage)
    artist = Artist(filled(tmp_path))
    with only_one(Workplace(work).lock_file(world.project.id)):
        assert run("fix", world, artist) == 1
    assert "at work in this project already" in artist.told[0]


def test_installer_on_three_systems(tmp_path: Path) -> None:
    module: Any = installer()
    environment = {"APPDATA": str(tmp_path / "Roaming"), "LOCALAPPDATA": str(tmp_path / "Local")}
    for platform in ("linux", "darwin", "win32"):
        user = tmp_path / platform
        where = module.places(platform, environment, user, all_users=False)
        assert where.scripts.parts[-4:] == ("Fusion", "Scripts", "Utility", "Second Take")
        assert "Scripts" not in where.library.parts
        assert all(line.startswith("would") for line in module.install(where, dry_run=True))
        assert not where.scripts.exists()
        module.install(where)
        module.install(where)
        theirs = where.scripts / "theirs.py"
        theirs.write_text("")
        menu = sorted(path.name for path in where.scripts.iterdir())
        assert menu == [
            "Accept fix.py",
            "Bring back results.py",
            "Fix this shot.py",
            "Open Second Take.py",
            "theirs.py",
        ]
        assert (where.library / "secondtake_resolve" / "host.py").read_text() == Path(host.__file__).read_text()
        module.uninstall(where)
        assert [path.name for path in where.scripts.iterdir()] == ["theirs.py"]
        assert not where.library.exists()
        module.install(where, manual=True)
        assert sorted(path.suffix for path in where.scripts.iterdir()) == [".lua", ".py"]


def test_a_folder_is_fixed_without_resolve(footage: Path, tmp_path: Path, work: Path) -> None:
    for frame in range(1003, 1017):
        (footage / f"sh010.{frame}.exr").unlink()
    (footage / "matte.json").write_text((tmp_path / "roto.json").read_text())
    (footage / "instruction.txt").write_text("remove\n")
    library = tmp_path / "library"
    module: Any = installer()
    module.install(module.Places(scripts=tmp_path / "scripts", library=library))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "secondtake_resolve.manual", str(footage)],
        capture_output=True, text=True, check=False, timeout=60, cwd=library, env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lua = (footage / "take.lua").read_text()
    assert "first = 1001, last = 1002" in lua
    pattern = lua.split('"')[1]
    assert all(Path(pattern % frame).is_file() for frame in (1001, 1002))
