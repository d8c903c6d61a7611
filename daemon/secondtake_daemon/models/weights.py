"""Is a file what it must be: weights as safetensors, told by their content and not by their name.

safetensors: eight bytes with the length of a JSON header, the header, then the tensors without gaps (the format's own
description, in the README of the safetensors project). A pickle can run anything when it is opened, so none ever is.
"""

from __future__ import annotations

import struct
from math import prod
from pathlib import Path

import msgspec

from secondtake.errors import BadInput

__all__ = ["check_weights", "count_parameters", "looks_like_pickle", "metadata", "shapes"]

_MOST_HEADER_BYTES = 100 << 20
_METADATA = "__metadata__"
_PICKLE_HEADS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"\x1f\x8b", b"ustar")
_BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U64": 64, "U32": 32,
    "U16": 16, "U8": 8, "BOOL": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F4": 4, "C64": 64,
}  # fmt: skip


class _Tensor(msgspec.Struct, frozen=True):
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


def looks_like_pickle(path: Path) -> bool:
    """True for a zip, a tar, a gzip or a bare pickle: the forms in which torch keeps objects."""
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(257)
        return head.startswith(_PICKLE_HEADS) or file.read(5) == b"ustar"


def check_weights(path: Path) -> int:
    """Bytes of its tensors. Raises BadInput if it is a pickle, no safetensors, cut short, or lies about its size."""
    if looks_like_pickle(path):
        raise BadInput(
            "This file of the model holds pickled objects, which could run anything",
            remedy="Get the model as safetensors; a file's name says nothing",
            path=path,
        )
    tensors, begin = _header(path)
    end = 0
    for tensor in sorted(tensors.values(), key=lambda each: each.data_offsets):
        first, last = tensor.data_offsets
        bits = _BITS.get(tensor.dtype)
        if first != end or last < first or min(tensor.shape, default=0) < 0 or bits is None:
            raise _no_weights(path)
        if (prod(tensor.shape) * bits + 7) // 8 != last - first:
            raise _no_weights(path)
        end = last
    size = path.stat().st_size
    if begin + end != size:
        raise BadInput(
            f"This file of the model has {size} bytes and should have {begin + end}",
            remedy="It was not copied or downloaded to its end; get it again",
            path=path,
        )
    return end


def count_parameters(path: Path) -> int:
    """Numbers in its tensors, whatever they are stored as; only the header is read. Raises BadInput, OSError."""
    return sum(prod(shape) for shape in shapes(path).values())


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Its tensors by name; only the header is read. Raises BadInput, OSError."""
    tensors, _ = _header(path)
    return {name: tensor.shape for name, tensor in tensors.items()}


def metadata(path: Path) -> dict[str, str]:
    """What its header says besides its tensors. Raises BadInput, OSError."""
    try:
        return msgspec.json.decode(_fields(path)[0].get(_METADATA, b"{}"), type=dict[str, str])
    except msgspec.MsgspecError as error:
        raise _no_weights(path) from error


def _header(path: Path) -> tuple[dict[str, _Tensor], int]:
    """The tensors it says it has, and where their bytes begin. Raises BadInput."""
    fields, begin = _fields(path)
    try:
        tensors = {
            name: msgspec.json.decode(value, type=_Tensor) for name, value in fields.items() if name != _METADATA
        }
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _no_weights(path) from error
    return tensors, begin


def _fields(path: Path) -> tuple[dict[str, msgspec.Raw], int]:
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        if not 2 <= length <= min(_MOST_HEADER_BYTES, size - 8):
            raise _no_weights(path)
        raw = file.read(length)
    try:
        fields: dict[str, msgspec.Raw] = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _no_weights(path) from error
    return fields, 8 + length


def _no_weights(path: Path) -> BadInput:
    return BadInput("This file of the model is no safetensors", remedy="Get it again, as safetensors", path=path)
