"""Sizes read from headers, a matte written by hand, and colour spaces of both programs, without Blender."""

from __future__ import annotations

from array import array
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import OpenImageIO
import PyOpenColorIO
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondtake_blender.colours import _NAMES, _SAME, colourspace_for_daemon
from secondtake_blender.exr_file import write_matte
from secondtake_blender.media_size import image_size
from secondtake_blender.painting import Painting
from secondtake_blender.refusal import Refusal

CONFIG = "studio-config-v4.0.0_aces-v2.0_ocio-v2.5"


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "dpx", "exr", "bmp"])
def test_sizes_are_read_from_headers(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    picture = np.zeros((37, 61, 3), np.uint8)
    output = OpenImageIO.ImageOutput.create(str(path))
    assert output.open(str(path), OpenImageIO.ImageSpec(61, 37, 3, "half" if suffix == "exr" else "uint8"))
    assert output.write_image(picture)
    output.close()
    assert image_size(path) == (None if suffix == "bmp" else (61, 37))


def test_an_exr_is_as_large_as_its_display_window(tmp_path: Path) -> None:
    header = {
        "type": OpenEXR.scanlineimage,
        "displayWindow": (np.array([0, 0], np.int32), np.array([99, 49], np.int32)),
        "dataWindow": (np.array([10, 5], np.int32), np.array([29, 14], np.int32)),
    }
    OpenEXR.File(header, {"Y": np.zeros((10, 20), np.float32)}).write(str(tmp_path / "a.exr"))
    assert image_size(tmp_path / "a.exr") == (100, 50)


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\x76\x2f\x31\x01\2\0\0\0", b"\x89PNG\r\n", b"\xff\xd8", b"II*\0", b"MM\0*", b"SDPX"]),
)
def test_what_is_broken_has_no_size(tmp_path_factory: pytest.TempPathFactory, data: bytes, start: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "broken"
    path.write_bytes(start + data)
    size = image_size(path)
    assert size is None or min(size) > 0


@given(st.integers(1, 40), st.integers(1, 30), st.integers(0, 9))
def test_a_matte_is_written_number_for_number(
    tmp_path_factory: pytest.TempPathFactory, width: int, height: int, seed: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "matte.exr"
    values = np.random.default_rng(seed).random((height, width), np.float32)
    list(write_matte(path, (array("f", row.tobytes()) for row in values), size=(width, height)))
    file = OpenEXR.File(str(path), separate_channels=True)
    assert list(file.channels()) == ["V"] and np.array_equal(file.channels()["V"].pixels, values)
    assert np.array_equal(OpenImageIO.ImageBuf(str(path)).get_pixels()[..., 0], values)
    assert image_size(path) == (width, height)


def test_a_painting_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    painting = Painting(name="paint", size=(2, 1), channels=1, values=array("f", [0, 1]))
    with pytest.raises(Refusal, match="could not be written"):
        list(painting.write(tmp_path / "file"))
    with pytest.raises(ValueError, match="has 2 values and not 3"):
        list(write_matte(tmp_path / "a.exr", [array("f", [0, 1])], size=(3, 1)))
    assert [path.name for path in tmp_path.iterdir()] == ["file"], "nothing half-written stays"


@pytest.mark.parametrize("name", sorted({*_NAMES, *_SAME}))
def test_the_daemon_knows_every_colour_space(name: str) -> None:
    config = PyOpenColorIO.Config.CreateFromBuiltinConfig(CONFIG)
    assert config.getColorSpace(colourspace_for_daemon(name, ocio="")) is not None


def test_views_are_no_colour_spaces_and_a_configuration_is_obeyed() -> None:
    for name in ("AgX Base sRGB", "Filmic Log", "Linear FilmLight E-Gamut"):
        with pytest.raises(Refusal, match="no colour space like"):
            colourspace_for_daemon(name, ocio="")
        assert colourspace_for_daemon(name, ocio="/show/config.ocio") == name
    assert colourspace_for_daemon("scene_linear", ocio="", working_space="ACEScg") == "ACEScg"


def test_both_configurations_mean_the_same(blender_config: Path) -> None:
    """Every space by numbers, in Blender's own configuration and the daemon's."""
    theirs = PyOpenColorIO.Config.CreateFromFile(str(blender_config))
    ours = PyOpenColorIO.Config.CreateFromBuiltinConfig(CONFIG)
    known = {space.getName() for space in theirs.getColorSpaces()}
    colours = np.array([[0.18, 0.18, 0.18], [0.9, 0.2, 0.05], [0.02, 0.5, 0.7], [1, 1, 1]], np.float32)
    compared = 0
    for name in sorted({*_NAMES, *_SAME} & known - {"Non-Color", "Linear CIE-XYZ D65"}):
        pairs = ((theirs, name, "Linear Rec.709"), (ours, colourspace_for_daemon(name, ocio=""), "lin_rec709_scene"))
        found = []
        for config, source, target in pairs:
            processor = config.getProcessor(source, target).getDefaultCPUProcessor()
            found.append(np.array([processor.applyRGB(colour.tolist()) for colour in colours]))
        assert (np.abs(found[0] - found[1]) / (np.abs(found[1]) + 0.05)).max() < 5e-4, name
        compared += 1
    assert compared >= 8


def test_opencv_agrees_on_the_header(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.jpg"), np.zeros((20, 30, 3), np.uint8))
    assert image_size(tmp_path / "a.jpg") == (30, 20)
