"""How long a job says that it will take, and how often it says anything."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondtake.errors import Cancelled
from secondtake.frames import FrameSet
from secondtake.messages import JobState, JobView, Operation, Phase, Stage
from secondtake_daemon.cli.output import Output
from secondtake_daemon.cli.progress import display, doing, said
from secondtake_daemon.job.pace import Pace
from secondtake_daemon.pipe import FromWorker, JobProgress
from secondtake_daemon.worker import JobReport, Line


def window(first: int, count: int, *, steps: int = 10, encode_s: float, step_s: float, decode_s: float) -> Iterator[
    tuple[float, Stage]
]:  # fmt: skip
    """What an engine says of a window, and the seconds that pass before it says it."""
    frames = str(FrameSet(range(first, first + count)))
    yield 0.0, Stage(name="encode", frames=frames)
    yield encode_s, Stage(name="step", done=0, total=steps, frames=frames)
    for done in range(1, steps + 1):
        yield step_s, Stage(name="step", done=done, total=steps, frames=frames)
    yield 0.0, Stage(name="decode", frames=frames)
    yield decode_s, Stage(name="write", frames=frames)


@settings(max_examples=50, deadline=None)
@given(
    windows=st.integers(1, 6), encode_s=st.floats(0.1, 20), step_s=st.floats(0.1, 60), decode_s=st.floats(0.1, 20),
)  # fmt: skip
def test_after_one_window_it_knows(windows: int, encode_s: float, step_s: float, decode_s: float) -> None:
    pace, now_s, count = Pace(windows * 64), 0.0, 64
    times = {"encode_s": encode_s, "step_s": step_s, "decode_s": decode_s}
    end_s = windows * (encode_s + 10 * step_s + decode_s)
    for at in range(windows):
        for passed_s, stage in window(1001 + at * count, count, **times):
            now_s += passed_s
            pace.stage(stage, now_s=now_s)
            left_s = pace.left_s(now_s)
            if at == 0 and (stage.name == "encode" or (stage.name == "step" and stage.done < 1)):
                assert left_s is None, "nothing was measured yet"
            elif at == 0:
                off = abs(decode_s - encode_s) * windows + 1
                assert left_s == pytest.approx(end_s - now_s, abs=off), "reading back is taken for as long as reading"
            else:
                assert left_s == pytest.approx(end_s - now_s, abs=1 + 1e-6 * end_s)
    assert left_s == 0


def test_what_is_done_once_for_a_job_is_not_expected_again() -> None:
    pace, now_s, left = Pace(128), 0.0, list[tuple[float, int | None]]()
    for first, encode_s in ((1001, 30.0), (1065, 1.0)):
        for passed_s, stage in window(first, 64, encode_s=encode_s, step_s=1.0, decode_s=2.0):
            now_s += passed_s
            pace.stage(stage, now_s=now_s)
            if first == 1065 and stage.name == "step" and stage.done:
                left.append((now_s, pace.left_s(now_s)))
    assert [left_s for _, left_s in left] == [round(now_s - at_s) for at_s, _ in left]


def test_frames_out_of_the_store_are_not_waited_for() -> None:
    pace = Pace(192)
    for frame in range(1001, 1065):
        pace.frame(frame)
    now_s = 0.0
    for passed_s, stage in window(1065, 64, encode_s=1, step_s=2, decode_s=1):
        now_s += passed_s
        pace.stage(stage, now_s=now_s)
    assert pace.left_s(now_s) == 22


def test_a_slow_step_makes_it_longer_not_shorter() -> None:
    pace = Pace(64)
    for now_s, done in ((0, 0), (2, 1), (4, 2), (30, 3)):
        pace.stage(Stage(name="step", done=done, total=10, frames="1-64"), now_s=float(now_s))
    left_s = pace.left_s(30.0)
    assert left_s is not None
    assert 14 <= left_s <= 16


def report() -> tuple[JobReport, Line, io.BytesIO]:
    said = io.BytesIO()
    line = Line(io.BytesIO(), said)  # type: ignore[arg-type]
    return JobReport(line, "a" * 32), line, said


def heard(said: io.BytesIO) -> list[JobProgress]:
    return [msgspec.json.decode(line, type=FromWorker) for line in said.getvalue().splitlines()]  # type: ignore[misc]


def test_it_is_told_four_times_a_second_at_most() -> None:
    teller, _, said_lines = report()
    teller.phase(Phase.RENDER, total=8)
    began_s, done = time.monotonic(), 0
    while time.monotonic() - began_s < 1.0:
        done += 1
        teller.stage(Stage(name="step", done=done, total=10_000, frames="1-8"))
        teller.step()
        time.sleep(0.001)
    stages = [each.stage for each in heard(said_lines) if each.stage is not None]
    assert 3 <= len(stages) <= 5
    assert stages[-1].done > stages[0].done
    assert stages[-1].left_s is not None
    assert [each.phase for each in heard(said_lines)] == [Phase.RENDER] * (len(stages) + 1)


def test_a_stage_belongs_to_its_phase_and_a_cancel_is_not_raised_by_telling() -> None:
    teller, line, said_lines = report()
    teller.phase(Phase.LOAD)
    teller.stage(Stage(name="load"))
    line.cancelled.add("a" * 32)
    teller.stage(Stage(name="load", done=1, total=2))
    with pytest.raises(Cancelled):
        teller.step()
    line.cancelled.clear()
    teller.phase(Phase.RENDER, total=2)
    assert heard(said_lines)[-1].stage is None


VIEW = JobView(
    job="a" * 32, shot="sh", state=JobState.RUNNING, operation=Operation.MODIFY, engine="tiny", out="/o",
    submitted=0.0, phase=Phase.RENDER, total=128,
)  # fmt: skip


def test_what_a_terminal_shows(capsys: pytest.CaptureFixture[str]) -> None:
    stages = [
        Stage(name="encode", frames="1001-1064"),
        Stage(name="step", done=3, total=30, frames="1001-1064", left_s=240, preview="/c/preview.jpg"),
        Stage(name="step", done=4, total=30, frames="1001-1064", left_s=30, preview="/c/preview.jpg"),
    ]
    assert doing(stages[0]) == "encode of frames 1001-1064"
    assert doing(Stage(name="write", frames="1001")) == "write of frame 1001"
    assert doing(Stage(name="load", done=2, total=5)) == "load 2/5"
    with display(Output(as_json=False, debug=False)) as shown:
        for stage in stages:
            shown.show(said(VIEW), done=0, total=128, stage=stage)
            time.sleep(0.51)
        shown.show(said(VIEW), done=128, total=128, stage=Stage(name="write", frames="1065-1128"))
        shown.show("publish")
    assert capsys.readouterr().err.splitlines() == [
        "render 0/128 · encode of frames 1001-1064",
        "render 0/128 · step 3/30 of frames 1001-1064 · 4 min left",
        "preview, renewed while it works: /c/preview.jpg",
        "render 0/128 · step 4/30 of frames 1001-1064 · 30 s left",
        "render 128/128 · write of frames 1065-1128",
        "publish",
    ]
