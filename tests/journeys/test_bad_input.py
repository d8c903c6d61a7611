"""Every bad input an artist or a farm can hand in: one sentence, a remedy, the right exit code, nothing left behind.

All go through the real command to one real daemon, which must be alive, and the same, after each of them.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

from secondtake import Client, Incompatible
from secondtake.errors import TooLarge
from secondtake.messages import FixRequest, Operation

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))
from exr_shots import Layout, write_shot

FRAMES = [1001, 1002, 1003, 1004]


@pytest.fixture(scope="module")
def home(make_home: Callable[[], AbstractContextManager[Path]]) -> Iterator[Path]:
    """One home, and so one daemon, for all tests of this file. Jobs do not wait for a disk with more room."""
    with make_home() as root:
        (root / "config").mkdir()
        (root / "config" / "settings.toml").write_text("[daemon]\nmin_free_bytes = 0\n")
        yield root


class Shot:
    """A good shot, to be spoilt, and the command that is refused because of it."""

    def __init__(self, root: Path, home: Path, secondtake: Callable[..., Any], layout: Layout | None = None) -> None:
        self.root = root
        self.home = home
        self.plate, self.matte = write_shot(root, layout or Layout(), FRAMES)
        self.out = root / "out"
        self._secondtake = secondtake

    def plate_file(self, frame: int = 1002) -> Path:
        return self.root / "plate" / f"sh.{frame}.exr"

    def matte_file(self, frame: int = 1002) -> Path:
        return self.root / "matte" / f"m.{frame}.exr"

    def fix(self, *more: object) -> Any:  # noqa: ANN401 — conftest's Ran, which no test can import
        arguments = ("--matte", self.matte, "--out", self.out, "--engine", "standin", *more)
        return self._secondtake("fix", self.plate, *arguments, "--json")

    def refused(self, *more: object, status: int = 12, code: str, says: str, path: object = None) -> None:
        """The whole contract of a refusal."""
        with Client.connect(home=self.home, timeout_s=10) as client:
            before = client.status()
        files = _files(self.root)
        ran = self.fix(*more)
        assert ran.status == status, ran.err
        error = ran.json["error"]
        assert error["code"] == code
        assert says in error["message"]
        assert "\n" not in error["message"]
        assert error["remedy"], "what shall the artist do?"
        assert "Traceback" not in ran.err
        assert ran.error.startswith(f"secondtake: {error['message'][:20]}")
        assert ran.error.endswith(error["path"])
        if path is not None:
            assert error["path"] == str(path)
        assert _files(self.root) == files, "nothing may be left behind"
        with Client.connect(home=self.home, autostart=False, timeout_s=10) as client:
            after = client.status()
        assert after.pid == before.pid
        assert after.instance == before.instance


SmallDisk = Callable[[str], AbstractContextManager[Path]]


@pytest.fixture
def small_disk(tmp_path: Path) -> SmallDisk:
    """A disk of our own, with mount options; skips where it may not be mounted."""

    @contextmanager
    def mounted(options: str) -> Iterator[Path]:
        disk = tmp_path / "disk"
        disk.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
        if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("only root on Linux may mount a small disk")
        try:
            yield disk
        finally:
            subprocess.run(["umount", str(disk)], check=True, timeout=10)

    return mounted


@pytest.fixture
def shot(tmp_path: Path, home: Path, secondtake: Callable[..., Any]) -> Shot:
    return Shot(tmp_path, home, secondtake)


def test_the_good_shot_is_good(shot: Shot) -> None:
    ran = shot.fix()
    assert ran.status == 0, ran.err
    assert ran.json["proof"]["outside_changed"] == 0


def test_a_missing_frame(shot: Shot) -> None:
    shot.plate_file(1003).unlink()
    shot.refused(code="missing_frames", says="1003", path=shot.plate)


def test_a_matte_that_is_too_short(shot: Shot) -> None:
    shot.matte_file(1004).unlink()
    shot.refused(code="bad_matte", says="1004", path=shot.matte)


def test_a_matte_of_another_size(shot: Shot) -> None:
    write_exr(shot.matte_file(1001), {"Y": np.ones((8, 8), np.float16)})
    shot.refused(code="bad_matte", says="8 × 8", path=shot.matte_file(1001))


def test_a_later_frame_of_the_matte_has_another_size(shot: Shot) -> None:
    write_exr(shot.matte_file(1004), {"Y": np.ones((8, 8), np.float16)})
    shot.refused(code="bad_matte", says="8 × 8", path=shot.matte_file(1004))


def test_an_empty_matte(shot: Shot) -> None:
    for frame in FRAMES:
        write_exr(shot.matte_file(frame), {"Y": np.zeros((30, 40), np.float16)})
    shot.refused(code="bad_matte", says="empty")


def test_a_matte_with_nan(shot: Shot) -> None:
    plane = np.ones((30, 40), np.float16)
    plane[3, 4] = np.nan
    write_exr(shot.matte_file(1003), {"Y": plane})
    shot.refused(code="bad_matte", says="Frame 1003 of the matte holds 1 value", path=shot.matte_file(1003))


def test_a_matte_without_that_channel(shot: Shot) -> None:
    shot.refused("--matte-channel", "roto", code="bad_matte", says="no channel 'roto'")


def test_an_unknown_colour_space(shot: Shot) -> None:
    shot.refused("--colorspace", "ACEScgg", code="unknown_colour", says="ACEScgg")


def test_not_an_exr(shot: Shot) -> None:
    shot.plate_file().write_bytes(b"I am a text file.\n" * 50)
    shot.refused(code="bad_image", says="The file is not an EXR", path=shot.plate_file())


def test_an_empty_file(shot: Shot) -> None:
    shot.plate_file().write_bytes(b"")
    shot.refused(code="bad_image", says="The file is empty", path=shot.plate_file())


def test_a_truncated_frame(shot: Shot) -> None:
    data = shot.plate_file().read_bytes()
    shot.plate_file().write_bytes(data[: len(data) // 2])
    shot.refused(code="bad_image", says="cut short", path=shot.plate_file())


def test_a_frame_still_being_written(shot: Shot) -> None:
    """Writers put the offset table last: all zero means that the file is not finished."""
    data = bytearray(shot.plate_file().read_bytes())
    begin = data.index(b"screenWindowWidth\0float\0") + 24 + 4 + 4
    begin = data.index(b"\0", begin)
    data[begin + 1 : begin + 17] = bytes(16)
    shot.plate_file().write_bytes(data)
    shot.refused(code="bad_image", says="not finished", path=shot.plate_file())


def test_corrupt_pixels(shot: Shot) -> None:
    data = bytearray(shot.plate_file().read_bytes())
    data[-300:] = bytes(value ^ 0x5A for value in data[-300:])  # inside the last chunk, which the matte touches
    shot.plate_file().write_bytes(data)
    shot.refused(code="bad_image", says="pixels are damaged", path=shot.plate_file())


def test_an_absurd_header(shot: Shot) -> None:
    patch_box(shot.plate_file(), "dataWindow", (0, 0, 29_999, 29_999))
    patch_box(shot.plate_file(), "displayWindow", (0, 0, 29_999, 29_999))
    shot.refused(code="bad_image", says="30000 × 30000", path=shot.plate_file())


def test_deep_data(shot: Shot) -> None:
    samples = np.empty((30, 40), object)
    for place in np.ndindex(samples.shape):
        samples[place] = np.array([1.0, 2.0], np.float32)
    header = {"type": OpenEXR.deepscanline, "compression": OpenEXR.ZIPS_COMPRESSION}
    OpenEXR.File(header, {name: samples.copy() for name in "RGB"}).write(str(shot.plate_file(1001)))
    shot.refused(code="bad_image", says="eep", path=shot.plate_file(1001))


def test_an_unsupported_compression(shot: Shot) -> None:
    data = bytearray(shot.plate_file().read_bytes())
    data[data.index(b"compression\0compression\0") + 24 + 4] = 77
    shot.plate_file().write_bytes(data)
    shot.refused(code="bad_image", says="77", path=shot.plate_file())


def test_frames_outside_the_plate(shot: Shot) -> None:
    shot.refused("--frames", "1003-1010", code="missing_frames", says="1005-1010", path=shot.plate)


def test_frames_that_are_none(shot: Shot) -> None:
    shot.refused("--frames", "first-last", status=2, code="usage", says="first-last")


def test_a_plate_that_is_not_there(shot: Shot) -> None:
    shot.plate = str(shot.root / "plate" / "other.####.exr")
    shot.refused(code="missing_frames", says="There are no frames of this name", path=shot.plate)


def test_a_matte_that_is_not_there(shot: Shot) -> None:
    shot.matte = str(shot.root / "matte" / "roto.####.exr")
    shot.refused(code="missing_frames", says="There are no frames of this name", path=shot.matte)


def test_an_output_that_is_a_file(shot: Shot) -> None:
    shot.out.write_text("not a folder")
    shot.refused(code="bad_output", says="is a file", path=shot.out)


def test_an_output_folder_that_is_not_writable(shot: Shot, small_disk: SmallDisk) -> None:
    with small_disk("ro,size=64k") as disk:
        shot.out = disk / "out"
        shot.refused(code="bad_output", says="can't be written")


def test_output_into_the_plates_folder(shot: Shot) -> None:
    shot.out = shot.root / "plate"
    shot.refused(code="bad_output", says="plate's own")


def test_output_into_the_plates_folder_by_another_name(shot: Shot) -> None:
    (shot.root / "link").symlink_to(shot.root / "plate")
    shot.out = shot.root / "link"
    shot.refused(code="bad_output", says="plate's own")


def test_output_over_another_take(shot: Shot) -> None:
    assert shot.fix().status == 0
    shot.refused(code="bad_output", says="already holds a take", path=shot.out)


def test_a_full_disk(tmp_path: Path, home: Path, secondtake: Callable[..., Any], small_disk: SmallDisk) -> None:
    shot = Shot(tmp_path, home, secondtake, Layout(width=240, height=160))
    with small_disk("size=256k") as disk:
        shot.out = disk / "out"
        shot.refused(status=13, code="disk", says="full")


def test_an_unknown_engine(shot: Shot) -> None:
    shot.refused("--engine", "sora", code="no_such_engine", says="There is no engine 'sora'")


def test_an_engine_that_cannot_do_it(shot: Shot) -> None:
    options = ("--engine", "temporal", "--operation", "restyle")
    shot.refused(*options, code="no_such_engine", says="The engine 'temporal' cannot restyle")


def test_an_unknown_engine_option(shot: Shot) -> None:
    shot.refused("--engine-option", "speed=11", status=2, code="usage", says="speed")


def test_an_engine_option_of_the_wrong_kind(shot: Shot) -> None:
    shot.refused("--engine-option", "frame_s=soon", status=2, code="usage", says="soon")


def test_an_engine_that_returns_nan(shot: Shot) -> None:
    shot.refused("--engine-option", "nan_at=1002", status=11, code="engine_fault", says="1002")


def test_an_engine_that_returns_a_wrong_size(shot: Shot) -> None:
    shot.refused("--engine-option", "wrong_size_at=1002", status=11, code="engine_fault", says="size")


def test_an_engine_that_runs_out_of_gpu_memory(shot: Shot) -> None:
    shot.refused("--engine-option", "gpu_memory_at=1002", status=14, code="gpu_memory", says="memory")


def test_an_engine_that_crashes_the_worker_each_time(shot: Shot) -> None:
    shot.refused(
        "--engine-option", "crash_at=1002", status=11, code="worker_crashed", says="The worker died 3 times on this job"
    )


def test_a_second_daemon(home: Path, secondtake: Callable[..., Any]) -> None:
    with Client.connect(home=home, timeout_s=10) as client:
        pid = client.status().pid
    ran = secondtake("daemon", "run")
    assert ran.status == 10
    assert f"A daemon already runs for this home (pid {pid}). Stop it with `secondtake daemon stop`." in ran.err
    with Client.connect(home=home, autostart=False) as client:
        assert client.status().pid == pid


def test_a_client_of_another_protocol_version(home: Path) -> None:
    with Client.connect(home=home, timeout_s=10) as client:
        pid = client.status().pid
    with pytest.raises(Incompatible, match="speaks protocol 98 to 99") as error:
        Client.connect(home=home, autostart=False, protocol=(98, 99))
    assert error.value.exit_status == 5
    assert error.value.remedy
    with Client.connect(home=home, autostart=False) as client:
        assert client.status().pid == pid


def test_a_message_that_is_too_large(shot: Shot) -> None:
    options = [word for n in range(3) for word in ("--engine-option", f"mode{n}={'x' * 100_000}")]
    shot.refused(*options, code="too_large", says="over the limit")
    with Client.connect(home=shot.home, autostart=False) as client, pytest.raises(TooLarge):
        client.submit(too_large_request(shot))


def too_large_request(shot: Shot) -> FixRequest:
    return FixRequest(
        job="0" * 32,
        shot="sh",
        plate=shot.plate,
        matte=shot.matte,
        out=str(shot.out),
        operation=Operation.REMOVE,
        instruction="x" * 1_000_000,
    )


def test_a_take_that_does_not_hold(shot: Shot, secondtake: Callable[..., Any]) -> None:
    ran = shot.fix()
    written = Path(ran.json["files"][0])
    shutil.copy(shot.plate_file(1002), written)
    checked = secondtake("verify", shot.out, "--json")
    assert checked.status == 20
    assert checked.json["holds"] is False
    assert checked.json["error"]["code"] == "proof_failed"
    assert len(checked.out.splitlines()) == 1
    assert "Frame 1001" in checked.error


def write_exr(path: Path, planes: dict[str, np.ndarray[Any, Any]]) -> None:
    OpenEXR.File({"type": OpenEXR.scanlineimage}, planes).write(str(path))


def patch_box(path: Path, attribute: str, corners: tuple[int, int, int, int]) -> None:
    """Write another box into the header, as a damaged or hostile file has it."""
    data = bytearray(path.read_bytes())
    name = attribute.encode() + b"\0box2i\0"
    at = data.index(name) + len(name) + 4
    data[at : at + 16] = struct.pack("<4i", *corners)
    path.write_bytes(data)


def _files(root: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in sorted(root.rglob("*")) if path.is_file()} | {
        str(path): 0 for path in root.rglob("*") if path.is_dir()
    }
