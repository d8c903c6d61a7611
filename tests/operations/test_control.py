"""Depth, lines and poses as codes: near is white, one range for the whole shot, registered on the plate."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import OpenEXR
import pytest
from in_process import HEIGHT, WIDTH, Silent, Studio, write_depth
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.messages import ControlKind, Operation
from secondtake_daemon.images.control import fitted
from secondtake_daemon.job.control import Followed, find_control
from secondtake_daemon.store.keys import FileDigests

DISPLAY = Box(0, 0, WIDTH, HEIGHT)


def found(name: str, *, kind: ControlKind = ControlKind.DEPTH, frames: range = range(1, 5)) -> Followed:
    request = Studio(Path("/nowhere")).request(Operation.RESTYLE, control=name, control_kind=kind)
    with ThreadPoolExecutor(1) as threads:
        made = find_control(
            request, frames=tuple(frames), display=DISPLAY, roots=(), digests=FileDigests(), threads=threads,
            report=Silent(),
        )  # fmt: skip
    assert made is not None
    return made


def codes(followed: Followed, frame: int = 1, box: Box = DISPLAY) -> NDArray[np.float32]:
    return followed.frames.read(frame, box)


def test_near_is_white_and_the_sky_is_black(tmp_path: Path) -> None:
    followed = found(write_depth(tmp_path, range(1, 5)))
    picture = codes(followed)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert picture[0, 0] == pytest.approx([0, 0, 0])
    assert picture[HEIGHT // 2, 20] == pytest.approx([1, 1, 1])
    assert picture[-1, -1] == pytest.approx([0.1] * 3, abs=0.001)  # 1/20 between 0 and 1/2
    assert "inverse" in followed.note


def test_one_range_for_the_whole_shot_whatever_comes_close_for_a_moment(tmp_path: Path) -> None:
    before = codes(found(write_depth(tmp_path, range(1, 5))))
    wild = np.full((HEIGHT, WIDTH), 20.0, np.float32)
    wild[:2, :3] = 1e-6
    wild[3, :3] = np.nan
    wild[4, :3] = -5
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Z": wild}).write(str(tmp_path / "z.0005.exr"))
    again = found(str(tmp_path / "z.####.exr"), frames=range(1, 6))
    assert codes(again) == pytest.approx(before, abs=1e-6)
    assert np.isfinite(codes(again, 5)).all()


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("multilayer", ("View.Combined.R", "View.Combined.G", "View.Combined.B", "View.Depth.Z")),
        ("node", ("Depth.V",)),
        ("plain", ("V",)),
        ("crowded", ("View.Denoising Depth.Z", "View.Denoising Normal.Z", "View.Normal.Z", "View.Depth.Z")),
        ("bare", ("View.Mist.Z", "View.Vector.Z", "Z")),
    ],
)
def test_every_way_blender_names_it(tmp_path: Path, name: str, channels: tuple[str, ...]) -> None:
    plain = codes(found(write_depth(tmp_path / "plain", range(1, 2)), frames=range(1, 2)))
    depth = OpenEXR.File(str(tmp_path / "plain" / "z.0001.exr"), separate_channels=True).channels()["Z"].pixels
    planes = {channel: np.zeros_like(depth) for channel in channels} | {channels[-1]: depth}
    OpenEXR.File({"type": OpenEXR.scanlineimage}, planes).write(str(tmp_path / f"{name}.0001.exr"))
    assert codes(found(str(tmp_path / f"{name}.####.exr"), frames=range(1, 2))).tobytes() == plain.tobytes()


def test_a_picture_of_depth_is_taken_as_it_is(tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))
    cv2.imwrite(str(tmp_path / "d.0001.png"), ramp)
    followed = found(str(tmp_path / "d.####.png"), frames=range(1, 2))
    assert codes(followed)[0, :, 0] == pytest.approx(ramp[0] / 255)
    assert "near is white" in followed.note


def test_half_the_size_is_registered(tmp_path: Path) -> None:
    big = cv2.GaussianBlur(np.random.default_rng(0).random((HEIGHT, WIDTH), np.float32), (0, 0), 4)
    small = cv2.resize(big, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
    window = cv2.createHanningWindow((WIDTH, HEIGHT), cv2.CV_64F)
    back = fitted(small, display=DISPLAY, box=DISPLAY)
    shift, _ = cv2.phaseCorrelate(big.astype(float), back.astype(float), window)
    assert np.hypot(*shift) < 0.02
    box = Box(-4, -3, 20, 10)
    part = fitted(small, display=DISPLAY, box=box)
    assert part[3:, 4:].tobytes() == back[:7, :16].tobytes()
    assert not part[:3].any()


def test_lines_are_white_as_they_were_drawn(tmp_path: Path) -> None:
    drawn = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    drawn[10:12] = (255, 0, 128)
    cv2.imwrite(str(tmp_path / "pose.png"), drawn)
    held = found(str(tmp_path / "pose.png"), kind=ControlKind.POSE)
    assert codes(held, 3)[10, 5] == pytest.approx([128 / 255, 0, 1])
    light = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    light[10] = (0.214041, 1.0, 7.0)
    OpenEXR.File({"type": OpenEXR.scanlineimage}, {"RGB": light}).write(str(tmp_path / "l.0001.exr"))
    shown = codes(found(str(tmp_path / "l.####.exr"), kind=ControlKind.SCRIBBLE, frames=range(1, 2)))
    assert shown[10, 0] == pytest.approx([0.5, 1, 1], abs=1e-4)


def test_what_is_not_given_is_said(tmp_path: Path) -> None:
    values: dict[str, Any] = {"type": OpenEXR.scanlineimage}
    OpenEXR.File(values, {"a": np.zeros((8, 8), np.float32), "b": np.zeros((8, 8), np.float32)}).write(
        str(tmp_path / "x.0001.exr")
    )
    with pytest.raises(Exception, match="holds no depth, but a, b"):
        found(str(tmp_path / "x.####.exr"), frames=range(1, 2))
