"""Reading: the bits of the file, by bands as by the whole, whatever the header holds."""

from __future__ import annotations

import os
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from secondtake.boxes import Box
from secondtake.errors import BadImage
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.exr_read import read_planes

sys.path.insert(0, str(Path(__file__).parent))
from exr_samples import (
    LOSSLESS,
    LOSSY,
    RGB_AND_MORE,
    Part,
    all_halves,
    as_bits,
    bits_of,
    planes_for,
    with_attribute,
    write_parts,
    write_plate,
)

TALL = Part(channels=RGB_AND_MORE, size=(33, 600), corner=(-20, -300), display=(0, 0, 9, 9))


@pytest.mark.parametrize("codec", [*LOSSLESS, *LOSSY])
@pytest.mark.parametrize("rows", [(-300, 300), (-300, -299), (-40, 17), (299, 300)])
def test_rows_are_those_of_the_whole(tmp_path: Path, codec: str, rows: tuple[int, int]) -> None:
    channels = {"A": "f2", "B": "f2", "G": "f2", "R": "f2", "Z": "f4"}
    path = write_plate(tmp_path / "p.exr", Part(channels, TALL.size, TALL.corner, TALL.display, codec=codec))
    (whole,) = bits_of(path)
    planes = read_planes(inspect(path), rows=rows)
    assert planes.box.y <= rows[0] and planes.box.bottom >= rows[1] and planes.box.width == 33
    assert list(planes.planes) == sorted(channels)
    for name, plane in planes.planes.items():
        assert plane.flags.c_contiguous
        assert np.array_equal(as_bits(plane), whole[name][planes.box.y + 300 : planes.box.bottom + 300])


def test_only_the_bands_that_are_needed(tmp_path: Path) -> None:
    file = inspect(write_plate(tmp_path / "p.exr", TALL))
    assert read_planes(file, rows=(-300, -299)).box == Box(-20, -300, 33, 16)
    assert read_planes(file, rows=(-285, -283)).box == Box(-20, -300, 33, 32)
    assert read_planes(file, rows=(299, 300)).box == Box(-20, 292, 33, 8)
    with pytest.raises(ValueError, match="not inside"):
        read_planes(file, rows=(-301, 0))


@pytest.mark.parametrize("codec", LOSSLESS)
def test_every_half_there_is(tmp_path: Path, codec: str) -> None:
    path = write_plate(tmp_path / "p.exr", Part({"Y": "f2"}, size=(256, 256), codec=codec), planes={"Y": all_halves()})
    assert np.array_equal(as_bits(read_planes(inspect(path)).planes["Y"]), as_bits(all_halves()))


def test_types_are_the_files_own(tmp_path: Path) -> None:
    planes = read_planes(inspect(write_plate(tmp_path / "p.exr", TALL)), channels=("id", "R", "depth.Z")).planes
    assert {name: plane.dtype.name for name, plane in planes.items()} == {
        "R": "float16",
        "depth.Z": "float32",
        "id": "uint32",
    }


@pytest.mark.parametrize("tile", [(16, 16), (64, 8), (200, 1000)])
@pytest.mark.parametrize("codec", ["ZIP", "PIZ", "DWAA"])
def test_tiles(tmp_path: Path, tile: tuple[int, int], codec: str) -> None:
    part = Part({"B": "f2", "R": "f2"}, size=(70, 90), corner=(5, -8), tile=tile, codec=codec)
    path = write_plate(tmp_path / "p.exr", part)
    (whole,) = bits_of(path)
    planes = read_planes(inspect(path), rows=(20, 30))
    assert planes.box.height < 90 or tile[1] > 90
    assert planes.box.x == 5 and planes.box.width == 70
    for name, plane in planes.planes.items():
        assert np.array_equal(as_bits(plane), whole[name][planes.box.y + 8 : planes.box.bottom + 8])


