"""Drawn shapes stay as long as a take names them, or may want them; the rest goes, oldest first."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest

from secondtake_daemon.takes.drawn_shapes import GRACE_S, sweep_shapes
from secondtake_daemon.takes.registry import Entry

NOW_S = 2e9
OLD_S = NOW_S - GRACE_S - 1000


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    """Six files, the first one used longest ago, the last one just now."""
    folder = tmp_path / "shapes"
    folder.mkdir()
    for place in range(6):
        path = folder / name(place)
        path.write_text("{}")
        used_s = NOW_S if place == 5 else OLD_S + place
        os.utime(path, (used_s, used_s))
    return folder


def name(place: int) -> str:
    return f"{place:032x}.json"


def take(root: Path, take_id: str, folder: Path, matte: Path | None) -> None:
    """A take in the registry; without a matte its folder is not there."""
    entry = Entry(take=take_id, shot="sh010", made="2026-01-01", folder=str(folder), frames=1, engine="standin")
    (root / "takes").mkdir(exist_ok=True)
    (root / "takes" / f"{take_id}.json").write_bytes(msgspec.json.encode(entry))
    if matte is not None:
        folder.mkdir(parents=True)
        (folder / "take.json").write_text(json.dumps({"request": {"matte": str(matte)}}))


def left(folder: Path) -> list[int]:
    return [place for place in range(6) if (folder / name(place)).exists()]


def sweep(shapes: Path, *, more_than: int = 0) -> int:
    return sweep_shapes(shapes, takes=shapes.parent / "takes", now_s=NOW_S, more_than=more_than).files


def test_what_a_take_names_and_what_was_just_used_stays(shapes: Path, tmp_path: Path) -> None:
    take(tmp_path, "ta", tmp_path / "show" / "a", shapes / name(2))
    assert sweep(shapes) == 4
    assert left(shapes) == [2, 5]


def test_the_oldest_go_until_few_enough_are_left(shapes: Path, tmp_path: Path) -> None:
    take(tmp_path, "ta", tmp_path / "show" / "a", shapes / name(0))
    assert sweep(shapes, more_than=4) == 2
    assert left(shapes) == [0, 3, 4, 5]
    assert sweep(shapes, more_than=4) == 0


def test_nothing_goes_while_a_take_cannot_be_reached(shapes: Path, tmp_path: Path) -> None:
    take(tmp_path, "ta", tmp_path / "no server" / "show" / "a", None)
    assert sweep(shapes) == 0 and left(shapes) == [0, 1, 2, 3, 4, 5]


def test_a_take_that_was_removed_from_its_place_keeps_nothing(shapes: Path, tmp_path: Path) -> None:
    (tmp_path / "show").mkdir()
    take(tmp_path, "ta", tmp_path / "show" / "a", None)
    assert sweep(shapes) == 5 and left(shapes) == [5]


def test_no_folder_is_nothing_to_do(tmp_path: Path) -> None:
    assert sweep_shapes(tmp_path / "shapes", takes=tmp_path / "takes", now_s=NOW_S).files == 0
