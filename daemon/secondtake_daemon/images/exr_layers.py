"""Layers that a take adds to the pictures of its plate: their channels, and the header that names them.

Standard library only: the daemon process asks which layers there are. The header is changed in its bytes, so that every
attribute but `channels`, and every channel that was there, keeps its own.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from secondtake_daemon.images.exr_layout import ExrChannel, ExrPart, SampleType

__all__ = ["CONFIDENCE", "LAYERS", "Layer", "layers_of", "with_channels", "with_entries", "without_entries"]

_FIELDS_BYTES = 16
"""What follows a channel's name in the header: type, linear, three spare bytes, samplings."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer by the name that `--aov` takes."""

    name: str
    channels: tuple[str, ...]
    """Written as half, beside the edited channels."""


CONFIDENCE = Layer("confidence", ("confidence.G", "confidence.B", "confidence.R"))
"""Seen, carried, invented, in the order of `engines.contract.Known`: green, blue, and red for where to look. Hosts show
only R, G and B of a layer as one picture (docs/confidence.md)."""
LAYERS = (CONFIDENCE,)


def layers_of(aovs: Collection[str]) -> tuple[Layer, ...]:
    """The layers that a request names, each once; names that are not known are left out."""
    return tuple(layer for layer in LAYERS if layer.name in aovs)


def with_channels(part: ExrPart, names: Collection[str]) -> tuple[ExrChannel, ...]:
    """The part's channels and further ones of type half, in the order that EXR wants: by the bytes of their names."""
    channels = [*part.channels, *(ExrChannel(name, SampleType.HALF) for name in names)]
    return tuple(sorted(channels, key=lambda channel: channel.name.encode()))


def with_entries(head: bytes, part: ExrPart, names: Collection[str]) -> bytes:
    """The headers of a file with channels of type half added to one part, which has none of these names."""
    added = (name.encode() + b"\0" + struct.pack("<IB3xii", SampleType.HALF, 0, 1, 1) for name in names)
    return _with_list(head, part, sorted([*_entries(head, part), *added], key=_name))


def without_entries(head: bytes, part: ExrPart, names: Collection[str]) -> bytes:
    """The headers of a file with the entries of some channels taken out of one part, whatever their type."""
    gone = {name.encode() for name in names}
    return _with_list(head, part, [entry for entry in _entries(head, part) if _name(entry) not in gone])


def _entries(head: bytes, part: ExrPart) -> Iterator[bytes]:
    """Each channel's bytes in the header: name, zero, fields."""
    at = part.channels_at
    while head[at]:
        end = head.index(b"\0", at) + 1 + _FIELDS_BYTES
        yield head[at:end]
        at = end


def _name(entry: bytes) -> bytes:
    return entry[: entry.index(b"\0")]


def _with_list(head: bytes, part: ExrPart, entries: list[bytes]) -> bytes:
    value, at = b"".join(entries) + b"\0", part.channels_at
    (length,) = struct.unpack_from("<i", head, at - 4)
    return head[: at - 4] + struct.pack("<i", len(value)) + value + head[at + length :]
