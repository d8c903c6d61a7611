"""Durable writes: whole or not at all, and no part file left."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from secondtake.errors import BadOutput, DiskError
from secondtake_daemon.store import io


def test_replace_puts_the_new_file_in_place(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    io.replace_bytes(target, b"old")
    io.replace_bytes(target, b"new")
    assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_a_failed_write_keeps_the_old_file_and_no_part(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")

    def half(part: Path) -> None:
        part.write_bytes(b"ne")
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        io.replace_file(target, half)
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_create_never_overwrites(tmp_path: Path) -> None:
    target = tmp_path / "take.json"
    io.create_bytes(target, b"first")
    with pytest.raises(FileExistsError):
        io.create_bytes(target, b"second")
    assert target.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["take.json"]


def test_killed_in_mid_write_leaves_only_a_part_file(tmp_path: Path) -> None:
    target = tmp_path / "frame.exr"
    code = (
        "import os, signal, sys; from pathlib import Path; from secondtake_daemon.store.io import replace_file\n"
        "def write(part):\n part.write_bytes(b'half'); os.kill(os.getpid(), signal.SIGKILL)\n"
        "replace_file(Path(sys.argv[1]), write)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(target)], check=False).returncode == -9
    assert os.listdir(tmp_path) == [".frame.exr.part"]


def test_full_disk_is_a_disk_error(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="full") as raised:
        io.replace_file(Path("/dev/full"), lambda _: Path("/dev/full").write_bytes(b"x" * 10))
    assert raised.value.exit_status == 13


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_rights_is_bad_output(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(BadOutput):
        io.replace_bytes(tmp_path / "a", b"")


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DiskError) as raised:
        io.replace_bytes(tmp_path / "no" / "a", b"")
    assert str(raised.value).endswith(str(tmp_path / "no" / "a"))
