"""Writing: inside the edit its bits, outside the plate's, in every channel, part, codec and structure."""

from __future__ import annotations

import struct
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadImage
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.exr_layout import Compression
from secondtake_daemon.images.exr_proof import measure
from secondtake_daemon.images.exr_read import read_planes
from secondtake_daemon.images.exr_write import Edit, write_edited, write_new

sys.path.insert(0, str(Path(__file__).parent))
from exr_samples import (
    LOSSLESS,
    LOSSY,
    RGB_AND_MORE,
    Part,
    Planes,
    all_halves,
    any_bits,
    as_bits,
    bits_of,
    oiio_bits,
    planes_for,
    smooth_planes,
    with_attribute,
    write_parts,
    write_plate,
)

BIG = Part(channels=RGB_AND_MORE, size=(60, 700), corner=(-13, -333), display=(0, 0, 99, 99))


def random_edit(part: Part, box: Box, *, names: tuple[str, ...] = ("R", "G", "B"), index: int = 0) -> Edit:
    random = np.random.default_rng(box.area)
    shape = box.height, box.width
    planes = {name: any_bits(part.channels[name], shape, random) for name in names}
    return Edit(part=index, box=box, planes=planes, where=random.random(shape) < 0.5)


def check(plate: Path, dest: Path, edit: Edit, *, way: str) -> None:
    """Write it; then both libraries must find the expected bits in it, and the proof must count the same."""
    file = inspect(plate)
    written = write_edited(file, dest, edit)
    assert written.way == way
    expected = bits_of(plate)
    inside = 0
    window = file.parts[edit.part].data_window
    for name, new in edit.planes.items():
        np.copyto(expected[edit.part][name][edit.box.within(window)], as_bits(new), where=edit.where)
        inside += int(edit.where.sum())
    for found in (bits_of(dest), oiio_bits(dest)):
        assert [set(part) for part in found] == [set(part) for part in expected]
        for part, wanted in zip(found, expected, strict=True):
            for name, plane in part.items():
                assert np.array_equal(plane, wanted[name]), name
    counts = measure(file, dest, edit, written)
    total = sum(plane.size for part in expected for plane in part.values())
    assert (counts.outside_changed, counts.inside_samples, counts.outside_samples) == (0, inside, total - inside)


def head(path: Path) -> bytes:
    return path.read_bytes()[: inspect(path).head_bytes]


@pytest.mark.parametrize("codec", LOSSLESS)
def test_splice(tmp_path: Path, codec: str) -> None:
    channels = {name: kind for name, kind in RGB_AND_MORE.items() if kind != "f4" or codec != "PXR24"}
    part = replace(BIG, codec=codec, channels=channels)
    plate = write_plate(tmp_path / "p.exr", part)
    check(plate, tmp_path / "o.exr", random_edit(part, Box(-5, -100, 30, 70)), way="splice")
    assert head(tmp_path / "o.exr") == head(plate)


@pytest.mark.parametrize("width", [1, 37, 60])
@pytest.mark.parametrize("codec", LOSSLESS)
@pytest.mark.parametrize("here", [True, False])
def test_splice_of_what_gets_smaller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str, width: int, here: bool
) -> None:
    if not here:  # as where the fast deflate has no wheel: the library encodes
        monkeypatch.setattr("secondtake_daemon.images.exr_codec.ENCODED_HERE", frozenset())
    part = replace(BIG, codec=codec, size=(width, 200), channels={"B": "f2", "G": "f2", "R": "f2", "id": "u4"})
    plate = write_plate(tmp_path / "p.exr", part, planes=smooth_planes(part))
    box = Box(-13, -300, 1, 70)
    ones = {name: np.ones((70, 1), np.float16) for name in "RGB"}
    check(plate, tmp_path / "o.exr", Edit(part=0, box=box, planes=ones, where=np.ones((70, 1), bool)), way="splice")
    grown = (tmp_path / "o.exr").stat().st_size - plate.stat().st_size
    assert codec == "NO" or grown < 10 * 200 * width / 4


@pytest.mark.parametrize("codec", LOSSLESS)
def test_every_half_there_is_inside_and_outside(tmp_path: Path, codec: str) -> None:
    part = Part({"Y": "f2"}, size=(256, 256), codec=codec)
    plate = write_plate(tmp_path / "p.exr", part, planes={"Y": all_halves()})
    where = np.indices((256, 256)).sum(axis=0) % 2 == 0
    upside_down = np.ascontiguousarray(all_halves()[::-1])
    edit = Edit(part=0, box=Box(0, 0, 256, 256), planes={"Y": upside_down}, where=where)
    check(plate, tmp_path / "o.exr", edit, way="splice")


