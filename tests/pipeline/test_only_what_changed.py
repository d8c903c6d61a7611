"""Only what changed is made again: how many windows the engine is asked for, in every case that the daily work has."""

from __future__ import annotations

import json
import shutil
import sys
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import OpenEXR
import pytest

from secondtake.messages import FixRequest, FixResult, Operation
from secondtake_daemon.engines.card import Card
from secondtake_daemon.engines.contract import Job, Patch, Window
from secondtake_daemon.engines.standin import StandInEngine
from secondtake_daemon.pipeline import Folders, render_fix
from secondtake_daemon.takes.manifest import Manifest, load

sys.path.insert(0, str(Path(__file__).parent))
from test_render_fix import Recorder

FIRST, LAST = 1001, 1060
SHORT = "1001-1011"
SIDE = 4
"""Frames of a window of the stand-in."""
WIDTH, HEIGHT = 320, 48
KEYS = {1001: 40.0, 1016: 120.0, 1031: 160.0, 1046: 100.0, 1060: 60.0}
"""Where the shape's centre is at its keys, in x."""


class Counting(StandInEngine):
    """The stand-in, which remembers what it was asked for."""

    asked: ClassVar[list[tuple[int, ...]]] = []
    other: ClassVar[dict[str, Any]] = {}
    """What its card says differently."""

    def __init__(self, card: Card) -> None:
        super().__init__(replace(card, **self.other))

    def generate(self, window: Window, job: Job) -> Patch:
        self.asked.append(window.frames)
        return super().generate(window, job)


class Steady(Counting):
    """One that needs the same crop in all windows, and does not read instructions."""

    other: ClassVar[dict[str, Any]] = {"steady_crop": True, "reads_instruction": False}


