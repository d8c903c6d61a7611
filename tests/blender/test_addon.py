"""The extension in real Blenders, with a real daemon."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import OpenEXR
import pytest
from small_disks import may_mount

from secondtake.endpoint import Endpoint, Runtime, find_daemon
from secondtake.home import Home
from secondtake.process import process_start

Check = Callable[..., str]


def test_registers_twice_and_leaves_nothing(addon: Check) -> None:
    addon("addon", "check_register_twice")


def test_strip_to_strip_is_the_cli_s_take(addon: Check, secondtake: Callable[..., object], tmp_path: Path) -> None:
    said = json.loads(addon("addon", "check_fix").splitlines()[-2])
    request = json.loads((Path(said["folder"]) / "take.json").read_text())["request"]
    ran = secondtake(
        "fix", tmp_path / "plate" / "sh010.####.exr", "--matte", request["matte"], "--out", tmp_path / "cli",
        "--colorspace", "lin_rec709_scene", "--engine", "temporal", "--json",
    )  # fmt: skip
    assert ran.status == 0, ran.err
    theirs = sorted((tmp_path / "cli").glob("*.exr"))
    ours = sorted(Path(said["folder"]).glob("*.exr"))
    assert len(ours) == len(theirs) == 6
    for mine, other in zip(ours, theirs, strict=True):
        pixels = [OpenEXR.File(str(path)).channels()["RGB"].pixels for path in (mine, other)]
        assert np.array_equal(*pixels), mine.name


def test_cancel_puts_back_what_was_shown(addon: Check) -> None:
    addon("addon", "check_cancel")


def test_a_killed_daemon_comes_back_and_the_take_lands(addon: Check) -> None:
    addon("addon", "check_daemon_killed")


def test_a_killed_bridge_comes_back_and_the_take_lands(addon: Check) -> None:
    addon("addon", "check_bridge_killed")


def test_each_button_of_a_take_does_its_one_thing(addon: Check) -> None:
    addon("addon", "check_takes")


@pytest.mark.parametrize("check", ["check_delete", "check_refused"])
def test_a_take_is_deleted_for_good_and_nothing_else(addon: Check, check: str) -> None:
    addon("addon_delete", check)


def test_panels_say_what_is_sent_and_how_it_goes(addon: Check) -> None:
    addon("addon_panel", "check_draw")


def test_grey_buttons_say_why(addon: Check) -> None:
    addon("addon_panel", "check_grey")


def test_a_file_opened_again_finds_its_job_and_take(addon: Check) -> None:
    addon("addon_files", "check_reload")


def test_undo_takes_a_strip_away_and_no_job(addon: Check) -> None:
    addon("addon_files", "check_undo")


def test_a_blend_keeps_ids_and_settings_only(addon: Check) -> None:
    addon("addon_files", "check_nothing_but_ids")


def test_what_must_be_rendered_is_rendered_by_another_blender(addon: Check) -> None:
    addon("addon_files", "check_background_plate")


@pytest.mark.parametrize(
    "check", ["check_bad_plates", "check_bad_mattes", "check_unsaved", "check_plate_gone", "check_blenders_own_ocio"]
)
def test_bad_input_is_one_line_and_alters_nothing(addon: Check, check: str) -> None:
    addon("addon_bad", check)


def test_without_second_take_it_says_what_to_do(addon: Check, home: Path) -> None:
    (home / "config" / "launcher.json").unlink()
    addon("addon_bad", "check_nothing_installed")


def test_a_bridge_of_another_version_is_named(addon: Check, home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    hello = {
        "event": "hello",
        "protocol_min": 9,
        "protocol_max": 9,
        "name": "secondtake-bridge",
        "version": "9.0",
        "pid": 1,
    }
    other.write_text(f"import sys\nprint({json.dumps(json.dumps(hello))}, flush=True)\nsys.stdin.read()\n")
    (home / "config" / "launcher.json").write_text(json.dumps({"python": sys.executable, "bridge": [str(other)]}))
    addon("addon_bad", "check_other_version")


@pytest.mark.parametrize(
    "check", ["check_unsaved_relative", "check_mattes_beside_the_range", "check_show_config_lacks_the_space"]
)
def test_odd_material_is_one_line_and_alters_nothing(addon: Check, check: str) -> None:
    addon("addon_odd", check)


def test_a_blender_without_the_extension_renders_the_same(addon: Check, tmp_path: Path) -> None:
    addon("addon_plain", "check_with")
    shutil.rmtree(tmp_path / "user")
    addon("addon_plain", "check_without")


@pytest.mark.parametrize("check", ["check_boxes_and_files", "check_drawn", "check_objects"])
def test_a_take_changes_inside_its_matte_and_nowhere_else(addon: Check, check: str) -> None:
    addon("addon_mattes", check)


@pytest.mark.parametrize("check", ["check_other_rate", "check_media_gone"])
def test_odd_movies(addon: Check, movie: Path, check: str) -> None:
    addon("addon_odd", check, str(movie))


@pytest.mark.skipif(not may_mount(), reason="no small disk can be mounted here")
@pytest.mark.parametrize(("how", "least_bytes"), [("waits", 1 << 20), ("ends", 0)])
def test_a_full_disk_is_one_line_and_leaves_nothing(
    addon: Check, home: Path, tmp_path: Path, how: str, least_bytes: int
) -> None:
    (home / "config").mkdir(exist_ok=True)
    (home / "config" / "settings.toml").write_text(f"[daemon]\nmin_free_bytes = {least_bytes}\nballast_bytes = 0\n")
    addon("addon_odd", "check_full_disk", how, small_disk=tmp_path / "takes")


def test_a_daemon_of_another_version_is_named(addon: Check, home: Path) -> None:
    code = (
        "import runpy, secondtake._version as version, secondtake.messages as messages\n"
        "version.__version__, messages.PROTOCOL_MIN, messages.PROTOCOL_MAX = '9.0', 9, 9\n"
        "runpy.run_module('secondtake_daemon.service', run_name='__main__')"
    )
    other = subprocess.Popen([sys.executable, "-P", "-c", code], stdin=subprocess.DEVNULL)
    try:
        end_s = time.monotonic() + 20
        while find_daemon(Home.under(home)) is None:
            assert other.poll() is None and time.monotonic() < end_s, "the other daemon is not ready"
            time.sleep(0.02)
        addon("addon_odd", "check_daemon_of_another_version")
        assert other.poll() is None, "a newer daemon was sent away"
    finally:
        other.terminate()
        other.wait(10)


@pytest.mark.timed
def test_the_artist_never_waits(addon: Check) -> None:
    print(addon("addon_ticks", "check_healthy_slow_and_dead"))


@pytest.mark.timed
def test_the_artist_never_waits_for_a_port_that_swallows_all(addon: Check, home: Path) -> None:
    runtime = Runtime(
        pid=os.getpid(), pid_start=process_start(os.getpid()), machine=socket.gethostname(), instance="00" * 16,
        protocol_min=1, protocol_max=1, version="0.1.0",
        endpoints=(Endpoint(url="tcp://192.0.2.1:9", server_key="rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"),),
    )  # fmt: skip
    Home.under(home).runtime_file.parent.mkdir(parents=True, exist_ok=True)
    Home.under(home).runtime_file.write_bytes(msgspec.json.encode(runtime))
    print(addon("addon_ticks", "check_black_hole"))


@pytest.mark.timed
def test_no_frame_of_4k_is_read_in_a_tick(addon: Check) -> None:
    print(addon("addon_ticks", "check_4k"))


@pytest.mark.timed
def test_a_thousand_frames_are_sent_and_drawn_in_a_moment(addon: Check) -> None:
    print(addon("addon_ticks", "check_long_shot"))


def test_the_scene_and_its_previz_land_in_the_compositor(addon: Check) -> None:
    addon("addon_files", "check_camera_and_previz")


def test_a_clip_s_take_is_a_clip(addon: Check) -> None:
    addon("addon_files", "check_clip")
