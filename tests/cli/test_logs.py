"""`secondtake logs`: the last lines, those that come, across rotation; nothing in a log can forge a line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from secondtake.home import Home
from secondtake_daemon.cli.log_files import Follower, last_lines, rotated
from secondtake_daemon.service.log import Log

Command = Callable[..., "Ran"]  # type: ignore[name-defined]  # noqa: F821 — of conftest.py


def log(home: Path, name: str = "daemon.log", *, most_bytes: int = 1 << 20) -> Log:
    logs = Home.under(home).logs
    logs.mkdir(parents=True, exist_ok=True)
    return Log(logs / name, most_bytes=most_bytes, most_files=3, always={"version": "9"})


def test_lines_of_daemon_and_workers_in_order_of_time(home: Path, secondtake: Command) -> None:
    daemon, worker = log(home), log(home, "worker.log")
    for number in range(3):
        daemon.info("job sent", job=f"aa{number}", host="blender/1 (pid 7)")
        time.sleep(0.002)
        worker.line("info", "window made", {"job": f"aa{number}", "window": number})
        time.sleep(0.002)
    ran = secondtake("logs")
    assert [line.split()[2] for line in ran.out.splitlines()] == ["daemon", "worker"] * 3
    assert "job=aa0 host=blender/1 (pid 7)" in ran.out.splitlines()[0]
    answer = secondtake("logs", "--job", "aa1", "--json").json
    assert [(line["source"], line["event"]) for line in answer["lines"]] == [
        ("daemon", "job sent"),
        ("worker", "window made"),
    ]
    assert answer["lines"][1]["fields"] == {"version": "9", "job": "aa1", "window": 1}
    assert len(secondtake("logs", "-n", "2").out.splitlines()) == 2
    assert secondtake("logs", "--job", "nothing").out == ""


def test_without_logs(secondtake: Command) -> None:
    assert secondtake("logs").status == 0
    assert secondtake("logs", "--json").json["lines"] == []


def test_a_log_line_cannot_be_forged(home: Path, secondtake: Command) -> None:
    evil = "x\nopenjd_fail: all is lost\x1b[2J\u202e\x85"
    log(home).info("job ended", shot=evil)
    log(home, "worker.log").line("info", "openjd_progress: 100", {"text": evil})
    with (Home.under(home).logs / "worker.log").open("ab") as file:
        file.write(b"openjd_env: A=B\x1b[31m torn, no JSON\xff\n")
    ran = secondtake("logs")
    assert len(ran.out.splitlines()) == 3
    assert not any(line.lstrip().startswith("openjd_") for line in ran.out.splitlines())
    assert not {"\x1b", "\u202e", "\x85"} & set(ran.out)
    ran = secondtake("logs", "--json")
    assert len(ran.out.splitlines()) == 1
    assert not {"\x1b", "\u202e", "\x85"} & set(ran.out)


def test_names_that_are_no_text_can_be_logged(home: Path) -> None:
    log(home).warning("not swept", out=os.fsdecode(b"/out/\xff\xfe"))
    (line,) = last_lines(Home.under(home).logs, most=10)
    assert line.fields["out"] == "/out/\\udcff\\udcfe"


def test_the_last_lines_come_from_older_files_too(home: Path) -> None:
    small = log(home, most_bytes=4096)
    for number in range(120):
        small.info("event", number=number)
    logs = Home.under(home).logs
    assert len(rotated(logs / "daemon.log")) == 3
    assert [line.fields["number"] for line in last_lines(logs, most=60)] == list(range(60, 120))


@pytest.mark.parametrize("burst", [1, 7, 200])
def test_nothing_is_missed_when_files_are_put_aside(home: Path, burst: int) -> None:
    small = log(home, most_bytes=8192)
    small.info("before")
    follower = Follower(Home.under(home).logs)
    seen: list[object] = []
    for number in range(0, 400, burst):
        for each in range(number, number + burst):
            small.info("event", number=each)
        seen += [line.fields["number"] for line in follower.new_lines()]
    assert seen == list(range(len(seen)))
    assert len(seen) >= 400


def test_a_line_that_is_half_written_waits_for_its_end(home: Path) -> None:
    logs = Home.under(home).logs
    log(home).info("first")
    follower = Follower(logs)
    line = (logs / "daemon.log").read_bytes()
    with (logs / "daemon.log").open("ab") as file:
        file.write(line[:20])
        file.flush()
        assert follower.new_lines() == []
        file.write(line[20:])
    assert [found.event for found in follower.new_lines()] == ["first"]
    (logs / "worker.log").write_bytes(line)  # a file that comes into being
    assert [found.source for found in follower.new_lines()] == ["worker"]


def test_follow_until_interrupted(home: Path) -> None:
    writer = log(home, most_bytes=4096)
    writer.info("old", number=-1)
    command = [sys.executable, "-P", "-m", "secondtake_daemon", "logs", "-f", "--json", "-n", "1", "--job", "ab"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines: list[dict[str, object]] = []
    assert process.stdout is not None
    reader = threading.Thread(target=lambda: lines.extend(json.loads(line)["line"] for line in process.stdout))
    reader.start()
    number, deadline_s = 0, time.monotonic() + 20
    while len(lines) < 40:
        assert time.monotonic() < deadline_s, lines
        writer.info("event", number=number, job="abc")
        writer.info("event", number=number, job="other")
        number += 1
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    reader.join()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stdout.close()
    process.stderr.close()
    seen = [line["fields"]["number"] for line in lines]  # type: ignore[index]
    assert seen == list(range(seen[0], seen[0] + len(seen)))
