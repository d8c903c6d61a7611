"""Still images that are not EXR."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import OpenImageIO
import pytest
from numpy.typing import NDArray

from secondtake.errors import BadImage
from secondtake_daemon.images.stills import SUFFIXES, read_still

Pixels = NDArray[np.generic]


def write(path: Path, pixels: Pixels, **attributes: int | str) -> Path:
    out = OpenImageIO.ImageOutput.create(str(path))
    spec = OpenImageIO.ImageSpec(
        pixels.shape[1], pixels.shape[0], pixels.shape[2], str(pixels.dtype).replace("float32", "float")
    )
    for name, value in attributes.items():
        spec.attribute(name.replace("__", ":"), value)
    assert out.open(str(path), spec), out.geterror()
    assert out.write_image(pixels), out.geterror()
    assert out.close()
    return path


def noise(dtype: str, channels: int = 3) -> Pixels:
    generator = np.random.default_rng(5)
    if dtype == "float32":
        return generator.normal(0, 4, (9, 7, channels)).astype(np.float32)
    return generator.integers(0, np.iinfo(dtype).max, (9, 7, channels), endpoint=True, dtype=dtype)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("a.png", "uint8"), ("a.png", "uint16"), ("a.tif", "uint8"), ("a.TIFF", "uint16"), ("a.dpx", "uint16")],
)
def test_integers_are_the_code_over_the_maximum(tmp_path: Path, name: str, dtype: str) -> None:
    pixels = noise(dtype)
    still = read_still(write(tmp_path / name, pixels))
    assert (still.width, still.height) == (7, 9)
    for i, channel in enumerate("RGB"):
        exact = (pixels[..., i].astype(np.float64) / np.iinfo(dtype).max).astype(np.float32)
        assert np.array_equal(still.planes[channel], exact)
        assert still.planes[channel].flags.c_contiguous


def test_ten_bit_dpx_gives_its_own_codes(tmp_path: Path) -> None:
    codes = np.arange(1024, dtype=np.uint32).reshape(32, 32)
    spread = ((codes << 6) | (codes >> 4)).astype(np.uint16)
    still = read_still(write(tmp_path / "a.dpx", np.repeat(spread[..., None], 3, axis=2), oiio__BitsPerSample=10))
    assert np.array_equal(still.planes["G"], (codes / 1023).astype(np.float32))


def test_floats_stay_as_they_are(tmp_path: Path) -> None:
    pixels = noise("float32")
    pixels[0, 0] = np.nan, np.inf, -0.0
    still = read_still(write(tmp_path / "a.tif", pixels))
    assert np.array_equal(np.stack([still.planes[c] for c in "RGB"], -1).view(np.uint32), pixels.view(np.uint32))


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_alpha_is_not_multiplied_in(tmp_path: Path, name: str) -> None:
    pixels = noise("uint8", 4)
    still = read_still(write(tmp_path / name, pixels, oiio__UnassociatedAlpha=1))
    assert list(still.planes) == ["R", "G", "B", "A"]
    assert np.array_equal(np.rint(still.planes["R"] * 255), pixels[..., 0])


def test_one_channel_is_called_y(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "a.png"), np.full((3, 4), 51, np.uint8))
    assert read_still(tmp_path / "a.png").planes["Y"].tolist() == [[np.float32(0.2)] * 4] * 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright(tmp_path: Path, orientation: int) -> None:
    pixels = noise("uint8")
    still = read_still(write(tmp_path / "a.tif", pixels, Orientation=orientation))
    buffer = OpenImageIO.ImageBufAlgo.reorient(OpenImageIO.ImageBuf(str(tmp_path / "a.tif")))
    assert np.allclose(still.planes["G"], buffer.get_pixels(OpenImageIO.FLOAT)[..., 1])


def test_jpeg_can_be_read(tmp_path: Path) -> None:
    assert cv2.imwrite(str(tmp_path / "a.jpg"), np.full((16, 24, 3), 100, np.uint8))
    still = read_still(tmp_path / "a.jpg")
    assert (still.width, still.height) == (24, 16)
    assert np.abs(still.planes["R"] * 255 - 100).max() < 2


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.dpx"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, name: str, share: float) -> None:
    path = write(tmp_path / name, np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])
    with pytest.raises(BadImage) as caught:
        read_still(path)
    assert caught.value.path == str(path)
    assert str(path) not in caught.value.message


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", noise("uint8"))
    path.rename(tmp_path / "a.png")
    with pytest.raises(BadImage, match="of another kind"):
        read_still(tmp_path / "a.png")
    with pytest.raises(BadImage, match=r"kind '\.exr'"):
        read_still(tmp_path / "a.exr")
    with pytest.raises(BadImage, match="no such file"):
        read_still(tmp_path / "none.png")
    assert ".png" in SUFFIXES


@pytest.mark.parametrize(
    ("width", "height", "words"), [(30_000, 20_000, "malicious"), (40_000, 10, "too large to be read: 40000 × 10")]
)
def test_an_absurd_header_is_refused(tmp_path: Path, width: int, height: int, words: str) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(1 << 16))), chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    with pytest.raises(BadImage, match=words):
        read_still(path)
