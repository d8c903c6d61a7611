"""The journal after what SQLite itself cannot mend. That a commit survives a kill and a power cut is SQLite's own
promise (WAL, synchronous=FULL), and its tests'; here is what we make of a file that somebody damaged."""

from __future__ import annotations

import random
import shutil
import uuid
from pathlib import Path

import pytest
from places import Place, wait_for

from secondtake.errors import DiskError, Incompatible
from secondtake.messages import FixRequest, Operation
from secondtake_daemon.service.journal import Journal, NewJob

SEED = 23
QUICK, ALL = 60, 1500


def new_job(number: int) -> NewJob:
    job = uuid.UUID(int=number).hex
    request = FixRequest(job=job, shot="s", plate="/p", matte="/m", out=f"/o/{number}", operation=Operation.REMOVE)
    return NewJob(request, f"t{number:06d}", "host", 1000.0 + number)


def ids(journal: Journal) -> list[str]:
    return [submitted.view.job for submitted in journal.live()]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A journal of twenty jobs as a kill leaves it: the file, with half of them, and its WAL with the others."""
    file, kept = tmp_path / "jobs.sqlite", tmp_path / "kept"
    journal = Journal(file, finished_jobs=1000)
    journal.add([new_job(number) for number in range(10)])
    journal.close()
    journal = Journal(file, finished_jobs=1000)
    for number in range(10, 20):
        journal.add([new_job(number)])
    kept.mkdir()
    for path in (file, wal_of(file)):
        shutil.copy(path, kept / path.name)
    journal.close()
    return kept / file.name, wal_of(kept / file.name)


def wal_of(file: Path) -> Path:
    return file.with_name(f"{file.name}-wal")


def check_damaged(file: Path, wal: Path, *, count: int) -> None:
    """Whatever is done to the file: it opens, or a DiskError says what to do and leaves it there."""
    Journal(file, finished_jobs=1000).close()  # takes in the WAL
    dice, whole = random.Random(SEED), file.read_bytes()
    for _ in range(count):
        raw = bytearray(whole)
        kind = dice.choice(["flip", "cut", "zeros", "noise"])
        at = dice.randrange(len(raw))
        if kind == "cut":
            del raw[at:]
        else:
            length = 1 if kind == "flip" else dice.randrange(1, 600)
            new = {"flip": bytes([raw[at] ^ (1 << dice.randrange(8))]), "zeros": bytes(length)}
            raw[at : at + length] = new.get(kind, dice.randbytes(length))[: len(raw) - at]
        file.write_bytes(raw)
        wal.unlink(missing_ok=True)
        try:
            journal = Journal(file, finished_jobs=1000)
            try:
                ids(journal)
            finally:
                journal.close()
        except (DiskError, Incompatible) as error:
            assert "journal" in str(error), error
            assert "move" in str(error), error
        assert file.exists()


def test_a_damaged_file_opens_or_is_a_clear_error(files: tuple[Path, Path]) -> None:
    check_damaged(*files, count=QUICK)


@pytest.mark.faults
def test_many_damaged_files(files: tuple[Path, Path]) -> None:
    check_damaged(*files, count=ALL)


def test_a_torn_wal_loses_the_newest_jobs_and_no_other(files: tuple[Path, Path], tmp_path: Path) -> None:
    file, wal = files
    whole, torn, dice = wal.read_bytes(), tmp_path / "torn.sqlite", random.Random(SEED)
    expected = [new_job(number).request.job for number in range(20)]
    counts = set()
    for _ in range(40):
        at = dice.randrange(32, len(whole))
        shutil.copy(file, torn)
        wal_of(torn).write_bytes(dice.choice([whole[:at], whole[:at] + bytes(len(whole) - at)]))
        journal = Journal(torn, finished_jobs=1000)
        found = ids(journal)
        journal.close()
        assert found == expected[: len(found)]
        assert len(found) >= 10
        counts.add(len(found))
    assert len(counts) > 5


def test_the_daemon_says_so_and_leaves_the_file_alone(ground: Place) -> None:
    journal = ground.home.data / "jobs.sqlite"
    raw = b"SQLite format 3\0" + bytes(range(256)) * 40
    journal.write_bytes(raw)
    process = ground.spawn()
    wait_for(lambda: process.poll() is not None)
    assert process.returncode == 13
    assert process.stderr is not None
    said = process.stderr.read().decode()
    assert "The job journal cannot be used" in said
    assert "move it away" in said
    assert "Traceback" not in said
    assert journal.read_bytes() == raw
    journal.rename(journal.with_name("old"))
    assert ground.client().status().finished == 0
