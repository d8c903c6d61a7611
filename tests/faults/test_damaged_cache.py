"""A patch in the cache that is cut short, flipped, zeroed, gone, unreadable, or another one's: it is never served, and
made again, and the take has the bytes it would have had."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from scenarios import Place, Silent

from secondtake_daemon.pipeline import Folders, render_fix
from secondtake_daemon.store.patches import is_whole


def make(place: Place, name: str) -> list[bytes]:
    """The frames of a take of its own."""
    request = replace(place.request, job=name, out=str(place.root / name))
    folders = Folders(cache=place.cache, takes=place.takes, cache_bytes=1 << 30)
    result = render_fix(request, take=f"t{name}", folders=folders, report=Silent())
    return [Path(file).read_bytes() for file in result.files]


def objects(place: Place) -> list[Path]:
    return sorted((place.cache / "patches").glob("??/*"))


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0x10
    path.write_bytes(raw)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: os.truncate(path, path.stat().st_size - 7),
    "emptied": lambda path: os.truncate(path, 0),
    "flipped": flip,
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "missing": Path.unlink,
    "a link to nowhere": lambda path: (path.unlink(), path.symlink_to("nowhere")),
    "endless": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
}


@pytest.mark.skipif(sys.platform == "win32", reason="links, /dev")
@pytest.mark.parametrize("damage", DAMAGES)
def test_it_is_made_again(place: Place, damage: str) -> None:
    wanted, before = make(place, "first"), [path.read_bytes() for path in objects(place)]
    assert before
    for path in objects(place):
        DAMAGES[damage](path)
    assert make(place, "second") == wanted
    assert [path.read_bytes() for path in objects(place)] == before


def test_a_folder_in_its_place_only_costs_time(place: Place) -> None:
    wanted = make(place, "first")
    for path in objects(place):
        path.unlink()
        path.mkdir()
    assert make(place, "second") == wanted


def test_one_under_anothers_name_is_not_served(place: Place) -> None:
    """Its digest is right, but it is of other pixels: its shape tells."""
    wanted = make(place, "first")
    one, other = objects(place)
    one.write_bytes(other.read_bytes())
    assert make(place, "second") == wanted
    assert all(map(is_whole, objects(place)))


AS_NOBODY = """
import os, sys
from pathlib import Path
import numpy as np
from secondtake_daemon.store.patches import PatchStore, StoredPatch, is_whole
root, key = Path(sys.argv[1]), "ab" * 32
if os.geteuid() == 0:
    os.chown(root, 65534, 65534)
    os.setgid(65534)
    os.setuid(65534)
store, patch = PatchStore(root), StoredPatch((np.ones((9, 3), np.float32),))
assert store.put(key, patch)
path = root / key[:2] / key
path.chmod(0)
assert store.get(key, counts=(9,)) is None, "an unreadable patch was served"
assert store.put(key, patch) and is_whole(path) and store.get(key, counts=(9,)) is not None, "it was not made again"
path.parent.chmod(0o500)
assert not store.put("ab" + "cd" * 31, patch), "a folder without rights took a patch"
path.parent.chmod(0)
assert store.get(key, counts=(9,)) is None
path.parent.chmod(0o700)
assert sorted(path.parent.iterdir()) == [path], "something was left over"
"""


@pytest.mark.skipif(sys.platform == "win32", reason="user ids")
def test_one_that_may_not_be_read_is_made_again() -> None:
    """As a user without rights, because root may read everything."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-P", "-c", AS_NOBODY, folder], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
