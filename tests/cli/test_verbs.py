"""The verbs, as a person or a script calls them: real processes, a real daemon, the stand-in engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from secondtake import Client
from secondtake._version import __version__
from secondtake.endpoint import find_daemon
from secondtake.home import Home

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
from exr_shots import Layout, write_plate, write_shot

FRAMES = [1001, 1002, 1003]
Command = Callable[..., Any]


@pytest.fixture(scope="module")
def home(make_home: Callable[[], AbstractContextManager[Path]]) -> Iterator[Path]:
    """One home, and so one daemon, for all tests of this file."""
    with make_home() as root:
        yield root


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """A good `fix` of a small shot."""
    plate, matte = write_shot(tmp_path, Layout(), FRAMES)
    return ["fix", plate, "--matte", matte, "--out", str(tmp_path / "out"), "--engine", "standin"]


def test_version(secondtake: Command) -> None:
    assert secondtake("--version").out == f"secondtake {__version__}\n"
    assert secondtake("--version", "--json").json == {"schema_version": 1, "version": __version__}


def test_help_names_every_verb(secondtake: Command) -> None:
    text = secondtake("--help").out
    takes = ("fix", "takes", "show", "verify", "compare", "export", "rename", "star", "unstar", "delete")
    for verb in (*takes, "daemon", "jobs", "cancel", "engines", "doctor", "demo"):
        assert f"\n  {verb} " in text
        assert "--json" in secondtake(verb, "--help").out


def test_a_pattern_that_the_shell_spelt_out(arguments: list[str], secondtake: Command, tmp_path: Path) -> None:
    plate = Path(arguments[1])
    files = sorted(map(str, plate.parent.glob("*.exr")))
    assert len(files) == 3
    spelt = secondtake("fix", *files, *arguments[2:])
    assert spelt.status == 2
    assert spelt.err == f"secondtake: The shell made 3 names of one sequence. Write it so. {plate}\n"
    quoted = secondtake("fix", str(plate).replace("####", "*"), *arguments[2:])
    assert "Write the frame number as ####." in quoted.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["fix"],
        ["fix", "p.####.exr", "--matte", "m.exr"],
        ["fix", "p", "--matte", "m", "--out", "o", "--seed", "x"],
        ["fix", "p", "--matte", "m", "--out", "o", "--operation", "explode"],
        ["fix", "p", "--matte", "m", "--out", "o", "--engine-option", "novalue"],
        ["fix", "p", "--matte", "m", "--out", "o", "--job", "XYZ"],
        ["fix", "p", "--matte", "m", "--out", ""],
        ["cancel", ""],
        ["jobs", "--limit", "0"],
        ["daemon", "dance"],
    ],
)
def test_wrong_usage(secondtake: Command, words: list[str]) -> None:
    ran = secondtake(*words, "--json")
    assert ran.status == 2
    assert ran.json["error"]["code"] == "usage"
    assert ran.json["exit_status"] == 2
    assert len(ran.err.splitlines()) == 1
    assert ran.err.startswith("secondtake: ")


def test_fix_for_people(secondtake: Command, arguments: list[str], tmp_path: Path) -> None:
    ran = secondtake(*arguments, "--shot", "sh010", "--engine-option", "frame_s=0.4", cwd=tmp_path)
    assert ran.status == 0, ran.err
    first, *notes = ran.out.splitlines()
    assert first.startswith("Take t")
    assert first.endswith("of sh010: 3 frames in out/ — 0 samples changed outside the matte")
    assert notes == [note for note in notes if note.startswith("Note: ")]
    assert "render 3/3" in ran.err.splitlines(), "a phase's end is said, also if its last event was merged"


def test_fix_for_scripts(secondtake: Command, arguments: list[str], tmp_path: Path) -> None:
    job = "0123456789abcdef" * 2
    more = ["--frames", "1001-1002", "--seed", "7", "--grow", "2", "--job", job, "--instruction", "away with it"]
    ran = secondtake(*arguments, *more, "--json")
    assert ran.status == 0, ran.err
    assert len(ran.out.splitlines()) == 1
    answer = ran.json
    assert {key: answer[key] for key in ("schema_version", "job", "shot", "frames", "engine")} == {
        "schema_version": 1,
        "job": job,
        "shot": "sh",
        "frames": [1001, 1002],
        "engine": "standin",
    }
    assert [Path(file).name for file in answer["files"]] == [f"sh.{answer['take']}.{n}.exr" for n in (1001, 1002)]
    assert all(Path(file).is_file() for file in answer["files"])
    assert answer["proof"]["outside_changed"] == 0
    assert answer["proof"]["outside_samples"] > 0
    assert answer["seconds"] > 0
    manifest = json.loads(Path(answer["manifest"]).read_text())
    assert manifest["request"]["instruction"] == "away with it"
    assert manifest["request"]["seed"] == 7
    again = secondtake(*arguments, *more, "--json")
    assert again.json["take"] == answer["take"], "the same job id is the same job"


def reference_image(path: Path) -> Path:
    write_plate(path, Layout(), np.random.default_rng(4))
    return path


def test_a_painted_frame_is_carried_unless_something_else_is_asked(
    secondtake: Command, arguments: list[str], tmp_path: Path
) -> None:
    fix = reference_image(tmp_path / "fix@7.exr")
    look = reference_image(tmp_path / "look@1002.exr")
    named = [
        (["--reference", f"{fix}@1002", "--reference-colourspace", "ACEScg"], "modify", [(str(fix), 1002, "ACEScg")]),
        (["--reference", str(look)], "remove", [(str(look), None, "")]),
        (["--reference", f"{fix}@1002", "--operation", "restyle"], "restyle", [(str(fix), 1002, "")]),
        ([], "remove", []),
    ]
    for at, (words, operation, references) in enumerate(named):
        arguments[arguments.index("--out") + 1] = str(tmp_path / f"out{at}")
        ran = secondtake(*arguments, *words, "--json")
        assert ran.status == 0, ran.err
        manifest = json.loads(Path(ran.json["manifest"]).read_text())
        request = manifest["request"]
        assert request["operation"] == operation
        assert [(one["path"], one["frame"], one["colourspace"]) for one in request["references"]] == references
        assert [one["frame"] for one in manifest["references"]] == [frame for _, frame, _ in references]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--operation", "modify"], "no_such_engine", "cannot modify without a painted frame. Give --reference"),
        (["--reference", "FIX"], "bad_input", "this image names no frame. Give it as IMAGE@FRAME"),
        (["--reference", "FIX@1002", "--reference", "FIX@1002"], "bad_input", "Frame 1002 is given twice"),
        (["--reference", "FIX@1004", "--frames", "1001-1003"], "bad_input", "1004 is not one of the frames 1001-1003"),
        (["--engine", "standin", "--motion", "v.####.exr"], "no_such_engine", "no use of motion vectors"),
    ],
)
def test_what_the_daemon_knows_about_guides_it_says_at_once(
    secondtake: Command, arguments: list[str], tmp_path: Path, home: Path, words: list[str], code: str, says: str
) -> None:
    fix = str(reference_image(tmp_path / "fix.exr"))
    ran = secondtake(*arguments, "--engine", "temporal", *(word.replace("FIX", fix) for word in words), "--json")
    assert (ran.status, ran.json["error"]["code"]) == (12, code)
    assert says in ran.error
    with Client.connect(home=home) as client:
        assert str(tmp_path / "out") not in {view.out for view in client.jobs()}, "nothing was queued"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--reference", "FIX@1004"], "bad_input", "1004 is not one of the frames 1001-1003"),
        (["--reference", "FIX.gone@1002"], "missing_frames", "There is no such reference image"),
        (["--reference", "FIX@1002", "--motion", "FIX"], "missing_frames", "vectors lack"),
        (["--reference", "FIX@1002", "--reference-colorspace", "x"], "unknown_colour", "'x' is not in the OCIO"),
    ],
)
def test_what_the_worker_finds_wrong_with_guides(
    secondtake: Command, arguments: list[str], tmp_path: Path, words: list[str], code: str, says: str
) -> None:
    fix = str(reference_image(tmp_path / "fix.exr"))
    ran = secondtake(*arguments, "--engine", "temporal", *(word.replace("FIX", fix) for word in words), "--json")
    assert (ran.status, ran.json["error"]["code"]) == (12, code)
    assert says in ran.error
    assert not (tmp_path / "out").exists()


def test_takes_show_and_verify(secondtake: Command, arguments: list[str], tmp_path: Path) -> None:
    made = secondtake(*arguments, "--shot", "shown", "--json").json
    assert [take["take"] for take in secondtake("takes", "shown", "--json").json["takes"]] == [made["take"]]
    assert made["take"] in secondtake("takes").out
    assert secondtake("takes", "nothing").out == "There are no takes of nothing yet.\n"
    for name in (made["take"], tmp_path / "out", made["manifest"]):
        assert secondtake("show", name, "--json").json["manifest"]["take"] == made["take"]
        checked = secondtake("verify", name, "--json")
        assert checked.status == 0, checked.err
        assert checked.json["holds"] is True
        assert checked.json["outside_samples"] == made["proof"]["outside_samples"]
    assert made["take"] in secondtake("show", made["take"]).out
    missing = secondtake("verify", "tnotthere", "--json")
    assert (missing.status, missing.json["error"]["code"]) == (12, "not_found")


def test_jobs_and_engines(secondtake: Command, arguments: list[str]) -> None:
    job = secondtake(*arguments, "--json").json["job"]
    assert job in [view["job"] for view in secondtake("jobs", "--json").json["jobs"]]
    (view,) = secondtake("jobs", job[:10], "--json").json["jobs"]
    assert view["state"] == "done"
    assert job[:8] in secondtake("jobs", job[:10]).out
    cards = secondtake("engines", "--json").json["engines"]
    assert {"temporal", "standin"} <= {card["name"] for card in cards}
    over = secondtake("cancel", job[:10])
    assert over.status == 0
    assert "has ended already: done" in over.out
    assert secondtake("cancel", "ffff", "--json").status == 12


def test_cancel_from_another_process(secondtake: Command, arguments: list[str], tmp_path: Path, home: Path) -> None:
    running = start(arguments, home)
    job = wait_for_render(running, home)
    assert secondtake("cancel", job).status == 0
    assert_cancelled(running, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_cancels_and_waits(
    secondtake: Command, arguments: list[str], tmp_path: Path, home: Path, number: signal.Signals
) -> None:
    running = start(arguments, home)
    job = wait_for_render(running, home)
    running.send_signal(number)
    assert_cancelled(running, tmp_path)
    assert secondtake("jobs", job, "--json").json["jobs"][0]["state"] == "cancelled"


def test_without_a_daemon(secondtake: Command, arguments: list[str]) -> None:
    secondtake("daemon", "stop")
    for words in (["daemon", "status"], [*arguments, "--no-start"]):
        ran = secondtake(*words, "--json")
        assert ran.status == 10
        assert ran.json["error"]["code"] == "daemon_lost"
        assert ran.error == "secondtake: No daemon runs for this home. Start it with `secondtake daemon start`."
    assert secondtake("daemon", "stop").out == "No daemon runs.\n"


def test_daemon_start_status_stop(secondtake: Command, home: Path) -> None:
    started = secondtake("daemon", "start", "--json").json["status"]
    assert secondtake("daemon", "start", "--json").json["status"]["pid"] == started["pid"]
    assert f"pid {started['pid']}" in secondtake("daemon", "status").out
    assert secondtake("daemon", "stop", "--drain", "--json").json == {"schema_version": 1, "stopped": True}
    assert find_daemon(Home.under(home)) is None


def test_daemon_run_ends_on_a_signal(home: Path, secondtake: Command) -> None:
    secondtake("daemon", "stop")
    process = popen(["daemon", "run"], home)
    deadline_s = time.monotonic() + 20
    while find_daemon(Home.under(home)) is None:
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    with Client.connect(home=home, autostart=False) as client:
        assert client.status().pid == process.pid
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_names_that_try_to_speak(secondtake: Command, tmp_path: Path) -> None:
    """A file name may not forge a line of output, whatever it holds."""
    evil = tmp_path / "a\nopenjd_fail: yes\x1b[2J.####.exr"
    ran = secondtake("fix", evil, "--matte", evil, "--out", tmp_path / "out", "--engine", "standin")
    assert ran.status == 12
    assert not any(line.lstrip().startswith("openjd_") for line in [*ran.out.splitlines(), *ran.err.splitlines()])
    assert "\x1b" not in ran.err


def test_doctor(secondtake: Command, home: Path) -> None:
    secondtake("daemon", "start")
    began_s = time.monotonic()
    ran = secondtake("doctor", "--json")
    assert time.monotonic() - began_s < 5
    assert ran.status == 0, ran.json
    checks = {check["name"]: check for check in ran.json["checks"]}
    assert ran.json["healthy"] is True
    assert {"python", "OpenEXR", "daemon", "folder data", "space cache", "colour", "movies"} <= set(checks)
    assert str(home) in checks["folder data"]["found"]
    assert "pid" in checks["daemon"]["found"]
    assert not list(home.rglob(".doctor-*"))


def test_doctor_names_what_is_wrong(secondtake: Command, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCIO", "/nowhere/config.ocio")
    monkeypatch.setenv("SECONDTAKE_WORKERS", "many")
    ran = secondtake("doctor", "--json")
    assert ran.status == 12
    failed = {check["name"] for check in ran.json["checks"] if check["health"] == "fail"}
    assert failed == {"colour", "settings"}


def test_demo(secondtake: Command, tmp_path: Path) -> None:
    from secondtake_daemon.images.second import SecondImage

    ran = secondtake("demo", "--out", tmp_path / "demo", "--json")
    assert ran.status == 0, ran.err
    answer = ran.json
    assert Path(answer["sheet"]).read_bytes().startswith(b"\x89PNG")
    assert b"ftyp" in Path(answer["movie"]).read_bytes()[:16]
    first = next(iter(sorted(Path(answer["manifest"]).parent.glob("*.exr"))))
    with SecondImage(first) as take, SecondImage(SHOT / "plate" / "sh010.1001.exr") as plate:
        changed = [
            name for name, bits in take.read(take.parts[0]).items() if np.any(bits != plate.read(plate.parts[0])[name])
        ]
    assert sorted(changed) == ["B", "G", "R"]
    assert secondtake("demo", "--out", tmp_path / "demo", "--json").json["take"] != answer["take"]


SHOT = Path(__file__).parents[2] / "demo" / "shot"


def popen(words: list[str], home: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-m", "secondtake_daemon", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        env={**os.environ, "SECONDTAKE_HOME": str(home)},
    )


def start(arguments: list[str], home: Path) -> subprocess.Popen[str]:
    """A fix that takes its time."""
    return popen([*arguments, "--engine-option", "frame_s=30", "--json"], home)


def wait_for_render(running: subprocess.Popen[str], home: Path) -> str:
    """The job's id, once a frame is being made."""
    assert running.stderr is not None
    for line in running.stderr:
        if line.startswith("render"):
            break
    with Client.connect(home=home) as client:
        return next(view.job for view in client.jobs() if not view.state.is_final)


def assert_cancelled(running: subprocess.Popen[str], folder: Path) -> None:
    out, err = running.communicate(timeout=20)
    assert running.returncode == 3, err
    assert json.loads(out)["error"]["code"] == "cancelled"
    assert "Traceback" not in err
    assert not (folder / "out").exists()
