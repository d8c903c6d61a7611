"""A shot of four windows with a tiny model: what is made first is shown to the others, whoever makes them and when."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from secondtake.messages import JobState, Operation
from secondtake_daemon.takes.manifest import Manifest, load

pytest.importorskip("torch", reason="no torch: pip install 'secondtake[diffusion]'")

from studio import Ran, Studio, command, content, write_bright_shot

KILLED = Path(__file__).resolve().parents[1] / "journeys" / "killed_worker.py"
FRAMES = range(1008, 1036)
"""Windows of the tiny model: 1008-1015, 1016-1023, 1024-1031, 1032-1035; the third has the anchor."""
ANCHOR = 1027

pytestmark = pytest.mark.timeout(300)  # a worker that loads torch takes ten seconds, or forty on a busy machine


@pytest.fixture(scope="module")
def made() -> dict[str, Ran]:
    """Takes by name: what was made once is compared with what is made by other ways."""
    return {}


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("long")
    write_bright_shot(root, frames=FRAMES)
    return root


@pytest.fixture
def long(studio: Studio, shots: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    """The studio with the longer shot. Threads that wait for each other would cost ten times what the model does; that
    their number does not change with the workers is proved in tests/service/test_life.py."""
    monkeypatch.setenv("SECONDTAKE_WORKER_THREADS", "1")
    return Studio(shots, studio.home, studio.engine)


def fixed(long: Studio, made: dict[str, Ran], name: str, *options: str) -> Ran:
    if name not in made:
        ran = long.fix(name, *options)
        assert ran.status == 0, ran.err
        made[name] = ran
    return made[name]


def taken(ran: Ran) -> Manifest:
    return load(Path(ran.json["manifest"]))


def test_the_take_says_which_frame_it_was(long: Studio, made: dict[str, Ran]) -> None:
    plain = taken(fixed(long, made, "plain"))
    assert plain.anchor == ANCHOR
    assert len(plain.windows) == 4
    assert command("verify", long.root / "plain").status == 0


def test_far_windows_are_shown_it(long: Studio, made: dict[str, Ran]) -> None:
    plain, without = fixed(long, made, "plain"), fixed(long, made, "without", "--engine-option", "anchor=none")
    assert taken(without).anchor is None
    assert taken(without).request.engine_options == {"anchor": "none"}
    keys = list(zip(taken(plain).patches, taken(without).patches, strict=True))
    assert [one == other for one, other in keys] == [False, False, True, True]
    frames = list(zip(FRAMES, content(plain.json["files"]), content(without.json["files"]), strict=True))
    differing = {frame for frame, one, other in frames if one != other}
    assert differing == set(range(1008, 1024)), "what sees its frames, or is it, needs no picture of it"


def test_to_name_the_same_frame_makes_nothing_again(long: Studio, made: dict[str, Ran]) -> None:
    plain = fixed(long, made, "plain")
    named = fixed(long, made, "named", "--engine-option", f"anchor={ANCHOR}")
    assert taken(named).patches == taken(plain).patches
    other = fixed(long, made, "another", "--engine-option", "anchor=1028")
    keys = list(zip(taken(other).patches, taken(plain).patches, strict=True))
    assert [one == another for one, another in keys] == [False, False, True, True], "another frame of the same window"


def test_another_matte_where_it_is_makes_the_others_anew(long: Studio, made: dict[str, Ran], tmp_path: Path) -> None:
    plain = fixed(long, made, "plain")
    for name in ("plate", "matte"):
        shutil.copytree(long.root / name, tmp_path / "moved" / name)
    shutil.copyfile(long.matte.with_name("m.1034.exr"), tmp_path / "moved" / "matte" / "m.1026.exr")
    moved = Studio(tmp_path / "moved", long.home, long.engine).fix("out")
    assert moved.status == 0, moved.err
    keys = list(zip(taken(moved).patches, taken(plain).patches, strict=True))
    assert [one == other for one, other in keys] == [False] * 4


@pytest.mark.parametrize(("said", "why"), [("1027th", "is no frame"), ("900", "not one of the frames 1008-1035")])
def test_what_cannot_be_one_is_refused(long: Studio, said: str, why: str) -> None:
    ran = long.fix(f"wrong {said}", "--engine-option", f"anchor={said}")
    assert ran.status == 2
    assert why in ran.err
    assert not (long.root / f"wrong {said}").exists()


def test_the_plan_says_it(long: Studio) -> None:
    ran = long.fix("planned", "--plan")
    assert ran.json["anchor"] == ANCHOR
    asked = ("--engine", long.engine, "--operation", "replace", "--instruction", "a red hat", "--out", long.root / "no")
    words = command("fix", long.plate, "--matte", long.matte, *asked, "--plan").out
    assert f"anchor      frame {ANCHOR}, made first" in words
    removing = long.fix("planned", "--plan", operation="remove", say="")
    assert removing.json["anchor"] is None, "what lies behind is another thing at each place"


@pytest.fixture
def elsewhere(
    long: Studio, monkeypatch: pytest.MonkeyPatch, make_home: Callable[[], AbstractContextManager[Path]]
) -> Iterator[Callable[[str], Studio]]:
    """The same shot and model in a home of its own, with nothing in its cache."""
    with make_home() as root:

        def begun(settings: str) -> Studio:
            (root / "config").mkdir()
            (root / "config" / "settings.toml").write_text(f"[daemon]\n{settings}")
            monkeypatch.setenv("SECONDTAKE_HOME", str(root))
            shutil.copytree(long.home / "data" / "models", root / "data" / "models")
            return Studio(long.root, root, long.engine)

        yield begun


def test_two_workers_make_the_same_bytes_as_one(
    long: Studio, made: dict[str, Ran], elsewhere: Callable[[str], Studio]
) -> None:
    """Two jobs at once: the whole shot, and a part of it whose windows both make, in one cache that was empty."""
    alone = fixed(long, made, "plain"), fixed(long, made, "part", "--frames", "1008-1031")
    other = elsewhere("workers = 2\n")
    requests: list[Any] = [
        other.request("whole of two", operation=Operation.REPLACE),
        other.request("part of two", frames="1008-1031"),
    ]
    with other.client() as client:
        for request in requests:
            client.submit(request)
        for request in requests:
            other.wait(client, request.job, lambda view: view.state is JobState.RUNNING)
        assert len([view for view in client.jobs() if view.state is JobState.RUNNING]) == 2, "one after the other"
        results = [
            other.wait(client, request.job, lambda view: view.state is JobState.DONE).result for request in requests
        ]
    for before, result in zip(alone, results, strict=True):
        assert result is not None
        assert load(Path(result.manifest)).patches == taken(before).patches
        pairs = zip(result.frames, content(before.json["files"]), content(result.files), strict=True)
        assert [frame for frame, one, two in pairs if one != two] == []


def test_killed_after_the_anchor_it_goes_on(
    long: Studio, made: dict[str, Ran], elsewhere: Callable[[str], Studio], tmp_path: Path
) -> None:
    plain = fixed(long, made, "plain")
    words = [sys.executable, str(KILLED), "after the first patch", str(tmp_path / "killed")]
    ran = elsewhere(f"worker_command = {words!r}\n").fix("resumed")
    assert ran.status == 0, ran.err
    assert (tmp_path / "killed").exists(), "nobody was killed"
    assert content(ran.json["files"]) == content(plain.json["files"])
    assert taken(ran).patches == taken(plain).patches
