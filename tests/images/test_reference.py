"""Reference images: their place on the plate, their colour, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import OpenEXR
import OpenImageIO
import pytest
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadImage, BadInput, MissingFrames, SecondTakeError, UnknownColour
from secondtake_daemon.images.colour import Transform, resolve
from secondtake_daemon.images.reference import Reference, open_reference

DISPLAY = Box(0, 0, 16, 10)
PLATE = resolve("lin_ap1_scene")
REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
Planes = Mapping[str, NDArray[np.generic]]


def noise(*shape: int, dtype: str = "f4") -> NDArray[np.generic]:
    return (np.random.default_rng(3).random(shape) * 2 - 0.5).astype(dtype)


def write_exr(path: Path, planes: Planes, *, corner: tuple[int, int] = (0, 0), **extra: object) -> Path:
    height, width = next(iter(planes.values())).shape
    x, y = corner
    header = {
        "type": OpenEXR.scanlineimage,
        "compression": OpenEXR.ZIP_COMPRESSION,
        "dataWindow": (np.int32([x, y]), np.int32([x + width - 1, y + height - 1])),
        "displayWindow": (np.int32([0, 0]), np.int32([DISPLAY.width - 1, DISPLAY.height - 1])),
        **extra,
    }
    OpenEXR.File(header, {name: np.ascontiguousarray(plane) for name, plane in planes.items()}).write(str(path))
    return path


def write_still(path: Path, pixels: NDArray[np.generic], **attributes: int) -> Path:
    out = OpenImageIO.ImageOutput.create(str(path))
    kind = {"float32": "float"}.get(str(pixels.dtype), str(pixels.dtype))
    spec = OpenImageIO.ImageSpec(pixels.shape[1], pixels.shape[0], pixels.shape[2], kind)
    for name, value in attributes.items():
        spec.attribute(name.replace("__", ":"), value)
    assert out.open(str(path), spec), out.geterror()
    assert out.write_image(np.ascontiguousarray(pixels)), out.geterror()
    assert out.close()
    return path


def rgb(shape: tuple[int, int] = (10, 16), dtype: str = "f4") -> Planes:
    pixels = noise(*shape, 3, dtype=dtype)
    return {name: pixels[..., at] for at, name in enumerate("RGB")}


def opened(path: Path, *, colourspace: str = "", display: Box = DISPLAY) -> Reference:
    return open_reference(path, colourspace=colourspace, plate_space=PLATE, plate_display=display)


def whole(image: Reference) -> NDArray[np.float32]:
    found = image.read((image.window.y, image.window.bottom))
    assert found.box == image.window
    assert found.values.dtype == np.float32
    return found.values


@pytest.mark.parametrize("dtype", ["f2", "f4"])
def test_an_exr_bit_for_bit_and_its_alpha_is_not_looked_at(tmp_path: Path, dtype: str) -> None:
    planes = {**rgb(dtype=dtype), "A": np.zeros((10, 16), dtype), "Z": noise(10, 16)}
    image = opened(write_exr(tmp_path / "a.exr", planes))
    assert image.window == DISPLAY
    for at, name in enumerate("RGB"):
        assert np.array_equal(whole(image)[..., at], planes[name].astype(np.float32))


@pytest.mark.parametrize(
    ("names", "used"),
    [
        (("Y",), ("Y", "Y", "Y")),
        (("beauty.R", "beauty.G", "beauty.B", "beauty.A"), ("beauty.R", "beauty.G", "beauty.B")),
        (("R", "G", "B", "diffuse.R", "diffuse.G", "diffuse.B"), ("R", "G", "B")),
    ],
)
def test_channels_are_chosen_as_the_plates_are(tmp_path: Path, names: tuple[str, ...], used: tuple[str, ...]) -> None:
    planes = {name: noise(10, 16) * (at + 1) for at, name in enumerate(names)}
    values = whole(opened(write_exr(tmp_path / "a.exr", planes)))
    for at, name in enumerate(used):
        assert np.array_equal(values[..., at], planes[name])


def test_only_the_wanted_rows_are_decoded(tmp_path: Path) -> None:
    planes = rgb((64, 16))
    path = write_exr(tmp_path / "a.exr", planes, displayWindow=(np.int32([0, 0]), np.int32([15, 63])))
    found = opened(path, display=Box(0, 0, 16, 64)).read((20, 21))
    assert found.box == Box(0, 16, 16, 16), "the chunk of sixteen rows that holds it"
    assert np.array_equal(found.values[..., 0], planes["R"][16:32])


@pytest.mark.parametrize(("corner", "shape"), [((5, 3), (4, 6)), ((-3, -2), (14, 24))])
def test_a_data_window_of_its_own_lies_by_the_display_window(
    tmp_path: Path, corner: tuple[int, int], shape: tuple[int, int]
) -> None:
    image = opened(write_exr(tmp_path / "a.exr", rgb(shape), corner=corner))
    assert image.window == Box(*corner, shape[1], shape[0])
    assert whole(image).shape == (*shape, 3)


@pytest.mark.parametrize(
    ("extra", "name", "space", "is_assumed"),
    [
        ({}, "", "ACEScg", True),
        ({"chromaticities": REC709}, "", "Linear Rec.709 (sRGB)", False),
        ({"colorInteropID": "lin_ap0_scene", "chromaticities": REC709}, "", "ACES2065-1", False),
        ({"colorInteropID": "lin_ap0_scene"}, "acescct", "ACEScct", False),
    ],
)
def test_an_exr_is_what_was_named_or_its_tag_says_or_as_the_plate(
    tmp_path: Path, extra: dict[str, object], name: str, space: str, is_assumed: bool
) -> None:
    image = opened(write_exr(tmp_path / "a.exr", rgb(), **extra), colourspace=name)
    assert image.space.name == space
    assert (space in image.note and "a.exr" in image.note) if is_assumed else image.note == ""


def test_whole_numbers_are_srgb_and_the_note_says_so(tmp_path: Path) -> None:
    codes = np.random.default_rng(1).integers(0, 256, (10, 16, 3), dtype=np.uint8)
    image = opened(write_still(tmp_path / "a.png", codes))
    assert "sRGB Encoded Rec.709" in image.note
    assert image.space.name in image.note
    # By the standard's own arithmetic: IEC 61966-2-1, then the plate's primaries from Rec.709's.
    encoded = codes / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    to_ap1 = np.array([[0.6131, 0.3395, 0.0474], [0.0702, 0.9164, 0.0135], [0.0206, 0.1096, 0.8698]])
    brought = Transform(PLATE, scene_linear=True).bring(whole(image), space=image.space)
    assert np.allclose(brought, linear @ to_ap1.T, atol=2e-4)


@pytest.mark.parametrize(
    ("name", "dtype", "space"),
    [
        ("a.png", "uint8", "sRGB Encoded Rec.709 (sRGB)"),
        ("a.png", "uint16", "sRGB Encoded Rec.709 (sRGB)"),
        ("a.tif", "uint16", "sRGB Encoded Rec.709 (sRGB)"),
        ("a.jpg", "uint8", "sRGB Encoded Rec.709 (sRGB)"),
        ("a.tif", "float32", "ACEScg"),
        ("a.hdr", "float32", "ACEScg"),
    ],
)
def test_stills_by_the_kind_of_their_numbers(tmp_path: Path, name: str, dtype: str, space: str) -> None:
    pixels = np.full((10, 16, 3), 0.5, np.float32)
    if dtype != "float32":
        pixels = (pixels * np.iinfo(dtype).max).astype(dtype)
    image = opened(write_still(tmp_path / name, pixels))
    assert (image.space.name, image.window) == (space, DISPLAY)
    assert np.allclose(whole(image), 0.5, atol=0.01)
    named = opened(tmp_path / name, colourspace="ACEScct")
    assert (named.space.name, named.note) == ("ACEScct", "")


def test_grey_and_alpha_of_a_png(tmp_path: Path) -> None:
    grey = np.stack([np.full((10, 16), 100, np.uint8), np.zeros((10, 16), np.uint8)], axis=-1)
    assert np.allclose(whole(opened(write_still(tmp_path / "a.png", grey))), 100 / 255)


def test_a_still_lies_on_the_display_window_wherever_that_is(tmp_path: Path) -> None:
    path = write_still(tmp_path / "a.png", np.zeros((10, 16, 3), np.uint8))
    assert opened(path, display=Box(-4, 7, 16, 10)).window == Box(-4, 7, 16, 10)


def test_the_plates_own_space_goes_the_plates_way() -> None:
    space = resolve("ACEScct")
    there = Transform(space, scene_linear=True)
    pixels = noise(5, 4, 3)
    assert np.array_equal(there.bring(pixels, space=space), there.to_engine(pixels))
    assert there.encoding == "ACEScg"
    plain = Transform(space, scene_linear=False)
    assert plain.encoding == "ACEScct"
    assert np.allclose(plain.bring(there.to_engine(pixels), space=PLATE), pixels, atol=1e-5)


def _dpx(folder: Path) -> Path:
    return write_still(folder / "a.dpx", np.zeros((10, 16, 3), np.uint16), oiio__BitsPerSample=10)


def _cut(folder: Path, name: str, made: Path) -> Path:
    raw = made.read_bytes()
    (folder / name).write_bytes(raw[: len(raw) - 120])
    return folder / name


def _nothing(folder: Path) -> Path:
    return folder / f"{'n' * 300}.exr"


@pytest.mark.parametrize(
    ("make", "kind", "message", "remedy"),
    [
        (lambda f: f / "none.exr", MissingFrames, "no such reference", "IMAGE@FRAME"),
        (_nothing, MissingFrames, "no such reference", "IMAGE@FRAME"),
        (lambda f: f, BadImage, "cannot be read", ""),
        (_dpx, UnknownColour, "DPX file does not say", "--reference-colorspace"),
        (
            lambda f: write_exr(f / "a.exr", rgb(), colorInteropID="no_such_space"),
            UnknownColour,
            "The reference's colour tag",
            "--reference-colorspace",
        ),
        (
            lambda f: write_exr(f / "a.exr", rgb(), displayWindow=(np.int32([0, 0]), np.int32([19, 9]))),
            BadInput,
            "The reference is 20 × 10, the plate 16 × 10",
            "plate's format",
        ),
        (
            lambda f: write_exr(f / "a.exr", rgb(), displayWindow=(np.int32([1, 0]), np.int32([16, 9]))),
            BadInput,
            "placed at 1, 0, the plate at 0, 0",
            "plate's format",
        ),
        (
            lambda f: write_still(f / "a.png", np.zeros((10, 20, 3), np.uint8)),
            BadInput,
            "The reference is 20 × 10, the plate 16 × 10",
            "plate's format",
        ),
        (lambda f: _cut(f, "b.exr", write_exr(f / "a.exr", rgb())), BadImage, "cut short", "again"),
        (
            lambda f: _cut(f, "b.png", write_still(f / "a.png", noise(10, 16, 3).astype(np.uint8))),
            BadImage,
            "damaged",
            "",
        ),
        (lambda f: write_exr(f / "a.exr", {"Z": noise(10, 16)}), BadImage, "no R, G, B and no Y, but Z", "colour"),
        (
            lambda f: write_exr(f / "a.exr", {name: np.ones((10, 16), np.uint32) for name in "RGB"}),
            BadImage,
            "whole numbers",
            "half or float",
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, make: object, kind: type[SecondTakeError], message: str, remedy: str) -> None:
    path = make(tmp_path)  # type: ignore[operator]
    with pytest.raises(kind, match=message) as raised:
        opened(path).read((0, 10))
    assert raised.value.path == str(path)
    assert remedy in raised.value.remedy
    assert raised.value.remedy


def test_an_unknown_name_is_refused_with_what_is_close(tmp_path: Path) -> None:
    with pytest.raises(UnknownColour, match="ACESgc") as raised:
        opened(write_exr(tmp_path / "a.exr", rgb()), colourspace="ACESgc")
    assert "ACEScg" in raised.value.remedy


def test_a_configuration_without_srgb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config.ocio"
    config.write_text(
        "ocio_profile_version: 2\nroles: {default: raw, scene_linear: lin}\ndisplays: {d: [!<View> {name: v, "
        "colorspace: raw}]}\ncolorspaces:\n  - !<ColorSpace> {name: raw, isdata: true}\n  - !<ColorSpace> {name: lin}\n"
    )
    monkeypatch.setenv("OCIO", str(config))
    path = write_still(tmp_path / "a.png", np.zeros((10, 16, 3), np.uint8))
    with pytest.raises(UnknownColour, match="no sRGB") as raised:
        open_reference(path, colourspace="", plate_space=resolve("lin"), plate_display=DISPLAY)
    assert "--reference-colorspace" in raised.value.remedy