def test_one_part_of_many(tmp_path: Path) -> None:
    display = (0, 0, 49, 69)
    second = Part({"Z": "f4"}, display=display, tile=(32, 16), codec="ZIPS")
    parts = [Part(), second, Part({"id": "u4"}, size=(20, 400), display=display, codec="DWAA")]
    path = write_parts(tmp_path / "p.exr", parts)
    whole = bits_of(path)
    for index in range(3):
        planes = read_planes(inspect(path), part=index, rows=(40, 60))
        for name, plane in planes.planes.items():
            assert np.array_equal(as_bits(plane), whole[index][name][planes.box.y : planes.box.bottom])


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", b"caf\xe9 \xff\x00\x01"),
        ("rational", struct.pack("<iI", 24, 0)),
        ("deepImageState", b"\1"),
        ("chlist", b"broken"),
        ("vendorOpaque", bytes(range(256))),
    ],
)
def test_odd_attributes_do_not_stop_it(tmp_path: Path, kind: str, value: bytes) -> None:
    path = write_plate(tmp_path / "p.exr")
    (whole,) = bits_of(path)
    file = inspect(path)
    with_attribute(path, "odd", kind, value, head_bytes=file.head_bytes, chunks=file.parts[0].chunk_count)
    for name, plane in read_planes(inspect(path), rows=(30, 40)).planes.items():
        assert np.array_equal(as_bits(plane), whole[name][16:48])


def test_long_and_foreign_names(tmp_path: Path) -> None:
    channels = {"a very long layer name that goes on and on and on.R": "f2", "Überlagerung.G": "f2", "R": "f2"}
    path = write_plate(tmp_path / "p.exr", Part(channels))
    (whole,) = bits_of(path)
    planes = read_planes(inspect(path)).planes
    assert set(planes) == set(channels)
    assert all(np.array_equal(as_bits(plane), whole[name]) for name, plane in planes.items())


def test_damaged_pixels_are_said_to_be(tmp_path: Path) -> None:
    flat = {name: np.ones((70, 50), np.float16) for name in "BGR"}
    path = write_plate(tmp_path / "p.exr", Part(codec="ZIP"), planes=flat)
    raw = bytearray(path.read_bytes())
    raw[inspect(path).data_at + 8 : inspect(path).data_at + 20] = bytes(12)
    path.write_bytes(raw)
    with pytest.raises(BadImage, match="pixels are damaged"):
        read_planes(inspect(path))


def test_a_chunk_that_is_not_where_it_belongs(tmp_path: Path) -> None:
    path = write_plate(tmp_path / "p.exr")
    file, raw = inspect(path), bytearray(path.read_bytes())
    table = raw[file.head_bytes : file.data_at]
    raw[file.head_bytes : file.data_at] = table[8:16] + table[:8] + table[16:]
    path.write_bytes(raw)
    with pytest.raises(BadImage, match="pixels are damaged"):
        read_planes(inspect(path))


def test_a_file_that_changed_after_it_was_checked(tmp_path: Path) -> None:
    path = write_plate(tmp_path / "p.exr")
    file = inspect(path)
    os.utime(path, ns=(0, 1))
    with pytest.raises(BadImage, match="changed on disk"):
        read_planes(file)
    path.unlink()
    with pytest.raises(BadImage, match="cannot be read"):
        read_planes(file)


def test_luma_chroma_is_refused(tmp_path: Path) -> None:
    path = write_plate(tmp_path / "p.exr", Part({"Y": "f2"}))
    raw = path.read_bytes()
    at = raw.index(b"channels\0chlist\0") + 20 + 10
    path.write_bytes(raw[:at] + struct.pack("<2i", 2, 2) + raw[at + 8 :])
    with pytest.raises(BadImage, match="lower resolution"):
        read_planes(inspect(path))


def test_many_threads_at_once(tmp_path: Path) -> None:
    paths = [write_plate(tmp_path / f"{index}.exr", TALL, seed=index) for index in range(8)]

    def matches(index: int) -> bool:
        wanted = planes_for(TALL, index)
        read = read_planes(inspect(paths[index]))
        return all(np.array_equal(as_bits(plane), as_bits(wanted[name])) for name, plane in read.planes.items())

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(matches, [*range(8)] * 4))
