"""Who waits for a job is told what it waits for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from secondtake.messages import JobState, JobView, Operation, Phase
from secondtake_daemon.cli.output import Output
from secondtake_daemon.cli.progress import display, said, words

SHOT = Path(__file__).parents[2] / "demo" / "shot"
VIEW = JobView(
    job="a" * 32,
    shot="sh",
    state=JobState.QUEUED,
    operation=Operation.REMOVE,
    engine="temporal",
    out="/o",
    submitted=0.0,
)


def test_words() -> None:
    assert (words(VIEW), said(VIEW)) == ("queued", "queued")
    waiting = replace(VIEW, waits="Waits for disk space: x")
    assert (words(waiting), said(waiting)) == ("waits", "waits for disk space: x")


def test_a_phase_that_was_broken_off_by_a_full_disk_is_not_called_ended(capsys: pytest.CaptureFixture[str]) -> None:
    with display(Output(as_json=False, debug=False)) as shown:
        running = replace(VIEW, state=JobState.RUNNING, phase=Phase.RENDER, done=2, total=9)
        for view in (running, replace(VIEW, waits="Waits for disk space: x")):
            shown.show(said(view), done=view.done, total=view.total, frame=view.frame)
    assert capsys.readouterr().err.splitlines() == ["render 2/9", "waits for disk space: x"]


def test_fix_says_what_it_waits_for(home: Path, tmp_path: Path) -> None:
    matte = next((SHOT / "matte").iterdir(), SHOT) if (SHOT / "matte").is_dir() else SHOT / "matte.json"
    command = [sys.executable, "-P", "-m", "secondtake_daemon", "fix", str(SHOT / "plate" / "sh010.####.exr")]
    command += ["--matte", str(matte), "--frames", "1001", "--out", str(tmp_path / "out"), "--engine", "standin"]
    environment = {**os.environ, "SECONDTAKE_HOME": str(home), "SECONDTAKE_MIN_FREE_BYTES": str(1 << 60)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    timer = threading.Timer(20.0, process.kill)
    timer.start()
    assert process.stderr is not None
    said_lines = []
    for line in process.stderr:
        said_lines.append(line)
        if "waits for disk space: the disk of the cache has less than" in line:
            process.send_signal(signal.SIGINT)
    assert process.wait() == 3, said_lines
    timer.cancel()
    process.communicate()
    assert not (tmp_path / "out").exists()
