"""A layer beside the picture: its samples and nothing else are new, in every codec and structure."""

from __future__ import annotations

import struct
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secondtake.boxes import Box
from secondtake.errors import BadImage, ProofFailed
from secondtake_daemon.images import exr_edit, exr_write
from secondtake_daemon.images.exr_guard import Limits, inspect
from secondtake_daemon.images.exr_layers import CONFIDENCE, LAYERS, layers_of, with_entries, without_entries
from secondtake_daemon.images.exr_proof import measure
from secondtake_daemon.images.exr_write import Edit, Written, write_edited

sys.path.insert(0, str(Path(__file__).parent))
from exr_samples import (
    LOSSLESS,
    LOSSY,
    RGB_AND_MORE,
    Part,
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

NAMES = CONFIDENCE.channels
BIG = Part(channels=RGB_AND_MORE, size=(60, 700), corner=(-13, -333), display=(0, 0, 99, 99))
BOX = Box(-5, -100, 30, 70)


def layer_edit(part: Part, box: Box, *, index: int = 0, seed: int = 0) -> Edit:
    """Random colours on half of the box, and there one of the three channels set; elsewhere rubbish to be ignored."""
    random = np.random.default_rng(seed)
    shape = box.height, box.width
    where = random.random(shape) < 0.5
    way = random.integers(0, 3, shape)
    planes = {name: any_bits(part.channels[name], shape, random) for name in "RGB" if name in part.channels}
    added = {name: np.where(where, way == at, 7).astype(np.float16) for at, name in enumerate(NAMES)}
    return Edit(part=index, box=box, planes=planes, where=where, added=added)


def check(plate: Path, dest: Path, edit: Edit) -> None:
    """Write it. Both libraries must find the plate's bits, the edit's and the layer's; the proof counts the plate's."""
    file = inspect(plate)
    written = write_edited(file, dest, edit)
    assert written.way == "layer"
    expected = bits_of(plate)
    total = sum(plane.size for part in expected for plane in part.values())
    window = file.parts[edit.part].data_window
    for name, new in edit.planes.items():
        np.copyto(expected[edit.part][name][edit.box.within(window)], as_bits(new), where=edit.where)
    for name, new in edit.added.items():
        layer = np.zeros((window.height, window.width), np.uint16)
        if not edit.box.is_empty:
            layer[edit.box.within(window)][edit.where] = as_bits(new)[edit.where]
        expected[edit.part][name] = layer
    for found in (bits_of(dest), oiio_bits(dest)):
        assert [set(part) for part in found] == [set(part) for part in expected]
        for part, wanted in zip(found, expected, strict=True):
            for name, plane in part.items():
                assert np.array_equal(plane, wanted[name]), name
    inside = int(edit.where.sum()) * len(edit.planes)
    counts = measure(file, dest, edit, written)
    assert (counts.outside_changed, counts.inside_samples, counts.outside_samples) == (0, inside, total - inside)


def check_head(plate: Path, dest: Path, part: int = 0) -> None:
    """But for the list of channels (and the codec's byte of a lossy part) the header has the plate's bytes."""
    before, after = inspect(plate), inspect(dest)
    theirs, ours = plate.read_bytes()[: before.head_bytes], dest.read_bytes()[: after.head_bytes]
    at, now = before.parts[part], after.parts[part]
    assert set(now.names) - set(at.names) == set(NAMES)
    assert list(now.names) == sorted(now.names)
    for name in NAMES:
        entry = name.encode() + b"\0" + struct.pack("<IIii", 1, 0, 1, 1)
        assert ours.count(entry) == 1
        ours = ours.replace(entry, b"")
    assert len(ours) == len(theirs)
    same = [place for place in range(len(theirs)) if theirs[place] != ours[place]]
    length = range(at.channels_at - 4, at.channels_at)
    codec = {at.compression_at} if not at.is_lossless else set()
    counts = range(at.chunk_count_at, at.chunk_count_at + 4) if at.chunk_count_at and codec else ()
    assert set(same) <= {*length, *codec, *counts}


@pytest.mark.parametrize("codec", [*LOSSLESS, *LOSSY])
def test_every_codec(tmp_path: Path, codec: str) -> None:
    part = replace(BIG, codec=codec)
    plate = write_plate(tmp_path / "p.exr", part)
    check(plate, tmp_path / "o.exr", layer_edit(part, BOX))
    check_head(plate, tmp_path / "o.exr")
    made, before = inspect(tmp_path / "o.exr").parts[0], inspect(plate).parts[0]
    assert made.compression.name == (before.compression.name if before.is_lossless else "ZIP")


@pytest.mark.parametrize("codec", ["PIZ", "ZIP", "DWAB", "PXR24"])
@pytest.mark.parametrize("tile", [(16, 16), (64, 32), (500, 1000)])
def test_tiled(tmp_path: Path, codec: str, tile: tuple[int, int]) -> None:
    part = replace(BIG, tile=tile, codec=codec)
    plate = write_plate(tmp_path / "p.exr", part)
    check(plate, tmp_path / "o.exr", layer_edit(part, BOX))
    check_head(plate, tmp_path / "o.exr")


@pytest.mark.parametrize("codec", ["ZIPS", "DWAA"])
@pytest.mark.parametrize("edited", [0, 1, 2])
def test_other_parts_are_copied(tmp_path: Path, codec: str, edited: int) -> None:
    parts = [
        replace(BIG, codec=codec),
        replace(BIG, codec=codec, tile=(32, 16)),
        replace(BIG, codec="DWAB", size=(40, 60), corner=(-13, -150)),
    ]
    plate = write_parts(tmp_path / "p.exr", parts)
    check(plate, tmp_path / "o.exr", layer_edit(parts[edited], Box(-5, -120, 20, 22), index=edited))
    check_head(plate, tmp_path / "o.exr", edited)


@pytest.mark.parametrize("codec", ["ZIP", "PIZ", "B44"])
def test_decreasing_y_stays_decreasing_where_the_codec_stays(tmp_path: Path, codec: str) -> None:
    part = replace(BIG, decreasing=True, codec=codec)
    plate = write_plate(tmp_path / "p.exr", part)
    check(plate, tmp_path / "o.exr", layer_edit(part, BOX))
    table = struct.unpack_from("<2Q", (tmp_path / "o.exr").read_bytes(), inspect(tmp_path / "o.exr").head_bytes)
    assert (table[0] > table[1]) == (codec != "B44")


@pytest.mark.parametrize("codec", ["ZIP", "PIZ", "NO", "DWAB", "B44", "PXR24"])
@pytest.mark.parametrize("tile", [None, (32, 24)])
def test_a_large_part_is_encoded_in_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str, tile: tuple[int, int] | None
) -> None:
    part = replace(BIG, codec=codec, tile=tile)
    plate = write_plate(tmp_path / "p.exr", part)
    edit = layer_edit(part, BOX)
    write_edited(inspect(plate), tmp_path / "whole.exr", edit)
    monkeypatch.setattr(exr_edit, "_RUN_BYTES", 60 * 16 * 30)
    assert len(list(exr_edit.band_runs(inspect(plate).parts[0]))) > 2
    check(plate, tmp_path / "o.exr", edit)
    assert (tmp_path / "o.exr").read_bytes() == (tmp_path / "whole.exr").read_bytes()


