"""Reading the header of an EXR file without trusting a byte of it. Standard library only.

The layout is that of "OpenEXR File Layout" (openexr.com). What is refused here is what made readers hang, overflow or
fill the memory: windows of 2³¹ pixels, attributes longer than the file, chunk counts that do not fit the windows.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NoReturn

from secondtake.boxes import Box
from secondtake_daemon.images.exr_layout import Compression, ExrChannel, ExrPart, Levels, SampleType, Tiles

__all__ = ["MAGIC", "Fault", "Header", "Limits", "Truncated", "parse"]

MAGIC = 20000630
_TILED, _LONG_NAMES, _DEEP, _MULTIPART = 0x200, 0x400, 0x800, 0x1000
_KNOWN_FLAGS = _TILED | _LONG_NAMES | _DEEP | _MULTIPART
_NAME_BYTES = 255

# Name → (type, bytes) of the attributes that every part must have; 0 bytes: any length.
_REQUIRED = {
    "channels": ("chlist", 0),
    "compression": ("compression", 1),
    "dataWindow": ("box2i", 16),
    "displayWindow": ("box2i", 16),
    "lineOrder": ("lineOrder", 1),
    "pixelAspectRatio": ("float", 4),
    "screenWindowCenter": ("v2f", 8),
    "screenWindowWidth": ("float", 4),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is refused though the format allows it. Generous for film work, tight enough that no header is a bomb."""

    header_bytes: int = 4 << 20
    parts: int = 64
    attributes: int = 1024
    """In one part."""
    attribute_bytes: int = 1 << 20
    channels: int = 1024
    """In one part."""
    side_px: int = 32_768
    area_px: int = 32_768 * 16_384
    coordinate_px: int = 1 << 30
    tile_side_px: int = 8192
    tile_bytes: int = 256 << 20
    chunks: int = 1 << 22
    """In all parts."""
    decoded_bytes: int = 4 << 30
    """In all parts."""
    decoded_ratio: int = 1000
    """A part may decode to so many times the file's size …"""
    decoded_floor_bytes: int = 512 << 20
    """… or to this much whatever its size: a black 4K frame is 100 MB and compresses 40,000 : 1 in some codecs."""


class Fault(Exception):
    """The header is refused. The text completes "The file …"; remedy says what to do."""

    def __init__(self, text: str, remedy: str = "") -> None:
        super().__init__(text)
        self.remedy = remedy


class Truncated(Exception):
    """The bytes end inside the header."""


@dataclass(frozen=True, slots=True)
class Header:
    """All headers of a file, and where they end."""

    parts: tuple[ExrPart, ...]
    is_multipart: bool
    end: int
    """First byte after the headers: the first offset table."""
    data_at: int
    """First byte after the offset tables."""


@dataclass(frozen=True, slots=True)
class _Attribute:
    type: str
    at: int
    value: bytes


def parse(data: bytes, limits: Limits) -> Header:
    """Parse the beginning of a file. Raises Truncated if more of it is needed, Fault if it is refused."""
    if len(data) < 8:
        raise Truncated
    magic, version = struct.unpack_from("<II", data)
    if magic != MAGIC:
        raise Fault("is not an EXR", "Give an OpenEXR file")
    if version & 0xFF != 2 or version & ~0xFF & ~_KNOWN_FLAGS:
        raise Fault(f"is of an unknown EXR version ({version:#x})", "Write it again as EXR 2.0")
    if version & _DEEP:
        _refuse_deep()
    is_multipart = bool(version & _MULTIPART)
    at = 8
    found: list[dict[str, _Attribute]] = []
    while True:
        attributes, at = _attributes(data, at, limits)
        if not attributes and is_multipart and found:
            break
        found.append(attributes)
        if not is_multipart:
            break
        if len(found) > limits.parts:
            raise Fault(f"has more than {limits.parts} parts", "Split it into several files")
    return _header(found, at, version=version, limits=limits)


def _header(found: list[dict[str, _Attribute]], end: int, *, version: int, limits: Limits) -> Header:
    parts: list[ExrPart] = []
    table_at = end
    is_multipart = bool(version & _MULTIPART)
    for index, attributes in enumerate(found):
        reader = _PartReader(attributes, limits)
        part = reader.part(index, table_at=table_at, version=version)
        table_at += 8 * part.chunk_count
        parts.append(part)
        if (table_at - end) // 8 > limits.chunks:
            raise Fault(f"claims more than {limits.chunks} chunks", _RERENDER)
    total = sum(part.decoded_bytes for part in parts)
    if total > limits.decoded_bytes:
        raise Fault(
            f"would need {total >> 20} MiB when decoded, more than the limit of {limits.decoded_bytes >> 20} MiB",
            "Split its parts or layers into several files",
        )
    return Header(parts=tuple(parts), is_multipart=is_multipart, end=end, data_at=table_at)