@pytest.mark.parametrize("codec", [*LOSSY, "PXR24"])
def test_a_lossy_plate_goes_out_lossless(tmp_path: Path, codec: str) -> None:
    part = replace(BIG, codec=codec)
    plate = write_plate(tmp_path / "p.exr", part)
    file = inspect(plate)
    check(plate, tmp_path / "o.exr", random_edit(part, Box(-5, -100, 30, 70)), way="transplant")
    made = inspect(tmp_path / "o.exr")
    assert made.parts[0].compression is Compression.ZIP
    before, after = head(plate), head(tmp_path / "o.exr")
    assert [at for at in range(len(before)) if before[at] != after[at]] == [file.parts[0].compression_at]


def test_far_apart_bands_leave_all_between_alone(tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "p.exr", BIG, planes=smooth_planes(BIG))  # encoded again, a chunk is another
    edit = random_edit(BIG, Box(-13, -333, 60, 700))
    where = np.zeros_like(edit.where)
    where[3:5, 7], where[200, :], where[400:450, 3:9], where[699, 59] = True, True, True, True
    edit = replace(edit, where=where)
    check(plate, tmp_path / "o.exr", edit, way="splice")
    same = [a == b for a, b in zip(chunks(plate), chunks(tmp_path / "o.exr"), strict=True)]
    assert [at for at, kept in enumerate(same) if not kept] == [0, 12, 25, 26, 27, 28, 43]


def chunks(path: Path) -> list[bytes]:
    """The chunks of a single-part scan-line file, cut by hand."""
    file, raw = inspect(path), path.read_bytes()
    count = file.parts[0].chunk_count
    starts = struct.unpack_from(f"<{count}Q", raw, file.head_bytes)
    return [raw[at : at + 8 + struct.unpack_from("<i", raw, at + 4)[0]] for at in starts]


def test_samples_that_are_known_are_not_decoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plate = write_plate(tmp_path / "p.exr", BIG)
    file = inspect(plate)
    edit = random_edit(BIG, Box(-5, -100, 30, 70))
    write_edited(file, tmp_path / "a.exr", edit)
    known = replace(edit, band=read_planes(file, rows=(-100, -30)))
    monkeypatch.setattr("secondtake_daemon.images.exr_edit.read_planes", None)
    write_edited(file, tmp_path / "b.exr", known)
    assert (tmp_path / "a.exr").read_bytes() == (tmp_path / "b.exr").read_bytes()
    with pytest.raises(TypeError):
        write_edited(file, tmp_path / "c.exr", edit)


def test_nothing_to_change_is_a_copy(tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "p.exr", replace(BIG, codec="DWAA"))
    edit = random_edit(BIG, Box(-5, -100, 30, 70))
    for empty in (None, replace(edit, where=np.zeros_like(edit.where)), replace(edit, planes={})):
        written = write_edited(inspect(plate), tmp_path / "o.exr", empty)
        assert written.way == "copy"
        assert (tmp_path / "o.exr").read_bytes() == plate.read_bytes()
        counts = measure(inspect(plate), tmp_path / "o.exr", empty, written)
        assert (counts.outside_changed, counts.inside_samples) == (0, 0)
        assert counts.outside_samples == 60 * 700 * len(RGB_AND_MORE)


@pytest.mark.parametrize("codec", ["ZIP", "PIZ", "DWAB"])
@pytest.mark.parametrize("tile", [(16, 16), (64, 32), (500, 1000)])
def test_tiled(tmp_path: Path, codec: str, tile: tuple[int, int]) -> None:
    part = replace(BIG, tile=tile, codec=codec)
    plate = write_plate(tmp_path / "p.exr", part)
    way = "splice" if codec in LOSSLESS else "transplant"
    check(plate, tmp_path / "o.exr", random_edit(part, Box(-5, -100, 30, 70)), way=way)


