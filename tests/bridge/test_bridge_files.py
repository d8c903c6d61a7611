"""What the bridge says of files: surveys, takes, pictures. And its parts, one by one."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from hosts import host, make_shot

from secondtake.errors import BadInput, ErrorBody
from secondtake.frames import FrameSet
from secondtake.messages import JobState, JobView, Operation, Phase
from secondtake_daemon.bridge.answers import JobEvent, Landed, bare_job, job_of, pattern_of
from secondtake_daemon.bridge.landings import LedgerTail
from secondtake_daemon.bridge.lines import Failed, Question, failed, line_of, read_question
from secondtake_daemon.bridge.outbox import MOST_UNREAD, Outbox
from secondtake_daemon.bridge.pace import Pace
from secondtake_daemon.bridge.requests import with_handles


@pytest.fixture
def take(secondtake: Callable[..., Any], tmp_path: Path) -> dict[str, Any]:
    shot = make_shot(tmp_path)
    made: dict[str, Any] = secondtake(
        "fix", shot["plate"], "--matte", shot["matte"], "--out", shot["out"], "--engine", "standin", "--json"
    ).json
    return made


def test_a_take_is_listed_shown_and_named(take: dict[str, Any]) -> None:
    name = take["take"]
    with host() as one:
        (listed,) = one.result("takes", shot=take["shot"])["takes"]
        assert (listed["take"], listed["frames"], listed["thumbnail"]) == (name, 4, "")
        assert one.result("takes", shot="another") == {"takes": []}
        shown = one.result("show", take=name)
        assert [str(Path(shown["folder"]) / file) for file in shown["files"]] == take["files"]
        assert [shown["pattern"] % frame for frame in shown["frames"]] == shown["files"]
        assert one.result("accept", take=name)["starred"]
        assert not one.result("star", take=name, starred=False)["starred"]
        assert one.result("rename", take=name, name="sign gone", note="--json")["note"] == "--json"
        assert one.error("rename", take=name, name="../x")["code"] == "usage"


def test_a_take_has_a_picture(take: dict[str, Any]) -> None:
    name = take["take"]
    with host() as one:
        picture = one.result("thumbnail", take=name, width_px=16)
        assert picture["frame"] == 1003
        assert cv2.imread(picture["path"]).shape == (12, 16, 3)
        assert one.result("takes")["takes"][0]["thumbnail"] == picture["path"]
        assert one.error("thumbnail", take=name, frame=5)["code"] == "bad_input"
        assert one.error("thumbnail", take=name, width_px=1)["code"] == "usage"


def test_a_take_is_compared_and_proved(take: dict[str, Any], tmp_path: Path) -> None:
    name = take["take"]
    with host() as one:
        compared = one.result("compare", a="plate", b=name, out=str(tmp_path / "sheets"))
        assert (compared["b"], compared["differing"]) == (name, [1001, 1002, 1003, 1004])
        assert Path(compared["sheet"]).is_file()
        proved = one.result("verify", take=name)
        assert (proved["holds"], proved["outside_changed"], proved["problems"]) == (True, 0, [])
        Path(take["files"][0]).write_bytes(Path(take["files"][1]).read_bytes())
        broken = one.result("verify", take=name)
        assert not broken["holds"]
        assert broken["problems"]


def test_a_take_is_deleted_once(take: dict[str, Any]) -> None:
    name = take["take"]
    with host() as one:
        (deleted,) = one.result("delete", take=name)["deleted"]
        assert (deleted["take"], deleted["files"]) == (name, 6)
        assert one.result("takes") == {"takes": []}
        assert one.error("delete", take=name)["code"] == "not_found"


def test_a_survey_says_what_would_be_sent(home: Path, tmp_path: Path) -> None:
    shot = make_shot(tmp_path, frames=6)
    asked = {"plate": shot["plate"], "matte": shot["matte"], "frames": "1002-1005", "handles": [2, 1]}
    with host() as one:
        found = one.result("survey", **asked, references=[{"path": str(tmp_path / "gone.png"), "frame": 1003}])
        assert (found["kind"], found["frames"], found["count"]) == ("sequence", "1001-1006", 6)
        assert (found["size_px"], found["channels"], found["sample"]) == ([40, 30], ["R", "G", "B"], "half")
        assert found["lines"] == [
            "sh.####.exr: 6 frames, 1001-1006, of which 2 are handles",
            "40 × 30, R G B, half",
            "Colour space Linear Rec.709 (sRGB)",
            "Matte m.####.exr: sequence",
            "Reference gone.png as frame 1003",
        ]
        assert found["odd"] == [
            "The plate has no colour tag and is taken as Linear Rec.709 (sRGB)",
            "The plate has no frames for 1 of the handles",
            "There is no file gone.png",
        ]
        assert one.result("survey", plate=shot["plate"])["matte"] == ""
        assert one.error("survey", plate=str(tmp_path / "no.####.exr"))["code"] == "missing_frames"
        assert one.error("survey", plate=shot["plate"], frames="1-2")["code"] == "missing_frames"
        assert one.error("survey", plate=shot["plate"], colourspace="nobody's")["code"] == "unknown_colour"
        (tmp_path / "matte" / "m.1003.exr").unlink()
        assert one.error("survey", **asked)["code"] == "bad_matte"
    assert not (home / "run" / "daemon.json").exists()


def test_a_survey_of_a_movie(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "clip ä.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("prores_ks", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv422p10le"
        for number in range(5):
            picture = np.full((48, 64, 3), 20 * number + 40, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    with host() as one:
        asked = {"plate": str(path), "colourspace": "Gamma 2.4 Encoded Rec.709"}
        found = one.result("survey", **asked, frames="2-3", handles=[5, 1])
        assert (found["kind"], found["frames"], found["frames_per_s"]) == ("movie", "1-4", 25.0)
        assert found["lines"][0] == "clip ä.mov: 4 frames, 1-4, of which 2 are handles"
        assert one.error("survey", plate=str(path))["code"] == "unknown_colour"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_question_or_an_answer(line: bytes) -> None:
    said = read_question(line)
    assert isinstance(said, Question | Failed)
    if isinstance(said, Failed):
        assert said.error.code == "usage"


@given(st.text())
def test_any_text_travels_as_ascii(text: str) -> None:
    line = line_of(failed(1, BadInput(text, path=text)))
    assert line.isascii()
    assert line.count(b"\n") == 1
    shown = text.encode("utf-8", "backslashreplace").decode()
    assert json.loads(line)["error"] == {"code": "bad_input", "message": shown, "remedy": "", "path": shown}


def test_a_name_that_is_no_utf8_is_shown_escaped() -> None:
    line = line_of(failed(1, BadInput("No", path=os.fsdecode(b"/caf\xe9.exr"))))
    assert json.loads(line)["error"]["path"] == "/caf\\udce9.exr"


@given(st.sets(st.integers(1, 60), min_size=1), st.sets(st.integers(1, 60)), st.integers(0, 20), st.integers(0, 20))
def test_handles_are_what_the_plate_has_around(named: set[int], more: set[int], before: int, after: int) -> None:
    there = FrameSet(named | more)
    found = set(with_handles(FrameSet(named), there, (before, after)))
    first, last = min(named), max(named)
    around = {frame for frame in there if first - before <= frame < first or last < frame <= last + after}
    assert found == named | around


def _event(job: str, done: int, *landed: int) -> JobEvent:
    body = bare_job(job, state="running", error=ErrorBody(code="", message=str(done)))
    return JobEvent(job=body, landed=tuple(Landed(frame=frame, path=f"/{frame}") for frame in landed))


def test_the_outbox_keeps_the_latest_of_a_job_and_all_that_landed() -> None:
    outbox = Outbox()
    for done in range(5000):
        outbox.put_job(_event("a", done, done % 7))
    outbox.put_job(_event("b", 1))
    assert outbox.unread == 2
    said = json.loads(outbox.next_line())
    assert (said["job"]["words"], [one["frame"] for one in said["landed"]]) == ("4999", [0, 1, 2, 3, 4, 5, 6])
    assert json.loads(outbox.next_line())["job"]["job"] == "b"


def test_the_outbox_counts_what_it_has_no_room_for() -> None:
    outbox = Outbox()
    for number in range(MOST_UNREAD + 5):
        outbox.put(failed(number, BadInput("no")))
    outbox.put_job(_event("a", 1))
    lines = [json.loads(outbox.next_line()) for _ in range(MOST_UNREAD + 2)]
    assert (lines[-2]["event"], lines[-1]) == ("job", {"event": "dropped", "count": 5})


def _view(**changes: Any) -> JobView:  # noqa: ANN401
    values = {"job": "a", "shot": "s", "state": JobState.RUNNING, "operation": Operation.REMOVE, "engine": "e"}
    return JobView(**{**values, "out": "/o", "submitted": 0.0, "phase": Phase.RENDER, "total": 10, **changes})


def test_the_pace_of_a_phase() -> None:
    pace = Pace()
    seen = [(0, 0.0), (1, 2.0), (2, 4.0), (2, 5.0), (4, 8.0), (4, 99.0), (1, 100.0), (3, 104.0)]
    found = [pace.eta_s(_view(done=done), now_s=now_s) for done, now_s in seen]
    assert found == [None, None, 16.0, 15.0, 12.0, 0.0, None, 14.0]
    assert pace.eta_s(_view(done=1, phase=Phase.PUBLISH), now_s=105.0) is None
    assert pace.eta_s(_view(phase=None, total=0), now_s=106.0) is None


def test_words_of_a_job() -> None:
    error = ErrorBody(code="disk", message="The disk is full")
    assert [
        job_of(_view(**changes)).words
        for changes in (
            {"done": 3},
            {"phase": Phase.LOAD, "total": 0},
            {"state": JobState.QUEUED, "phase": None},
            {"state": JobState.QUEUED, "attempts": 1},
            {"state": JobState.QUEUED, "waits": "Waits for room"},
            {"state": JobState.CANCELLED},
            {"state": JobState.FAILED, "error": error},
        )
    ] == ["render 3/10", "load", "queued", "queued again", "Waits for room", "cancelled", "The disk is full"]


def test_a_ledger_is_followed_whatever_happens_to_it(tmp_path: Path) -> None:
    head = {"job": "a" * 32, "take": "t1", "shot": "s", "made_folders": []}
    tail, ledger = LedgerTail(job="a" * 32, out=str(tmp_path)), tmp_path / ".t1.ledger"
    assert tail.read() == ()
    (tmp_path / ".t0.ledger").write_text(json.dumps({**head, "job": "b" * 32}) + "\n" + _record(9))
    assert tail.read() == ()
    ledger.write_text(json.dumps(head) + "\n" + _record(1) + _record(2)[:20])
    assert [one.frame for one in tail.read()] == [1]
    ledger.write_text(json.dumps(head) + "\n" + _record(1) + _record(2) + "torn{\n" + _record(3))
    assert [one.frame for one in tail.read()] == [2, 3]
    assert tail.read() == ()
    ledger.write_text(json.dumps(head) + "\n" + _record(1) + _record(2, digest="another"))
    assert [(one.frame, one.path) for one in tail.read()] == [(2, str(tmp_path / "s.t1.0002.exr"))]
    ledger.unlink()
    assert tail.read() == ()
    assert [one.frame for one in tail.rest((1, 2, 3, 4), "/o", ("1", "2", "3", "4"))] == [4]


def _record(frame: int, *, digest: str = "d") -> str:
    return json.dumps({"frame": frame, "file": f"s.t1.{frame:04d}.exr", "digest": digest, "more": 1}) + "\n"


def test_patterns() -> None:
    assert pattern_of(["s.a.t1.0999.exr", "s.a.t1.1000.exr"]) == "s.a.t1.%04d.exr"
    assert pattern_of(["s.t1.99.exr", "s.t1.100.exr"]) == "s.t1.%02d.exr"
    assert msgspec.json.decode(line_of(_event("a", 1)), type=JobEvent).landed == ()
