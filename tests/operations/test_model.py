"""A tiny VACE in this process: what follows from what, and the same bytes whatever was made before."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_process import HEIGHT, WIDTH, Studio, planes, write_depth, write_picture, write_plate

from secondtake.messages import ControlKind, FixResult, Operation, Reference
from secondtake_daemon.takes.manifest import load

pytest.importorskip("torch", reason="no torch: pip install 'secondtake[diffusion]'")


@pytest.fixture
def studio(tmp_path: Path, tiny_models: Path) -> Studio:
    return Studio(tmp_path, models=tiny_models)


def content(made: FixResult) -> list[bytes]:
    return [Path(file).read_bytes() for file in made.files]


def picture(file: str | Path) -> np.ndarray:
    return np.stack([planes(file)[name].astype(np.float32) for name in "RGB"], axis=-1)


WANTED: dict[str, Any] = {"engine": "tiny", "instruction": "a street", "engine_options": {"grain": "none"}}


def test_new_frames_go_on_from_the_plate_window_after_window(studio: Studio, tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "plate", range(1008, 1012))
    longer = studio.make(Operation.EXTEND, plate=plate, frames="1002-1024", **WANTED)
    windows = load(Path(longer.manifest)).windows
    assert len(windows) == 4
    assert all(np.isfinite(picture(file)).all() for file in longer.files)
    shutil.rmtree(tmp_path / "cache" / "patches")
    for path in (tmp_path / "cache").glob("engines/*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shorter = studio.make(Operation.EXTEND, plate=plate, frames="1002-1015", **WANTED)
    first = [Path(file).read_bytes() for file in longer.files[:6]]
    assert content(shorter)[:6] == first, "what lies before the plate does not hang on what comes after it"
    again = studio.make(Operation.EXTEND, plate=plate, frames="1002-1024", **WANTED)
    assert content(again) == content(longer)


def test_another_plate_gives_other_new_frames(studio: Studio, tmp_path: Path) -> None:
    made = []
    for light in (1.0, 0.9):
        plate = write_plate(tmp_path / f"{light}", range(1001, 1005), light=light)
        made.append(studio.make(Operation.EXTEND, plate=plate, frames="1001-1008", **WANTED))
    assert all(one != two for one, two in zip(*map(content, made), strict=True))


def test_a_painted_frame_is_taken_as_it_is(studio: Studio, tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "plate", range(1001, 1006))
    paint = write_picture(tmp_path / "paint.exr", width=WIDTH, height=HEIGHT)
    free = studio.make(Operation.RESTYLE, plate=plate, **WANTED)
    led = studio.make(Operation.RESTYLE, plate=plate, references=(Reference(path=str(paint), frame=1003),), **WANTED)
    assert picture(led.files[2]) == pytest.approx(picture(paint), rel=1e-3, abs=1e-4)
    assert picture(led.files[1]) != pytest.approx(picture(free.files[1]))


def test_what_is_followed_and_shown_matters(studio: Studio, tmp_path: Path) -> None:
    plate, depth = write_plate(tmp_path / "plate", range(1, 3)), write_depth(tmp_path / "z", range(1, 3))
    look = Reference(path=str(write_picture(tmp_path / "look.exr", width=200, height=150)))
    ways: dict[str, dict[str, Any]] = {
        "lines": {}, "grey": {"control_kind": ControlKind.GREY}, "look": {"references": (look,)},
        "depth": {"control": depth, "control_kind": ControlKind.DEPTH},
    }  # fmt: skip
    made = {name: content(studio.make(Operation.RESTYLE, plate=plate, **WANTED, **way)) for name, way in ways.items()}
    assert len({frames[0] for frames in made.values()}) == len(ways)
    lines = studio.make(Operation.RESTYLE, plate=plate, control_kind=ControlKind.SCRIBBLE, **WANTED)
    assert content(lines) == made["lines"]


def test_a_dark_plate_comes_back_dark(studio: Studio, tmp_path: Path) -> None:
    bright = studio.make(Operation.RESTYLE, plate=write_plate(tmp_path / "a", range(1, 3)), **WANTED)
    dark_plate = write_plate(tmp_path / "b", range(1, 3), light=1 / 64)
    dark = studio.make(Operation.RESTYLE, plate=dark_plate, **WANTED)
    levels = [float(np.median(picture(made.files[0]))) for made in (bright, dark)]
    assert levels[0] / levels[1] == pytest.approx(64, rel=0.2)