@pytest.mark.parametrize("codec", ["ZIP", "DWAA"])
@pytest.mark.parametrize("edited", [0, 1, 2])
def test_parts_that_are_not_edited_are_copied(tmp_path: Path, codec: str, edited: int) -> None:
    parts = [
        replace(BIG, codec=codec),
        replace(BIG, codec=codec, tile=(32, 16)),
        replace(BIG, codec="DWAB", size=(40, 60), corner=(-13, -150)),
    ]
    plate = write_parts(tmp_path / "p.exr", parts)
    lossless = parts[edited].codec in LOSSLESS
    edit = random_edit(parts[edited], Box(-5, -120, 20, 22), index=edited)
    check(plate, tmp_path / "o.exr", edit, way="splice" if lossless else "transplant")
    others = [part.compression for part in inspect(tmp_path / "o.exr").parts]
    assert [c.name for at, c in enumerate(others) if at != edited] == [
        part.codec for at, part in enumerate(parts) if at != edited
    ]


@pytest.mark.parametrize("codec", ["ZIP", "B44"])
def test_decreasing_y(tmp_path: Path, codec: str) -> None:
    part = replace(BIG, decreasing=True, codec=codec)
    plate = write_plate(tmp_path / "p.exr", part)
    table = struct.unpack_from("<2Q", plate.read_bytes(), inspect(plate).head_bytes)
    assert table[0] > table[1]
    way = "splice" if codec in LOSSLESS else "transplant"
    check(plate, tmp_path / "o.exr", random_edit(part, Box(-5, -100, 30, 70)), way=way)


def test_gaps_and_trailing_bytes_stay(tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "p.exr", BIG)
    with plate.open("ab") as opened:
        opened.write(b"a trailer that belongs to somebody")
    check(plate, tmp_path / "o.exr", random_edit(BIG, Box(-5, -100, 30, 70)), way="splice")
    assert (tmp_path / "o.exr").read_bytes().endswith(b"a trailer that belongs to somebody")


def test_chunks_that_overlap_are_refused(tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "p.exr", BIG)
    file, raw = inspect(plate), bytearray(plate.read_bytes())
    first = struct.unpack_from("<Q", raw, file.head_bytes)[0]
    size = struct.unpack_from("<i", raw, first + 4)[0]
    struct.pack_into("<i", raw, first + 4, size + 50)
    plate.write_bytes(raw)
    with pytest.raises(BadImage, match="damaged"):
        write_edited(inspect(plate), tmp_path / "o.exr", random_edit(BIG, Box(-5, -100, 30, 70)))


def test_a_header_full_of_oddities_is_kept_to_the_byte(tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "p.exr", BIG)
    for name, kind, value in [
        ("latin", "string", b"caf\xe9\0\xff"),
        ("empty", "string", b""),
        ("rate", "rational", struct.pack("<iI", 48000, 2002)),
        ("never", "rational", struct.pack("<iI", 24, 0)),
        ("deepImageState", "deepImageState", b"\1"),
        ("timeCode", "timecode", struct.pack("<II", 0x12345678, 0x9ABCDEF0)),
        ("vendor", "com.example.opaque", bytes(range(256)) * 20),
        ("zebra", "floatvector", struct.pack("<3f", 1, -0.0, float("nan"))),
        ("preview", "preview", struct.pack("<II", 4, 4) + bytes(64)),
    ]:
        file = inspect(plate)
        count = file.parts[0].chunk_count
        with_attribute(plate, name, kind, value, head_bytes=file.head_bytes, chunks=count)
    file = inspect(plate)
    edit = random_edit(BIG, Box(-5, -100, 30, 70))
    written = write_edited(file, tmp_path / "o.exr", edit)
    assert head(tmp_path / "o.exr") == head(plate)
    assert measure(file, tmp_path / "o.exr", edit, written).outside_changed == 0
    assert inspect(tmp_path / "o.exr").parts[0].time_code == struct.pack("<II", 0x12345678, 0x9ABCDEF0)


def test_a_mip_map_beside_the_picture_is_carried_but_not_edited(tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "p.exr", Part({"Y": "f2"}, size=(8, 8), tile=(8, 8)))
    raw = plate.read_bytes()
    file = inspect(plate)
    mode = raw.index(b"tiles\0tiledesc\0") + 19 + 8
    start = struct.unpack_from("<Q", raw, file.head_bytes)[0]
    tile = raw[start:]
    levels = [struct.pack("<5i", 0, 0, level, level, 2) + b"\0<" for level in (1, 2, 3)]
    sizes = [len(tile), len(levels[0]), len(levels[1])]
    table = [start + 24 + sum(sizes[:at]) for at in range(4)]
    plate.write_bytes(
        raw[:mode] + b"\1" + raw[mode + 1 : file.head_bytes] + struct.pack("<4Q", *table) + tile + b"".join(levels)
    )
    file = inspect(plate)
    assert np.array_equal(
        as_bits(read_planes(file).planes["Y"]), as_bits(planes_for(Part({"Y": "f2"}, size=(8, 8)))["Y"])
    )
    edit = Edit(part=0, box=Box(0, 0, 1, 1), planes={"Y": np.ones((1, 1), np.float16)}, where=np.ones((1, 1), bool))
    with pytest.raises(BadImage, match="mip-map"):
        write_edited(file, tmp_path / "o.exr", edit)
    write_edited(file, tmp_path / "o.exr", None)
    assert (tmp_path / "o.exr").read_bytes() == plate.read_bytes()