@pytest.fixture(scope="module")
def show(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plate of small frames; ten before and ten after the shot."""
    root = tmp_path_factory.mktemp("show")
    (root / "plate").mkdir()
    for frame in range(FIRST - 10, LAST + 11):
        random = np.random.default_rng(frame)
        planes = {name: random.random((HEIGHT, WIDTH), np.float32).astype(np.float16) for name in "RGB"}
        header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.NO_COMPRESSION}
        OpenEXR.File(header, planes).write(str(root / "plate" / f"sh.{frame:04d}.exr"))
    return root


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> list[type[Counting]]:
    """Which engine runs: the first of the list."""
    chosen: list[type[Counting]] = [Counting]
    monkeypatch.setattr("secondtake_daemon.pipeline.factory", lambda _card: chosen[0])
    return chosen


@pytest.fixture
def fix(show: Path, tmp_path: Path) -> Callable[..., tuple[FixResult, list[tuple[int, ...]]]]:
    """Make a take; returns it, and the windows that the engine was asked for."""

    def make(keys: dict[int, float] | None = None, **options: object) -> tuple[FixResult, list[tuple[int, ...]]]:
        name = uuid.uuid4().hex
        write_shapes(tmp_path / f"{name}.json", keys or KEYS)
        values: dict[str, object] = {
            "job": name,
            "shot": "sh",
            "plate": str(show / "plate" / "sh.####.exr"),
            "matte": str(tmp_path / f"{name}.json"),
            "out": str(tmp_path / name),
            "operation": Operation.REPLACE,
            "instruction": "grey stone",
            "frames": f"{FIRST}-{LAST}",
            "engine": "standin",
            "engine_options": {"mode": "noise"},
        }
        Counting.asked.clear()
        folders = Folders(cache=tmp_path / "cache", takes=tmp_path / "takes", cache_bytes=1 << 30)
        request = FixRequest(**{**values, **options})  # type: ignore[arg-type]
        result = render_fix(request, take="t" + name[:6], folders=folders, report=Recorder())
        return result, list(Counting.asked)

    return make


def write_shapes(path: Path, keys: dict[int, float]) -> None:
    shapes = [
        {"kind": "ellipse", "keys": [{"frame": at, "centre": [x, 24], "radii": [20, 14]} for at, x in keys.items()]}
    ]
    path.write_text(json.dumps({"version": 1, "size": [WIDTH, HEIGHT], "shapes": shapes}))


def windows_of(first: int, last: int) -> list[tuple[int, ...]]:
    """The windows that hold a frame between, cut to the shot."""
    starts = range(first // SIDE * SIDE, last + 1, SIDE)
    return [tuple(f for f in range(at, at + SIDE) if FIRST <= f <= LAST) for at in starts]


def digests(result: FixResult) -> list[str]:
    return [record.digest for record in manifest_of(result).frames]


def manifest_of(result: FixResult) -> Manifest:
    return load(Path(result.manifest))


Fix = Callable[..., tuple[FixResult, list[tuple[int, ...]]]]


def test_one_moved_key_runs_the_windows_that_see_it(fix: Fix) -> None:
    first, asked = fix()
    assert asked == windows_of(FIRST, LAST)
    moved, asked = fix({**KEYS, 1031: 150.0})
    assert asked == windows_of(1017, 1045)  # a key is seen as far as its neighbours
    before, after = digests(first), digests(moved)
    differs = [frame for frame, a, b in zip(range(FIRST, LAST + 1), before, after, strict=True) if a != b]
    assert (differs[0], differs[-1]) == (1017, 1045)
    back, asked = fix()
    assert asked == []
    assert digests(back) == before


def test_a_key_far_outside_where_the_matte_was_runs_no_more(fix: Fix) -> None:
    fix()
    _, asked = fix({**KEYS, 1031: 290.0})
    assert asked == windows_of(1017, 1045)


def test_with_one_crop_for_the_shot_a_small_move_runs_no_more(fix: Fix, engine: list[type[Counting]]) -> None:
    engine[0] = Steady
    fix()
    _, asked = fix({**KEYS, 1031: 165.0})
    assert asked == windows_of(1017, 1045)
    _, asked = fix({**KEYS, 1031: 290.0})
    assert asked == windows_of(FIRST, LAST)  # the crop is another, and what it makes hangs on the crop


@pytest.mark.parametrize(
    ("frames", "new"),
    [
        (f"{FIRST - 10}-{LAST}", [(991,), (992, 993, 994, 995), (996, 997, 998, 999), (1000, 1001, 1002, 1003)]),
        (f"{FIRST}-{LAST + 10}", [(1060, 1061, 1062, 1063), (1064, 1065, 1066, 1067), (1068, 1069, 1070)]),
    ],
)
def test_a_longer_range_runs_only_the_new_windows(fix: Fix, frames: str, new: list[tuple[int, ...]]) -> None:
    fix()
    _, asked = fix(frames=frames)
    assert asked == new  # of the old ones only that which the end of the range had cut short
    _, asked = fix()
    assert asked == []
    _, asked = fix(frames="1021-1040")
    assert asked == [(1021, 1022, 1023), (1040,)]


def test_what_was_said_before_is_known(fix: Fix) -> None:
    first, _ = fix(frames=SHORT)
    darker, asked = fix(instruction="darker", frames=SHORT)
    assert asked == windows_of(FIRST, 1011)
    assert digests(darker) != digests(first)
    for options in ({}, {"instruction": "darker"}, {"feather_px": 3}, {"instructions": ()}):
        assert fix(frames=SHORT, **options)[1] == []
    assert fix(seed=7, frames=SHORT)[1] == windows_of(FIRST, 1011)
    assert fix(seed=0, frames=SHORT)[1] == []


def test_words_that_an_engine_does_not_read_change_nothing(fix: Fix, engine: list[type[Counting]]) -> None:
    engine[0] = Steady
    fix(frames=SHORT)
    assert fix(instruction="darker", frames=SHORT)[1] == []


def test_another_folder_and_another_name_of_the_plate_change_nothing(fix: Fix, show: Path, tmp_path: Path) -> None:
    first, _ = fix()
    shutil.copytree(show / "plate", tmp_path / "moved")
    again, asked = fix(out=str(tmp_path / "elsewhere"), plate=str(tmp_path / "moved" / "sh.%04d.exr"), shot="other")
    assert asked == []
    assert digests(again) == digests(first)
    assert manifest_of(again).patches == manifest_of(first).patches


def test_one_changed_frame_of_the_plate_runs_one_window(fix: Fix, show: Path, tmp_path: Path) -> None:
    fix()
    shutil.copytree(show / "plate", tmp_path / "graded")
    shutil.copy(show / "plate" / "sh.1020.exr", tmp_path / "graded" / "sh.1021.exr")
    assert fix(plate=str(tmp_path / "graded" / "sh.####.exr"))[1] == [(1020, 1021, 1022, 1023)]


@pytest.mark.parametrize("damage", ["cut", "flip", "zero", "gone"])
def test_a_damaged_patch_is_made_again_never_used(fix: Fix, tmp_path: Path, damage: str) -> None:
    first, _ = fix(frames="1001-1012")
    key = manifest_of(first).patches[1]
    path = tmp_path / "cache" / "patches" / key[:2] / key
    raw = bytearray(path.read_bytes())
    if damage == "flip":
        raw[len(raw) // 2] ^= 4
    path.write_bytes({"cut": raw[:-100], "flip": raw, "zero": bytes(len(raw)), "gone": b""}[damage])
    if damage == "gone":
        path.unlink()
    again, asked = fix(frames="1001-1012")
    assert asked == [(1004, 1005, 1006, 1007)]
    assert digests(again) == digests(first)


def test_what_the_key_holds(fix: Fix, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version of an engine or of a library, or another kind of machine, is never served what is known."""
    fix(frames="1001-1004")
    with monkeypatch.context() as patch:
        patch.setattr(Counting, "other", {"version": "99"})
        assert len(fix(frames="1001-1004")[1]) == 2
    with monkeypatch.context() as patch:
        patch.setattr("secondtake_daemon.job.render.hardware", lambda: "other64 wide")
        assert len(fix(frames="1001-1004")[1]) == 2
    with monkeypatch.context() as patch:
        patch.setattr("secondtake_daemon.job.render.libraries", lambda: {"numpy": "99"})
        assert len(fix(frames="1001-1004")[1]) == 2
    assert fix(frames="1001-1004")[1] == []
