"""One decoded video frame to R, G and B as float, without the detour over 8 or 16 bits.

swscale is used only to unpack (nv12, rgb24, v210 … to planes of the same codes, which is lossless). Its own way from
YUV to RGB is not: measured against the standards' arithmetic it is up to one 8-bit code off at any depth, and it clips
whatever lies above white or below black. So the matrix is applied here, in float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
from av.video.format import VideoFormat
from numpy.typing import NDArray

__all__ = ["Coding", "Layout", "layout_of", "read_rgb"]

_Plane = NDArray[np.float32]

_SUBSAMPLING = {(1, 1): 444, (2, 1): 422, (2, 2): 420, (4, 1): 411, (1, 2): 440}


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """How code values mean light."""

    full_range: bool
    """True if black and white are the lowest and highest code; else 16 and 235 (240 for chroma) at 8 bits."""
    weights: tuple[float, float] | None = None
    """Luma weights of red and blue (ITU-R BT.601, BT.709, BT.2020 …); None for RGB and grey."""
    centred_chroma: bool = False
    """True if chroma samples sit midway between columns (JPEG, MPEG-1); else on the left one (MPEG-2 and later)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a pixel format holds."""

    bits: int
    is_rgb: bool
    is_grey: bool
    is_float: bool
    has_alpha: bool
    planar: str
    """Name of the pixel format with one plane a component and the same codes."""


def layout_of(pixels: VideoFormat) -> Layout | None:
    """Describe a pixel format, or None if it is one that is not read (palette, Bayer, XYZ, one bit)."""
    if pixels.has_palette or pixels.is_bayer or pixels.is_bit_stream or pixels.name.startswith("xyz"):
        return None
    parts = [part for part in pixels.components if not part.is_alpha]
    bits = max(part.bits for part in parts)
    layout = Layout(
        bits=bits,
        is_rgb=pixels.is_rgb,
        is_grey=len(parts) == 1,
        is_float=bits == 32 or "f16" in pixels.name,
        has_alpha=len(parts) < len(pixels.components),
        planar=pixels.name,
    )
    if len({part.plane for part in parts}) == len(parts) and len(pixels.components) != 2:
        return layout
    if layout.is_float:
        return None
    return Layout(
        bits=bits,
        is_rgb=layout.is_rgb,
        is_grey=layout.is_grey,
        is_float=False,
        has_alpha=layout.has_alpha,
        planar=_planar_name(pixels, layout),
    )


def read_rgb(frame: av.VideoFrame, *, layout: Layout, coding: Coding) -> dict[str, _Plane]:
    """R, G and B of a frame: (height, width) float32 each, black 0, white 1, nothing clipped.

    YUV to RGB as in ITU-R BT.709-6 and BT.2020-2, item "derivation"; chroma is interpolated linearly.
    """
    if frame.format.name != layout.planar:
        same = frame.color_range
        frame = frame.reformat(format=layout.planar, src_color_range=same, dst_color_range=same)
    first, *others = _components(frame, layout)
    if layout.is_float:
        red, green, blue = (first, *others) if others else (first,) * 3
        return {"R": red, "G": green, "B": blue}
    if layout.is_rgb or layout.is_grey:
        planes = [_scaled_luma(plane, layout.bits, coding) for plane in (first, *others)]
        return dict(zip("RGB", planes if len(planes) == 3 else planes * 3, strict=True))
    if coding.weights is None:
        raise ValueError("a YUV frame needs the weights of its matrix")
    height, width = first.shape
    luma = _scaled_luma(first, layout.bits, coding)
    chroma = [_widened(_scaled_chroma(plane, layout.bits, coding), height, width, coding) for plane in others]
    return _matrix(luma, chroma[0], chroma[1], coding.weights)


def _planar_name(pixels: VideoFormat, layout: Layout) -> str:
    depth = f"{layout.bits}le" if layout.bits > 8 else ""
    if layout.is_grey:
        return f"gray{depth}"
    if layout.is_rgb:
        return f"gbrp{depth}"
    chroma = pixels.components[1]
    shrink = -(-pixels.width // chroma.width), -(-pixels.height // chroma.height)
    return f"yuv{_SUBSAMPLING[shrink]}p{depth}"


def _components(frame: av.VideoFrame, layout: Layout) -> list[_Plane]:
    """R, G, B or Y, Cb, Cr or Y: the codes as float32."""
    kind = "f" if layout.is_float else "u"
    item_bytes = 2 if "f16" in layout.planar else 1 if layout.bits <= 8 else 2 if layout.bits <= 16 else 4
    dtype = np.dtype(f"{'>' if frame.format.is_big_endian else '<'}{kind}{item_bytes}")
    planes = []
    for part in frame.format.components:
        if not part.is_alpha:
            plane = frame.planes[part.plane]
            rows = np.frombuffer(memoryview(plane), dtype).reshape(-1, plane.line_size // item_bytes)
            planes.append(rows[: part.height, : part.width].astype(np.float32))
    return planes


def _scaled_luma(codes: _Plane, bits: int, coding: Coding) -> _Plane:
    if coding.full_range:
        return codes / np.float32((1 << bits) - 1)
    step = 2.0 ** (bits - 8)
    return (codes - np.float32(16 * step)) / np.float32(219 * step)


def _scaled_chroma(codes: _Plane, bits: int, coding: Coding) -> _Plane:
    """To −0.5..0.5."""
    span = (1 << bits) - 1 if coding.full_range else 224 * 2.0 ** (bits - 8)
    return (codes - np.float32(1 << (bits - 1))) / np.float32(span)


def _widened(chroma: _Plane, height: int, width: int, coding: Coding) -> _Plane:
    """Chroma at every pixel of luma. Vertically it always sits midway between the rows it stands for."""
    chroma = _stretch(chroma, 1, width, centred=coding.centred_chroma)
    return _stretch(chroma, 0, height, centred=True)


def _stretch(values: _Plane, axis: int, length: int, *, centred: bool) -> _Plane:
    """Linear interpolation along one axis; the ends are held."""
    count = values.shape[axis]
    factor = -(-length // count)
    if factor == 1:
        return values
    place = (np.arange(length) - ((factor - 1) / 2 if centred else 0)) / factor
    place = np.clip(place, 0, count - 1)
    low = np.floor(place).astype(np.intp)
    share = (place - low).astype(np.float32).reshape((-1, 1) if axis == 0 else (1, -1))
    near, far = values.take(low, axis), values.take(np.minimum(low + 1, count - 1), axis)
    return np.asarray(near + (far - near) * share, np.float32)


def _matrix(luma: _Plane, cb: _Plane, cr: _Plane, weights: tuple[float, float]) -> dict[str, _Plane]:
    red, blue = weights
    green = 1 - red - blue
    return {
        "R": luma + np.float32(2 * (1 - red)) * cr,
        "G": luma - np.float32(2 * blue * (1 - blue) / green) * cb - np.float32(2 * red * (1 - red) / green) * cr,
        "B": luma + np.float32(2 * (1 - blue)) * cb,
    }
