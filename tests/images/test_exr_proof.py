"""The proof must notice every kind of wrong file, not only pass right ones."""

from __future__ import annotations

import struct
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from secondtake.boxes import Box
from secondtake.errors import BadImage, ProofFailed
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.exr_proof import Counts, measure
from secondtake_daemon.images.exr_write import Edit, Written, write_edited

sys.path.insert(0, str(Path(__file__).parent))
from exr_samples import Part, Planes, planes_for, write_parts, write_plate

PART = Part({"A": "f2", "B": "f2", "G": "f2", "R": "f2", "Z": "f4"}, size=(40, 200))
BOX = Box(10, 70, 20, 30)


def edit_of(planes: Planes, *, box: Box = BOX) -> Edit:
    """Doubles the colours on a chequerboard."""
    where = np.indices((box.height, box.width)).sum(axis=0) % 2 == 0
    new = {name: np.full((box.height, box.width), 0.5, planes[name].dtype) for name in "RGB"}
    return Edit(part=0, box=box, planes=new, where=where)


def measured(plate: Path, dest: Path, edit: Edit | None, way: str) -> Counts:
    return measure(inspect(plate), dest, edit, Written(way=way))


def made_by_hand(folder: Path, part: Part, changes: list[tuple[str, int, int]]) -> tuple[Path, Path, Edit]:
    """A plate and a file that holds the edit and, besides, other samples at (channel, x, y)."""
    planes = planes_for(part)
    plate = write_plate(folder / "p.exr", part, planes=planes)
    edit = edit_of(planes)
    result = {name: plane.copy() for name, plane in planes.items()}
    for name, new in edit.planes.items():
        np.copyto(result[name][BOX.within(Box(0, 0, *part.size))], new, where=edit.where)
    for name, x, y in changes:
        result[name].view(f"u{result[name].itemsize}")[y, x] ^= 1
    return plate, write_plate(folder / "o.exr", part, planes=result), edit


@pytest.mark.parametrize("codec", ["ZIP", "PIZ", "NO"])
@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ([], 0),
        ([("R", 10, 71)], 1),  # in the box, where the edit is off
        ([("Z", 10, 70)], 1),  # where the edit is on, but another channel
        ([("A", 0, 70), ("B", 39, 99), ("R", 0, 85)], 3),
    ],
)
def test_samples_in_encoded_rows_are_counted(
    tmp_path: Path, codec: str, changes: list[tuple[str, int, int]], count: int
) -> None:
    plate, dest, edit = made_by_hand(tmp_path, replace(PART, codec=codec), changes)
    assert measured(plate, dest, edit, "splice").outside_changed == count


@pytest.mark.parametrize("codec", ["ZIP", "PIZ"])
@pytest.mark.parametrize("where", [("R", 3, 5), ("A", 39, 199)])
def test_rows_that_should_be_copies_must_be(tmp_path: Path, codec: str, where: tuple[str, int, int]) -> None:
    plate, dest, edit = made_by_hand(tmp_path, replace(PART, codec=codec), [where])
    with pytest.raises(ProofFailed, match="copied"):
        measured(plate, dest, edit, "splice")


def test_a_transplant_is_compared_whole(tmp_path: Path) -> None:
    plate, dest, edit = made_by_hand(tmp_path, PART, [("R", 3, 5), ("A", 39, 199)])
    assert measured(plate, dest, edit, "transplant").outside_changed == 2


def test_an_edit_that_did_not_arrive(tmp_path: Path) -> None:
    plate, dest, edit = made_by_hand(tmp_path, PART, [("G", 10, 70)])
    with pytest.raises(ProofFailed, match="channel G did not arrive"):
        measured(plate, dest, edit, "splice")


def test_a_header_that_differs(tmp_path: Path) -> None:
    plate, dest, edit = made_by_hand(tmp_path, PART, [])
    raw = bytearray(dest.read_bytes())
    at = raw.index(b"pixelAspectRatio\0float\0") + 27
    raw[at : at + 4] = struct.pack("<f", 1.0000001)
    dest.write_bytes(raw)
    for way in ("splice", "transplant"):
        with pytest.raises(ProofFailed, match="header"):
            measured(plate, dest, edit, way)


def test_a_codec_may_only_change_in_a_transplant(tmp_path: Path) -> None:
    plate, dest, edit = made_by_hand(tmp_path, PART, [])
    raw = bytearray(dest.read_bytes())
    raw[inspect(dest).parts[0].compression_at] = 5
    dest.write_bytes(raw)
    with pytest.raises(ProofFailed, match="header"):
        measured(plate, dest, edit, "splice")


def test_a_file_that_is_not_whole(tmp_path: Path) -> None:
    plate, dest, edit = made_by_hand(tmp_path, PART, [])
    dest.write_bytes(dest.read_bytes()[:-20])
    with pytest.raises(ProofFailed, match="not whole"):
        measured(plate, dest, edit, "splice")


@pytest.mark.parametrize("harm", ["flip", "short", "long"])
def test_a_copy_must_be_one(tmp_path: Path, harm: str) -> None:
    plate = write_plate(tmp_path / "p.exr", PART)
    raw = bytearray(plate.read_bytes())
    raw[-1] ^= 1
    (tmp_path / "o.exr").write_bytes({"flip": bytes(raw), "short": plate.read_bytes()[:-1], "long": raw + b"x"}[harm])
    with pytest.raises(ProofFailed):
        measured(plate, tmp_path / "o.exr", None, "copy")


def test_another_part_that_differs(tmp_path: Path) -> None:
    parts = [PART, Part({"Z": "f4"}, size=(40, 200))]
    planes = [planes_for(part, seed) for seed, part in enumerate(parts)]
    plate = write_parts(tmp_path / "p.exr", parts, planes)
    file = inspect(plate)
    edit = edit_of(planes[0])
    dest = tmp_path / "o.exr"
    written = write_edited(file, dest, edit)
    assert measure(file, dest, edit, written).outside_changed == 0
    raw = bytearray(dest.read_bytes())
    raw[-1] ^= 1  # the last chunk is the other part's
    dest.write_bytes(raw)
    with pytest.raises(ProofFailed, match="copied"):
        measure(file, dest, edit, written)


def test_a_plate_that_changed_meanwhile_is_no_proof(tmp_path: Path) -> None:
    plate, dest, edit = made_by_hand(tmp_path, PART, [])
    file = inspect(plate)
    write_plate(plate, PART, seed=5)
    with pytest.raises(BadImage, match="changed on disk"):
        measure(file, dest, edit, Written(way="splice"))
