"""The guard: what a header says, what is refused and in which words."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from secondtake.boxes import Box
from secondtake.errors import BadImage, MissingFrames
from secondtake_daemon.images.exr_channels import main_channels
from secondtake_daemon.images.exr_guard import LIMITS, inspect
from secondtake_daemon.images.exr_layout import Compression, Levels, SampleType
from secondtake_daemon.images.exr_write import check_editable

sys.path.insert(0, str(Path(__file__).parent))
from exr_samples import LOSSLESS, LOSSY, RGB_AND_MORE, Part, planes_for, with_attribute, write_parts, write_plate


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    return write_plate(tmp_path / "plate.exr")


def patched(path: Path, name: str, at: int, value: bytes) -> Path:
    """Overwrite bytes of an attribute's value in place."""
    raw = bytearray(path.read_bytes())
    start = raw.index(name.encode() + b"\0", 8)
    start = raw.index(b"\0", raw.index(b"\0", start) + 1) + 5 + at
    raw[start : start + len(value)] = value
    path.write_bytes(raw)
    return path


def test_it_tells_what_the_header_says(tmp_path: Path) -> None:
    part = Part(channels=RGB_AND_MORE, size=(50, 70), corner=(-7, 11), display=(0, 0, 39, 29), codec="PIZ")
    extra = {
        "colorInteropID": "lin_ap1_scene",
        "chromaticities": (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329),
        "framesPerSecond": Fraction(24000, 1001),
    }
    file = inspect(write_plate(tmp_path / "p.exr", replace(part, extra=extra)))
    (found,) = file.parts
    assert file.size_bytes == file.path.stat().st_size
    assert found.names == tuple(sorted(RGB_AND_MORE))
    assert found.channel("depth.Z").type is SampleType.FLOAT
    assert found.channel("id").type is SampleType.UINT
    assert found.data_window == Box(-7, 11, 50, 70)
    assert found.display_window == Box(0, 0, 40, 30)
    assert (found.compression, found.chunk_count, found.chunk_rows) == (Compression.PIZ, 3, 32)
    assert found.colour_interop_id == "lin_ap1_scene"
    assert found.chromaticities == pytest.approx(extra["chromaticities"])
    assert found.frames_per_second == (24000, 1001)
    assert not found.is_tiled


