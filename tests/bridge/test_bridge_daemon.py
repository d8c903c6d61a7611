"""The bridge between hosts and a real daemon: jobs to their end, whatever dies meanwhile."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from hosts import host, make_shot, new_job, wait_until

from secondtake.endpoint import find_daemon
from secondtake.home import Home

SLOW = {"engine_options": {"frame_s": "0.3"}}


def test_a_fix_from_status_to_landed_frames(home: Path, tmp_path: Path) -> None:
    with host() as one:
        assert one.result("status")["daemon"] == "none"
        assert find_daemon(Home.under(home)) is None
        job = new_job()
        queued = one.result("fix", job=job, **make_shot(tmp_path, frames=8), **SLOW)
        assert (queued["job"], queued["out"], queued["host"][:14]) == (job, str(tmp_path / "out"), "test/1 tests/1")
        done = one.wait_for(job, "done")["job"]
        assert done["result"]["frames"] == list(range(1001, 1009))
        assert done["result"]["proof"]["outside_changed"] == 0
        events = one.events_of(job)
        landed = [frame for event in events for frame in event["landed"]]
        assert sorted(frame["frame"] for frame in landed) == done["result"]["frames"]
        assert all(Path(frame["path"]).is_file() for frame in landed)
        assert any(event["landed"] for event in events[:-1]), "no frame was shown before the end"
        running = [event["job"] for event in events if event["job"]["state"] == "running"]
        assert {one["total"] for one in running if one["phase"] == "render"} == {8}
        assert one.result("status")["daemon"] == "running"
        assert [card["name"] for card in one.result("engines")["engines"]] == ["temporal", "standin"]
        listed = one.result("jobs")["jobs"]
        assert [(view["job"], view["state"], view["result"]) for view in listed] == [(job, "done", None)]


def test_the_pixels_are_those_of_the_command_line(home: Path, tmp_path: Path, secondtake: Callable[..., Any]) -> None:
    shot = make_shot(tmp_path)
    with host() as one:
        job = new_job()
        one.result("fix", job=job, **shot, seed=7, grow_px=1, shot="sh")
        result = one.wait_for(job, "done", "failed")["job"]["result"]
    made = secondtake(
        "fix", shot["plate"], "--matte", shot["matte"], "--engine", "standin", "--seed", 7, "--grow", 1, "--shot", "sh",
        "--out", tmp_path / "cli", "--json",
    ).json  # fmt: skip
    assert result["frames"] == made["frames"]
    for mine, theirs in zip(result["files"], made["files"], strict=True):
        assert (Path(result["folder"]) / mine).read_bytes() == Path(theirs).read_bytes()


def test_handles_on_and_revise_and_shapes(home: Path, tmp_path: Path) -> None:
    shot = make_shot(tmp_path, frames=6)
    shapes = {
        "version": 1,
        "size": [40, 30],
        "shapes": [{"kind": "polygon", "keys": [{"frame": 1001, "points": [[5, 5], [30, 5], [30, 25]]}]}],
    }
    with host() as one:
        one.result("fix", job=(a := new_job()), **shot, frames="1003-1004", handles=[1, 10], instruction="darker")
        first = one.wait_for(a, "done", "failed")["job"]["result"]
        assert first["frames"] == [1002, 1003, 1004, 1005, 1006]
        on = {"on": first["take"], "shapes": shapes, "engine": "standin", "frames": "1003-1005"}
        one.result("fix", job=(b := new_job()), out=str(tmp_path / "b"), **on)
        second = one.wait_for(b, "done", "failed")["job"]["result"]
        assert (second["parent"], second["frames"]) == (first["take"], [1003, 1004, 1005])
        one.result("fix", job=(c := new_job()), out=str(tmp_path / "c"), revise=first["take"], instruction="more")
        third = one.wait_for(c, "done", "failed")["job"]["result"]
        shown = one.result("show", take=third["take"])
        assert (shown["revises"], shown["instructions"]) == (first["take"], ["darker", "more"])
        matte = Path(one.result("show", take=second["take"])["request"]["matte"])
        assert json.loads(matte.read_bytes()) == shapes
        assert matte.parent == home / "data" / "shapes"
        assert [(take["take"], take["depth"]) for take in one.result("takes")["takes"]] == [
            (first["take"], 0),
            (second["take"], 1),
            (third["take"], 0),
        ]


def test_a_daemon_that_is_killed_comes_back_and_no_job_is_lost(home: Path, tmp_path: Path) -> None:
    shot = make_shot(tmp_path, frames=12)
    with host() as one:
        job = new_job()
        one.result("fix", job=job, **shot, **SLOW)
        one.wait(lambda line: bool(line.get("landed")) and line["job"]["state"] == "running")
        runtime = find_daemon(Home.under(home))
        assert runtime is not None
        os.kill(runtime.pid, signal.SIGKILL)
        done = one.wait_for(job, "done", "failed", "unknown")["job"]
        assert done["state"] == "done"
        said = [line["state"] for line in one.lines if line.get("event") == "daemon"]
        assert said == ["lost", "running"]
        assert len(one.result("jobs")["jobs"]) == 1
        again = one.result("fix", job=job, **shot, **SLOW)
        assert again["state"] == "done"  # the same request twice is one job


def test_a_daemon_that_is_stopped_stays_so_until_asked(
    home: Path, tmp_path: Path, secondtake: Callable[..., Any]
) -> None:
    with host() as one:
        job = new_job()
        one.result("fix", job=job, **make_shot(tmp_path), **SLOW)
        one.wait_for(job, "running")
        assert secondtake("daemon", "stop").status == 0
        one.wait(lambda line: line.get("event") == "daemon" and line["state"] == "stopped")
        assert one.result("status")["daemon"] == "none"
        assert one.result("start")["daemon"] == "running"
        assert one.wait_for(job, "done", "failed")["job"]["state"] == "done"


def test_a_bridge_that_is_killed_leaves_the_job_to_the_next_one(home: Path, tmp_path: Path) -> None:
    job = new_job()
    with host() as first:
        first.result("fix", job=job, **make_shot(tmp_path), **SLOW)
        first.wait_for(job, "running")
    assert find_daemon(Home.under(home)) is not None
    with host() as second:
        second.result("watch", jobs=[job, "f" * 32])
        assert second.wait_for("f" * 32, "unknown")["job"]["error"]["code"] == "not_found"
        done = second.wait_for(job, "done", "failed")
        assert done["job"]["state"] == "done"
        landed = [frame["frame"] for event in second.events_of(job) for frame in event["landed"]]
        assert sorted(landed) == [1001, 1002, 1003, 1004]


def test_cancel_leaves_nothing(home: Path, tmp_path: Path) -> None:
    with host() as one:
        job = new_job()
        one.result("fix", job=job, **make_shot(tmp_path), **SLOW)
        one.wait_for(job, "running")
        assert one.result("cancel", job=job)["state"] in ("running", "cancelled")
        one.wait_for(job, "cancelled")
        assert not list((tmp_path / "out").glob("*.exr"))
        assert one.error("cancel", job="e" * 32)["code"] == "not_found"


def test_two_hosts_at_once(home: Path, tmp_path: Path) -> None:
    with host() as one, host() as two:
        jobs = {each: new_job() for each in (one, two)}
        for at, (each, job) in enumerate(jobs.items()):
            each.ask("fix", job=job, **make_shot(tmp_path / str(at)))
        for each, job in jobs.items():
            assert each.wait_for(job, "done", "failed")["job"]["state"] == "done"
        assert not one.events_of(jobs[two])
        assert len(two.result("jobs")["jobs"]) == 2


def test_a_host_that_reads_late_finds_the_latest_state_and_every_frame(home: Path, tmp_path: Path) -> None:
    with host(reads=False) as one:
        job = new_job()
        one.ask("fix", job=job, **make_shot(tmp_path), **SLOW)
        wait_until((tmp_path / "out" / "take.json").is_file, "the take was not made")
        one.start_reading()
        one.wait_for(job, "done")
        landed = [frame["frame"] for event in one.events_of(job) for frame in event["landed"]]
        assert sorted(landed) == [1001, 1002, 1003, 1004]


def test_a_daemon_that_does_not_answer_holds_up_nothing_else(home: Path, tmp_path: Path) -> None:
    with host() as one:
        one.result("start")
        runtime = find_daemon(Home.under(home))
        assert runtime is not None
        os.kill(runtime.pid, signal.SIGSTOP)
        try:
            number = one.ask("engines")
            waiting = one.wait(lambda line: line.get("event") == "waiting" and line["id"] == number)
            assert waiting["why"] == "The daemon is being asked"
            assert one.result("takes") == {"takes": []}
            assert one.result("status")["daemon"] == "lost"
        finally:
            os.kill(runtime.pid, signal.SIGCONT)
        assert one.answer(number)["result"]["engines"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"matte": ""}, "usage"),
        ({"job": "short"}, "usage"),
        ({"out": ""}, "usage"),
        ({"plate": ""}, "usage"),
        ({"on": "t000000"}, "not_found"),
        ({"on": "a", "revise": "b"}, "usage"),
        ({"engine": "nobody"}, "no_such_engine"),
        ({"handles": [-1, 0]}, "usage"),
        ({"frames": "9-1"}, "usage"),
        ({"shapes": {}}, "usage"),
        ({"references": [{"path": "here.png"}]}, "usage"),
    ],
)
def test_what_cannot_be_sent_is_told_at_once(home: Path, tmp_path: Path, change: dict[str, Any], code: str) -> None:
    fix = {"job": new_job(), **make_shot(tmp_path), **change}
    with host() as one:
        error = one.error("fix", **fix)
        assert (error["code"], bool(error["remedy"])) == (code, True)
        assert one.lines[-1].get("event") != "job"


def test_what_a_job_finds_out_comes_with_the_job(home: Path, tmp_path: Path) -> None:
    with host() as one:
        job = new_job()
        one.result("fix", job=job, **{**make_shot(tmp_path), "plate": str(tmp_path / "gone.####.exr")})
        failed = one.wait_for(job, "failed")["job"]
        assert failed["error"]["code"] == "missing_frames"
        assert failed["words"] == failed["error"]["message"]


def test_without_autostart_only_start_starts(home: Path) -> None:
    with host(greets=False) as one:
        hello = {"protocol_min": 1, "protocol_max": 1, "name": "x", "autostart": False}
        one.say({"id": 0, "method": "hello", "params": hello})
        assert one.error("engines")["code"] == "daemon_lost"
        assert find_daemon(Home.under(home)) is None
        one.result("start")
        assert one.result("engines")["engines"]
