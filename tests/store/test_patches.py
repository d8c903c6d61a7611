"""The patch store: what comes back is what went in, or nothing."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from secondtake_daemon.store.patches import PatchStore, StoredPatch

KEY = "ab" * 32


def make_patch(*counts: int) -> StoredPatch:
    random = np.random.default_rng(1)
    return StoredPatch(tuple(random.random((count, 3), np.float32) for count in counts), ("a note",))


@given(st.lists(st.integers(0, 40), min_size=1, max_size=5))
def test_round_trip(tmp_path_factory: object, counts: list[int]) -> None:
    root = tmp_path_factory.mktemp("patches")  # type: ignore[attr-defined]
    store, patch = PatchStore(root, most_bytes=1 << 30), make_patch(*counts)
    assert store.put(KEY, patch)
    found = store.get(KEY, counts=tuple(counts))
    assert found is not None
    assert found.notes == patch.notes
    for mine, theirs in zip(patch.samples, found.samples, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_every_damaged_byte_is_a_miss_and_the_object_goes(tmp_path: Path) -> None:
    store = PatchStore(tmp_path, most_bytes=1 << 30)
    store.put(KEY, make_patch(2))
    path = tmp_path / KEY[:2] / KEY
    whole = path.read_bytes()
    damaged = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(whole))]
    for raw in [*damaged, whole[:-1], whole[:20], b""]:
        path.write_bytes(raw)
        assert store.get(KEY, counts=(2,)) is None
        assert not path.exists()


def test_another_shape_is_a_miss(tmp_path: Path) -> None:
    store = PatchStore(tmp_path, most_bytes=1 << 30)
    store.put(KEY, make_patch(2, 3))
    assert store.get(KEY, counts=(3, 2)) is None


def test_least_recently_used_goes_first(tmp_path: Path) -> None:
    store = PatchStore(tmp_path, most_bytes=3000)
    keys = [f"{index:02x}" * 32 for index in range(4)]
    for at, key in enumerate(keys):
        store.put(key, make_patch(100))
        os.utime(tmp_path / key[:2] / key, (at, at))
    assert store.get(keys[0], counts=(100,)) is not None
    store.evict(keep=frozenset({keys[1]}))
    left = [key for key in keys if store.get(key, counts=(100,)) is not None]
    assert left == [keys[0], keys[1]]
