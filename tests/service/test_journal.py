from __future__ import annotations

import sqlite3
import uuid
from pathlib import Path

import pytest
from msgspec.structs import replace

from secondtake.errors import BadMatte, DiskError, Incompatible, UsageError
from secondtake.messages import FixRequest, FixResult, JobState, JobView, Operation, Proof
from secondtake_daemon.service.events import Record, Submitted
from secondtake_daemon.service.journal import Journal, NewJob, request_digest


def new_job(number: int = 0) -> NewJob:
    job = uuid.UUID(int=number).hex
    request = FixRequest(job=job, shot="s", plate="/p", matte="/m", out="/o", operation=Operation.REMOVE)
    return NewJob(request, f"t{number:06d}", "host", 1000.0 + number)


def result(job: NewJob) -> FixResult:
    proof = Proof(outside_changed=0, outside_samples=9, inside_samples=1)
    return FixResult(
        take=job.take,
        shot="s",
        frames=(1,),
        files=("/o/s.exr",),
        manifest="/o/take.json",
        engine="e",
        seconds=1.0,
        proof=proof,
    )


def ended(job: NewJob) -> Record:
    view = replace(job.view, state=JobState.DONE, attempts=1, result=result(job))
    return Record(view, begun=True, cancel_asked=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "jobs.sqlite"


def reopened(journal: Journal, file: Path) -> Journal:
    journal.close()
    return Journal(file, finished_jobs=1000)


def test_what_was_written_is_there_after_a_restart(file: Path) -> None:
    journal = Journal(file, finished_jobs=1000)
    jobs = [new_job(number) for number in range(3)]
    journal.add(jobs)
    running = replace(jobs[1].view, state=JobState.RUNNING, attempts=2)
    journal.update([Record(running, begun=True, cancel_asked=True), ended(jobs[2])])
    journal = reopened(journal, file)
    assert journal.live() == [
        Submitted(jobs[0].view),
        Submitted(running, begun=True, cancel_asked=True),
    ]
    assert journal.finished == 1
    known = journal.known(jobs[2].request.job)
    assert known == (request_digest(jobs[2].request), ended(jobs[2]).view)
    assert journal.order(jobs[0].request.job) == (jobs[0].request, jobs[0].take)
    journal.close()


def test_errors_are_kept(file: Path) -> None:
    journal = Journal(file, finished_jobs=1000)
    journal.add([new_job()])
    error = BadMatte("The matte is empty", remedy="Paint one", path="/m").body()
    view: JobView = replace(new_job().view, state=JobState.FAILED, error=error)
    journal.update([Record(view, begun=True, cancel_asked=False)])
    assert journal.newest(10) == [view]
    journal.close()


def test_lists(file: Path) -> None:
    journal = Journal(file, finished_jobs=1000)
    journal.add([new_job(number) for number in range(20)])
    assert [view.job for view in journal.newest(2)] == [new_job(19).request.job, new_job(18).request.job]
    assert [view.job for view in journal.beginning_with("0" * 31 + "3")] == [new_job(3).request.job]
    assert len(journal.beginning_with("0" * 30)) == 2
    assert journal.beginning_with("f") == []
    assert journal.beginning_with("%") == []
    assert journal.has_take("t000003")
    assert not journal.has_take("t0000031")
    journal.close()


def test_only_the_newest_ended_jobs_are_kept(file: Path) -> None:
    journal = Journal(file, finished_jobs=10)
    jobs = [new_job(number) for number in range(300)]
    journal.add(jobs)
    for start in range(0, 290, 5):
        journal.update([ended(job) for job in jobs[start : start + 5]])
        assert journal.finished <= 10 + 64
    assert len(journal.live()) == 10
    assert journal.known(jobs[0].request.job) is None
    assert journal.known(jobs[289].request.job) is not None
    finished = journal.finished
    journal = reopened(journal, file)
    assert journal.finished == finished
    journal.close()


def test_a_job_id_is_unique_and_a_failed_batch_changes_nothing(file: Path) -> None:
    journal = Journal(file, finished_jobs=10)
    journal.add([new_job(1)])
    with pytest.raises(UsageError, match="already"):
        journal.add([new_job(2), new_job(1)])
    assert [submitted.view.job for submitted in journal.live()] == [new_job(1).request.job]
    journal.add([new_job(2)])
    journal.close()


def test_a_newer_schema_is_refused_and_left_alone(file: Path) -> None:
    Journal(file, finished_jobs=10).close()
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    before = file.read_bytes()
    with pytest.raises(Incompatible, match="newer version"):
        Journal(file, finished_jobs=10)
    assert file.read_bytes() == before


def test_one_process_owns_it(file: Path) -> None:
    journal = Journal(file, finished_jobs=10)
    journal.add([new_job()])
    with pytest.raises(DiskError, match="locked"):
        Journal(file, finished_jobs=10)
    journal.close()


def test_a_damaged_file_is_a_typed_error(file: Path) -> None:
    file.write_bytes(b"this is no database, " * 500)
    with pytest.raises(DiskError, match="not a database"):
        Journal(file, finished_jobs=10)


def test_it_is_as_durable_as_it_says(file: Path) -> None:
    journal = Journal(file, finished_jobs=10)
    database = journal._database
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.execute("PRAGMA synchronous").fetchone() == (2,)
    assert database.execute("PRAGMA locking_mode").fetchone() == ("exclusive",)
    assert not file.with_name("jobs.sqlite-shm").exists()
    journal.close()
