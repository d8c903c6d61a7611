"""Three more classical faults, seeded on purpose, in the journal, the queue and the roots. The check finds
nothing wrong in the product, and something in the mutant."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from places import Place, wait_for

from secondtake import JobState
from secondtake.endpoint import find_daemon
from secondtake.errors import BadInput, NotFound
from secondtake.messages import JobView, Operation
from secondtake_daemon import roots
from secondtake_daemon.service.events import Submitted, WorkerDied, WorkerReady, WorkerStarted
from secondtake_daemon.service.queue import Queue
from secondtake_daemon.settings import Settings

# --- acknowledged, then committed -------------------------------------------------------------------------------------

DAEMON = "from secondtake_daemon.service.__main__ import main; raise SystemExit(main())"
COMMITS_LATER = f"""
import threading
from secondtake_daemon.service.journal import Journal
Journal.add = lambda self, jobs: None  # the answer goes out, and the commit would come a moment later
{DAEMON}
"""


def jobs_lost(ground: Place, *, code: str) -> int:
    """Kill the daemon as soon as it has acknowledged a job, and ask the next one for it."""
    process = ground.spawn(code=code)
    wait_for(lambda: find_daemon(ground.home))
    lost, request = 0, ground.request("hang_at=1")
    client = ground.client(autostart=False)
    client.submit(request)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: find_daemon(ground.home) is None)
    following = ground.client()
    try:
        found = following.jobs(job=request.job)
        lost += not found
        following.cancel(request.job)
    except NotFound:
        lost += 1
    return lost


def test_a_job_is_in_the_journal_when_it_is_acknowledged(ground: Place) -> None:
    assert jobs_lost(ground, code=DAEMON) == 0


def test_acknowledge_before_commit_is_seen(ground: Place) -> None:
    assert jobs_lost(ground, code=COMMITS_LATER) == 1


# --- an attempt counted too early -------------------------------------------------------------------------------------


def attempts_of_nobody(queue: Queue) -> int:
    """What it costs a job that its worker died before it had begun."""
    job = JobView(
        job="j",
        shot="s",
        state=JobState.QUEUED,
        operation=Operation.REMOVE,
        engine="e",
        out="/o",
        submitted=0.0,
        host="h",
    )
    now_s = 1000.0
    for event in (Submitted(replace(job)), WorkerReady(1, 99), WorkerDied(1, "killed")):
        queue.handle(event, now_s=now_s)
    view = queue.view("j")
    assert view is not None
    return view.attempts


class CountsAtSending(Queue):
    """As if a job had begun when it was sent."""

    def _worker_died(self, number: int, reason: str, now_s: float) -> None:
        self.handle(WorkerStarted(number, "j"), now_s=now_s)
        super()._worker_died(number, reason, now_s)


def test_a_worker_that_dies_before_it_begins_costs_no_attempt() -> None:
    assert attempts_of_nobody(Queue(Settings())) == 0


def test_an_attempt_that_is_counted_too_early_is_seen() -> None:
    assert attempts_of_nobody(CountsAtSending(Settings())) == 1


# --- links followed after the check -----------------------------------------------------------------------------------


def ways_out(root: Path, secret: Path) -> list[str]:
    """Paths below a root that lead elsewhere, and are let through."""
    root.mkdir()
    secret.mkdir()
    (secret / "a.exr").touch()
    (root / "folder").symlink_to(secret)
    (root / "file.exr").symlink_to(secret / "a.exr")
    (root / "twice").symlink_to(root / "folder")
    (root / "up").symlink_to("../")
    found = []
    for name in ("folder/a.exr", "file.exr", "twice/a.exr", "up/secret/a.exr", "folder/new/take"):
        try:
            roots.require_inside(root / name, [root.resolve()])
        except BadInput:
            continue
        found.append(name)
    return found


def test_no_link_leads_out_of_a_root(tmp_path: Path) -> None:
    assert ways_out(tmp_path / "root", tmp_path / "secret") == []


def test_a_check_before_links_are_followed_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    not_followed: Callable[[Path], Path] = Path.absolute
    monkeypatch.setattr(roots, "_real", not_followed)
    assert "folder/a.exr" in ways_out(tmp_path / "root", tmp_path / "secret")
