"""`secondtake track`: real processes on real files."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import OpenImageIO
import pytest
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "quality"))

from scenes import Size
from track_scenes import TrackShot, make_track, overlap

from secondtake.boxes import Box
from secondtake_daemon.images.exr_write import write_new

Command = Callable[..., Any]

SIZE = Size(width=160, height=96, frames=6, subframes=2, over=1)
FIRST = 1001
DISPLAY = Box(0, 0, SIZE.width, SIZE.height)


@cache
def scene() -> TrackShot:
    return make_track("walk", seed=3, size=SIZE)


def write_plate(folder: Path, plates: NDArray[np.float32]) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for index, plate in enumerate(plates):
        planes = {name: plate[..., channel].astype(np.float16) for channel, name in enumerate("RGB")}
        write_new(folder / f"sh010.{FIRST + index}.exr", data_window=DISPLAY, planes=planes)
    return str(folder / "sh010.####.exr")


def write_matte(path: Path, alpha: NDArray[np.float32], *, dtype: type = np.float16) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = alpha.shape
    write_new(path, data_window=Box(0, 0, width, height), planes={"Y": alpha.astype(dtype)})
    return path


def read(path: Path | str) -> NDArray[np.float32]:
    with OpenEXR.File(str(path), separate_channels=True) as file:
        assert list(file.channels()) == ["Y"]
        return np.asarray(file.channels()["Y"].pixels, np.float32)


@pytest.fixture
def plate(tmp_path: Path) -> str:
    return write_plate(tmp_path / "plate", scene().plates)


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    return write_matte(tmp_path / "roto.1003.exr", scene().alphas[2])


def test_one_drawn_frame(secondtake: Command, plate: str, drawn: Path, tmp_path: Path) -> None:
    ran = secondtake("track", drawn, plate, "--out", tmp_path / "mattes", "--json")
    assert ran.status == 0, ran.err
    answer = ran.json
    assert answer["frames"] == [1001, 1002, 1003, 1004, 1005, 1006]
    assert [Path(file).name for file in answer["files"]] == [f"sh010.matte.{n}.exr" for n in answer["frames"]]
    assert answer["drawn"] == [1003]
    assert set(answer["confidence"]) == {str(frame) for frame in answer["frames"]}
    assert answer["confidence"]["1003"] == 1
    assert all(0 <= value <= 1 for value in answer["confidence"].values())
    sure = {int(frame): value for frame, value in answer["confidence"].items() if frame != "1003"}
    assert answer["worst"] == sorted(sure, key=lambda frame: (sure[frame], frame))[:3]
    assert answer["seconds"] > 0
    mattes = np.stack([read(file) for file in answer["files"]])
    assert (mattes[2] == scene().alphas[2].astype(np.float16)).all(), "a drawn frame comes back as it was drawn"
    assert overlap(mattes, scene().alphas) > 0.9
    record = json.loads(Path(answer["manifest"]).read_text())
    assert [one["frame"] for one in record["frames"] if one["drawn"]] == [1003]
    assert sorted(path.name for path in (tmp_path / "mattes").iterdir()) == sorted(
        [*(Path(file).name for file in answer["files"]), "track.json"]
    )


def test_for_people(secondtake: Command, plate: str, drawn: Path, tmp_path: Path) -> None:
    ran = secondtake("track", drawn, plate, "--out", tmp_path / "mattes", cwd=tmp_path)
    assert ran.status == 0, ran.err
    assert ran.out.startswith("6 mattes of sh010 in mattes/ — drawn: 1003; least sure: ")
    assert "look 6/6" in ran.err.splitlines()
    assert "track 6/6" in ran.err.splitlines()


def test_written_files_lie_like_the_plate(secondtake: Command, drawn: Path, tmp_path: Path) -> None:
    """A data window of its own, a display window elsewhere: the matte has the same."""
    data, display = Box(-3, 5, SIZE.width, SIZE.height), Box(0, 0, SIZE.width - 10, SIZE.height + 8)
    folder = tmp_path / "over"
    folder.mkdir()
    for index, plate in enumerate(scene().plates[:3]):
        planes = {name: plate[..., channel].astype(np.float16) for channel, name in enumerate("RGB")}
        write_new(folder / f"o.{index + 1:03d}.exr", data_window=data, display_window=display, planes=planes)
    ran = secondtake("track", f"{drawn}@2", folder / "o.###.exr", "--out", tmp_path / "m", "--json")
    assert ran.status == 0, ran.err
    assert [Path(file).name for file in ran.json["files"]] == [f"o.matte.{n:03d}.exr" for n in (1, 2, 3)]
    assert "placed on it" in ran.json["notes"][0]
    with OpenEXR.File(ran.json["files"][1], separate_channels=True) as file:
        header = file.header()
        assert [tuple(map(int, corner)) for corner in header["dataWindow"]] == [(-3, 5), (156, 100)]
        assert [tuple(map(int, corner)) for corner in header["displayWindow"]] == [(0, 0), (149, 103)]
        assert header["compression"] == OpenEXR.ZIP_COMPRESSION
        assert file.channels()["Y"].pixels.dtype == np.float16
    assert (read(ran.json["files"][1]) == scene().alphas[2].astype(np.float16)).all()


def test_a_correction_is_added_to_what_was_drawn(secondtake: Command, plate: str, drawn: Path, tmp_path: Path) -> None:
    out = tmp_path / "mattes"
    first = secondtake("track", drawn, plate, "--out", out, "--json").json
    before = read(first["files"][4])
    moved = np.roll(scene().alphas[5], 3, axis=1)
    fix = write_matte(tmp_path / "fix.1006.exr", moved)
    ran = secondtake("track", fix, plate, "--out", out, "--json")
    assert ran.status == 0, ran.err
    assert ran.json["drawn"] == [1003, 1006]
    assert any("earlier tracking" in note for note in ran.json["notes"])
    assert (read(first["files"][5]) == moved.astype(np.float16)).all()
    assert (read(first["files"][2]) == scene().alphas[2].astype(np.float16)).all()
    assert (read(first["files"][4]) != before).any(), "the frames between are tracked with both"
    elsewhere = secondtake("track", drawn, plate, "--also", fix, "--out", tmp_path / "other", "--json").json
    for here, there in zip(ran.json["files"], elsewhere["files"], strict=True):
        assert Path(here).read_bytes() == Path(there).read_bytes()


def test_a_matte_painted_over_in_place(secondtake: Command, plate: str, drawn: Path, tmp_path: Path) -> None:
    out = tmp_path / "mattes"
    painted = Path(secondtake("track", drawn, plate, "--out", out, "--json").json["files"][4])
    write_matte(painted, np.roll(scene().alphas[4], 2, axis=0))
    bits = read(painted)
    refused = secondtake("track", drawn, plate, "--out", out, "--json")
    assert (refused.status, refused.json["error"]["code"]) == (12, "bad_output")
    assert "--also" in refused.json["error"]["remedy"]
    assert (read(painted) == bits).all()
    ran = secondtake("track", painted, plate, "--out", out, "--json")
    assert ran.status == 0, ran.err
    assert ran.json["drawn"] == [1003, 1005]
    assert (read(painted) == bits).all()


def test_the_same_twice_is_the_same_bytes(secondtake: Command, plate: str, drawn: Path, tmp_path: Path) -> None:
    out = tmp_path / "mattes"
    files = secondtake("track", drawn, plate, "--out", out, "--json").json["files"]
    bits = [Path(file).read_bytes() for file in files]
    again = secondtake("track", drawn, plate, "--out", out, "--json")
    assert again.status == 0, again.err
    assert [Path(file).read_bytes() for file in files] == bits


@pytest.mark.parametrize("kind", ["png", "tiff", "exr-float", "rgba"])
def test_kinds_of_drawn_images(secondtake: Command, plate: str, tmp_path: Path, kind: str) -> None:
    alpha = np.rint(scene().alphas[2] * 255) / np.float32(255)
    path, more = tmp_path / f"roto.{kind.partition('-')[0]}", ()
    if kind == "exr-float":
        write_matte(path, scene().alphas[2], dtype=np.float32)
        alpha = scene().alphas[2]
    elif kind == "rgba":
        path = tmp_path / "roto.exr"
        zero = np.zeros_like(alpha)
        planes = {"R": zero, "G": zero, "B": zero, "A": zero + 1, "roto.cover": alpha}
        write_new(path, data_window=DISPLAY, planes={name: np.float32(plane) for name, plane in planes.items()})
        more = ("--matte-channel", "roto.cover")
    else:
        image = OpenImageIO.ImageOutput.create(str(path))
        spec = OpenImageIO.ImageSpec(SIZE.width, SIZE.height, 1, OpenImageIO.UINT8)
        assert image.open(str(path), spec)
        assert image.write_image(np.rint(alpha * 255).astype(np.uint8)[..., None])
        image.close()
    ran = secondtake("track", f"{path}@1003", plate, "--frames", "1002-1004", "--out", tmp_path / "m", "--json", *more)
    assert ran.status == 0, ran.err
    assert ran.json["frames"] == [1002, 1003, 1004]
    assert np.array_equal(read(ran.json["files"][1]), alpha.astype(np.float32)), "to the last bit, whatever it came as"


def test_keyed_shapes_count_where_they_have_keys(secondtake: Command, plate: str, tmp_path: Path) -> None:
    box = [[60, 20], [95, 20], [95, 84], [60, 84]]
    keys = [{"frame": frame, "points": box} for frame in (1002, 1005, 2000)]
    shapes = {"version": 1, "size": [SIZE.width, SIZE.height], "shapes": [{"kind": "polygon", "keys": keys}]}
    path = tmp_path / "roto.json"
    path.write_text(json.dumps(shapes))
    ran = secondtake("track", path, plate, "--out", tmp_path / "m", "--json")
    assert ran.status == 0, ran.err
    assert ran.json["drawn"] == [1002, 1005]
    assert any("2000" in note for note in ran.json["notes"])
    one = secondtake("track", f"{path}@1004", plate, "--out", tmp_path / "n", "--json")
    assert one.json["drawn"] == [1004]


def test_a_cut_ends_the_matte(secondtake: Command, drawn: Path, tmp_path: Path) -> None:
    other = make_track("sway", seed=11, size=SIZE).plates * np.float32(1.5)
    plate = write_plate(tmp_path / "cut", np.concatenate([scene().plates[:4], other[:3, ::-1, ::-1]]))
    ran = secondtake("track", drawn, plate, "--out", tmp_path / "m", "--json")
    assert ran.status == 0, ran.err
    assert any("cut between frames 1004 and 1005" in note for note in ran.json["notes"])
    assert [ran.json["confidence"][str(frame)] for frame in (1005, 1006, 1007)] == [0, 0, 0]
    assert all(read(file).any() for file in ran.json["files"][:4])
    assert not any(read(file).any() for file in ran.json["files"][4:])


def test_fix_takes_the_tracked_matte(secondtake: Command, plate: str, drawn: Path, tmp_path: Path) -> None:
    secondtake("track", drawn, plate, "--out", tmp_path / "m", "--quality", "draft")
    matte = tmp_path / "m" / "sh010.matte.####.exr"
    ran = secondtake("fix", plate, "--matte", matte, "--out", tmp_path / "out", "--engine", "standin", "--json")
    assert ran.status == 0, ran.err
    assert ran.json["proof"]["outside_changed"] == 0
    assert not any("channel" in note for note in ran.json["notes"])


# --- what is refused ----------------------------------------------------------------------------------------------


def refused(secondtake: Command, folder: Path, *words: object) -> dict[str, Any]:
    ran = secondtake("track", *words, "--out", folder / "m", "--json")
    assert ran.status in (2, 12), ran.err
    assert not (folder / "m").exists()
    lines = [line for line in ran.err.splitlines() if line.startswith("secondtake: ")]
    assert len(lines) == 1
    assert "Traceback" not in ran.err
    error: dict[str, Any] = ran.json["error"]
    assert error["remedy"]
    assert lines[0].endswith(error["path"])
    return error


@pytest.mark.parametrize(("words", "code", "text"), [
    (["small.1003.exr", "PLATE"], "bad_matte", "The matte is 30 × 20, the plate is 160 × 96"),
    (["empty.1003.exr", "PLATE"], "bad_matte", "The matte is empty"),
    (["full.1003.exr", "PLATE"], "bad_matte", "covers the whole picture"),
    (["plain.exr@1099", "PLATE"], "bad_matte", "the plate has frames 1001-1006"),
    (["plain.exr", "PLATE"], "usage", "does not say which frame"),
    (["none.1003.exr", "PLATE"], "missing_frames", "no such matte"),
    (["roto.####.exr", "PLATE"], "usage", "not a drawn frame"),
    (["roto.1003.exr", "PLATE", "--also", "plain.exr@1003"], "usage", "drawn twice"),
    (["roto.1003.exr", "nothing.####.exr"], "missing_frames", "no frames of this name"),
    (["roto.1003.exr", "PLATE", "--colorspace", "nonsense"], "unknown_colour", "nonsense"),
    (["roto.1003.exr", "PLATE", "--matte-channel", "Z"], "bad_matte", "no channel 'Z'"),
    (["roto.1003.exr", "PLATE", "--frames", "1004-1006"], "bad_matte", "the plate has frames 1004-1006"),
])  # fmt: skip
def test_wrong_input(
    secondtake: Command, plate: str, drawn: Path, tmp_path: Path, words: list[str], code: str, text: str
) -> None:
    write_matte(tmp_path / "small.1003.exr", np.ones((20, 30), np.float32))
    write_matte(tmp_path / "empty.1003.exr", np.zeros((SIZE.height, SIZE.width), np.float32))
    write_matte(tmp_path / "full.1003.exr", np.ones((SIZE.height, SIZE.width), np.float32))
    write_matte(tmp_path / "plain.exr", scene().alphas[2])
    named = [plate if word == "PLATE" else tmp_path / word if ".exr" in word else word for word in words]
    error = refused(secondtake, tmp_path, *named)
    assert error["code"] == code, error
    assert text in error["message"]


def test_nobody_elses_file_is_overwritten(secondtake: Command, plate: str, drawn: Path, tmp_path: Path) -> None:
    out = tmp_path / "mattes"
    out.mkdir()
    foreign = out / "sh010.matte.1004.exr"
    foreign.write_bytes(b"mine")
    ran = secondtake("track", drawn, plate, "--out", out, "--json")
    assert (ran.status, ran.json["error"]["code"]) == (12, "bad_output")
    assert ran.json["error"]["path"] == str(foreign)
    assert [path.name for path in out.iterdir()] == [foreign.name]
    assert foreign.read_bytes() == b"mine"
    assert secondtake("track", drawn, plate, "--out", Path(plate).parent, "--json").status == 12
    (tmp_path / "file").touch()
    assert secondtake("track", drawn, plate, "--out", tmp_path / "file", "--json").json["error"]["code"] == "bad_output"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("again", [False, True])
def test_interrupt_leaves_nothing(
    secondtake: Command, home: Path, plate: str, drawn: Path, tmp_path: Path, number: signal.Signals, again: bool
) -> None:
    out = tmp_path / "deep" / "mattes"
    before = {}
    if again:
        secondtake("track", drawn, plate, "--out", out)
        before = {path.name: path.read_bytes() for path in out.iterdir()}
    long = write_plate(tmp_path / "plate", np.concatenate([scene().plates] * 4))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "secondtake_daemon", "track", str(drawn), long, "--out", str(out), "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SECONDTAKE_HOME": str(home)},
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("track"):
            break
    asked_s = time.monotonic()
    process.send_signal(number)
    printed, _ = process.communicate(timeout=20)
    assert process.returncode == 3
    assert time.monotonic() - asked_s < 3, "a second, on a machine that does other things too"
    assert json.loads(printed)["error"]["code"] == "cancelled"
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before if again else not out.parent.exists()


def test_bar_on_a_terminal(home: Path, plate: str, drawn: Path, tmp_path: Path) -> None:
    master, slave = pty.openpty()
    words = ["track", str(drawn), plate, "--out", str(tmp_path / "m")]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "secondtake_daemon", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=slave,
        env={**os.environ, "SECONDTAKE_HOME": str(home), "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(slave)
    shown = b""
    while process.poll() is None or not shown:
        try:
            shown += os.read(master, 65536)
        except OSError:
            break
    assert process.wait(20) == 0
    os.close(master)
    assert b"look" in shown
    assert "━".encode() in shown
