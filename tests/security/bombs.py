"""Small files whose headers claim enormous pictures, of every kind that is read. Made here, byte by byte."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np


def png(width: int, height: int, *, bits: int = 16, colour: int = 6) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(bytes(1000))) + _chunk(b"IEND")
    )


def _chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def tiff(width: int, height: int, *, samples: int = 1) -> bytes:
    """Uncompressed, 16 bits, one strip that is not there."""
    tags = [
        (256, width),
        (257, height),
        (258, 16),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, samples),
        (278, height),
        (279, 100),
    ]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 108) + bytes(100) + struct.pack("<H", len(tags)) + entries + bytes(4)


def dpx() -> bytes:
    raw = bytearray(2148)
    raw[:4], raw[8:12] = b"SDPX", b"V1.0"
    struct.pack_into(">I", raw, 4, 2048)
    struct.pack_into(">I", raw, 16, 2148)
    struct.pack_into(">HHII", raw, 768, 0, 1, 60_000, 60_000)
    struct.pack_into(">BBBBHHI", raw, 800, 50, 2, 2, 10, 1, 0, 2048)
    return bytes(raw)


def jpeg() -> bytes:
    frame = struct.pack(">HBHHB", 17, 8, 65_000, 65_000, 3) + bytes([1, 17, 0, 2, 17, 0, 3, 17, 0])
    scan = struct.pack(">HB", 12, 3) + bytes([1, 0, 2, 0, 3, 0, 0, 63, 0])
    return b"\xff\xd8\xff\xc0" + frame + b"\xff\xda" + scan + bytes(100) + b"\xff\xd9"


STILLS: dict[str, Callable[[], bytes]] = {
    "sides.png": lambda: png(60_000, 60_000),
    "bytes.png": lambda: png(32_000, 32_000),
    "ratio.png": lambda: png(20_000, 20_000, bits=8, colour=0),
    "largest.png": lambda: png(2**31 - 1, 2**31 - 1),
    "matte.png": lambda: png(60_000, 60_000),
    "samples.tif": lambda: tiff(40_000, 25_000),
    "channels.tif": lambda: tiff(4_000, 4_000, samples=65_535),
    "channels.tiff": lambda: tiff(4_000, 4_000, samples=10**9),
    "matte.tif": lambda: tiff(30_000, 30_000),
    "sides.dpx": dpx,
    "sides.jpg": jpeg,
    "sides.hdr": lambda: b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 60000 +X 60000\n" + bytes(100),
    "sides.tga": lambda: struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, 65_000, 65_000, 32, 0) + bytes(100),
    "sides.bmp": lambda: (
        b"BM" + struct.pack("<IHHI", 154, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 60_000, 60_000, 1, 24, *[0] * 6)
    ),
    "sides.sgi": lambda: struct.pack(">hbbHHHHii", 474, 1, 1, 3, 60_000, 60_000, 4, 0, 255) + bytes(600),
}

MOVIES = ("mpeg4.mp4", "png.mov", "qtrle.mov", "ffv1.mkv", "rawvideo.mkv", "mjpeg.avi", "lines.y4m")


def movie(folder: Path, name: str, side: int) -> Path:
    """A movie of a few small frames in which every header, also of the frames themselves, claims side × side."""
    path = folder / name
    if path.suffix == ".y4m":
        path.write_bytes(b"YUV4MPEG2 W%d H%d F24:1 Ip A1:1 C444p16\nFRAME\n" % (side, side) + bytes(100))
        return path
    small_movie(path)
    raw = bytearray(path.read_bytes())
    if path.suffix in (".mp4", ".mov"):
        entry = raw.index(b"stsd") + 12
        struct.pack_into(">HH", raw, entry + 4 + 28, side, side)
        struct.pack_into(">II", raw, raw.index(b"tkhd") + 80, side << 16, side << 16)
    elif path.suffix == ".mkv":
        for tag in (b"\xb0\x82\x01\x40", b"\xba\x82\x01\x20"):  # PixelWidth, PixelHeight
            at = raw.index(tag)
            raw[at + 2 : at + 4] = struct.pack(">H", side)
    else:
        struct.pack_into("<ii", raw, raw.index(b"strf") + 12, side, side)
    for mark, kind, skip in ((b"IHDR", ">II", 4), (b"\xff\xc0\x00\x11\x08", ">HH", 5)):
        at = raw.find(mark)
        while at >= 0:
            struct.pack_into(kind, raw, at + skip, side, side)
            at = raw.find(mark, at + 9)
    path.write_bytes(raw)
    return path


def small_movie(path: Path) -> None:
    """Three black frames of 320 × 288, in the codec the file is called after."""
    codec = path.stem
    formats = {"png": "rgb24", "qtrle": "rgb24", "mjpeg": "yuvj420p"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=24)
        stream.width, stream.height, stream.pix_fmt = 320, 288, formats.get(codec, "yuv420p")
        for _ in range(3):
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.zeros((288, 320, 3), np.uint8))):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
