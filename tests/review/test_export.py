"""An exported take verifies where it lies, and its layers give it back when they are laid over."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from secondtake.errors import BadInput, BadMatte, BadOutput, MissingFrames, SecondTakeError
from secondtake_daemon.review.export import export_full
from secondtake_daemon.review.layers import Layers, export_layers
from secondtake_daemon.verify import verify

sys.path.insert(0, str(Path(__file__).parent))
from takes import FRAMES, Desk, header_of, planes_of


def full(desk: Desk, take: str, out: Path) -> tuple[str, ...]:
    return export_full(desk.root / take, out, on_frame=lambda *_: None)


def layers(desk: Desk, take: str, out: Path) -> Layers:
    return export_layers(desk.root / take, out, on_frame=lambda *_: None)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def touch_up(path: Path) -> None:
    """Somebody writes the file again, with one sample changed."""
    header, planes = header_of(path), planes_of(path)
    next(iter(planes.values()))[10, 14] += 1
    OpenEXR.File(header, planes).write(str(path))


def test_a_full_export_is_the_take_and_verifies(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.fix("taaaaaa")
    desk.on("taaaaaa", "tbbbbbb", desk.write_matte("second", soft=0.5, left=14))
    out = tmp_path / "new" / "export"
    written = full(desk, "tbbbbbb", out)
    assert set(written) == names(out) == names(tmp_path / "tbbbbbb")
    assert written[0] == "sh.tbbbbbb.1001.exr"
    assert all((out / name).read_bytes() == (tmp_path / "tbbbbbb" / name).read_bytes() for name in written)
    assert verify(out).holds
    assert names(out.parent) == {"export"}


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("channels", ["RGB", "Y"])
def test_the_patch_over_what_it_was_made_on_is_the_take(tmp_path: Path, dtype: str, channels: str) -> None:
    desk = Desk(tmp_path, dtype=dtype, channels=channels)
    desk.fix("taaaaaa", feather_px=3)
    desk.on("taaaaaa", "tbbbbbb", desk.write_matte("second", soft=0.7, left=12))
    for take, under in (("taaaaaa", "plate/sh"), ("tbbbbbb", "taaaaaa/sh.taaaaaa")):
        out = tmp_path / f"layers of {take}"
        made = layers(desk, take, out)
        assert made.lost == ()
        assert set(made.files) == names(out)
        for frame in FRAMES:
            patch = planes_of(out / f"sh.{take}.patch.{frame}.exr")
            assert {plane.dtype for plane in patch.values()} == {np.dtype(np.float32)}
            below, wanted = (
                planes_of(tmp_path / f"{under}.{frame}.exr"),
                planes_of(tmp_path / take / f"sh.{take}.{frame}.exr"),
            )
            alpha = patch["A"]
            assert ((alpha > 0) & (alpha < 1)).any(), "the test has a soft edge"
            for letter in "RGB":
                name = letter if channels == "RGB" else "Y"
                over = patch[letter] + below[name].astype(np.float32) * (1 - alpha)
                error = np.abs(over.astype(np.float64) - wanted[name])
                ulp = np.spacing(np.maximum(np.abs(wanted[name]), np.abs(below[name]))).astype(np.float64)
                assert (error <= (ulp / 2 if dtype == "float16" else ulp)).all()
                if dtype == "float16":
                    assert np.array_equal(over.astype(np.float16), wanted[name])
                assert not patch[letter][alpha == 0].any()
            assert np.array_equal(planes_of(out / f"sh.{take}.matte.{frame}.exr")["Y"], alpha)


def test_the_layers_fit_the_plate(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.fix("taaaaaa")
    layers(desk, "taaaaaa", tmp_path / "out")
    plate = header_of(tmp_path / "plate" / "sh.1001.exr")
    for kind in ("patch", "matte"):
        header = header_of(tmp_path / "out" / f"sh.taaaaaa.{kind}.1001.exr")
        for name in ("dataWindow", "displayWindow", "pixelAspectRatio", "compression"):
            assert str(header[name]) == str(plate[name])
    patch = header_of(tmp_path / "out" / "sh.taaaaaa.patch.1001.exr")
    assert np.allclose(patch["chromaticities"], plate["chromaticities"])


def test_a_plate_with_nan_below_the_matte_is_told(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    path = tmp_path / "plate" / "sh.1002.exr"
    header, planes = header_of(path), planes_of(path)
    planes["G"][10:14, 16:20] = np.nan
    OpenEXR.File(header, planes).write(str(path))
    desk.fix("taaaaaa")
    assert layers(desk, "taaaaaa", tmp_path / "out").lost == (1002,)
    patch = planes_of(tmp_path / "out" / "sh.taaaaaa.patch.1002.exr")
    take = planes_of(tmp_path / "taaaaaa" / "sh.taaaaaa.1002.exr")
    assert np.array_equal(patch["G"][10:14, 16:20], take["G"][10:14, 16:20])


def test_what_changed_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.fix("taaaaaa")
    out = tmp_path / "new" / "out"

    def refused(kind: type[SecondTakeError], words: str, *, both: bool = False) -> None:
        for way in (layers, full) if both else (layers,):
            with pytest.raises(kind, match=words):
                way(desk, "taaaaaa", out)
            assert not out.parent.exists()

    desk.write_matte("matte", soft=0.31)
    refused(BadMatte, "matte of frame 1001")
    desk.write_matte("matte", soft=0.3, left=9)
    refused(BadMatte, "matte of frame 1001")
    desk.write_matte("matte", soft=0.3)
    plate, frame = tmp_path / "plate" / "sh.1002.exr", tmp_path / "taaaaaa" / "sh.taaaaaa.1003.exr"
    kept = plate.read_bytes()
    touch_up(plate)
    refused(BadInput, "Frame 1002 of the plate is not the file")
    plate.write_bytes(kept)
    kept = frame.read_bytes()
    touch_up(frame)
    refused(BadInput, "Frame 1003 of take taaaaaa is not the file", both=True)
    frame.unlink()
    refused(MissingFrames, "Frame 1003 of take taaaaaa is not there", both=True)
    frame.write_bytes(kept)
    assert layers(desk, "taaaaaa", out).lost == ()


def test_a_folder_with_anything_in_it_is_left_alone(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.fix("taaaaaa")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    before = names(tmp_path)
    for way in (layers, full):
        with pytest.raises(BadOutput):
            way(desk, "taaaaaa", tmp_path / "out")
    assert (names(tmp_path / "out"), names(tmp_path)) == ({"mine"}, before)
    (tmp_path / "out" / "mine").unlink()
    assert "take.json" in full(desk, "taaaaaa", tmp_path / "out")


def test_interrupted_it_leaves_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.fix("taaaaaa")
    before = names(tmp_path)

    def interrupt(done: int, total: int, frame: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    for way in (export_full, export_layers):
        with pytest.raises(KeyboardInterrupt):
            way(tmp_path / "taaaaaa", tmp_path / "new" / "out", on_frame=interrupt)
        assert names(tmp_path) == before
