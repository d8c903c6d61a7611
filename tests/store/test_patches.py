"""The patch store: what comes back is what went in, or nothing."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from secondtake_daemon.store.patches import PatchStore, StoredPatch, is_whole

KEY = "ab" * 32


def make_patch(*counts: int, says_how: bool = True) -> StoredPatch:
    random = np.random.default_rng(1)
    samples = tuple(random.random((count, 3), np.float32) for count in counts)
    known = tuple(random.integers(1, 4, count, np.uint8) for count in counts)
    return StoredPatch(samples, ("a note",), known if says_how else None)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=5), st.booleans())
def test_round_trip(tmp_path_factory: object, counts: list[int], says_how: bool) -> None:
    root = tmp_path_factory.mktemp("patches")  # type: ignore[attr-defined]
    store, patch = PatchStore(root), make_patch(*counts, says_how=says_how)
    assert store.put(KEY, patch)
    found = store.get(KEY, counts=tuple(counts))
    assert found is not None
    assert found.notes == patch.notes
    for mine, theirs in zip(patch.samples, found.samples, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert (found.known is not None) == says_how
    for mine, theirs in zip(patch.known or (), found.known or (), strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert theirs.dtype == np.uint8


def test_an_object_of_an_older_version_is_a_miss(tmp_path: Path) -> None:
    store = PatchStore(tmp_path)
    samples = np.ones((2, 3), np.float32)
    head = b'{"counts":[2],"notes":[]}'
    body = b"STpatch1" + struct.pack("<I", len(head)) + head + samples.tobytes()
    path = tmp_path / KEY[:2] / KEY
    path.parent.mkdir()
    path.write_bytes(body + blake3(body).digest())
    assert store.get(KEY, counts=(2,)) is None
    assert not path.exists()


def test_every_damaged_byte_is_a_miss_and_the_object_goes(tmp_path: Path) -> None:
    store = PatchStore(tmp_path)
    store.put(KEY, make_patch(2))
    path = tmp_path / KEY[:2] / KEY
    whole = path.read_bytes()
    damaged = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(whole))]
    assert is_whole(path)
    for raw in [*damaged, whole[:-1], whole[:20], b"", bytes(len(whole)), whole + b"x"]:
        path.write_bytes(raw)
        assert not is_whole(path)
        assert store.get(KEY, counts=(2,)) is None
        assert not path.exists()


def test_another_shape_is_a_miss(tmp_path: Path) -> None:
    store = PatchStore(tmp_path)
    store.put(KEY, make_patch(2, 3))
    assert store.get(KEY, counts=(3, 2)) is None
