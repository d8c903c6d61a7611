"""Files that claim far more than they hold are refused before memory for it is taken. EXR: tests/images/."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import OpenImageIO
import pytest
from attackers import needs_linux
from bombs import MOVIES, STILLS, movie, png, small_movie

from secondtake.errors import BadImage
from secondtake_daemon.images import movies
from secondtake_daemon.images.stills import read_still

pytestmark = needs_linux
CHILD = Path(__file__).parent / "bomb_child.py"
MOST_KIB = 400 << 10
"""Of address space, most of it the stacks of a decoder's threads; the smallest bomb claims a gigabyte."""


def look(path: Path) -> list[str]:
    run = subprocess.run(
        [sys.executable, str(CHILD), str(path)], capture_output=True, text=True, timeout=30, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return run.stdout.splitlines()[-1].split(" ", 2)


@pytest.mark.parametrize("name", STILLS)
def test_stills(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(STILLS[name]())
    word, peak_kib, why = look(path)
    assert word == "refused" and int(peak_kib) < MOST_KIB, (word, peak_kib, why)
    assert "memory" not in why and "alloc" not in why


@pytest.mark.parametrize("side", [32_000, 16_000])
@pytest.mark.parametrize("name", MOVIES)
def test_movies(tmp_path: Path, name: str, side: int) -> None:
    word, peak_kib, *why = look(movie(tmp_path, name, side))
    if name == "mpeg4.mp4":  # whose frames say themselves how large they are, so that the lie does not matter
        assert word == "read" and int(peak_kib) < MOST_KIB
        return
    assert word == "refused" and int(peak_kib) < MOST_KIB, (word, peak_kib, why)
    assert "memory" not in why[0] and "alloc" not in why[0]


def test_the_small_movies_they_were_made_of_are_read(tmp_path: Path) -> None:
    for name in MOVIES[:-1]:
        small_movie(tmp_path / name)
        assert look(tmp_path / name)[0] == "read", name


def test_a_picture_of_honest_size_is_read(tmp_path: Path) -> None:
    path = tmp_path / "black.png"
    out = OpenImageIO.ImageOutput.create(str(path))
    out.open(str(path), OpenImageIO.ImageSpec(4096, 2160, 3, "uint8"))
    out.write_image(np.zeros((2160, 4096, 3), np.uint8))
    out.close()
    assert read_still(path).width == 4096


@pytest.mark.parametrize("name", ["pipe.png", "pipe.mov", "pipe.exr"])
def test_a_pipe_does_not_hold_the_reader(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    before = time.monotonic()
    word, *_ = look(tmp_path / name)
    assert word == "refused" and time.monotonic() - before < 10.0


def test_a_movie_in_disguise_names_no_other_file(tmp_path: Path) -> None:
    """A playlist may name files and addresses; the container comes from the suffix, so it is never read as one."""
    secret = tmp_path / "secret.ts"
    secret.write_bytes(b"x" * 1000)
    for name in ("list.mp4", "list.mov", "list.ts", "list.mkv"):
        (tmp_path / name).write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{secret}\n#EXT-X-ENDLIST\n")
        with pytest.raises(BadImage):
            movies.probe(tmp_path / name)


def test_a_still_in_disguise_is_not_read_as_another_kind(tmp_path: Path) -> None:
    (tmp_path / "x.tif").write_bytes(png(8, 8))
    with pytest.raises(BadImage, match="damaged or of another kind"):
        read_still(tmp_path / "x.tif")
