"""Still images that are not EXR — PNG, TIFF, DPX, JPEG and their like — through OpenImageIO."""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO
from numpy.typing import NDArray

from secondtake.errors import BadImage
from secondtake_daemon.images.complaints import complaint

__all__ = ["SUFFIXES", "Still", "read_still"]

_FORMATS = {
    ".bmp": "bmp",
    ".cin": "cineon",
    ".dpx": "dpx",
    ".hdr": "hdr",
    ".jpeg": "jpeg",
    ".jpg": "jpeg",
    ".png": "png",
    ".sgi": "sgi",
    ".tga": "targa",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".webp": "webp",
}
SUFFIXES = frozenset(_FORMATS)
"""What can be read here, lower case with the dot."""

_MOST_SIDE_PX = 32_768
_MOST_CHANNELS = 64
_MOST_BYTES = 4 << 30
_FREE_BYTES = 256 << 20
"""What any file may decode to."""
_MOST_RATIO = 8_000
"""Decoded bytes, as floats, to bytes of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """An image without windows of its own."""

    width: int
    height: int
    is_integer: bool
    """True if the file holds whole numbers, as for a screen; False for floats."""
    planes: dict[str, NDArray[np.float32]]
    """Channel name → (height, width) float32: code value / maximum for integer formats, the value itself for floats."""


def read_still(path: Path) -> Still:
    """Read a whole image, upright, with its alpha not multiplied in. Raises BadImage."""
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        known = ", ".join(sorted(SUFFIXES))
        raise BadImage(f"Images of the kind '{path.suffix}' cannot be read", remedy=f"Use EXR or {known}", path=path)
    size_bytes = _size_bytes(path)
    image = _open(path, kind)
    try:
        spec = image.spec()
        _check_size(spec, size_bytes, path)
        pixels = image.read_image(0, 0, 0, spec.nchannels, OpenImageIO.UNKNOWN)
        if pixels is None or image.has_error:
            raise _damaged(path, complaint(image))
    finally:
        image.close()
    shape = spec.height, spec.width, spec.nchannels
    values = _upright(_values(pixels.reshape(shape), spec), spec.get_int_attribute("Orientation", 1))
    planes = {name: np.ascontiguousarray(values[..., i]) for i, name in enumerate(spec.channelnames)}
    is_integer = bool(np.issubdtype(pixels.dtype, np.integer))
    return Still(width=values.shape[1], height=values.shape[0], is_integer=is_integer, planes=planes)


def _size_bytes(path: Path) -> int:
    try:
        status = path.stat()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BadImage(f"The image cannot be read ({reason})", remedy="Check the name", path=path) from error
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for its writer
        raise BadImage("This is not a file", remedy="Give an image", path=path)
    return status.st_size


def _open(path: Path, kind: str) -> OpenImageIO.ImageInput:
    # The reader is the one of the file's suffix; without this a renamed file would find its way to any other.
    OpenImageIO.attribute("try_all_readers", 0)
    OpenImageIO.attribute("limits:imagesize_MB", _MOST_BYTES >> 20)
    OpenImageIO.attribute("limits:channels", _MOST_CHANNELS)
    wishes = OpenImageIO.ImageSpec()
    wishes.attribute("oiio:UnassociatedAlpha", 1)
    image = OpenImageIO.ImageInput.open(str(path), wishes)
    if image is None or image.format_name() != kind:
        raise _damaged(path, complaint(OpenImageIO))
    return image


def _check_size(spec: OpenImageIO.ImageSpec, size_bytes: int, path: Path) -> None:
    decoded = max(spec.image_bytes(True), 4 * spec.width * spec.height * spec.nchannels)  # floats at the end
    if max(spec.width, spec.height) > _MOST_SIDE_PX or spec.nchannels > _MOST_CHANNELS or spec.depth > 1:
        what = f"{spec.width} × {spec.height} with {spec.nchannels} channels"
    elif decoded > _MOST_BYTES or decoded > max(_FREE_BYTES, _MOST_RATIO * size_bytes):
        what = f"{decoded >> 20} MiB out of a file of {size_bytes} bytes"
    else:
        return
    raise BadImage(f"The image is too large to be read: {what}", remedy="Use a smaller image", path=path)


def _values(pixels: NDArray[Any], spec: OpenImageIO.ImageSpec) -> NDArray[np.float32]:
    if not np.issubdtype(pixels.dtype, np.integer):
        return pixels.astype(np.float32)
    if not np.issubdtype(pixels.dtype, np.unsignedinteger):
        pixels = np.maximum(pixels, 0)
    maximum = np.iinfo(pixels.dtype).max
    bits = spec.get_int_attribute("oiio:BitsPerSample", 0)
    if 0 < bits < 8 * pixels.dtype.itemsize:
        # OpenImageIO spreads 10 and 12 bits over 16; going back to the file's own codes makes the division exact.
        codes = (1 << bits) - 1
        return (np.rint(pixels.astype(np.float64) * (codes / maximum)) / codes).astype(np.float32)
    if pixels.dtype.itemsize > 2:
        return (pixels.astype(np.float64) / maximum).astype(np.float32)
    return pixels.astype(np.float32) / np.float32(maximum)


def _upright(values: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """Undo the EXIF/TIFF orientation 1 … 8 (TIFF 6.0, tag 274)."""
    if orientation in (5, 6, 7, 8):
        values = values.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return values


def _damaged(path: Path, reason: str) -> BadImage:
    lines = re.sub(r'\s*\(?"[^"]*"\)?', "", reason).strip().splitlines()  # the path comes last, once
    why = f" ({lines[0].rstrip('.')})" if lines else ""
    return BadImage(f"The image is damaged or of another kind{why}", remedy="Write it again", path=path)