@pytest.mark.parametrize("codec", ["ZIP", "DWAA"])
def test_a_frame_without_a_matte_gets_an_empty_layer(tmp_path: Path, codec: str) -> None:
    plate = write_plate(tmp_path / "p.exr", replace(BIG, codec=codec))
    nothing = {name: np.zeros((0, 0), np.float16) for name in NAMES}
    edit = Edit(part=0, box=Box(0, 0, 0, 0), planes={}, where=np.zeros((0, 0), bool), added=nothing)
    check(plate, tmp_path / "o.exr", edit)
    assert not any(bits_of(tmp_path / "o.exr")[0][name].any() for name in NAMES)


def test_channels_that_are_there_are_edited_and_only_the_others_added(tmp_path: Path) -> None:
    part = replace(BIG, channels={**RGB_AND_MORE, NAMES[0]: "f4"})
    plate = write_plate(tmp_path / "p.exr", part)
    edit = layer_edit(part, BOX)
    seen = edit.added[NAMES[0]].astype(np.float32)
    others = {name: plane for name, plane in edit.added.items() if name != NAMES[0]}
    check(plate, tmp_path / "o.exr", replace(edit, planes={**edit.planes, NAMES[0]: seen}, added=others))


@pytest.mark.parametrize("codec", LOSSLESS)
def test_chunks_that_get_smaller(tmp_path: Path, codec: str) -> None:
    part = Part({"B": "f2", "G": "f2", "R": "f2"}, size=(37, 200), codec=codec)
    plate = write_plate(tmp_path / "p.exr", part, planes=smooth_planes(part))
    check(plate, tmp_path / "o.exr", layer_edit(part, Box(3, 100, 20, 50)))


