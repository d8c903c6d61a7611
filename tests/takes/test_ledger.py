"""The ledger: an unfinished take goes on, or leaves nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from secondtake.errors import BadOutput
from secondtake_daemon.store.keys import FileDigests
from secondtake_daemon.takes.ledger import Ledger, claim
from secondtake_daemon.takes.leftovers import sweep
from secondtake_daemon.takes.manifest import TakeFrame

JOB, TAKE = "0" * 32, "tabc12"


def claim_here(folder: Path, *, job: str = JOB, take: str = TAKE) -> Ledger:
    return claim(folder, job=job, take=take, shot="sh010", plate=folder.parent / "plate", digests=FileDigests())


def write_frame(ledger: Ledger, frame: int) -> TakeFrame:
    path = ledger.folder / f"sh010.{ledger.head.take}.{frame}.exr"
    path.write_bytes(b"pixels %d" % frame)
    record = TakeFrame(
        frame=frame,
        file=path.name,
        digest=FileDigests().of(path),
        plate="",
        plate_digest="",
        matte_digest="",
        way="splice",
        outside_changed=0,
        outside_samples=1,
        inside_samples=1,
    )
    ledger.add(record)
    return record


def test_goes_on_behind_the_last_whole_line(tmp_path: Path) -> None:
    ledger = claim_here(tmp_path / "out")
    first = write_frame(ledger, 1)
    write_frame(ledger, 2)
    path = tmp_path / "out" / f".{TAKE}.ledger"
    path.write_bytes(path.read_bytes()[:-7])
    again = claim_here(tmp_path / "out")
    assert again.finished == {1: first}
    second = write_frame(again, 2)
    assert claim_here(tmp_path / "out").finished == {1: first, 2: second}


def test_a_changed_or_missing_frame_is_not_finished(tmp_path: Path) -> None:
    ledger = claim_here(tmp_path / "out")
    write_frame(ledger, 1)
    (ledger.folder / write_frame(ledger, 2).file).write_bytes(b"other")
    (ledger.folder / write_frame(ledger, 3).file).unlink()
    assert list(claim_here(tmp_path / "out").finished) == [1]


def test_discard_leaves_nothing_and_removes_folders_it_made(tmp_path: Path) -> None:
    ledger = claim_here(tmp_path / "a" / "b")
    write_frame(ledger, 1)
    (ledger.folder / f".sh010.{TAKE}.2.exr.part").write_bytes(b"half")
    ledger.discard()
    assert os.listdir(tmp_path) == []


def test_discard_keeps_what_is_not_ours(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "sh010.tother.1.exr").write_bytes(b"another take's")
    (out / "notes.txt").write_text("mine")
    ledger = claim_here(out)
    write_frame(ledger, 1)
    ledger.discard()
    assert sorted(os.listdir(out)) == ["notes.txt", "sh010.tother.1.exr"]


def test_sweep_touches_nothing_without_a_ledger(tmp_path: Path) -> None:
    ledger = claim_here(tmp_path / "out")
    record = write_frame(ledger, 1)
    ledger.end()
    assert not sweep(ledger.folder, shot="sh010", take=TAKE)
    assert os.listdir(ledger.folder) == [record.file]


def test_sweep_keeps_a_take_that_was_published_just_before_its_job_died(tmp_path: Path) -> None:
    ledger = claim_here(tmp_path / "out")
    record = write_frame(ledger, 1)
    (ledger.folder / "take.json").write_text(f'{{"take": "{TAKE}"}}')
    assert not sweep(ledger.folder, shot="sh010", take=TAKE)
    assert sorted(os.listdir(ledger.folder)) == sorted([record.file, "take.json"])


def test_one_job_a_folder(tmp_path: Path) -> None:
    claim_here(tmp_path / "out")
    with pytest.raises(BadOutput, match="Another job"):
        claim_here(tmp_path / "out", job="1" * 32, take="tother")


def test_refuses_the_plate_folder_a_file_and_a_foreign_take(tmp_path: Path) -> None:
    plate = tmp_path / "plate"
    plate.mkdir()
    with pytest.raises(BadOutput, match="plate's own"):
        claim(plate, job=JOB, take=TAKE, shot="sh010", plate=plate, digests=FileDigests())
    (tmp_path / "file").write_text("")
    with pytest.raises(BadOutput, match="is a file"):
        claim_here(tmp_path / "file")
    assert sorted(os.listdir(tmp_path)) == ["file", "plate"]
