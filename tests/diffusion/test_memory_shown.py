"""`fix --plan` through the command: it says what will be done, and does nothing; and the way down through a daemon."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="no torch: pip install 'secondtake[diffusion]'")

from studio import FRAMES, Studio, added, command, content

from secondtake_daemon.takes.manifest import load

SQUEEZED = Path(__file__).parent / "squeezed_worker.py"


def test_a_model_says_memory_and_time_before_anything_is_queued(studio: Studio) -> None:
    ran = studio.fix("planned", "--plan")
    assert ran.status == 0, ran.err
    said = ran.json
    assert said["engine"] == "tiny"
    assert said["frames"] == FRAMES
    assert said["windows"] == [[1001, 1007], [1008, 1012]]
    (model,) = said["memory"]
    assert model["frames_at_once"] == 17
    assert 0 < model["canvas"][0] <= said["crop"][2]
    assert 0 < model["needs_bytes"] < model["total_bytes"]
    assert (model["way"], model["storage"], model["waits"], model["is_measured"]) == ("resident", "full", False, False)
    assert said["seconds"] > 0
    assert said["basis"] == "estimated"
    assert not (studio.root / "planned").exists()
    assert not list((studio.home / "data" / "takes").glob("*.json")), "nothing was made"
    assert not (studio.home / "run" / "daemon.json").exists(), "nobody was asked"
    words = command(
        "fix", studio.plate, "--matte", studio.matte, "--out", studio.root / "p", "--engine", "tiny",
        "--operation", "replace", "--instruction", "a red hat", "--plan",
    ).out  # fmt: skip
    for part in (
        "windows     2: 1001-1007, 1008-1012",
        "17 frames at once",
        "GiB (estimated) of",
        "about",
        "Nothing was",
    ):
        assert part in words, words


def test_an_engine_without_a_model_says_what_can_be_said(studio: Studio) -> None:
    words = ("fix", studio.plate, "--matte", studio.matte, "--engine", "standin")
    first = command(*words, "--out", studio.root / "none", "--plan", "--json")
    assert first.status == 0, first.err
    assert (first.json["seconds"], first.json["basis"], first.json["memory"]) == (None, "", [])
    assert first.json["windows"][0][0] == FRAMES[0]
    made = command(*words, "--out", studio.root / "made", "--json")
    assert made.status == 0, made.err
    second = command(*words, "--out", studio.root / "none", "--plan", "--json").json
    assert second["basis"] == "past takes"
    assert second["seconds"] == pytest.approx(load(Path(made.json["manifest"])).seconds, rel=0.2, abs=0.1)


def test_what_is_wrong_is_said_as_the_job_would(studio: Studio) -> None:
    ran = studio.fix("bad", "--plan", "--frames", "1-5")
    assert ran.status == 12
    assert ran.json["error"]["code"] == "missing_frames"
    unknown = command(
        "fix", studio.plate, "--matte", studio.matte, "--out", studio.root / "x", "--engine", "no", "--plan"
    )
    assert unknown.status == 12


@pytest.mark.slow
def test_out_of_memory_in_a_worker_another_goes_on(
    clean_environment: None,
    monkeypatch: pytest.MonkeyPatch,
    make_home: Callable[[], AbstractContextManager[Path]],
    tiny_folder: Path,
    tmp_path: Path,
) -> None:
    """A GPU that is too small for the plan, in every process: free, less at once, a fresh worker, a smaller canvas."""
    with make_home() as root:
        monkeypatch.setenv("SECONDTAKE_HOME", str(root))
        (root / "config").mkdir(exist_ok=True)
        command_line = [sys.executable, str(SQUEEZED), str(tmp_path / "workers")]
        (root / "config" / "settings.toml").write_text(
            f"[daemon]\nmax_attempts = 1\nworker_command = {command_line!r}\n"
        )
        assert added(tiny_folder, "tiny", "--accept-licence", "--set", "area_px=3072").status == 0
        ran = Studio(tmp_path, root, "tiny").fix("out")
        assert ran.status == 0, ran.err
        assert len((tmp_path / "workers").read_text().splitlines()) == 2, "one fresh worker, and it was no attempt"
        notes = " ".join(ran.json["notes"])
        for part in (
            "what lay about was freed",
            "it went on",
            "a fresh worker",
            "of the whole shot",
            "For want of memory",
        ):
            assert part in notes, notes
        assert len(content(ran.json["files"])) == len(FRAMES)
        assert command("verify", tmp_path / "out").status == 0
