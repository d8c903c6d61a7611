"""Names, header tags and transforms, against OpenColorIO's own configurations."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PyOpenColorIO
import pytest
from numpy.typing import NDArray

from secondtake.errors import UnknownColour
from secondtake_daemon.images import colour

Floats = NDArray[np.float64]

SPREAD = np.float32([-0.05, -0.0, 0.0, 1e-6, 0.18, 0.5, 1.0, 1.5, 8.0, 100.0, 60_000.0])


@pytest.fixture(autouse=True)
def _built_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OCIO", raising=False)


@pytest.mark.parametrize(
    ("name", "canonical", "linear"),
    [
        ("ACEScg", "ACEScg", True),
        ("acescg", "ACEScg", True),
        ("lin_ap1_scene", "ACEScg", True),
        ("scene_linear", "ACEScg", True),
        ("Utility - Linear - Rec.709", "Linear Rec.709 (sRGB)", True),
        ("sRGB - Texture", "sRGB Encoded Rec.709 (sRGB)", False),
        ("ACEScct", "ACEScct", False),
        ("Rec.2100-PQ - Display", "Rec.2100-PQ - Display", False),
        ("Raw", "Raw", False),
    ],
)
def test_names_aliases_and_roles(name: str, canonical: str, linear: bool) -> None:
    assert colour.resolve(name) == colour.ColourSpace(name=canonical, is_scene_linear=linear)


def test_an_unknown_name_comes_with_its_neighbours() -> None:
    with pytest.raises(UnknownColour) as caught:
        colour.resolve("ARRI LogC")
    assert caught.value.message == "The colour space 'ARRI LogC' is not in the OCIO configuration"
    assert caught.value.remedy == "Did you mean 'ARRI LogC4' or 'ARRI LogC3 (EI800)'?"
    with pytest.raises(UnknownColour, match="as ACEScg"):
        colour.resolve("§§§")
    with pytest.raises(UnknownColour):
        colour.resolve("")


def test_a_header_without_a_tag_is_linear_rec709_and_says_so() -> None:
    for tag in (None, "", "unknown"):
        assert colour.from_header(interop_id=tag) == colour.HeaderColour(
            space=colour.resolve("lin_rec709_scene"), assumed=True
        )


def test_the_interop_id_comes_before_the_chromaticities() -> None:
    rec709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
    found = colour.from_header(interop_id="lin_ap0_scene", chromaticities=rec709)
    assert (found.space.name, found.assumed) == ("ACES2065-1", False)
    assert colour.from_header(interop_id="unknown", chromaticities=rec709).assumed is False
    assert colour.from_header(interop_id="ocio:acescct_ap1_scene").space.name == "ACEScct"


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({"interop_id": "mine:foo"}, "colour tag 'mine:foo'"),
        ({"chromaticities": (0.6, 0.3, 0.3, 0.6, 0.1, 0.1, 0.3, 0.3)}, r"chromaticities \(0\.6 0\.3 "),
        ({"chromaticities": (float("nan"),) * 8}, "chromaticities"),
        ({"chromaticities": (0.64, 0.33)}, "chromaticities"),
    ],
)
def test_a_tag_that_nobody_knows_is_refused(tags: dict[str, object], words: str) -> None:
    with pytest.raises(UnknownColour, match=words) as caught:
        colour.from_header(path="/shots/a.exr", **tags)  # type: ignore[arg-type]
    assert "--colorspace" in caught.value.remedy
    assert caught.value.path == "/shots/a.exr"


def rgb_to_xyz(gamut: tuple[float, ...]) -> Floats:
    """Columns are red, green, blue; white has Y = 1. SMPTE RP 177."""
    primaries = np.array([[x / y, 1, (1 - x - y) / y] for x, y in zip(gamut[0:6:2], gamut[1:6:2], strict=True)]).T
    x, y = gamut[6:]
    white = np.array([x / y, 1, (1 - x - y) / y])
    return np.asarray(primaries * np.linalg.solve(primaries, white), np.float64)


def to_ap0(gamut: tuple[float, ...], cone: Floats) -> Floats:
    """RGB to ACES2065-1, the white adapted in the way of von Kries."""
    ours, ap0 = rgb_to_xyz(gamut), rgb_to_xyz(colour._GAMUTS["lin_ap0_scene"])
    gain = np.diag((cone @ ap0.sum(axis=1)) / (cone @ ours.sum(axis=1)))
    return np.asarray(np.linalg.inv(ap0) @ np.linalg.inv(cone) @ gain @ cone @ ours, np.float64)


@pytest.mark.parametrize("name", sorted(colour._GAMUTS))
def test_the_table_of_gamuts_agrees_with_the_configuration(name: str) -> None:
    config = PyOpenColorIO.Config.CreateFromBuiltinConfig(colour.BUILT_IN)
    processor = config.getProcessor(name, "lin_ap0_scene").getDefaultCPUProcessor()
    theirs = np.array([processor.applyRGB(list(row)) for row in np.eye(3)]).T
    # Makers differ in the adaptation that they chose.
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    cat02 = np.array([[0.7328, 0.4296, -0.1624], [-0.7036, 1.6975, 0.0061], [0.0030, 0.0136, 0.9834]])
    off = min(np.abs(to_ap0(colour._GAMUTS[name], cone) - theirs).max() for cone in (bradford, cat02))
    assert off < 1e-3
    assert colour.from_header(chromaticities=colour._GAMUTS[name]).space == colour.resolve(name)


@pytest.mark.parametrize("name", ["ACEScg", "lin_rec709_scene"])
def test_scene_linear_plates_pass_as_they_are(name: str) -> None:
    transform = colour.Transform(colour.resolve(name), scene_linear=True)
    pixels = np.float32([[[np.nan, np.inf, -0.0]]])
    assert transform.is_identity
    assert transform.to_engine(pixels) is pixels
    assert transform.to_plate(pixels) is pixels


def test_an_engine_that_wants_the_plates_numbers_gets_them() -> None:
    assert colour.Transform(colour.resolve("ACEScct"), scene_linear=False).is_identity


@pytest.mark.parametrize(
    ("name", "relative"),
    [
        ("ACEScct", 1e-6),
        ("sRGB - Texture", 2e-5),
        ("ARRI LogC4", 1e-4),
        ("S-Log3 S-Gamut3.Cine", 1e-4),
        ("Rec.1886 Rec.709 - Display", 1e-4),
    ],
)
def test_there_and_back_is_the_same_picture(name: str, relative: float) -> None:
    transform = colour.Transform(colour.resolve(name), scene_linear=True)
    codes = np.linspace(0.02, 1.2, 300, dtype=np.float32).reshape(10, 10, 3)
    linear = transform.to_engine(codes)
    assert linear.shape == codes.shape
    assert linear.max() > 1.3
    assert np.allclose(transform.to_plate(linear), codes, rtol=relative, atol=relative)


def test_nothing_is_clamped() -> None:
    """Linear values from below zero to far above one survive the way into ACEScct and back."""
    transform = colour.Transform(colour.resolve("ACEScct"), scene_linear=True)
    linear = np.stack([SPREAD] * 3, axis=-1)
    assert np.allclose(transform.to_engine(transform.to_plate(linear)), linear, rtol=1e-5, atol=1e-6)


def test_values_agree_with_the_published_curve() -> None:
    """S-2016-001: ACEScct = (log2(x) + 9.72) / 17.52 above 0.0078125."""
    transform = colour.Transform(colour.resolve("ACEScct"), scene_linear=True)
    grey = np.float32([[0.18] * 3, [4.0] * 3])
    assert np.allclose(transform.to_plate(grey)[:, 0], (np.log2([0.18, 4.0]) + 9.72) / 17.52, atol=1e-6)


def test_nan_and_infinity_stay_in_their_place() -> None:
    transform = colour.Transform(colour.resolve("ARRI LogC4"), scene_linear=True)
    pixels = np.float32([[[np.nan, 0.4, 0.5], [0.3, np.inf, -np.inf], [0.3, 0.4, 0.5]]])
    before = pixels.copy()
    out = transform.to_engine(pixels)
    assert np.array_equal(pixels, before, equal_nan=True)
    assert np.array_equal(out[~np.isfinite(before)], before[~np.isfinite(before)], equal_nan=True)
    assert np.isfinite(out[np.isfinite(before)]).all()
    assert np.array_equal(out[0, 2], transform.to_engine(pixels[:, 2:])[0, 0])


def test_any_shape_and_layout_but_only_float32_rgb() -> None:
    transform = colour.Transform(colour.resolve("ACEScct"), scene_linear=True)
    whole = np.random.default_rng(1).uniform(0, 1, (6, 8, 3)).astype(np.float32)
    out = transform.to_engine(whole)
    assert np.array_equal(transform.to_engine(whole[::2, ::-1]), out[::2, ::-1])
    assert transform.to_engine(whole[:0]).shape == (0, 8, 3)
    assert np.array_equal(transform.to_engine(whole[2, 3]), out[2, 3])
    with pytest.raises(TypeError):
        transform.to_engine(whole.astype(np.float64))  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        transform.to_engine(whole[..., :2])


def test_threads_share_a_transform() -> None:
    pixels = np.random.default_rng(2).uniform(0, 1, (64, 64, 3)).astype(np.float32)

    def once(_: int) -> bytes:
        return colour.Transform(colour.resolve("arri_logc4"), scene_linear=True).to_engine(pixels).tobytes()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(once, range(32)))) == 1


def test_the_configuration_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert colour.configuration_name() == colour.BUILT_IN
    config = PyOpenColorIO.Config.CreateRaw()
    config.addColorSpace(PyOpenColorIO.ColorSpace(name="house_linear", aliases=["lin_srgb"], encoding="scene-linear"))
    config.setRole("scene_linear", "house_linear")
    path = tmp_path / "house.ocio"
    path.write_text(config.serialize())
    monkeypatch.setenv("OCIO", str(path))
    assert colour.configuration_name() == str(path)
    assert colour.resolve("scene_linear").name == "house_linear"
    assert colour.from_header().space.name == "house_linear"
    with pytest.raises(UnknownColour):
        colour.resolve("ACEScg")
    monkeypatch.setenv("OCIO", "ocio://cg-config-v1.0.0_aces-v1.3_ocio-v2.1")
    assert colour.resolve("lin_rec709").name == "Linear Rec.709 (sRGB)"


def test_a_configuration_without_our_spaces_asks_for_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "raw.ocio"
    path.write_text(PyOpenColorIO.Config.CreateRaw().serialize())
    monkeypatch.setenv("OCIO", str(path))
    with pytest.raises(UnknownColour, match=r"assumed colour space \(linear Rec\.709\).*--colorspace"):
        colour.from_header()


@pytest.mark.parametrize("content", [None, "", "garbage: [", "ocio_profile_version: 2\n"])
def test_a_broken_configuration_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    path = tmp_path / "broken.ocio"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("OCIO", str(path))
    with pytest.raises(UnknownColour, match="cannot be used") as caught:
        colour.resolve("ACEScg")
    assert caught.value.path == str(path)
    assert "OCIO" in caught.value.remedy


def test_a_lookup_table_that_is_gone_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = PyOpenColorIO.Config.CreateFromStream(
        PyOpenColorIO.Config.CreateFromBuiltinConfig(colour.BUILT_IN).serialize()
    )
    config.addColorSpace(
        PyOpenColorIO.ColorSpace(name="show", toReference=PyOpenColorIO.FileTransform(src="gone.cube"))
    )
    config.setSearchPath("luts")
    path = tmp_path / "show.ocio"
    path.write_text(config.serialize())
    monkeypatch.setenv("OCIO", str(path))
    with pytest.raises(UnknownColour, match=r"'show' of the OCIO configuration cannot be used"):
        colour.resolve("show")
    with pytest.raises(UnknownColour, match=r"'show' of the OCIO configuration cannot be used"):
        colour.Transform(colour.ColourSpace(name="show", is_scene_linear=False), scene_linear=True)