def test_oddities_in_the_header_and_behind_the_pixels_stay(tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "p.exr", BIG)
    for name, kind, value in [
        ("latin", "string", b"caf\xe9\0\xff"),
        ("never", "rational", struct.pack("<iI", 24, 0)),
        ("channelsOf", "chlist", b"\0"),
        ("vendor", "com.example.opaque", bytes(range(256)) * 20),
    ]:
        file = inspect(plate)
        with_attribute(plate, name, kind, value, head_bytes=file.head_bytes, chunks=file.parts[0].chunk_count)
    raw = bytearray(plate.read_bytes())
    at = raw.index(b"R\0" + struct.pack("<I", 1)) + 2 + 4
    raw[at : at + 4] = b"\1abc"  # the flag "linear" and three spare bytes
    plate.write_bytes(raw + b"a trailer")
    file, edit = inspect(plate), layer_edit(BIG, BOX)
    written = write_edited(file, tmp_path / "o.exr", edit)
    assert measure(file, tmp_path / "o.exr", edit, written).outside_changed == 0
    check_head(plate, tmp_path / "o.exr")
    assert (tmp_path / "o.exr").read_bytes().endswith(b"a trailer")


@settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_plate(tmp_path: Path, data: st.DataObject) -> None:
    kinds = st.sampled_from(["f2", "f4"])
    more = st.dictionaries(st.sampled_from(["A", "Z", "a.b", "zebra", "confidence", "confidence.z", "é"]), kinds)
    width, height = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 90))
    parts = [
        Part(
            channels={**{name: data.draw(kinds) for name in "RGB"}, **data.draw(more)},
            size=(width, height),
            corner=data.draw(st.tuples(st.integers(-50, 50), st.integers(-50, 50))),
            display=(0, 0, 99, 99),
            codec=data.draw(st.sampled_from([*LOSSLESS, *LOSSY])),
            tile=data.draw(st.none() | st.tuples(st.integers(1, 50), st.integers(1, 50))),
        )
        for _ in range(data.draw(st.integers(1, 3)))
    ]
    index = data.draw(st.integers(0, len(parts) - 1))
    x, y = parts[index].corner
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    box = Box(x + left, y + top, data.draw(st.integers(1, width - left)), data.draw(st.integers(1, height - top)))
    planes = [planes_for(part, seed) for seed, part in enumerate(parts)]
    plate = write_parts(tmp_path / "p.exr", parts, planes)
    check(plate, tmp_path / "o.exr", layer_edit(parts[index], box, index=index, seed=box.area))


