"""A tiny model through a real daemon and the command line: exact outside, the same bytes by every way, found again."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from secondtake.home import Home
from secondtake.messages import JobState, Phase
from secondtake_daemon.models import shelf
from secondtake_daemon.takes.manifest import load

pytest.importorskip("torch", reason="no torch: pip install 'secondtake[diffusion]'")

from studio import BRIGHTEST, FRAMES, Studio, command, content

KILLED = Path(__file__).resolve().parents[1] / "journeys" / "killed_worker.py"
CANCEL_S = 2.0

pytestmark = pytest.mark.timeout(300)  # a worker that loads torch takes ten seconds, or forty on a busy machine


@pytest.fixture(scope="module")
def wanted() -> dict[str, Any]:
    """What was made once is compared with what is made by other ways."""
    return {}


def made(studio: Studio, wanted: dict[str, Any]) -> list[bytes]:
    """The frames of the plain run."""
    if "plain" not in wanted:
        ran = studio.fix("plain")
        assert ran.status == 0, ran.err
        wanted["plain"] = content(ran.json["files"])
    frames: list[bytes] = wanted["plain"]
    return frames


@pytest.mark.parametrize(("operation", "say"), [("replace", "a red hat"), ("remove", ""), ("modify", "make it blue")])
def test_outside_the_matte_nothing_changes(studio: Studio, operation: str, say: str) -> None:
    ran = studio.fix(operation, operation=operation, say=say)
    assert ran.status == 0, ran.err
    assert ran.json["frames"] == FRAMES
    assert ran.json["proof"]["outside_changed"] == 0
    assert studio.outside_of(ran.json["files"]) == []
    assert np.isfinite(studio.inside_of(ran.json["files"])).all()
    proved = command("verify", studio.root / operation, "--json")
    assert proved.status == 0, proved.err
    assert load(Path(ran.json["manifest"])).windows == (tuple(range(1001, 1008)), tuple(range(1008, 1013)))


def test_the_lamps_around_the_matte_are_as_bright_as_they_were(studio: Studio, wanted: dict[str, Any]) -> None:
    """No model is shown more than its curve holds; the plate beside the matte is not brought through it."""
    from exr_shots import read

    made(studio, wanted)
    ran = studio.fix("bright")
    for file in ran.json["files"]:
        planes = read(Path(file))[0][1]
        assert max(float(planes[name].max()) for name in "RGB") == pytest.approx(BRIGHTEST, rel=1e-3)


def test_the_take_says_which_model_made_it(studio: Studio) -> None:
    ran = studio.fix("said")
    model = shelf.find(Home.find(studio.home).data / "models", "tiny")
    manifest = load(Path(ran.json["manifest"]))
    assert manifest.engine.name == "tiny"
    assert model.digest[:16] in manifest.engine.version
    (used,) = manifest.engine.models
    assert used.files == {file.path: file.sha256 for file in model.files}
    assert len(model.files) > 5
    assert all(len(file.sha256) == 64 for file in model.files)


def test_engines_lists_it(studio: Studio) -> None:
    ran = command("engines", "--json")
    (card,) = [each for each in ran.json["engines"] if each["name"] == "tiny"]
    assert card["available"]
    assert {"replace", "remove", "modify"} <= set(card["operations"])
    assert card["licence"]
    assert "tiny" in command("engines").out


def test_a_seed_is_kept_and_another_is_another_picture(studio: Studio, wanted: dict[str, Any]) -> None:
    seven, again = studio.fix("seven", "--seed", 7), studio.fix("seven again", "--seed", 7)
    assert content(seven.json["files"]) == content(again.json["files"])
    assert load(Path(seven.json["manifest"])).request.seed == 7
    inside = studio.inside_of(seven.json["files"])
    plain = studio.fix("plain once more")
    assert content(plain.json["files"]) == made(studio, wanted)
    assert not np.array_equal(studio.inside_of(plain.json["files"]), inside)
    other = studio.fix("other words", say="a blue coat")
    assert not np.array_equal(studio.inside_of(other.json["files"]), studio.inside_of(plain.json["files"]))


def test_what_is_known_is_not_made_again(studio: Studio, wanted: dict[str, Any]) -> None:
    """In a daemon that was just started, so that a worker that loads no model can be told from one that did."""
    made(studio, wanted)
    assert command("daemon", "stop").status == 0
    ran = studio.fix("from the cache")
    assert content(ran.json["files"]) == wanted["plain"]
    with studio.client() as client:
        (worker,) = [each for each in client.status().workers if each.pid]
    assert not [each for each in psutil.Process(worker.pid).memory_maps() if "libtorch" in each.path]


def test_cancelled_it_ends_soon_and_leaves_nothing(studio: Studio, wanted: dict[str, Any]) -> None:
    made(studio, wanted)
    request = studio.request("cancelled", engine_options={"steps": "400"}, seed=5)
    with studio.client() as client:
        client.submit(request)
        studio.wait(client, request.job, lambda view: view.phase is Phase.RENDER)
        time.sleep(0.5)  # into the steps
        asked_s = time.monotonic()
        client.cancel(request.job)
        view = studio.wait(client, request.job, lambda view: view.state is JobState.CANCELLED)
        assert time.monotonic() - asked_s < CANCEL_S
        assert view.error is not None
    assert not Path(request.out).exists() or not any(Path(request.out).iterdir())
    shutil.rmtree(studio.home / "cache" / "patches")  # the next run is made anew, in the same worker
    again = studio.fix("after the cancel")
    assert content(again.json["files"]) == wanted["plain"]


def test_killed_between_its_windows_it_goes_on(
    clean_environment: None,
    monkeypatch: pytest.MonkeyPatch,
    make_home: Callable[[], AbstractContextManager[Path]],
    studio: Studio,
    wanted: dict[str, Any],
    tmp_path: Path,
) -> None:
    before = made(studio, wanted)
    with make_home() as root:
        words = [sys.executable, str(KILLED), "after the first patch", str(tmp_path / "killed")]
        other = _another(studio, root, monkeypatch, settings=f"worker_command = {words!r}\n")
        ran = other.fix("resumed")
        assert ran.status == 0, ran.err
        assert (tmp_path / "killed").exists(), "nobody was killed"
        assert content(ran.json["files"]) == before
        with other.client() as client:
            (view,) = client.jobs()
        assert (view.state, view.attempts) == (JobState.DONE, 1)
        windows = [line for line in _log(root) if "window made" in line]
        assert len(windows) == 2, "the second attempt makes no more than what is missing"


def test_two_workers_make_the_same_bytes_as_one(
    clean_environment: None,
    monkeypatch: pytest.MonkeyPatch,
    make_home: Callable[[], AbstractContextManager[Path]],
    studio: Studio,
    wanted: dict[str, Any],
) -> None:
    """Two jobs at once, each in a worker of its own, in an empty cache."""
    before = made(studio, wanted)
    seven = content(studio.fix("seven for two", "--seed", 7).json["files"])
    with make_home() as root:
        other = _another(studio, root, monkeypatch, settings="workers = 2\n")
        requests = [other.request("one of two"), other.request("two of two", seed=7)]
        with other.client() as client:
            for request in requests:
                client.submit(request)
            studio.wait(client, requests[0].job, lambda view: view.state is JobState.RUNNING)
            studio.wait(client, requests[1].job, lambda view: view.state is JobState.RUNNING)
            assert len([view for view in client.jobs() if view.state is JobState.RUNNING]) == 2, "one after the other"
            results = [
                studio.wait(client, request.job, lambda view: view.state is JobState.DONE).result
                for request in requests
            ]
        assert [content(result.files) for result in results if result] == [before, seven]


def _another(studio: Studio, root: Path, monkeypatch: pytest.MonkeyPatch, *, settings: str) -> Studio:
    """The same shot and the same model in another home, with nothing in its cache."""
    (root / "config").mkdir()
    (root / "config" / "settings.toml").write_text(f"[daemon]\n{settings}")
    monkeypatch.setenv("SECONDTAKE_HOME", str(root))
    shutil.copytree(studio.home / "data" / "models", root / "data" / "models")
    return Studio(studio.root, root, studio.engine)


def _log(root: Path) -> list[str]:
    return (root / "logs" / "worker.log").read_text(encoding="utf-8").splitlines()


def test_the_worker_is_killed_while_it_loads(
    clean_environment: None,
    monkeypatch: pytest.MonkeyPatch,
    make_home: Callable[[], AbstractContextManager[Path]],
    studio: Studio,
    wanted: dict[str, Any],
) -> None:
    before = made(studio, wanted)
    with make_home() as root:
        other = _another(studio, root, monkeypatch, settings="")
        request = other.request("killed while loading")
        with other.client() as client:
            client.submit(request)
            other.wait(client, request.job, lambda view: view.phase is Phase.LOAD)
            (worker,) = [each for each in client.status().workers if each.pid]
            os.kill(worker.pid, signal.SIGKILL)
            view = other.wait(client, request.job, lambda view: view.state is JobState.DONE)
        assert view.result is not None
        assert view.attempts == 1, "one death"
        assert content(view.result.files) == before
