"""What the header of an EXR file says, as values. Standard library only.

Names and numbers are those of the OpenEXR file layout (openexr.com, "OpenEXR File Layout").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from secondtake.boxes import Box

__all__ = ["Compression", "ExrChannel", "ExrFile", "ExrPart", "Levels", "SampleType", "Tiles"]


class SampleType(IntEnum):
    """How a sample is stored."""

    UINT = 0
    HALF = 1
    FLOAT = 2

    @property
    def size_bytes(self) -> int:
        """Bytes a sample."""
        return 2 if self is SampleType.HALF else 4

    @property
    def dtype(self) -> str:
        """Name of the numpy type."""
        return {SampleType.UINT: "uint32", SampleType.HALF: "float16", SampleType.FLOAT: "float32"}[self]


class Compression(IntEnum):
    """The codecs; all are known to OpenEXR 3.5, the last four to nothing older than 3.4."""

    NONE = 0
    RLE = 1
    ZIPS = 2
    ZIP = 3
    PIZ = 4
    PXR24 = 5
    B44 = 6
    B44A = 7
    DWAA = 8
    DWAB = 9
    HTJ2K256 = 10
    HTJ2K32 = 11
    LJ2K = 12
    ZSTD = 13

    @property
    def rows(self) -> int:
        """Scan lines in one chunk."""
        return _ROWS[self]

    def keeps(self, sample: SampleType) -> bool:
        """True if decoding gives back the very bits that were encoded (measured on every half, docs/exactness.md)."""
        return self not in _LOSSY and not (self is Compression.PXR24 and sample is SampleType.FLOAT)


_ROWS = {
    Compression.NONE: 1,
    Compression.RLE: 1,
    Compression.ZIPS: 1,
    Compression.ZIP: 16,
    Compression.PIZ: 32,
    Compression.PXR24: 16,
    Compression.B44: 32,
    Compression.B44A: 32,
    Compression.DWAA: 32,
    Compression.DWAB: 256,
    Compression.HTJ2K256: 256,
    Compression.HTJ2K32: 32,
    Compression.LJ2K: 256,
    Compression.ZSTD: 1,
}
_LOSSY = frozenset({Compression.B44, Compression.B44A, Compression.DWAA, Compression.DWAB, Compression.LJ2K})


class Levels(IntEnum):
    """Smaller versions of the picture that a tiled part holds."""

    ONE = 0
    MIP = 1
    RIP = 2


@dataclass(frozen=True, slots=True)
class Tiles:
    """The tile description of a tiled part."""

    width: int
    height: int
    levels: Levels = Levels.ONE
    round_up: bool = False


@dataclass(frozen=True, slots=True)
class ExrChannel:
    """One channel. Sampling above 1 means it is stored at a lower resolution."""

    name: str
    type: SampleType
    linear: int = 0
    x_sampling: int = 1
    y_sampling: int = 1

    @property
    def is_subsampled(self) -> bool:
        """True for the chroma channels of a luma-chroma image."""
        return self.x_sampling > 1 or self.y_sampling > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ExrPart:
    """One part, flat (deep parts never get this far). `…_at` are byte positions in the file."""

    index: int
    name: str
    """"" in a file of one part without a name."""
    channels: tuple[ExrChannel, ...]
    """Sorted by name, as stored."""
    data_window: Box
    display_window: Box
    compression: Compression
    line_order: int
    """0 increasing y, 1 decreasing y, 2 random; a hint about the order in the file only."""
    tiles: Tiles | None
    chunk_count: int
    table_at: int
    """The part's offset table: chunk_count little-endian uint64."""
    channels_at: int
    """The value of the channels attribute; its length, an int32, stands before it."""
    compression_at: int
    """The value byte of the compression attribute."""
    chunk_count_at: int | None
    """The value of the chunkCount attribute, if there is one."""
    colour_interop_id: str = ""
    chromaticities: tuple[float, ...] | None = None
    """x and y of red, green, blue, white."""
    frames_per_second: tuple[int, int] | None = None
    """Numerator and denominator, as stored: not reduced, the denominator may be 0."""
    time_code: bytes | None = None
    """8 bytes, SMPTE 12M as EXR packs it."""

    @property
    def names(self) -> tuple[str, ...]:
        """Channel names, as stored."""
        return tuple(channel.name for channel in self.channels)

    @property
    def is_tiled(self) -> bool:
        """True if the chunks are tiles, else they are scan lines."""
        return self.tiles is not None

    @property
    def levels(self) -> Levels:
        """Whether smaller versions are stored too."""
        return self.tiles.levels if self.tiles else Levels.ONE

    @property
    def is_lossless(self) -> bool:
        """True if its codec keeps the bits of every channel it has."""
        return all(self.compression.keeps(channel.type) for channel in self.channels)

    @property
    def chunk_rows(self) -> int:
        """Rows of pixels that are encoded together."""
        return self.tiles.height if self.tiles else self.compression.rows

    @property
    def bands(self) -> int:
        """How often chunk_rows fits into the height, rounded up: rows of tiles, or scan-line chunks."""
        return -(-self.data_window.height // self.chunk_rows)

    @property
    def chunks_across(self) -> int:
        """Chunks side by side at full resolution."""
        return -(-self.data_window.width // self.tiles.width) if self.tiles else 1

    @property
    def sample_count(self) -> int:
        """Samples in all channels and levels."""
        return sum(
            -(-width // channel.x_sampling) * -(-height // channel.y_sampling)
            for width, height in self.level_sizes()
            for channel in self.channels
        )

    @property
    def decoded_bytes(self) -> int:
        """Bytes of all samples at full resolution."""
        return self.data_window.area * sum(channel.type.size_bytes for channel in self.channels)

    def channel(self, name: str) -> ExrChannel:
        """The channel of that name. Raises KeyError."""
        for channel in self.channels:
            if channel.name == name:
                return channel
        raise KeyError(name)

    def band_box(self, first: int, end: int) -> Box:
        """The pixels of bands first … end − 1, over the full width of the data window."""
        box = self.data_window
        top = box.y + first * self.chunk_rows
        return Box(box.x, top, box.width, min(box.y + end * self.chunk_rows, box.bottom) - top)

    def level_sizes(self) -> Iterator[tuple[int, int]]:
        """(width, height) of each level, in the order of their chunks."""
        box, tiles = self.data_window, self.tiles
        if tiles is None or tiles.levels is Levels.ONE:
            yield box.width, box.height
            return
        if tiles.levels is Levels.MIP:
            for level in range(_level_count(max(box.width, box.height), tiles)):
                yield _level_size(box.width, level, tiles), _level_size(box.height, level, tiles)
            return
        for y_level in range(_level_count(box.height, tiles)):
            for x_level in range(_level_count(box.width, tiles)):
                yield _level_size(box.width, x_level, tiles), _level_size(box.height, y_level, tiles)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExrFile:
    """A file whose header and offset tables were checked (`exr_guard.inspect`)."""

    path: Path
    size_bytes: int
    mtime_ns: int
    parts: tuple[ExrPart, ...]
    is_multipart: bool
    head_bytes: int
    """Length of magic, version and headers."""
    data_at: int
    """End of the last offset table; no chunk lies before it."""


def _level_count(length: int, tiles: Tiles) -> int:
    return (length - 1).bit_length() + 1 if tiles.round_up else length.bit_length()


def _level_size(length: int, level: int, tiles: Tiles) -> int:
    size = (length + (1 << level) - 1) >> level if tiles.round_up else length >> level
    return max(size, 1)
