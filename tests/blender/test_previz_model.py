"""A scene to an engine that invents: what arrives in the job is the scene, in metres and in its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake_daemon.images.control import open_depth

WIDTH, HEIGHT = 96, 64
FOCAL_PX = 35.0 / 36.0 * WIDTH
"""Of the camera in inside/addon_previz.py: 35 mm on a sensor of 36 mm."""
FLOOR_M, WALL_TURN = -1.3, 0.6

Check = Callable[..., str]
Plane = NDArray[np.float64]


def inverse_depth(camera_m: float, *, dx_px: float = 0.0, dy_px: float = 0.0) -> tuple[Plane, NDArray[np.bool_]]:
    """1 / distance of the scene along the camera's axis, and where it is the wall; counted out, not rendered."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    right, up = (x + dx_px - WIDTH / 2) / FOCAL_PX, (HEIGHT / 2 - y - dy_px) / FOCAL_PX
    floor = up / FLOOR_M
    # The wall holds (0, 9, 0) and its normal was turned from -Y by WALL_TURN; the camera is at (camera_m, -2, 0).
    normal_x, normal_y = np.sin(WALL_TURN), -np.cos(WALL_TURN)
    wall = (right * normal_x + normal_y) / (normal_x * (0 - camera_m) + normal_y * (9 + 2))
    return np.maximum(floor, wall), wall > floor


def shift_px(measured: Plane, camera_m: float) -> tuple[float, float]:
    """How far a picture of inverse depths is from its place, away from the edge between wall and floor."""
    true, is_wall = inverse_depth(camera_m)
    step = 0.5
    gx = (inverse_depth(camera_m, dx_px=step)[0] - inverse_depth(camera_m, dx_px=-step)[0]) / (2 * step)
    gy = (inverse_depth(camera_m, dy_px=step)[0] - inverse_depth(camera_m, dy_px=-step)[0]) / (2 * step)
    edge = np.zeros_like(is_wall)
    for by in (-2, -1, 1, 2):
        edge |= np.roll(is_wall, by, axis=0) != is_wall
    inside = ~edge
    found, *_ = np.linalg.lstsq(np.stack([gx[inside], gy[inside]], axis=1), (measured - true)[inside], rcond=None)
    return float(found[0]), float(found[1])


def followed(said: dict[str, object]) -> None:
    """The depth that the job read, and the frames that the stand-in painted of it."""
    cameras = said["cameras_m"]
    assert isinstance(cameras, list) and len(set(cameras)) == 3, "the camera moves"
    files = sorted(Path(str(said["folder"])).glob("*.exr"))
    for frame, camera_m, file in zip((1, 2, 3), cameras, files, strict=True):
        path = Path(str(said["control"]).replace("####", f"{frame:04d}"))
        depth = open_depth(path, plate_display=Box(0, 0, WIDTH, HEIGHT))
        assert depth.is_distance
        true, _ = inverse_depth(camera_m)
        off_m = np.abs(depth.values - 1 / true) * true
        dx, dy = shift_px(1 / depth.values.astype(float), camera_m)
        print(f"frame {frame}: {np.median(off_m):.5f} of the distance, {dx:+.3f} {dy:+.3f} px")
        assert np.median(off_m) < 0.01
        assert np.hypot(dx, dy) < 0.1
        codes = OpenEXR.File(str(file), separate_channels=True).channels()["R"].pixels.astype(float)
        between = (codes > 0.02) & (codes < 0.98)
        slope, offset = np.polyfit((1 / depth.values)[between], codes[between], 1)
        assert slope > 0
        assert codes[between] == pytest.approx(slope / depth.values[between] + offset, abs=2e-3)


def test_a_new_shot_is_led_by_the_scene_s_depth(addon: Check) -> None:
    followed(json.loads(addon("addon_previz", "check_generate").splitlines()[-2]))


def test_a_restyle_follows_the_scene_s_depth(addon: Check) -> None:
    followed(json.loads(addon("addon_previz", "check_restyle").splitlines()[-2]))


def test_only_what_an_engine_can_is_offered(addon: Check) -> None:
    addon("addon_previz", "check_offers")


def test_the_measure_sees_a_third_of_a_pixel() -> None:
    for dx, dy in ((0.3, 0.0), (0.0, -0.3)):
        found = shift_px(inverse_depth(0.2, dx_px=dx, dy_px=dy)[0], 0.2)
        assert found == pytest.approx((dx, dy), abs=0.02)
