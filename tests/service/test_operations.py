"""What somebody who runs the daemon can see: logs with context, figures for Prometheus, quarantine, idle timers."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from places import Place, wait_for
from test_queue import RESULT, view

from secondtake import JobState
from secondtake._version import __version__
from secondtake.errors import BadMatte
from secondtake.messages import Phase
from secondtake_daemon.service.metrics import Metrics, Present
from secondtake_daemon.worker_log import log_to_stderr


def lines(place: Place, name: str = "daemon.log") -> list[dict[str, Any]]:
    file = place.home.logs / name
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_a_job_can_be_followed_from_the_host_to_the_worker(place: Place) -> None:
    client = place.client("secondtake-blender/0.3.1")
    request = place.request("frames=2 print=openjd_fail:oh")
    client.run(request)
    wait_for(lambda: lines(place, "worker.log"))
    mine = [line for line in lines(place) if line.get("job") == request.job]
    assert [line["event"] for line in mine] == ["job accepted", "job sent", "job phase", "job ended"]
    (printed,) = lines(place, "worker.log")
    assert (printed["event"], printed["text"], printed["job"]) == ("printed", "openjd_fail:oh", request.job)
    for line in [*mine, printed]:
        assert line["host"].startswith("secondtake-blender/0.3.1 (pid ")
        assert line["version"] == __version__
    assert all(line["version"] == __version__ for line in lines(place))
    assert request.instruction not in place.log()


def test_a_worker_cannot_speak_for_another_job(place: Place) -> None:
    client = place.client()
    forged = json.dumps({"event": "done", "level": "info", "fields": {"job": "f" * 32, "version": "666", "window": 3}})
    request = place.request(f"frames=1 print={forged.replace(' ', '')}")
    client.run(request)
    wait_for(lambda: lines(place, "worker.log"))
    (line,) = lines(place, "worker.log")
    assert (line["job"], line["version"], line["window"]) == (request.job, __version__, 3)


def test_worker_logs_are_put_aside(place: Place) -> None:
    place.settings(log_bytes=4096, log_files=2)
    client = place.client()
    for number in range(3):
        client.run(place.request(f"frames=1 print={'x' * 3000}", out=str(number)))
    wait_for(lambda: (place.home.logs / "worker.log.1").exists())
    assert all(path.stat().st_size < 8000 for path in place.home.logs.glob("worker.log*"))


def test_windows_and_what_libraries_say_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    import logging

    before = logging.root.handlers[:], logging.root.level, logging.getLogger("secondtake_daemon").level
    try:
        log_to_stderr()
        logging.getLogger("secondtake_daemon.pipeline").info(
            "window made", extra={"fields": {"window": 4, "path": Path("/x")}}
        )
        logging.getLogger("libav").info("not heard")
        try:
            raise ValueError("two\nlines")
        except ValueError:
            logging.getLogger("libav").exception("it %s", "failed")
    finally:
        logging.root.handlers[:], logging.root.level = before[0], before[1]
        logging.getLogger("secondtake_daemon").setLevel(before[2])
    ours, theirs = map(json.loads, capsys.readouterr().err.splitlines())
    assert ours == {"event": "window made", "level": "info", "fields": {"window": 4, "path": "/x"}}
    assert (theirs["event"], theirs["level"], theirs["fields"]["logger"]) == ("it failed", "error", "libav")
    assert theirs["fields"]["traceback"].endswith("ValueError: two\nlines")


def test_a_poison_job_is_last_and_ends(place: Place) -> None:
    client = place.client()
    poison = place.request("frames=2 crash_at=1", out="poison")
    others = [place.request("frames=1 frame_s=0.1", out=str(number)) for number in range(3)]
    for request in (poison, *others):
        client.submit(request)
    waits = {seen.waits for seen in client.watch(poison.job)}
    assert any("alone" in text for text in waits)
    last = client.jobs(job=poison.job)[0]
    assert last.error is not None
    assert last.error.message == "The worker died 3 times on this job, last because it was ended by SIGKILL"
    assert len(place.starts("poison")) == 3
    attempts = (place.root / "poison" / "starts").stat().st_mtime_ns
    for number, request in enumerate(others):
        assert client.run(request).frames == (1,)
        assert (place.root / str(number) / "starts").stat().st_mtime_ns < attempts


def test_crash_after_crash_shows_in_the_status(place: Place) -> None:
    place.settings(workers=5)
    client = place.client()
    jobs = [place.request("frames=1 frame_s=0.3 crash_at=1 crash_times=1", out=str(number)) for number in range(5)]
    for request in jobs:
        client.submit(request)
    wait_for(lambda: client.status().condition == "degraded: workers crash")
    for request in jobs:
        client.cancel(request.job)


def test_the_daemon_stays_while_somebody_waits(place: Place) -> None:
    """Both timers at their shortest: neither ends what a client waits for."""
    place.settings(idle_exit_s=0.3, worker_idle_s=0.1)
    client = place.client()
    runtime = place.daemon()
    request = place.request("frames=1 frame_s=1.5")
    client.submit(request)
    assert [seen.state for seen in client.watch(request.job)][-1] is JobState.DONE
    assert runtime.is_live
    assert len(place.starts()) == 1
    wait_for(lambda: not runtime.is_live)


def test_figures_for_prometheus(place: Place) -> None:
    file = place.root / "secondtake.prom"
    place.settings(metrics_file=str(file))
    client = place.client()
    wait_for(file.exists)
    text = file.read_text()
    assert f'secondtake_info{{version="{__version__}"}} 1' in text
    assert 'secondtake_jobs{state="queued"} 0' in text
    assert file.stat().st_mode & 0o044 == 0o044  # another user reads it
    client.stop()
    assert not file.exists()  # old figures must not look like new ones
    assert not list(place.root.glob(".*.part"))


def test_no_figures_unless_asked_for(place: Place) -> None:
    place.client().run(place.request("frames=1"))
    assert not list(place.root.rglob("*.prom"))


PRESENT = Present(
    queued=3, running=1, clients=2, workers=1, free_bytes={"cache": 5, "data": 7}, is_paused=True, is_degraded=False
)
_LINE = re.compile(r'([a-z_]+)(?:\{([a-z]+)="([^"\\\n]*)"\})? (\S+)')


def test_what_is_counted() -> None:
    metrics = Metrics()
    metrics.accepted(["j", "k"], seconds=0.25, now_s=10.0)
    running = replace(view("j"), state=JobState.RUNNING)
    metrics.changed(running, now_s=12.0)
    metrics.changed(replace(running, phase=Phase.LOAD), now_s=12.0)
    metrics.changed(replace(running, phase=Phase.RENDER), now_s=15.0)
    metrics.changed(replace(running, phase=Phase.RENDER, done=3), now_s=16.0)
    metrics.changed(replace(view("j"), state=JobState.DONE, result=RESULT), now_s=20.0)
    metrics.changed(replace(view("k"), state=JobState.FAILED, error=BadMatte("x").body()), now_s=21.0)
    metrics.worker_died("it was ended by SIGSEGV")
    metrics.worker_died("it left with status 3")
    text = metrics.text(PRESENT)
    found = {}
    for line in text.splitlines():
        if not line.startswith("# TYPE "):
            match = _LINE.fullmatch(line)
            assert match, line
            found[match[1], match[3]] = float(match[4])
    assert found["secondtake_jobs_ended_total", "done"] == 1
    assert found["secondtake_jobs_failed_total", "bad_matte"] == 1
    assert found["secondtake_queue_wait_seconds_sum", None] == 2.0
    assert found["secondtake_phase_seconds_sum", "load"] == 3.0
    assert found["secondtake_phase_seconds_sum", "render"] == 5.0
    assert found["secondtake_acks_seconds_count", None] == 2
    assert found["secondtake_worker_deaths_total", "SIGSEGV"] == found["secondtake_worker_deaths_total", "status"] == 1
    assert found["secondtake_disk_free_bytes", "data"] == 7
    assert found["secondtake_paused", None] == 1
    assert not metrics._courses  # nothing is kept of jobs that ended
    kinds = re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M)
    assert len({name for name, _ in kinds}) == len(kinds)
    assert dict(kinds)["secondtake_phase_seconds"] == "summary"
    assert text.endswith("\n")


def test_waiting_costs_little_time() -> None:
    metrics, began_s = Metrics(), time.monotonic()
    metrics.accepted([str(number) for number in range(10_000)], seconds=0.1, now_s=0.0)
    for number in range(10_000):
        metrics.changed(replace(view(str(number)), state=JobState.CANCELLED), now_s=1.0)
    assert time.monotonic() - began_s < 2.0
    assert metrics.ended["cancelled"] == 10_000
