"""A child process that is looked at and never waited for, without Blender."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from secondtake_blender import background as background_module
from secondtake_blender.background import LOG, Background, Progress, State
from secondtake_blender.refusal import Refusal

PLUGIN = Path(background_module.__file__).parents[1]
START = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(PLUGIN)!r})
from secondtake_blender.background import Writer
from secondtake_blender.refusal import Refusal
folder = Path(sys.argv[1])
"""


def start(folder: Path, code: str) -> Background:
    script = folder / "child.py"
    script.write_text(START + code)
    return Background([sys.executable, str(script), str(folder)], folder=folder)


def wait(job: Background, until: Callable[[Progress], bool], timeout_s: float = 20) -> Progress:
    end = time.monotonic() + timeout_s
    while not until(progress := job.poll()):
        assert time.monotonic() < end, progress
        time.sleep(0.01)
    return progress


def is_final(progress: Progress) -> bool:
    return progress.state is not State.RUNNING


def test_frames_are_counted_and_it_ends(tmp_path: Path) -> None:
    code = (
        "w = Writer(folder, total=3)\nfor n in range(3):\n    w.frame(); print('noise'); time.sleep(0.05)\nw.whole()\n"
    )
    job = start(tmp_path, code)
    counts = set()
    progress = wait(job, lambda now: counts.add(now.done) or is_final(now))
    assert progress == Progress(state=State.DONE, done=3, total=3) and 1 in counts
    assert "noise" in (tmp_path / LOG).read_text()


def test_a_problem_is_told(tmp_path: Path) -> None:
    job = start(tmp_path, "Writer(folder, total=1).problem(Refusal('There is no strip', remedy='Choose again'))\n")
    progress = wait(job, is_final)
    assert progress.state is State.FAILED and str(progress.problem).startswith("There is no strip. Choose again. ")


@pytest.mark.parametrize(
    "code", ["sys.exit(3)\n", "Writer(folder, total=2).frame()\nraise RuntimeError('x')\n", "import os; os.abort()\n"]
)
def test_a_child_that_dies_is_a_failure(code: str, tmp_path: Path) -> None:
    progress = wait(start(tmp_path, code), is_final)
    assert progress.state is State.FAILED and "ended by itself" in str(progress.problem)


def test_cancel_ends_it(tmp_path: Path) -> None:
    job = start(tmp_path, "w = Writer(folder, total=9)\nw.frame()\ntime.sleep(60)\n")
    wait(job, lambda progress: progress.done == 1)
    job.cancel()
    assert wait(job, is_final).state is State.CANCELLED
    job.cancel()
    assert job.poll().state is State.CANCELLED


def test_a_child_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_module, "_KILL_AFTER_S", 0.2)
    deaf = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    job = start(tmp_path, f"{deaf}Writer(folder, total=2).frame()\ntime.sleep(60)\n")
    wait(job, lambda progress: progress.done == 1)
    job.cancel()
    assert wait(job, is_final).state is State.CANCELLED


def test_polling_takes_no_time(tmp_path: Path) -> None:
    job = start(tmp_path, "time.sleep(60)\n")
    took = []
    for _ in range(200):
        begun = time.perf_counter()
        job.poll()
        took.append(time.perf_counter() - begun)
    job.close()
    assert sorted(took)[190] < 0.005


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="could be started") as raised:
        Background([str(tmp_path / "blender")], folder=tmp_path)
    assert raised.value.remedy