_RERENDER = "Write the file again"
_DEEP_REMEDY = "Flatten it first"


def _refuse_deep() -> NoReturn:
    raise Fault("is a deep image, which can't be edited", _DEEP_REMEDY)


def _attributes(data: bytes, at: int, limits: Limits) -> tuple[dict[str, _Attribute], int]:
    """One part's attributes up to the empty name that ends them; and where that is."""
    found: dict[str, _Attribute] = {}
    while True:
        name, at = _text(data, at)
        if not name:
            return found, at
        type_name, at = _text(data, at)
        if at + 4 > len(data):
            raise Truncated
        (size,) = struct.unpack_from("<i", data, at)
        at += 4
        if not 0 <= size <= limits.attribute_bytes:
            raise Fault(f"has an attribute '{name}' of {size} bytes, more than the limit", _RERENDER)
        if name in found:
            raise Fault(f"has the attribute '{name}' twice", _RERENDER)
        if len(found) == limits.attributes:
            raise Fault(f"has more than {limits.attributes} attributes in a part", "Remove metadata from it")
        if at + size > len(data):
            raise Truncated
        found[name] = _Attribute(type_name, at, data[at : at + size])
        at += size


def _text(data: bytes, at: int) -> tuple[str, int]:
    """A name that ends with a zero byte. Bytes that are not printable ASCII are escaped, for it may be shown."""
    end = data.find(b"\0", at, at + _NAME_BYTES + 1)
    if end < 0:
        if len(data) - at <= _NAME_BYTES:
            raise Truncated
        raise Fault("has a name of more than 255 letters in its header", _RERENDER)
    raw = data[at:end].decode("latin-1")
    return raw if raw.isascii() and raw.isprintable() else ascii(raw)[1:-1], end + 1