@pytest.mark.parametrize("codec", [*LOSSLESS, *LOSSY])
def test_it_knows_every_codec_and_which_of_them_lose_bits(tmp_path: Path, codec: str) -> None:
    (part,) = inspect(write_plate(tmp_path / "p.exr", Part(codec=codec, size=(40, 300)))).parts
    assert part.is_lossless == (codec in LOSSLESS)
    assert not LOSSY.count(codec) or part.chunk_count == -(-300 // part.chunk_rows)


def test_pxr24_keeps_halves_but_not_floats(tmp_path: Path) -> None:
    (part,) = inspect(write_plate(tmp_path / "p.exr", Part(channels={"Z": "f4"}, codec="PXR24"))).parts
    assert not part.is_lossless


def test_parts_and_tiles(tmp_path: Path) -> None:
    path = write_parts(tmp_path / "p.exr", [Part(), Part(channels={"Z": "f4"}, tile=(32, 16), codec="ZIPS")])
    file = inspect(path)
    assert file.is_multipart
    assert [part.name for part in file.parts] == ["part 0", "part 1"]
    second = file.parts[1]
    assert (second.is_tiled, second.levels, second.chunks_across, second.chunk_count) == (True, Levels.ONE, 2, 10)
    assert file.data_at == second.table_at + 80


def test_a_black_frame_is_no_bomb(tmp_path: Path) -> None:
    size = (4096, 2160)
    black = {name: np.zeros(size[::-1], np.float16) for name in "BGR"}
    path = write_plate(tmp_path / "p.exr", Part(size=size, codec="HTJ2K256"), planes=black)
    assert path.stat().st_size * 1000 < size[0] * size[1] * 6
    assert inspect(path).parts[0].data_window.area == size[0] * size[1]


Damage = Callable[[Path], object]
HUGE = struct.pack("<4i", 0, 0, 29999, 29999)
REFUSALS: dict[str, tuple[Damage, str]] = {
    "another format": (lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(5000)), "is not an EXR"),
    "text of three letters": (lambda p: p.write_bytes(b"abc"), "is not an EXR"),
    "nothing": (lambda p: p.write_bytes(b""), "is empty"),
    "cut in the header": (lambda p: os.truncate(p, 100), "ends inside its header"),
    "cut in the magic": (lambda p: os.truncate(p, 3), "ends inside its header"),
    "cut before the pixels": (lambda p: os.truncate(p, inspect(p).data_at - 8), "ends before its pixels begin"),
    "cut in the pixels": (lambda p: os.truncate(p, p.stat().st_size - 9), "its last chunk is not whole"),
    "cut by chunks": (lambda p: os.truncate(p, inspect(p).data_at + 50), "points outside"),
    "unfinished": (lambda p: erase_table(p), "the frame is not finished"),
    "absurd": (lambda p: patched(p, "dataWindow", 0, HUGE), "claims 30000 × 30000 pixels, more than the limit"),
    "absurd to display": (lambda p: patched(p, "displayWindow", 0, HUGE), "claims 30000 × 30000 pixels to display"),
    "inside out": (lambda p: patched(p, "dataWindow", 8, struct.pack("<i", -5)), "claims -4 × 70 pixels"),
    "unknown codec": (lambda p: patched(p, "compression", 0, b"\x25"), "uses compression 37, which is not known"),
    "unknown version": (lambda p: patch_version(p, 0x0003), "unknown EXR version"),
    "deep": (lambda p: patch_version(p, 0x0802), "is a deep image, which can't be edited"),
    "tall": (lambda p: patched(p, "dataWindow", 12, struct.pack("<i", 9999)), "ends before its pixels|outside|table"),
    "line order": (lambda p: patched(p, "lineOrder", 0, b"\x07"), "unknown 'lineOrder'"),
    "attribute size": (lambda p: patched(p, "lineOrder", -4, b"\xff\xff\xff\x7f"), "more than the limit"),
    "sampling": (lambda p: patched(p, "channels", 10, bytes(4)), "sampling of 0"),
    "pixel type": (lambda p: patched(p, "channels", 2, b"\x09"), "samples of the unknown type 9"),
    "channel list": (lambda p: patched(p, "channels", 0, b"Z"), "damaged channel list"),
    "attribute name": (lambda p: rename(p, b"lineOrder", b"l\x1bne\nrder"), "has no 'lineOrder'"),
    "attribute twice": (lambda p: add(p, "lineOrder", b"\0"), "has the attribute 'lineOrder' twice"),
}


def add(path: Path, name: str, value: bytes) -> None:
    with_attribute(path, name, name, value, head_bytes=inspect(path).head_bytes, chunks=5)


def erase_table(path: Path) -> None:
    file, raw = inspect(path), bytearray(path.read_bytes())
    raw[file.head_bytes : file.data_at] = bytes(file.data_at - file.head_bytes)
    path.write_bytes(raw)


def patch_version(path: Path, version: int) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw[:4] + struct.pack("<I", version) + raw[8:])


def rename(path: Path, old: bytes, new: bytes) -> None:
    raw = path.read_bytes()
    assert len(old) == len(new) and old in raw
    path.write_bytes(raw.replace(old, new, 1))


@pytest.mark.parametrize("damage", REFUSALS)
def test_it_refuses_in_one_clear_sentence(plate: Path, damage: str) -> None:
    harm, words = REFUSALS[damage]
    harm(plate)
    with pytest.raises(BadImage, match=words) as caught:
        inspect(plate)
    assert caught.value.remedy
    assert caught.value.path == str(plate)
    assert str(caught.value).isprintable()


def test_too_many_things(plate: Path) -> None:
    for limits, words in [
        (replace(LIMITS, channels=2), "more than 2 channels"),
        (replace(LIMITS, attributes=4), "more than 4 attributes"),
        (replace(LIMITS, decoded_bytes=1000), "when decoded"),
        (replace(LIMITS, decoded_ratio=1, decoded_floor_bytes=100, area_px=10**6), None),
        (replace(LIMITS, chunks=2), "more than 2 chunks"),
    ]:
        if words is None:
            inspect(plate, limits=limits)
            continue
        with pytest.raises(BadImage, match=words):
            inspect(plate, limits=limits)


