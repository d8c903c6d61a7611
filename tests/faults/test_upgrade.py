"""Second Take is updated while it works: the newer daemon takes queue and journal over, the older one never does."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from load_siege import WORKER
from places import Place, is_alive, wait_for

from secondtake import Client, DaemonLost, FixRequest, JobState
from secondtake._version import __version__
from secondtake.launch import ensure_daemon
from secondtake_daemon.service.migrations import MIGRATIONS, backup_file

SCHEMA = len(MIGRATIONS)
_OTHER = """
import sys, types
sys.modules["secondtake._version"] = types.ModuleType("secondtake._version")
sys.modules["secondtake._version"].__version__ = {version!r}
import secondtake_daemon.service.migrations as migrations, secondtake_daemon.service.journal as journal
migrations.MIGRATIONS = (*migrations.MIGRATIONS, *{steps!r})
journal.Journal.__init__.__kwdefaults__["migrations"] = migrations.MIGRATIONS
from secondtake_daemon.service.__main__ import main
sys.exit(main())
"""
_STEP = "ALTER TABLE jobs ADD COLUMN mood TEXT; UPDATE jobs SET mood = 'calm';"


def start(ground: Place, version: str, *, steps: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """A daemon of another version, ready."""
    process = ground.spawn(code=_OTHER.format(version=version, steps=tuple(steps)))
    wait_for(lambda: ground.home.runtime_file.exists())
    assert ground.daemon().version == version
    return process


def submit_all(ground: Place, client: Client, *words: str) -> list[FixRequest]:
    requests = [ground.request(text, out=f"{number}") for number, text in enumerate(words)]
    for request in requests:
        client.submit(request)
    return requests


def older_client(ground: Place) -> Client:
    """One that starts and replaces nothing."""
    return ground.client("older", autostart=False)


def check_all_ended_once(ground: Place, client: Client, requests: list[FixRequest]) -> None:
    for request in requests:
        *_, last = client.watch(request.job, timeout_s=40.0)
        assert (last.state, last.attempts) == (JobState.DONE, 0)
    ended = [line for line in ground.log().splitlines() if '"job ended"' in line]
    for request in requests:
        assert sum(request.job in line for line in ended) <= 1


def test_the_newer_takes_over_a_queue_that_works(ground: Place) -> None:
    """The job at work ends where it is, the others go on under the newer daemon; who watches sees no gap."""
    old = start(ground, "0.0.1")
    watcher = older_client(ground)
    requests = submit_all(ground, watcher, "frames=4 frame_s=0.2", *["frames=2"] * 5)
    wait_for(lambda: ground.starts("0"))
    seen: list[JobState] = []
    watching = threading.Thread(target=watch, args=(ground.root, requests[-1].job, seen))
    watching.start()
    wait_for(lambda: seen)
    runtime = ensure_daemon(ground.home)
    assert runtime.version == __version__
    assert old.wait(10) == 0
    watching.join(30.0)
    assert (seen[0], seen[-1]) == (JobState.QUEUED, JobState.DONE)
    check_all_ended_once(ground, watcher, requests)
    assert all(len(ground.starts(request.out)) == 1 for request in requests)


def watch(home: Path, job: str, seen: list[JobState]) -> None:
    """All states of a job, to its end."""
    with Client.connect(home=home, autostart=False) as client:
        for view in client.watch(job, timeout_s=30.0):
            seen.append(view.state)  # noqa: PERF401 — one by one: another thread looks on


def test_a_job_that_takes_too_long_goes_on_under_the_newer(ground: Place) -> None:
    ground.settings(worker_command=WORKER)
    old = start(ground, "0.0.1")
    watcher = older_client(ground)
    requests = submit_all(ground, watcher, "frames=8 frame_s=0.8", "frames=1")
    wait_for(lambda: '"job sent"' in ground.log())
    assert ensure_daemon(ground.home).version == __version__
    assert old.wait(10) == 0
    check_all_ended_once(ground, watcher, requests)


@pytest.mark.parametrize("version", [__version__, "99.0", "no version"])
def test_nobody_else_is_displaced(ground: Place, version: str) -> None:
    """Not a newer one, not the same, not one that cannot be compared; a job goes on undisturbed."""
    running = start(ground, version)
    client = ground.client()
    requests = submit_all(ground, client, "frames=3 frame_s=0.3")
    assert ground.spawn().wait(10) == 10
    assert client.status().pid == running.pid == ground.daemon().pid
    check_all_ended_once(ground, client, requests)


def test_an_older_one_that_hangs(ground: Place) -> None:
    """A stopped process cannot give way, and is not shot: the client hears of it in time."""
    old = start(ground, "0.0.1")
    os.kill(old.pid, signal.SIGSTOP)
    try:
        with pytest.raises(DaemonLost):
            ground.client(timeout_s=1.0)
    finally:
        os.kill(old.pid, signal.SIGCONT)
    wait_for(lambda: ground.client().status().version == __version__, timeout_s=20.0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_either_is_killed_while_it_hands_over(ground: Place, seed: int) -> None:
    kill_in_between(ground, seed)


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(3, 33))
def test_either_is_killed_at_many_moments(ground: Place, seed: int) -> None:
    kill_in_between(ground, seed)


def kill_in_between(ground: Place, seed: int) -> None:
    dice = random.Random(seed)
    ground.settings(worker_command=WORKER, workers=2, max_attempts=20)
    old = start(ground, "0.0.1")
    watcher = older_client(ground)
    requests = submit_all(ground, watcher, *["frames=6 frame_s=0.1"] * 6)
    new = ground.spawn()
    try:
        new.wait(dice.uniform(0.1, 1.5))
    except subprocess.TimeoutExpired:
        (old if seed % 2 else new).kill()
    client = ground.client()
    for request in requests:
        *_, last = client.watch(request.job, timeout_s=40.0)
        assert last.state is JobState.DONE
    assert client.status().version == __version__
    wait_for(lambda: not is_alive(old.pid))
    assert len({view.job for view in client.jobs()}) == len(requests)


def journal_rows(file: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as journal:
        rows = journal.execute("SELECT job, state, take FROM jobs ORDER BY ordinal").fetchall()
    journal.close()
    return rows


def test_a_live_queue_through_a_new_schema_and_back(ground: Place) -> None:
    """The journal is brought up to date with its jobs, a copy is kept, and the older version refuses what it cannot
    read. With the copy put back it works on: its jobs are those of before."""
    client = ground.client()
    requests = submit_all(ground, client, "frames=2 frame_s=30", *["frames=2"] * 3)
    wait_for(lambda: ground.starts("0"))
    client.cancel(requests[0].job)
    client.stop()
    journal = ground.home.data / "jobs.sqlite"
    before = journal_rows(journal)
    newer = start(ground, "99.0", steps=[_STEP])
    check_all_ended_once(ground, older_client(ground), requests[1:])
    newer.terminate()
    newer.wait(10)
    kept = backup_file(journal, SCHEMA)
    assert [row[0] for row in journal_rows(kept)] == [row[0] for row in before]
    assert {row[1] for row in journal_rows(kept)} >= {"queued"}
    written = journal.read_bytes()
    older = ground.spawn()
    errors = older.communicate(timeout=10)[1].decode()
    assert older.returncode == 5
    assert "newer version" in errors
    assert kept.name in errors
    assert journal.read_bytes() == written
    journal.unlink()
    kept.rename(journal)
    again = ground.client()
    for request in requests[1:]:
        *_, last = again.watch(request.job, timeout_s=20.0)
        assert last.state is JobState.DONE


def test_the_command_says_what_to_do_about_a_newer_journal(ground: Place) -> None:
    start(ground, "99.0", steps=[_STEP])
    ground.kill()
    with pytest.raises(DaemonLost, match=r"newer version .*Update Second Take") as caught:
        ground.client()
    assert "Traceback" not in str(caught.value)
