"""The main job from the artist's side: the command, a real daemon, real frames, and a judge that shares no code."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import OpenEXR
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
from exr_shots import Layout, changed_outside, matte_on, read, write_shot

DEMO = Path(__file__).parents[2] / "demo" / "shot"
CONFIG = """ocio_profile_version: 2
roles: {default: lin, scene_linear: lin, data: lin}
file_rules: [!<Rule> {name: Default, colorspace: lin}]
displays: {screen: [!<View> {name: raw, colorspace: lin}]}
colorspaces:
  - !<ColorSpace> {name: lin, encoding: scene-linear}
  - !<ColorSpace> {name: showLog, from_scene_reference: !<LogTransform> {base: 2}}
"""


def test_the_demo_shot_is_fixed_and_proved(secondtake: Callable[..., Any], tmp_path: Path) -> None:
    plate, matte = DEMO / "plate" / "sh010.####.exr", DEMO / "matte" / "sh010.####.exr"
    made = secondtake("fix", plate, "--matte", matte, "--operation", "remove", "--out", tmp_path / "out", "--json")
    assert made.status == 0, made.err
    assert made.json["frames"] == list(range(1001, 1013))
    assert made.json["proof"]["outside_changed"] == 0
    for frame, file in zip(made.json["frames"], made.json["files"], strict=True):
        ((_, planes),) = read(DEMO / "matte" / f"sh010.{frame}.exr")
        assert (
            changed_outside(DEMO / "plate" / f"sh010.{frame}.exr", Path(file), planes["Y"] > 0, ("R", "G", "B")) == []
        )
    proved = secondtake("verify", tmp_path / "out", "--json")
    assert proved.status == 0, proved.err
    assert sorted(os.listdir(tmp_path / "out")) == sorted(
        [*(Path(file).name for file in made.json["files"]), f"sh010.{made.json['take']}.supports", "take.json"]
    )


def test_overscan_floats_and_aovs_through_the_temporal_engine(secondtake: Callable[..., Any], tmp_path: Path) -> None:
    layout = Layout(
        width=60,
        height=50,
        data_min=(-10, -10),
        display=(40, 30),
        channels=("R", "G", "B", "A", "Z"),
        floats=("R", "Z"),
    )
    plate, matte = write_shot(tmp_path, layout, [1001, 1002, 1003, 1004])
    made = secondtake("fix", plate, "--matte", matte, "--out", tmp_path / "out", "--json")
    assert made.status == 0, made.err
    for frame, file in zip(made.json["frames"], made.json["files"], strict=True):
        inside = matte_on(layout, tmp_path / "matte" / f"m.{frame}.exr")
        assert changed_outside(tmp_path / "plate" / f"sh.{frame}.exr", Path(file), inside, ("R", "G", "B")) == []
        after = read(Path(file))[0][1]
        assert all(np.isfinite(after[name][inside]).all() for name in "RGB")
    assert secondtake("verify", tmp_path / "out").status == 0


def test_two_clients_at_once(secondtake: Callable[..., Any], tmp_path: Path) -> None:
    plate, matte = write_shot(tmp_path, Layout(), list(range(1, 9)))
    found: dict[str, Any] = {}

    def fix(name: str) -> None:
        found[name] = secondtake(
            "fix", plate, "--matte", matte, "--out", tmp_path / name, "--engine", "standin",
            "--engine-option", "frame_s=0.05", "--json",
        )  # fmt: skip

    threads = [threading.Thread(target=fix, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = (found[name].json for name in ("a", "b"))
    assert first["take"] != second["take"]
    for mine, theirs in zip(first["files"], second["files"], strict=True):
        assert Path(mine).read_bytes() == Path(theirs).read_bytes()


def test_the_senders_colour_configuration_counts(
    secondtake: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plate, matte = write_shot(tmp_path, Layout(), [1, 2])
    (tmp_path / "show.ocio").write_text(CONFIG)
    arguments = ("fix", plate, "--matte", matte, "--engine", "standin", "--colorspace", "showLog", "--json")
    refused = secondtake(*arguments, "--out", tmp_path / "a")  # starts the daemon, without $OCIO
    assert (refused.status, refused.json["error"]["code"]) == (12, "unknown_colour")
    monkeypatch.setenv("OCIO", "show.ocio")
    made = secondtake(*arguments, "--out", tmp_path / "b", cwd=tmp_path)
    assert made.status == 0, made.err


def test_a_movie_is_a_plate(secondtake: Callable[..., Any], tmp_path: Path) -> None:
    with av.open(str(tmp_path / "shot.mov"), "w") as container:
        stream = container.add_stream("prores_ks", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv422p10le"
        for number in range(6):
            picture = np.full((48, 64, 3), 20 * number + 40, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    matte = np.zeros((48, 64), np.float16)
    matte[10:20, 10:30] = 1
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": matte}).write(str(tmp_path / "held.exr"))
    made = secondtake(
        "fix", tmp_path / "shot.mov", "--matte", tmp_path / "held.exr", "--frames", "2-5", "--out", tmp_path / "out",
        "--engine", "standin", "--colorspace", "Gamma 2.4 Encoded Rec.709", "--json",
    )  # fmt: skip
    assert made.status == 0, made.err
    assert made.json["frames"] == [2, 3, 4, 5]
    assert made.json["shot"] == "shot"
    assert secondtake("verify", tmp_path / "out").status == 0