def test_a_header_that_never_ends_is_not_read_whole(plate: Path) -> None:
    plate.write_bytes(struct.pack("<II", 20000630, 2) + b"".join(noise(index) for index in range(900)))
    with pytest.raises(BadImage, match="header of over 4 MiB"):
        inspect(plate)


def noise(index: int) -> bytes:
    return b"n%d\0string\0" % index + struct.pack("<i", 5000) + bytes(5000)


def test_a_long_header_is_read_in_steps(plate: Path) -> None:
    file = inspect(plate)
    for index in range(3):
        with_attribute(plate, f"note{index}", "string", b"x" * 900_000, head_bytes=file.head_bytes, chunks=5)
        file = inspect(plate)
    assert file.head_bytes > 2_700_000


def test_missing_folder_and_pipe(tmp_path: Path) -> None:
    with pytest.raises(MissingFrames):
        inspect(tmp_path / "none.exr")
    with pytest.raises(BadImage, match="not a file"):
        inspect(tmp_path)
    os.mkfifo(tmp_path / "pipe.exr")
    with pytest.raises(BadImage, match="not a file"):
        inspect(tmp_path / "pipe.exr")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_not_allowed(plate: Path) -> None:
    plate.chmod(0)
    with pytest.raises(BadImage, match="permission denied"):
        inspect(plate)


def test_trailing_bytes_are_none_of_its_business(plate: Path) -> None:
    with plate.open("ab") as file:
        file.write(b"a trailer")
    assert inspect(plate).parts[0].chunk_count == 5


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([{"A": "f2", "B": "f2", "G": "f2", "R": "f2"}], (0, ("R", "G", "B"))),
        ([{"Z": "f4"}, {"B": "f2", "G": "f2", "R": "f2"}], (1, ("R", "G", "B"))),
        ([{"Y": "f2"}], (0, ("Y",))),
        (
            [{"beauty.R": "f2", "beauty.G": "f2", "beauty.B": "f2", "id": "u4"}],
            (0, ("beauty.R", "beauty.G", "beauty.B")),
        ),
    ],
)
def test_which_channels_are_the_picture(tmp_path: Path, parts: list[dict[str, str]], expected: object) -> None:
    file = inspect(write_parts(tmp_path / "p.exr", [Part(channels=channels) for channels in parts]))
    assert main_channels(file) == expected


def test_no_picture_in_it(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="Z, id"):
        main_channels(inspect(write_plate(tmp_path / "p.exr", Part(channels={"Z": "f4", "id": "u4"}))))


def test_what_cannot_be_edited_is_refused_early(tmp_path: Path) -> None:
    whole = write_plate(tmp_path / "ids.exr", Part(channels={"B": "u4", "G": "u4", "R": "u4"}))
    with pytest.raises(BadImage, match="integers"):
        check_editable(inspect(whole), 0, ("R", "G", "B"))
    luma = write_plate(tmp_path / "luma.exr", Part(channels={"Y": "f2"}))
    patched(luma, "channels", 10, struct.pack("<2i", 2, 2))
    with pytest.raises(BadImage, match="subsampled"):
        check_editable(inspect(luma), 0, ("Y",))
    levels = write_plate(tmp_path / "levels.exr", Part(tile=(64, 128)))
    patched(levels, "tiles", 8, b"\x01")
    with pytest.raises(BadImage, match=r"ends before|not finished|outside|whole"):  # one level only is there
        inspect(levels)


def test_it_needs_nothing_but_the_standard_library() -> None:
    program = "import sys, secondtake_daemon.images.exr_guard; print('numpy' in sys.modules, 'OpenEXR' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert run.stdout.split() == ["False", "False"]


def test_planes_are_as_random_as_they_claim() -> None:
    values = planes_for(Part(size=(300, 300)))["R"]
    assert np.isnan(values).any() and np.isinf(values).any() and (values.view(np.uint16) == 0x8000).any()
