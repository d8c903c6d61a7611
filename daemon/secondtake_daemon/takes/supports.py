"""Which samples may change: of a take, and of its whole line. One small file beside the take's frames.

Mattes get lost, moved and drawn again. So that it can still be said where a line of takes was allowed to change its
plate, each take keeps one bit a pixel for itself and one for itself and all takes it stands on.

Layout: magic, u32 length of the JSON head, head, then per frame the deflated planes (RFC 1950), at last the BLAKE3 of
all before it. A plane is row by row one bit a pixel, most significant bit first, each row padded with zeros to whole
bytes: what `composite.matte.support_digest` digests. In a take on the plate the second plane is the first.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadInput
from secondtake_daemon.store.io import replace_bytes
from secondtake_daemon.takes.manifest import Manifest, SupportsUsed

__all__ = ["Packed", "Support", "Supports", "pack", "read_supports", "supports_name", "write_supports"]

Support = NDArray[np.bool_]
"""(height, width) of a frame's data window."""

_MAGIC = b"STsupps1"
_DIGEST_BYTES = 32
_LEVEL = 6


class _Frame(msgspec.Struct, frozen=True):
    frame: int
    window: Box
    own: int
    """Bytes of the deflated plane."""
    line: int
    """The same; 0 if the line's plane is the take's own."""


class _Head(msgspec.Struct, frozen=True):
    frames: tuple[_Frame, ...]


@dataclass(frozen=True, slots=True)
class Packed:
    """The planes of one frame, deflated."""

    window: Box
    own: bytes
    line: bytes
    """Empty if it is the same as own."""


@dataclass(frozen=True, slots=True)
class Supports:
    """The planes of a take, packed. Both methods raise BadInput if the file does not know this frame or this window."""

    path: Path
    frames: Mapping[int, Packed]

    def own(self, frame: int, window: Box) -> Support:
        """Where the take itself may change its parent. window: the frame's data window."""
        return self._unpacked(frame, window, is_line=False)

    def line(self, frame: int, window: Box) -> Support:
        """Where it or a take it stands on may change the plate."""
        return self._unpacked(frame, window, is_line=True)

    def _unpacked(self, frame: int, window: Box, *, is_line: bool) -> Support:
        packed = self.frames.get(frame)
        if packed is None or packed.window != window:
            raise _damaged(f"not about frame {frame}", self.path)
        try:
            return _unpack((is_line and packed.line) or packed.own, window)
        except (zlib.error, ValueError) as error:
            raise _damaged("damaged", self.path) from error


def pack(window: Box, *, own: Support, line: Support | None) -> Packed:
    """One frame's planes; line: None if it is the same as own."""
    return Packed(window, _pack(own), b"" if line is None else _pack(line))


def supports_name(*, shot: str, take: str) -> str:
    """Name of the file. It begins like the frames, so that what sweeps an unfinished take finds it too."""
    return f"{shot}.{take}.supports"


def write_supports(path: Path, frames: Mapping[int, Packed]) -> SupportsUsed:
    """Write it durably. Raises DiskError, BadOutput."""
    head = msgspec.json.encode(
        _Head(tuple(_Frame(frame, one.window, len(one.own), len(one.line)) for frame, one in frames.items()))
    )
    pieces = [_MAGIC, struct.pack("<I", len(head)), head]
    pieces += [piece for one in frames.values() for piece in (one.own, one.line)]
    body = b"".join(pieces)
    data = body + blake3(body).digest()
    replace_bytes(path, data)
    return SupportsUsed(file=path.name, digest=blake3(data).hexdigest())


def read_supports(manifest: Manifest, folder: Path) -> Supports:
    """Those of the take in a folder. Raises BadInput if they are gone, or not the recorded ones."""
    used = manifest.supports
    if used is None:
        raise BadInput(
            f"Take {manifest.take} is of an older version and does not say where it may change",
            remedy="Make it again from its plate, then go on from there",
            path=folder,
        )
    path = folder / Path(used.file).name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _damaged("gone", path) from error
    if blake3(data).hexdigest() != used.digest:
        raise _damaged("not the file that was recorded", path)
    try:
        return Supports(path, _decode(data))
    except (struct.error, msgspec.MsgspecError) as error:  # recorded, but not by us
        raise _damaged("damaged", path) from error


def _decode(data: bytes) -> dict[int, Packed]:
    (length,) = struct.unpack_from("<I", data, len(_MAGIC))
    at = len(_MAGIC) + 4
    head = msgspec.json.decode(data[at : at + length], type=_Head)
    at += length
    frames = {}
    for one in head.frames:
        own, line = data[at : at + one.own], data[at + one.own : at + one.own + one.line]
        frames[one.frame] = Packed(one.window, own, line)
        at += one.own + one.line
    return frames


def _damaged(what: str, path: Path) -> BadInput:
    return BadInput(f"What a take keeps of where it may change is {what}", remedy="Put the file back", path=path)


def _pack(support: Support) -> bytes:
    return zlib.compress(np.packbits(support, axis=1).tobytes(), _LEVEL)


def _unpack(data: bytes, window: Box) -> Support:
    stride = -(-window.width // 8)
    raw = zlib.decompressobj().decompress(data, stride * window.height)
    bits = np.frombuffer(raw, np.uint8).reshape(window.height, stride)
    return np.unpackbits(bits, axis=1, count=window.width).astype(np.bool_)
