"""Finished windows, by content key: how a job goes on after a crash, and why nothing is computed twice.

An object holds only the pixels inside the generation matte. Layout: magic, u32 length of the JSON head, head,
float32 samples frame after frame (pixels in row order, channels last), if the engine says how it knows them one byte a
pixel in the same order, if it made sound float32 samples channel after channel, then the BLAKE3 of all before it.
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

from secondtake_daemon.store.io import swap_file

__all__ = ["PatchStore", "StoredPatch", "StoredSound", "is_whole"]

_MAGIC = b"STpatch2"
_DIGEST_BYTES = 32
_READ_BYTES = 4 << 20
_SAMPLE_BYTES, _KNOWN_BYTES = 12, 1
_REST_BYTES = 1 << 20
"""More than magic, head with its notes, and digest ever take."""
_SOUND_BYTES = 64 << 20
"""More than the sound of a window ever takes: five minutes of two channels."""


class _SoundHead(msgspec.Struct, frozen=True):
    channels: int
    length: int
    rate_hz: int
    before: int
    after: int


class _Head(msgspec.Struct, frozen=True):
    counts: tuple[int, ...]
    says_how: bool
    notes: tuple[str, ...] = ()
    sound: _SoundHead | None = None


class StoredSound(msgspec.Struct, frozen=True):
    """What a window sounds like, as `engines.contract.Sound`."""

    samples: NDArray[np.float32]
    rate_hz: int
    before: int
    after: int


class StoredPatch(msgspec.Struct, frozen=True):
    """The pixels of one window: per frame an (n, 3) float32 array in the engine's colour encoding."""

    samples: tuple[NDArray[np.float32], ...]
    notes: tuple[str, ...] = ()
    known: tuple[NDArray[np.uint8], ...] | None = None
    """Per frame (n,) of `engines.contract.Known`, or None if the engine does not say."""
    sound: StoredSound | None = None

    @property
    def size_bytes(self) -> int:
        """About what it takes in the cache."""
        heard = self.sound.samples.nbytes if self.sound is not None else 0
        return sum(each.nbytes for each in self.samples) + sum(each.nbytes for each in self.known or ()) + heard


class PatchStore:
    """Objects as files under `root/ab/<key>`. `store.cache` bounds them."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def has(self, key: str) -> bool:
        """True if there is an object of that key, whole or not."""
        return self._path(key).exists()

    def get(self, key: str, *, counts: tuple[int, ...]) -> StoredPatch | None:
        """The patch of that key, or None. counts: pixels expected per frame; another shape is a damaged object."""
        path = self._path(key)
        try:
            with path.open("rb") as file:
                raw = file.read(_most_bytes(counts) + 1)  # whatever lies there: no more than a patch can have
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
        for _ in range(2):  # an eviction may take the folder away in between, if it is empty
            with suppress(OSError):
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                swap_file(path, lambda part: _write(part, patch))
                return True
        return False

    def _path(self, key: str) -> Path:
        return self._root / key[:2] / key


def _most_bytes(counts: tuple[int, ...]) -> int:
    return _REST_BYTES + _SOUND_BYTES + sum(counts) * (_SAMPLE_BYTES + _KNOWN_BYTES)


def is_whole(path: Path) -> bool:
    """True if the object has the bytes it was written with. Raises OSError if it can't be read."""
    hasher, left = blake3(), path.stat().st_size - _DIGEST_BYTES
    with path.open("rb") as file:
        if left < len(_MAGIC) or file.read(len(_MAGIC)) != _MAGIC:
            return False
        hasher.update(_MAGIC)
        left -= len(_MAGIC)
        while left > 0 and (piece := file.read(min(left, _READ_BYTES))):
            hasher.update(piece)
            left -= len(piece)
        return left == 0 and file.read() == hasher.digest()


def _write(path: Path, patch: StoredPatch) -> None:
    counts = tuple(len(samples) for samples in patch.samples)
    head = msgspec.json.encode(_Head(counts, patch.known is not None, patch.notes, _sound_head(patch.sound)))
    hasher = blake3()
    with path.open("wb") as file:
        pieces: list[bytes | memoryview] = [_MAGIC, struct.pack("<I", len(head)), head]
        pieces.extend(np.ascontiguousarray(each, "<f4").data.cast("B") for each in patch.samples if each.size)
        pieces.extend(np.ascontiguousarray(each, np.uint8).data for each in patch.known or () if each.size)
        if patch.sound is not None and patch.sound.samples.size:
            pieces.append(np.ascontiguousarray(patch.sound.samples, "<f4").data.cast("B"))
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
    samples, known, at = [], [], start + length
    for count in counts:
        samples.append(np.frombuffer(raw, dtype="<f4", count=count * 3, offset=at).reshape(count, 3))
        at += count * 12
    for count in counts if head.says_how else ():
        known.append(np.frombuffer(raw, dtype=np.uint8, count=count, offset=at))
        at += count
    sound = None
    if head.sound is not None:
        heard, shape = head.sound, (head.sound.channels, head.sound.length)
        values = np.frombuffer(raw, dtype="<f4", count=heard.channels * heard.length, offset=at).reshape(shape)
        sound = StoredSound(values, heard.rate_hz, heard.before, heard.after)
    return StoredPatch(tuple(samples), head.notes, tuple(known) if head.says_how else None, sound)


def _sound_head(sound: StoredSound | None) -> _SoundHead | None:
    if sound is None:
        return None
    channels, length = sound.samples.shape
    return _SoundHead(channels, length, sound.rate_hz, sound.before, sound.after)
