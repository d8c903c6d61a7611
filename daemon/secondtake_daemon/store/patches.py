"""Finished windows, by content key: how a job goes on after a crash, and why nothing is computed twice.

An object holds only the pixels inside the generation matte. Layout: magic, u32 length of the JSON head, head,
float32 samples frame after frame (pixels in row order, channels last), then the BLAKE3 of all before it.
It can be made again, so it is not fsynced; its digest is checked on every read and a damaged object is a miss.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

__all__ = ["PatchStore", "StoredPatch"]

_MAGIC = b"STpatch1"
_DIGEST_BYTES = 32


class _Head(msgspec.Struct, frozen=True):
    counts: tuple[int, ...]
    notes: tuple[str, ...] = ()


class StoredPatch(msgspec.Struct, frozen=True):
    """The pixels of one window: per frame an (n, 3) float32 array in the engine's colour encoding."""

    samples: tuple[NDArray[np.float32], ...]
    notes: tuple[str, ...] = ()


class PatchStore:
    """Objects as files under `root/ab/<key>`; at most `most_bytes`, the least recently used go first."""

    def __init__(self, root: Path, *, most_bytes: int) -> None:
        self._root = root
        self._most_bytes = most_bytes

    def has(self, key: str) -> bool:
        """True if there is an object of that key, whole or not."""
        return self._path(key).exists()

    def get(self, key: str, *, counts: tuple[int, ...]) -> StoredPatch | None:
        """The patch of that key, or None. counts: pixels expected per frame; another shape is a damaged object."""
        path = self._path(key)
        try:
            raw = path.read_bytes()
        except OSError:
            return None
        patch = _decode(raw, counts)
        if patch is None:
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):
            os.utime(path)  # the time of last use, for eviction
        return patch

    def put(self, key: str, patch: StoredPatch) -> bool:
        """Keep a patch. Returns False if the disk would not take it: the job can go on without."""
        path = self._path(key)
        part = path.with_name(f".{key}.{os.getpid()}.part")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(part, patch)
            os.replace(part, path)
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            return False
        return True

    def evict(self, *, keep: frozenset[str] = frozenset()) -> int:
        """Remove the least recently used objects until the store fits. Never those in `keep`. Returns freed bytes."""
        objects = sorted(self._objects(), key=lambda found: found[1].st_mtime_ns)
        size = sum(stat.st_size for _, stat in objects)
        freed = 0
        for path, stat in objects:
            if size - freed <= self._most_bytes:
                break
            if path.name in keep:
                continue
            with suppress(OSError):
                path.unlink()
                freed += stat.st_size
        return freed

    def _objects(self) -> list[tuple[Path, os.stat_result]]:
        found = []
        for path in self._root.glob("??/*"):
            with suppress(OSError):
                found.append((path, path.stat()))
        return found

    def _path(self, key: str) -> Path:
        return self._root / key[:2] / key


def _write(path: Path, patch: StoredPatch) -> None:
    head = msgspec.json.encode(_Head(tuple(len(samples) for samples in patch.samples), patch.notes))
    hasher = blake3()
    with path.open("wb") as file:
        pieces: list[bytes | memoryview] = [_MAGIC, struct.pack("<I", len(head)), head]
        pieces.extend(np.ascontiguousarray(each, "<f4").data.cast("B") for each in patch.samples if each.size)
        for piece in pieces:
            hasher.update(piece)
            file.write(piece)
        file.write(hasher.digest())


def _decode(raw: bytes, counts: tuple[int, ...]) -> StoredPatch | None:
    body, digest = memoryview(raw)[:-_DIGEST_BYTES], raw[-_DIGEST_BYTES:]
    if not raw.startswith(_MAGIC) or blake3(body).digest() != digest:
        return None
    start = len(_MAGIC) + 4
    (length,) = struct.unpack_from("<I", raw, len(_MAGIC))
    head = msgspec.json.decode(raw[start : start + length], type=_Head)
    if head.counts != counts:
        return None
    samples, at = [], start + length
    for count in counts:
        samples.append(np.frombuffer(raw, dtype="<f4", count=count * 3, offset=at).reshape(count, 3))
        at += count * 12
    return StoredPatch(tuple(samples), head.notes)