def damaged(folder: Path, name: str, x: int, y: int) -> tuple[Path, Path, Edit]:
    """A plate, and a file with its layer, in which one sample is another."""
    part = Part({"B": "f2", "G": "f2", "R": "f2", "Z": "f4"}, size=(40, 200))
    plate = write_plate(folder / "p.exr", part)
    edit = layer_edit(part, Box(10, 70, 20, 30))
    write_edited(inspect(plate), folder / "good.exr", edit)
    channels = {**part.channels, **dict.fromkeys(NAMES, "f2")}
    planes = {key: plane.copy() for key, plane in bits_of(folder / "good.exr")[0].items()}
    planes[name][y, x] ^= 1
    decoded = {key: plane.view(channels[key]) for key, plane in planes.items()}
    return plate, write_plate(folder / "o.exr", replace(part, channels=channels), planes=decoded), edit


@pytest.mark.parametrize(
    ("name", "x", "y", "says"),
    [
        (NAMES[1], 0, 0, "confidence.B is not 0 outside"),
        (NAMES[2], 39, 199, "confidence.R is not 0 outside"),
        (NAMES[0], 15, 80, "confidence.G (did not arrive|is not 0)"),
        ("R", 15, 80, ""),
    ],
)
def test_the_proof_sees_every_sample_of_the_layer(tmp_path: Path, name: str, x: int, y: int, says: str) -> None:
    plate, dest, edit = damaged(tmp_path, name, x, y)
    if says:
        with pytest.raises(ProofFailed, match=says):
            measure(inspect(plate), dest, edit, Written(way="layer"))
        return
    counts = None
    try:
        counts = measure(inspect(plate), dest, edit, Written(way="layer"))
    except ProofFailed as error:
        assert "channel R did not arrive" in error.message
    assert counts is None or counts.outside_changed == 1


def test_the_proof_wants_the_plates_header_and_just_the_new_channels(tmp_path: Path) -> None:
    plate, _, edit = damaged(tmp_path, "R", 0, 0)
    good = (tmp_path / "good.exr").read_bytes()
    file = inspect(tmp_path / "good.exr")
    changes = {
        "header": (good.index(b"pixelAspectRatio\0float\0") + 27, 1),
        "channels": (good.index(b"confidence.G\0") + 13 + 4, 1),  # the flag "linear" of a new channel
        "header is not": (file.parts[0].compression_at, 2),
    }
    for says, (at, value) in changes.items():
        raw = bytearray(good)
        raw[at] = value
        (tmp_path / "bad.exr").write_bytes(raw)
        with pytest.raises(ProofFailed, match=f"{says}|not whole"):
            measure(inspect(plate), tmp_path / "bad.exr", edit, Written(way="layer"))
    with pytest.raises(ProofFailed, match="channels"):
        measure(inspect(plate), tmp_path / "good.exr", replace(edit, added={}), Written(way="splice"))


def test_entries_go_in_and_come_out_again(tmp_path: Path) -> None:
    plate = write_parts(tmp_path / "p.exr", [BIG, replace(BIG, channels={"confidence": "f2", "confidencez": "f4"})])
    file = inspect(plate)
    head = plate.read_bytes()[: file.head_bytes]
    for part in file.parts:
        grown = with_entries(head, part, NAMES)
        assert len(grown) == len(head) + sum(len(name) + 17 for name in NAMES)
        assert without_entries(grown, part, NAMES) == head


def test_a_mistake_of_the_caller_and_a_plate_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plate = write_plate(tmp_path / "p.exr", BIG)
    edit = layer_edit(BIG, BOX)
    for wrong in (
        {"R": edit.added[NAMES[0]]},
        {NAMES[0]: edit.added[NAMES[0]][1:]},
        {NAMES[0]: edit.added[NAMES[0]].astype(np.float32)},
    ):
        with pytest.raises(ValueError, match="does not fit"):
            write_edited(inspect(plate), tmp_path / "o.exr", replace(edit, added=wrong))
    monkeypatch.setattr(exr_write, "LIMITS", Limits(channels=8))
    with pytest.raises(BadImage, match="6 channels"):
        write_edited(inspect(plate), tmp_path / "o.exr", edit)


def test_layers_by_name() -> None:
    assert layers_of(("confidence", "confidence")) == LAYERS == (CONFIDENCE,)
    assert layers_of(("depth",)) == ()