def test_an_edit_that_does_not_fit_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    file = inspect(write_plate(tmp_path / "p.exr", BIG))
    edit = random_edit(BIG, Box(-5, -100, 30, 70))
    for wrong in (
        replace(edit, box=Box(40, -100, 30, 70)),
        replace(edit, where=edit.where[1:]),
        replace(edit, planes={"R": edit.planes["R"].astype(np.float32)}),
        replace(edit, planes={"none": edit.planes["R"]}),
    ):
        with pytest.raises(ValueError, match="does not fit"):
            write_edited(file, tmp_path / "o.exr", wrong)


def test_a_new_file(tmp_path: Path) -> None:
    part = Part(size=(20, 30), corner=(3, -4))
    planes: Planes = planes_for(part)
    flipped = {name: plane[:, ::-1] for name, plane in planes.items()}
    write_new(
        tmp_path / "n.exr",
        data_window=Box(3, -4, 20, 30),
        display_window=Box(0, 0, 64, 48),
        planes=flipped,
        attributes={"note": "hello", "pixelAspectRatio": 2.0},
    )
    (found,) = inspect(tmp_path / "n.exr").parts
    assert (found.data_window, found.display_window) == (Box(3, -4, 20, 30), Box(0, 0, 64, 48))
    assert found.compression is Compression.ZIP
    for name, plane in oiio_bits(tmp_path / "n.exr")[0].items():
        assert np.array_equal(plane, as_bits(planes[name][:, ::-1]))
    with pytest.raises(ValueError, match="data window"):
        write_new(tmp_path / "n.exr", data_window=Box(0, 0, 5, 5), planes=planes)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Part, Box, bool]:
    width, height = draw(st.integers(1, 40)), draw(st.integers(1, 150))
    x, y = draw(st.integers(-60, 60)), draw(st.integers(-60, 60))
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    box = Box(x + left, y + top, draw(st.integers(1, width - left)), draw(st.integers(1, height - top)))
    tile = draw(st.none() | st.tuples(st.integers(1, 50), st.integers(1, 50)))
    kinds = st.sampled_from(["f2", "f4"])
    channels = {"B": draw(kinds), "G": draw(kinds), "R": draw(kinds)} | draw(
        st.dictionaries(st.sampled_from(["A", "Z", "crypto00.red", "ids"]), st.sampled_from(["f2", "f4", "u4"]))
    )
    codec = draw(st.sampled_from([*LOSSLESS, "DWAA", "B44"]))
    decreasing = draw(st.booleans()) and not tile
    part = Part(channels, (width, height), (x, y), codec=codec, tile=tile, decreasing=decreasing)
    return part, box, draw(st.booleans())


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=cases())
def test_any_plate_any_box(tmp_path: Path, case: tuple[Part, Box, bool]) -> None:
    part, box, is_smooth = case
    plate = write_plate(tmp_path / "p.exr", part, planes=smooth_planes(part) if is_smooth else planes_for(part))
    edit = random_edit(part, box)
    edit.where[0, 0] = True
    way = "splice" if inspect(plate).parts[0].is_lossless else "transplant"
    check(plate, tmp_path / "o.exr", edit, way=way)


def test_where_views_do_not_matter(tmp_path: Path) -> None:
    """Planes and matte that are not contiguous are taken for what they hold, not for how they lie."""
    plate = write_plate(tmp_path / "p.exr", BIG)
    edit = random_edit(BIG, Box(-5, -100, 30, 70))

    def awkward(plane: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.asfortranarray(plane)[:, ::-1][:, ::-1]

    odd = replace(
        edit, planes={name: awkward(p) for name, p in edit.planes.items()}, where=np.asfortranarray(edit.where)
    )
    check(plate, tmp_path / "o.exr", odd, way="splice")
