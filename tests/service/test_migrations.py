"""The journal of an older version is brought up to date, with a copy kept; one of a newer version is refused."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from places import Place, wait_for
from test_journal import ended, new_job

from secondtake.errors import DaemonLost, DiskError, Incompatible
from secondtake.messages import JobState
from secondtake_daemon.service.events import Submitted
from secondtake_daemon.service.journal import Journal
from secondtake_daemon.service.migrations import MIGRATIONS, backup_file

LATER = (
    *MIGRATIONS,
    "ALTER TABLE jobs ADD COLUMN colour TEXT NOT NULL DEFAULT 'red'; CREATE TABLE extra (id INTEGER) STRICT;",
    "UPDATE jobs SET colour = 'blue' WHERE ended IS NULL; DROP TABLE extra;",
)
"""Versions to come."""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A journal as this version writes it, with jobs that wait, run and have ended."""
    file = tmp_path / "jobs.sqlite"
    journal = Journal(file, finished_jobs=1000)
    journal.add([new_job(number) for number in range(5)])
    journal.update([ended(new_job(4))])
    journal.close()
    return file


def schema(file: Path) -> int:
    database = sqlite3.connect(file)
    try:
        found: int = database.execute("PRAGMA user_version").fetchone()[0]
        return found
    finally:
        database.close()


def test_a_live_queue_comes_along(old: Path) -> None:
    journal = Journal(old, finished_jobs=1000, migrations=LATER)
    assert journal.live() == [Submitted(new_job(number).view) for number in range(4)]
    assert journal.finished == 1
    assert journal.order(new_job(2).request.job).request == new_job(2).request
    colours = journal._database.execute("SELECT colour, count(*) FROM jobs GROUP BY colour ORDER BY colour").fetchall()
    assert colours == [("blue", 4), ("red", 1)]
    journal.close()
    assert schema(old) == len(LATER)
    assert [path.name for path in sorted(old.parent.iterdir())] == ["jobs.sqlite", "jobs.sqlite.v1.bak"]


def test_the_copy_is_the_journal_as_it_was(old: Path) -> None:
    Journal(old, finished_jobs=1000, migrations=LATER).close()
    assert schema(backup_file(old, 1)) == 1
    shutil.copy(backup_file(old, 1), old)
    journal = Journal(old, finished_jobs=1000)
    assert len(journal.live()) == 4
    journal.close()


def test_a_journal_that_was_killed_is_copied_with_its_last_words(old: Path, tmp_path: Path) -> None:
    """What is only in the WAL is in the copy too."""
    journal = Journal(old, finished_jobs=1000)
    journal.add([new_job(7)])
    killed = tmp_path / "killed"
    killed.mkdir()
    for file in old.parent.glob("jobs.sqlite*"):
        shutil.copy(file, killed)
    journal.close()
    file = killed / "jobs.sqlite"
    assert (killed / "jobs.sqlite-wal").stat().st_size
    Journal(file, finished_jobs=1000, migrations=LATER).close()
    journal = Journal(backup_file(file, 1), finished_jobs=1000)
    assert [submitted.view.job for submitted in journal.live()][-1] == new_job(7).request.job
    journal.close()


def test_a_newer_journal_is_refused_and_says_where_the_older_is(old: Path) -> None:
    Journal(old, finished_jobs=1000, migrations=LATER).close()
    before = old.read_bytes()
    with pytest.raises(Incompatible, match=r"newer version \(schema 3, known is 1\)") as caught:
        Journal(old, finished_jobs=1000)
    assert caught.value.remedy.endswith("jobs.sqlite.v1.bak beside it is its state before the update")
    assert caught.value.exit_status == 5
    assert old.read_bytes() == before


def test_a_step_that_fails_changes_nothing(old: Path) -> None:
    broken = (*LATER[:2], "UPDATE jobs SET colour = 'green'; UPDATE absent SET x = 1;")
    with pytest.raises(DiskError, match="no such table"):
        Journal(old, finished_jobs=1000, migrations=broken)
    assert schema(old) == 2
    journal = Journal(old, finished_jobs=1000, migrations=LATER)
    assert len(journal.live()) == 4
    journal.close()
    assert backup_file(old, 1).exists()
    assert backup_file(old, 2).exists()


def test_without_a_copy_there_is_no_update(old: Path) -> None:
    backup_file(old, 1).mkdir()  # nothing can be put there
    with pytest.raises(DiskError):
        Journal(old, finished_jobs=1000, migrations=LATER)
    assert schema(old) == 1
    assert not list(old.parent.glob(".*.part"))


def test_a_new_journal_needs_no_copy(tmp_path: Path) -> None:
    Journal(tmp_path / "jobs.sqlite", finished_jobs=10, migrations=LATER).close()
    assert [path.name for path in tmp_path.iterdir()] == ["jobs.sqlite"]


DOCTORED = """
import sys
import secondtake._version as v
v.__version__ = "99.0"
from secondtake_daemon.service import journal, migrations
steps = (*migrations.MIGRATIONS, "ALTER TABLE jobs ADD COLUMN later TEXT;")
journal.Journal.__init__.__kwdefaults__["migrations"] = steps
from secondtake_daemon.service.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def test_an_update_under_a_live_queue(place: Place) -> None:
    """The next version takes over while a job runs and others wait; then the old one is started again by mistake."""
    client = place.client()
    jobs = [place.request("frames=2 frame_s=0.3", out=str(number)) for number in range(3)]
    for request in jobs:
        client.submit(request)
    wait_for(lambda: place.starts("0"))
    newer = place.spawn(code=DOCTORED)
    for request in jobs:
        assert [view.state for view in client.watch(request.job)][-1] is JobState.DONE
        assert client.jobs(job=request.job)[0].attempts == 0
    assert client.status().pid == newer.pid
    assert schema(place.home.data / "jobs.sqlite.v1.bak") == 1
    client.stop()
    with pytest.raises(DaemonLost, match=r"newer version \(schema 2, known is 1\)"):
        place.client()