class _PartReader:
    """Turns one part's attributes into an ExrPart."""

    def __init__(self, attributes: dict[str, _Attribute], limits: Limits) -> None:
        self._attributes = attributes
        self._limits = limits

    def part(self, index: int, *, table_at: int, version: int) -> ExrPart:
        kind = self._string("type")
        self._check_kind(kind)
        for name in _REQUIRED:
            self._require(name)
        window = self._window("dataWindow")
        channels = self._channels(window)
        tiles = self._tiles(channels) if kind == "tiledimage" or (version & _TILED and not kind) else None
        chromaticities = self._value("chromaticities", "chromaticities", 32)
        rate = self._value("framesPerSecond", "rational", 8)
        declared = self._value("chunkCount", "int", 4)
        if version & _MULTIPART and not (kind and declared and "name" in self._attributes):
            raise Fault(f"has no name, type or chunk count in part {index}", _RERENDER)
        part = ExrPart(
            index=index,
            name=self._string("name"),
            channels=channels,
            data_window=window,
            display_window=self._window("displayWindow"),
            compression=self._compression(),
            line_order=self._byte("lineOrder", 2),
            tiles=tiles,
            chunk_count=0,
            table_at=table_at,
            channels_at=self._attributes["channels"].at,
            compression_at=self._attributes["compression"].at,
            chunk_count_at=self._attributes["chunkCount"].at if declared else None,
            colour_interop_id=self._string("colorInteropID"),
            chromaticities=struct.unpack("<8f", chromaticities) if chromaticities else None,
            frames_per_second=struct.unpack("<iI", rate) if rate else None,
            time_code=self._value("timeCode", "timecode", 8),
        )
        return self._counted(part, declared)

    def _counted(self, part: ExrPart, declared: bytes | None) -> ExrPart:
        count = part.bands
        if part.tiles:
            tiles = part.tiles
            sizes = part.level_sizes()
            count = sum(-(-width // tiles.width) * -(-height // tiles.height) for width, height in sizes)
        if declared and struct.unpack("<i", declared)[0] != count:
            raise Fault(f"claims {struct.unpack('<i', declared)[0]} chunks where there must be {count}", _RERENDER)
        return replace(part, chunk_count=count)

    def _check_kind(self, kind: str) -> None:
        if kind.startswith("deep"):
            _refuse_deep()
        if kind not in ("", "scanlineimage", "tiledimage"):
            raise Fault(f"has a part of the unknown type '{kind[:40]}'", _RERENDER)

    def _require(self, name: str) -> bytes:
        type_name, size = _REQUIRED[name]
        found = self._attributes.get(name)
        if found is None:
            raise Fault(f"has no '{name}' in its header", _RERENDER)
        if found.type != type_name or (size and len(found.value) != size):
            raise Fault(f"has a '{name}' of the wrong kind in its header", _RERENDER)
        return found.value

    def _value(self, name: str, type_name: str, size: int) -> bytes | None:
        """An optional attribute; one of another type is somebody's own and is not ours to read."""
        found = self._attributes.get(name)
        known = found is not None and found.type == type_name and len(found.value) == size
        return found.value if found and known else None

    def _string(self, name: str) -> str:
        found = self._attributes.get(name)
        if found is None or found.type != "string":
            return ""
        text = found.value[:1024].decode("utf-8", "replace")
        return "".join(letter for letter in text if letter.isprintable())

    def _byte(self, name: str, highest: int) -> int:
        value = self._require(name)[0]
        if value > highest:
            raise Fault(f"has an unknown '{name}' ({value})", _RERENDER)
        return value

    def _compression(self) -> Compression:
        value = self._require("compression")[0]
        try:
            return Compression(value)
        except ValueError:
            raise Fault(f"uses compression {value}, which is not known", "Write it again with ZIP") from None

    def _window(self, name: str) -> Box:
        limits = self._limits
        corners = struct.unpack("<4i", self._require(name))
        box = Box.from_window(*corners)
        what = "pixels" if name == "dataWindow" else "pixels to display"
        if box.is_empty:
            raise Fault(f"claims {box.width} × {box.height} {what}", _RERENDER)
        if box.width > limits.side_px or box.height > limits.side_px or box.area > limits.area_px:
            remedy = f"At most {limits.side_px} a side and {limits.area_px // 1_000_000} million can be used"
            raise Fault(f"claims {box.width} × {box.height} {what}, more than the limit", remedy)
        if max(map(abs, corners)) > limits.coordinate_px:
            raise Fault(f"has its {what} beyond {limits.coordinate_px}", _RERENDER)
        return box

    def _channels(self, window: Box) -> tuple[ExrChannel, ...]:
        channels = _parse_channels(self._require("channels"), self._limits.channels)
        for channel in channels:
            if channel.x_sampling > window.width or channel.y_sampling > window.height:
                raise Fault(f"has a sampling in channel '{channel.name}' that is wider than the image", _RERENDER)
        return channels

    def _tiles(self, channels: tuple[ExrChannel, ...]) -> Tiles:
        limits, value = self._limits, self._value("tiles", "tiledesc", 9)
        if value is None:
            raise Fault("is tiled but does not describe its tiles", _RERENDER)
        width, height, mode = struct.unpack("<IIB", value)
        pixel_bytes = sum(channel.type.size_bytes for channel in channels)
        if not (1 <= width <= limits.tile_side_px and 1 <= height <= limits.tile_side_px):
            raise Fault(f"claims tiles of {width} × {height} pixels", _RERENDER)
        if width * height * pixel_bytes > limits.tile_bytes:
            raise Fault(f"claims tiles of more than {limits.tile_bytes >> 20} MiB", _RERENDER)
        if mode & 0xF > Levels.RIP or mode >> 4 > 1:
            raise Fault(f"has an unknown level mode ({mode})", _RERENDER)
        return Tiles(width=width, height=height, levels=Levels(mode & 0xF), round_up=bool(mode >> 4))


@lru_cache(maxsize=32)
def _parse_channels(data: bytes, most: int) -> tuple[ExrChannel, ...]:
    """A channel list. Cached: all frames of a shot have the same one."""
    channels: list[ExrChannel] = []
    at, previous = 0, b""
    while True:
        end = data.find(b"\0", at, at + _NAME_BYTES + 1)
        if end < 0:
            raise Fault("has a damaged channel list", _RERENDER)
        raw = data[at:end]
        at = end + 1
        if not raw:
            break
        if at + 16 > len(data) or raw <= previous:
            raise Fault("has a damaged channel list", _RERENDER)
        channels.append(_channel(raw, data[at : at + 16]))
        if len(channels) > most:
            raise Fault(f"has more than {most} channels in a part", "Split it into several files")
        at, previous = at + 16, raw
    if at != len(data) or not channels:
        raise Fault("has a damaged channel list" if channels else "has no channels", _RERENDER)
    return tuple(channels)


def _channel(raw_name: bytes, fields: bytes) -> ExrChannel:
    try:
        name = raw_name.decode("utf-8")
    except UnicodeDecodeError:
        raise Fault(f"has a channel name that is not UTF-8 ({ascii(raw_name)[2:-1]})", "Rename it") from None
    kind, linear, x_sampling, y_sampling = struct.unpack("<IB3xii", fields)
    if kind > SampleType.FLOAT:
        raise Fault(f"has samples of the unknown type {kind} in channel '{ascii(name)[1:-1]}'", _RERENDER)
    if x_sampling < 1 or y_sampling < 1:
        raise Fault(f"has a sampling of {x_sampling} × {y_sampling} in channel '{ascii(name)[1:-1]}'", _RERENDER)
    return ExrChannel(name, SampleType(kind), linear, x_sampling, y_sampling)
