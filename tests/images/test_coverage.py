"""Mattes of every kind, placed on a plate."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadImage, BadMatte, MissingFrames
from secondtake_daemon.images.coverage import Coverage, MatteSource, open_matte, require_some

Plane = NDArray[np.float32]

DISPLAY = Box(0, 0, 16, 10)
DATA = Box(-2, -1, 20, 12)
FRAMES = (1001, 1002, 1003)


def ramp(width: int = 16, height: int = 10) -> Plane:
    return np.linspace(0, 1, width * height, dtype=np.float32).reshape(height, width)


def write_exr(
    path: Path, channels: Mapping[str, NDArray[np.generic]], *, data: Box | None = None, display: Box | None = None
) -> None:
    height, width = next(iter(channels.values())).shape
    header: dict[str, object] = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    for key, box in (
        ("dataWindow", data or Box(0, 0, width, height)),
        ("displayWindow", display or Box(0, 0, width, height)),
    ):
        header[key] = (np.int32([box.x, box.y]), np.int32([box.right - 1, box.bottom - 1]))
    OpenEXR.File(header, {name: np.ascontiguousarray(plane) for name, plane in channels.items()}).write(str(path))


def write_sequence(
    folder: Path,
    channels: Mapping[str, NDArray[np.generic]],
    frames: Sequence[int] = FRAMES,
    *,
    data: Box | None = None,
    display: Box | None = None,
) -> str:
    for frame in frames:
        write_exr(folder / f"matte.{frame}.exr", channels, data=data, display=display)
    return str(folder / "matte.####.exr")


def opened(name: str | Path, *, frames: Sequence[int] = FRAMES, channel: str = "", data: Box = DATA) -> MatteSource:
    return open_matte(str(name), frames=frames, plate_display=DISPLAY, plate_data=data, channel=channel)


def on_display(cover: Coverage) -> Plane:
    canvas = np.zeros((DISPLAY.height, DISPLAY.width), np.float32)
    common = cover.box.intersect(DISPLAY)
    canvas[common.within(DISPLAY)] = cover.values[common.within(cover.box)]
    return canvas


def test_an_exr_sequence_frame_by_frame(tmp_path: Path) -> None:
    for index, frame in enumerate(FRAMES):
        write_exr(tmp_path / f"matte.{frame}.exr", {"Y": ramp() * (index + 1) / 3})
    matte = opened(tmp_path / "matte.####.exr")
    assert (matte.channel, matte.notes) == ("Y", ())
    for index, frame in enumerate(FRAMES):
        cover = matte.coverage(frame)
        assert cover.box == DISPLAY
        assert cover.values.dtype == np.float32
        assert np.array_equal(cover.values, ramp() * (index + 1) / 3)
        assert matte.digest_inputs(frame) == (tmp_path / f"matte.{frame}.exr",)


def test_half_mattes_are_read_exactly(tmp_path: Path) -> None:
    matte = opened(write_sequence(tmp_path, {"Y": ramp().astype(np.float16)}))
    assert np.array_equal(matte.coverage(1002).values, ramp().astype(np.float16).astype(np.float32))


def test_one_image_is_held_over_the_range(tmp_path: Path) -> None:
    write_exr(tmp_path / "matte.0007.exr", {"A": ramp()})
    matte = opened(tmp_path / "matte.0007.exr")
    assert all(np.array_equal(matte.coverage(frame).values, ramp()) for frame in FRAMES)
    assert matte.digest_inputs(1003) == (tmp_path / "matte.0007.exr",)


def test_png_stills_and_sequences(tmp_path: Path) -> None:
    codes = np.arange(160, dtype=np.uint8).reshape(10, 16)
    for frame in FRAMES:
        assert cv2.imwrite(str(tmp_path / f"roto_{frame}.png"), codes)
    for name in ("roto_####.png", "roto_1001.png"):
        matte = opened(tmp_path / name)
        assert np.array_equal(matte.coverage(1001).values, codes.astype(np.float32) / np.float32(255))
        assert matte.coverage(1002).box == DISPLAY


def test_keyed_shapes(tmp_path: Path) -> None:
    key = {"frame": 1001, "points": [[2, 2], [6, 2], [6, 5], [2, 5]]}
    path = tmp_path / "roto.JSON"
    path.write_text(json.dumps({"version": 1, "size": [16, 10], "shapes": [{"kind": "polygon", "keys": [key]}]}))
    matte = opened(path)
    assert matte.coverage(1003).values.sum() == 12
    assert (matte.channel, matte.digest_inputs(1003)) == ("", (path,))
    with pytest.raises(BadMatte, match="16 × 10, the plate is 32 × 20"):
        open_matte(str(path), frames=FRAMES, plate_display=Box(0, 0, 32, 20), plate_data=Box(0, 0, 32, 20))


def test_a_matte_with_the_plates_display_window_lies_at_its_data_window(tmp_path: Path) -> None:
    window = Box(4, -3, 5, 6)
    matte = opened(write_sequence(tmp_path, {"Y": ramp(5, 6)}, data=window, display=DISPLAY))
    cover = matte.coverage(1001)
    assert cover.box == window
    assert np.array_equal(cover.values, ramp(5, 6))
    assert np.array_equal(on_display(cover)[:3, 4:9], ramp(5, 6)[3:])


def test_a_matte_of_the_display_windows_size_lies_on_it(tmp_path: Path) -> None:
    moved = Box(100, 50, 16, 10)
    name = write_sequence(tmp_path, {"Y": ramp()})
    matte = open_matte(name, frames=FRAMES, plate_display=moved, plate_data=moved.pad(2))
    assert matte.coverage(1001).box == moved
    assert matte.notes == ()


def test_a_matte_of_the_data_windows_size_lies_on_that_and_says_so(tmp_path: Path) -> None:
    matte = opened(write_sequence(tmp_path, {"Y": ramp(20, 12)}))
    assert matte.coverage(1001).box == DATA
    assert matte.notes == ("The matte has the size of the plate's data window and was placed on it.",)


@pytest.mark.parametrize(
    ("data", "display"),
    [
        (Box(0, 0, 8, 5), Box(0, 0, 8, 5)),
        (Box(1, 0, 16, 10), Box(1, 0, 16, 10)),
        (Box(0, 0, 16, 10), Box(0, 0, 32, 20)),
    ],
)
def test_a_matte_of_another_size_is_refused(tmp_path: Path, data: Box, display: Box) -> None:
    name = write_sequence(tmp_path, {"Y": ramp(data.width, data.height)}, data=data, display=display)
    with pytest.raises(BadMatte) as caught:
        opened(name)
    assert caught.value.message == f"The matte is {display.width} × {display.height}, the plate is 16 × 10"
    assert caught.value.path == str(tmp_path / "matte.1001.exr")


def test_one_frame_of_another_size_is_refused_when_it_comes(tmp_path: Path) -> None:
    name = write_sequence(tmp_path, {"Y": ramp()})
    write_exr(tmp_path / "matte.1002.exr", {"Y": ramp(8, 5)})
    matte = opened(name)
    matte.coverage(1001)
    with pytest.raises(BadMatte, match="8 × 5") as caught:
        matte.coverage(1002)
    assert caught.value.path.endswith("matte.1002.exr")


ONE, HALF = np.ones((10, 16), np.float32), np.full((10, 16), 0.5, np.float32)


@pytest.mark.parametrize(
    ("channels", "chosen", "noted"),
    [
        ({"anything": ramp()}, "anything", False),
        ({"R": HALF, "G": HALF, "B": HALF, "Y": ramp()}, "Y", False),
        ({"A": ramp(), "Z": HALF}, "A", False),
        ({"R": HALF, "G": HALF, "B": HALF, "A": ramp()}, "A", False),
        ({"R": ramp(), "G": HALF, "B": HALF, "A": ONE}, "R", True),
        ({"R": ramp(), "G": HALF, "B": HALF}, "R", True),
        ({"mask.a": ramp(), "mask.b": HALF}, "mask.a", True),
    ],
)
def test_the_channel_is_chosen_by_rule(tmp_path: Path, channels: Mapping[str, Plane], chosen: str, noted: bool) -> None:
    matte = opened(write_sequence(tmp_path, channels))
    assert matte.channel == chosen
    assert bool(matte.notes) is noted
    assert not noted or f"channel {chosen} of" in matte.notes[0]
    assert np.array_equal(matte.coverage(1001).values, ramp())


def test_alpha_is_judged_by_the_first_frame_of_the_range(tmp_path: Path) -> None:
    for frame, alpha in ((1000, HALF), (1001, ONE), (1002, HALF), (1003, ONE)):
        write_exr(tmp_path / f"matte.{frame}.exr", {"R": ramp(), "G": HALF, "B": HALF, "A": alpha})
    assert opened(tmp_path / "matte.####.exr").channel == "R"
    assert opened(tmp_path / "matte.####.exr", frames=(1002, 1003)).channel == "A"


def test_a_named_channel(tmp_path: Path) -> None:
    name = write_sequence(tmp_path, {"R": HALF, "G": ramp(), "B": HALF})
    matte = opened(name, channel="G")
    assert (matte.channel, matte.notes) == ("G", ())
    assert np.array_equal(matte.coverage(1001).values, ramp())
    with pytest.raises(BadMatte, match=r"has no channel 'A'\. Name one that it has: B, G, R"):
        opened(name, channel="A")


def test_a_channel_of_another_part(tmp_path: Path) -> None:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    parts = [
        OpenEXR.Part({**header}, {"R": HALF, "G": HALF, "B": HALF}, "beauty"),
        OpenEXR.Part({**header}, {"matte": ramp()}, "matte"),
    ]
    OpenEXR.File(parts).write(str(tmp_path / "matte.exr"))
    matte = opened(tmp_path / "matte.exr", channel="matte")
    assert np.array_equal(matte.coverage(1001).values, ramp())


def subsampled_exr(width: int, height: int) -> bytes:
    """A file of one half channel Y that holds every other column, by the OpenEXR file layout."""

    def attribute(name: str, kind: str, value: bytes) -> bytes:
        return name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value

    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    header = struct.pack("<2i", 20000630, 2) + b"".join(
        (
            attribute("channels", "chlist", b"Y\0" + struct.pack("<i4B2i", 1, 0, 0, 0, 0, 2, 1) + b"\0"),
            attribute("compression", "compression", b"\0"),
            attribute("dataWindow", "box2i", window),
            attribute("displayWindow", "box2i", window),
            attribute("lineOrder", "lineOrder", b"\0"),
            attribute("pixelAspectRatio", "float", struct.pack("<f", 1)),
            attribute("screenWindowCenter", "v2f", struct.pack("<2f", 0, 0)),
            attribute("screenWindowWidth", "float", struct.pack("<f", 1)),
        )
    )
    row = bytes(2 * (width // 2))
    first = len(header) + 1 + 8 * height
    table = struct.pack(f"<{height}Q", *(first + y * (8 + len(row)) for y in range(height)))
    return header + b"\0" + table + b"".join(struct.pack("<2i", y, len(row)) + row for y in range(height))


def test_a_channel_of_lower_resolution_is_refused(tmp_path: Path) -> None:
    (tmp_path / "matte.exr").write_bytes(subsampled_exr(16, 10))
    assert next(iter(OpenEXR.File(str(tmp_path / "matte.exr")).channels().values())).xSampling == 2
    with pytest.raises(BadMatte, match="lower resolution"):
        opened(tmp_path / "matte.exr")


def test_a_matte_with_missing_frames_is_refused(tmp_path: Path) -> None:
    name = write_sequence(tmp_path, {"Y": ramp()}, frames=(1001,))
    with pytest.raises(BadMatte) as caught:
        opened(name, frames=(1001, 1002, 1003, 1005))
    assert caught.value.message == "The matte lacks 3 of the plate's frames: 1002-1003, 1005"
    assert caught.value.remedy == "Render the missing frames, or give --frames inside 1001"
    opened(name, frames=(1001,))
    with pytest.raises(MissingFrames):
        opened(tmp_path / "none.####.exr")
    with pytest.raises(MissingFrames):
        opened(tmp_path / "none.png")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused(tmp_path: Path, bad: float) -> None:
    values = ramp().copy()
    values[2, 3:5] = bad
    name = write_sequence(tmp_path, {"Y": ramp()})
    write_exr(tmp_path / "matte.1002.exr", {"Y": values})
    matte = opened(name)
    with pytest.raises(BadMatte, match="Frame 1002 of the matte holds 2 values that are not a finite number"):
        matte.coverage(1002)


def test_values_outside_are_clamped_and_noted_if_it_is_more_than_noise(tmp_path: Path) -> None:
    values = ramp() * 1.0005
    matte = opened(write_sequence(tmp_path, {"Y": values}))
    assert matte.coverage(1001).values.max() == 1
    assert matte.notes == ()
    write_exr(tmp_path / "matte.1002.exr", {"Y": ramp() - 0.1})
    assert matte.coverage(1002).values.min() == 0
    assert np.signbit(matte.coverage(1002).values).sum() == 0
    assert matte.notes == ("The matte has values below 0 or above 1; they were taken as 0 and 1.",)


def test_a_frame_without_coverage_is_fine_but_not_all(tmp_path: Path) -> None:
    assert not opened(write_sequence(tmp_path, {"Y": ramp() * 0})).coverage(1001).values.any()
    empty = Box(0, 0, 0, 0)
    require_some({1: empty, 2: Box(0, 0, 1, 1)}, path="/m.exr")
    with pytest.raises(BadMatte, match="The matte is empty in every frame"):
        require_some({1: empty, 2: empty}, path="/m.exr")


def test_files_that_are_not_images_are_refused(tmp_path: Path) -> None:
    for name in ("m.exr", "m.png", "m.xyz"):
        (tmp_path / name).write_bytes(b"hello")
        with pytest.raises(BadImage):
            opened(tmp_path / name)
