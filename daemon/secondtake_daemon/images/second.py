"""The second reader: EXR through OpenImageIO, so that in `verify` no line of our own EXR code vouches for itself.

OpenImageIO orders channels as it likes, gives mixed files as float and maps a type name it does not know to float as
well. So channels are compared by name, and every run of channels of one type is read as exactly that type.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import TracebackType

import numpy as np
import OpenImageIO as oiio  # noqa: N813 — its own documentation names it so
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadImage
from secondtake_daemon.images.complaints import complaint

__all__ = ["Plane", "SecondImage", "SecondPart"]

Plane = NDArray[np.uint16] | NDArray[np.uint32]

_Unsigned = np.dtype[np.uint16] | np.dtype[np.uint32]

_KINDS: dict[str, tuple[oiio.BASETYPE, _Unsigned]] = {
    # OpenImageIO's type, and what holds its bits
    "half": (oiio.HALF, np.dtype(np.uint16)),
    "float": (oiio.FLOAT, np.dtype(np.uint32)),
    "uint": (oiio.UINT, np.dtype(np.uint32)),
}
_LOSSY = ("b44", "dwa", "lj2k", "pxr24")
_SET_BY_CODEC = frozenset({"compression", "oiio:RowsPerChunk", "openexr:chunkCount", "openexr:dwaCompressionLevel"})
_BAND_BYTES = 32 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondPart:
    """One level of one part, as OpenImageIO sees it."""

    index: int
    level: int
    """0 is the picture itself; above that are the levels of a mip-map."""
    data: Box
    display: Box
    channels: tuple[tuple[str, str], ...]
    """(name, kind) in OpenImageIO's order; kind is half, float or uint."""
    chunk_rows: int
    """Rows that are decoded together."""
    is_tiled: bool
    compression: str
    attributes: dict[str, str]
    """Name → type and value as text, without those the codec itself sets."""

    @property
    def is_lossy(self) -> bool:
        """True if decoding and encoding again with the same codec would move values."""
        return self.compression.startswith(_LOSSY)

    @property
    def label(self) -> str:
        """For people: which part and level it is; "" for the only picture of a plain file."""
        part = f"part {self.index}" if self.index else ""
        return " ".join(filter(None, (part, f"level {self.level}" if self.level else "")))

    def bands(self) -> Iterator[tuple[int, int]]:
        """Runs of rows (first, end) that begin at a chunk's first row and hold about 32 MB."""
        row_bytes = max(sum(_KINDS[kind][1].itemsize for _, kind in self.channels) * self.data.width, 1)
        rows = max(_BAND_BYTES // row_bytes // self.chunk_rows, 1) * self.chunk_rows
        for first in range(self.data.y, self.data.bottom, rows):
            yield first, min(first + rows, self.data.bottom)


class SecondImage:
    """An open EXR file. Use it as a context manager, from one thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        opened = oiio.ImageInput.open(str(path))
        if opened is None or opened.format_name() != "openexr":
            raise _unreadable(path, complaint(oiio))
        self._input = opened
        try:
            self.parts = tuple(self._find_parts())
        except BaseException:
            self._input.close()
            raise

    def __enter__(self) -> SecondImage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._input.close()

    def read(self, part: SecondPart, *, rows: tuple[int, int] | None = None) -> dict[str, Plane]:
        """The bits of all channels in the rows (first, end), else in all: name → (rows, width) uint16 for half, uint32.

        Raises BadImage if it cannot be decoded.
        """
        first, end = rows or (part.data.y, part.data.bottom)
        planes: dict[str, Plane] = {}
        at = 0
        for kind, run in groupby(part.channels, key=lambda channel: channel[1]):
            names = [name for name, _ in run]
            bits = self._read_run(part, first, end, at, at + len(names), kind)
            planes.update((name, bits[..., i]) for i, name in enumerate(names))
            at += len(names)
        return planes

    def values(self, part: SecondPart, channel: str) -> NDArray[np.float32]:
        """One channel of the whole data window as numbers, (height, width) float32."""
        names = [name for name, _ in part.channels]
        at, kind = names.index(channel), dict(part.channels)[channel]
        bits = self._read_run(part, part.data.y, part.data.bottom, at, at + 1, kind)[..., 0]
        numbers = bits if kind == "uint" else bits.view(np.float16 if kind == "half" else np.float32)
        return numbers.astype(np.float32)

    def _read_run(self, part: SecondPart, first: int, end: int, channel: int, channel_end: int, kind: str) -> Plane:
        code, unsigned = _KINDS[kind]
        if part.is_tiled:
            box = part.data
            read = self._input.read_tiles(
                part.index, part.level, box.x, box.right, first, end, 0, 1, channel, channel_end, code
            )
        else:
            read = self._input.read_scanlines(part.index, part.level, first, end, 0, channel, channel_end, code)
        if read is None or self._input.has_error:
            raise _unreadable(self.path, complaint(self._input))
        if read.dtype.kind not in "fu" or read.dtype.itemsize != unsigned.itemsize:
            raise BadImage(f"OpenImageIO gave {read.dtype} for a channel of type {kind}", path=self.path)
        shape = end - first, part.data.width, channel_end - channel
        bits: Plane = np.ascontiguousarray(read).reshape(shape).view(unsigned)
        return bits

    def _find_parts(self) -> Iterator[SecondPart]:
        part = 0
        while self._input.seek_subimage(part, 0):
            level = 0
            while self._input.seek_subimage(part, level):
                yield self._part(part, level, self._input.spec())
                level += 1
            part += 1
        if self._input.has_error:
            complaint(self._input)  # "no such part" is how the walk ends

    def _part(self, index: int, level: int, spec: oiio.ImageSpec) -> SecondPart:
        if spec.deep:
            raise BadImage("Deep images cannot be verified", path=self.path)
        formats = spec.channelformats or (spec.format,) * spec.nchannels
        attributes = {found.name: f"{found.type} {_text(found.value)}" for found in spec.extra_attribs}
        return SecondPart(
            index=index,
            level=level,
            data=Box(spec.x, spec.y, spec.width, spec.height),
            display=Box(spec.full_x, spec.full_y, spec.full_width, spec.full_height),
            channels=tuple(zip(spec.channelnames, map(str, formats), strict=True)),
            chunk_rows=spec.tile_height or max(spec.get_int_attribute("oiio:RowsPerChunk", 1), 1),
            is_tiled=spec.tile_width > 0,
            compression=spec.get_string_attribute("compression"),
            attributes={name: value for name, value in attributes.items() if name not in _SET_BY_CODEC},
        )


def _text(value: object) -> str:
    return value.tobytes().hex() if isinstance(value, np.ndarray) else repr(value)


def _unreadable(path: Path, reason: str) -> BadImage:
    lines = reason.replace(str(path), path.name).strip().splitlines()
    why = f" ({lines[0].rstrip('.')})" if lines else ""
    return BadImage(f"OpenImageIO cannot read the image{why}", remedy="Check that it is a whole EXR file", path=path)
