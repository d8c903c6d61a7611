"""Colour spaces and transforms: the only door to OpenColorIO.

The configuration is `$OCIO` if it is set, else the built-in studio configuration of one fixed version, because the
unversioned default changes with the library. Everything here may be used from several threads.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import PyOpenColorIO
from numpy.typing import NDArray

from secondtake.errors import UnknownColour

__all__ = [
    "BUILT_IN",
    "ColourSpace",
    "HeaderColour",
    "Screen",
    "Transform",
    "configuration_name",
    "from_header",
    "header_of",
    "resolve",
]

BUILT_IN = "studio-config-v4.0.0_aces-v2.0_ocio-v2.5"
"""Name of the configuration without $OCIO: the newest that the oldest OpenColorIO we allow (2.5) carries."""

FloatImage = NDArray[np.float32]

_ASSUMED = "lin_rec709_scene"
_OCIO_ERRORS = (PyOpenColorIO.Exception, PyOpenColorIO.ExceptionMissingFile)
_TOLERANCE = 2e-3
_MOST_HALF = 65_504.0

# Red, green, blue, white as x, y; ordered as in the EXR attribute. SMPTE ST 2065-1, ACES S-2014-004, ITU-R BT.709,
# BT.2020, SMPTE EG 432-1, and the camera makers' white papers. A test checks each against OCIO's own matrix.
_D65, _D60 = (0.3127, 0.3290), (0.32168, 0.33767)
_GAMUTS: dict[str, tuple[float, ...]] = {
    "lin_rec709_scene": (0.640, 0.330, 0.300, 0.600, 0.150, 0.060, *_D65),
    "lin_ap0_scene": (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.0770, *_D60),
    "lin_ap1_scene": (0.713, 0.293, 0.165, 0.830, 0.128, 0.044, *_D60),
    "lin_rec2020_scene": (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, *_D65),
    "lin_p3d65_scene": (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, *_D65),
    "lin_adobergb_scene": (0.640, 0.330, 0.210, 0.710, 0.150, 0.060, *_D65),
    "lin_arri_wide_gamut_3": (0.6840, 0.3130, 0.2210, 0.8480, 0.0861, -0.1020, *_D65),
    "lin_arri_wide_gamut_4": (0.7347, 0.2653, 0.1424, 0.8576, 0.0991, -0.0308, *_D65),
    "lin_sgamut3": (0.730, 0.280, 0.140, 0.855, 0.100, -0.050, *_D65),
    "lin_sgamut3cine": (0.766, 0.275, 0.225, 0.800, 0.089, -0.087, *_D65),
    "lin_rwg": (0.780308, 0.304253, 0.121595, 1.493994, 0.095612, -0.084589, *_D65),
    "lin_vgamut": (0.730, 0.280, 0.165, 0.840, 0.100, -0.030, *_D65),
    "lin_davinci_widegamut": (0.8000, 0.3130, 0.1682, 0.9877, 0.0790, -0.1155, *_D65),
}
_OTHER_NAMES = {
    "lin_rec709_scene": ("lin_rec709", "lin_srgb", "Utility - Linear - Rec.709", "Utility - Linear - sRGB"),
    "lin_ap0_scene": ("lin_ap0", "ACES2065-1", "ACES - ACES2065-1", "aces_interchange"),
    "lin_ap1_scene": ("lin_ap1", "ACEScg", "ACES - ACEScg"),
    "lin_rec2020_scene": ("lin_rec2020", "Utility - Linear - Rec.2020"),
    "lin_p3d65_scene": ("lin_p3d65", "Utility - Linear - P3-D65"),
    "lin_adobergb_scene": ("lin_adobergb", "Utility - Linear - Adobe RGB"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourSpace:
    """A colour space of the configuration."""

    name: str
    """Its canonical name, whatever alias or role it was asked for by."""
    is_scene_linear: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderColour:
    """What the header of an EXR says about its colour."""

    space: ColourSpace
    assumed: bool
    """True if it says nothing, and the OpenEXR standard's linear Rec.709 was taken."""


def configuration_name() -> str:
    """What the names mean: the built-in configuration's full name, or the value of $OCIO."""
    return os.environ.get("OCIO", "") or BUILT_IN


def resolve(name: str) -> ColourSpace:
    """A colour space by name, alias or role, in any letter case.

    Raises UnknownColour, with the closest names in its remedy, or if $OCIO is set and cannot be used.
    """
    config = _configuration()
    found = config.getColorSpace(name)
    if found is None:
        close = _close_names(config, name)
        remedy = f"Did you mean {' or '.join(close)}?" if close else "Give a name or alias that is in it, as ACEScg"
        raise UnknownColour(f"The colour space '{name}' is not in the OCIO configuration", remedy=remedy)
    return ColourSpace(name=found.getName(), is_scene_linear=_is_scene_linear(config, found))


def from_header(
    *, interop_id: str | None = None, chromaticities: Sequence[float] | None = None, path: object = ""
) -> HeaderColour:
    """The colour space of an EXR: its colorInteropID, else its chromaticities, else linear Rec.709, assumed.

    chromaticities: x and y of red, green, blue and white. Raises UnknownColour if the file says something that the
    configuration does not know: a tag that is there is never guessed around.
    """
    if interop_id and interop_id.lower() != "unknown":
        return HeaderColour(space=_tagged([interop_id], f"colour tag '{interop_id}'", path), assumed=False)
    if chromaticities is not None:
        gamut = _gamut_name(chromaticities)
        values = " ".join(f"{value:g}" for value in chromaticities)
        names = [gamut, *_OTHER_NAMES.get(gamut, ())] if gamut else []
        return HeaderColour(space=_tagged(names, f"set of chromaticities ({values})", path), assumed=False)
    space = _tagged([_ASSUMED, *_OTHER_NAMES[_ASSUMED]], "assumed colour space (linear Rec.709)", path)
    return HeaderColour(space=space, assumed=True)


def header_of(space: ColourSpace) -> dict[str, Any]:
    """The attributes that say in an EXR that it is in this space, for `from_header`; none if EXR has no word for it."""
    config = _configuration()
    for name, gamut in _GAMUTS.items():
        known = [config.getColorSpace(each) for each in (name, *_OTHER_NAMES.get(name, ()))]
        if space.name in [found.getName() for found in known if found is not None]:
            tag = {"colorInteropID": name} if name in _OTHER_NAMES else {}
            return {"chromaticities": gamut, **tag}
    return {}


class Transform:
    """Plate space to engine encoding and back. `encoding` is the OCIO name of what the engine sees.

    Encoding is the plate's own, or scene-linear: the plate's space if that is scene-linear, else the configuration's
    scene_linear role. Nothing is clamped. A pixel's values that are NaN or infinite stay where they are and do not
    spread into its other channels.
    """

    def __init__(self, space: ColourSpace, *, scene_linear: bool, gamut: str = "") -> None:
        """scene_linear: the engine wants scene-linear pixels; else the transform is the identity.

        gamut: and only with these primaries, as `lin_rec709_scene`. Raises UnknownColour if the configuration does not
        have them.
        """
        self._there: PyOpenColorIO.CPUProcessor | None = None
        self._back: PyOpenColorIO.CPUProcessor | None = None
        self._space = self.encoding = space.name
        wanted = _with_gamut(gamut) if gamut else PyOpenColorIO.ROLE_SCENE_LINEAR
        if (scene_linear and not space.is_scene_linear) or (gamut and wanted != space.name):
            self._there, self._back = _processors(_configuration(), space.name, wanted)
            self.encoding = resolve(wanted).name

    @property
    def is_identity(self) -> bool:
        """True if pixels pass as they are."""
        return self._there is None

    def to_engine(self, pixels: FloatImage) -> FloatImage:
        """(…, 3) float32 in plate space → the same shape in engine encoding; the very array if that is the same."""
        return _apply(self._there, pixels)

    def to_plate(self, pixels: FloatImage) -> FloatImage:
        """The way back; see `to_engine`."""
        return _apply(self._back, pixels)

    def bring(self, pixels: FloatImage, *, space: ColourSpace) -> FloatImage:
        """Another image, (…, 3) float32 in a space of its own → the encoding that the engine sees the plate in.

        What is in the plate's space goes the plate's way, so equal values stay equal. Raises UnknownColour if the
        configuration cannot bring the one to the other.
        """
        if space.name == self._space:
            return self.to_engine(pixels)
        return _apply(_processor(_configuration(), space.name, self.encoding), pixels)


class Screen:
    """What the configuration's default display shows of pixels in a colour space: for the eye, never for a take.

    Scene-referred spaces pass through the display's default view, by a table: with the built-in configuration within
    1.5 codes of the exact transform near grey, and several times faster. A picture made for a video display already
    (encoding `sdr-video`) only changes its encoding: another tone curve on top would show something nobody made.
    """

    def __init__(self, space: ColourSpace) -> None:
        """Raises UnknownColour if the configuration has no such display transform."""
        config = _configuration()
        display = config.getDefaultDisplay()
        view = config.getDefaultView(display)
        encoded = config.getDisplayViewColorSpaceName(display, view)
        target = display if encoded == "<USE_DISPLAY_NAME>" else encoded
        self._is_encoded = (
            config.getColorSpace(space.name).getEncoding() == "sdr-video" and config.getColorSpace(target) is not None
        )
        if self._is_encoded:
            self._first = _processor(config, space.name, target)
        else:
            self._first = _processor(config, space.name, PyOpenColorIO.ROLE_SCENE_LINEAR)
            self._table = _view_table(config, display, view)

    def show(self, pixels: FloatImage) -> NDArray[np.uint8]:
        """(height, width, 3) float32 → the same shape in the display's codes, 0 … 255. NaN is black, infinity white."""
        shown = _apply(self._first, np.nan_to_num(pixels, nan=0.0, posinf=_MOST_HALF, neginf=0.0))
        if not self._is_encoded:
            shown = _apply(self._table, _to_table(np.nan_to_num(shown)))
        codes: NDArray[np.uint8] = np.rint(np.nan_to_num(shown).clip(0, 1) * np.float32(255)).astype(np.uint8)
        return codes


_TABLE_SIDE = 65
_TABLE_MOST = 256.0
"""Scene-linear value at the table's far end: eleven stops over white."""
_TABLE_BEND = 1024.0
"""The table is logarithmic above 1/1024, linear below."""
_TABLE_SCALE = float(np.log2(1 + _TABLE_MOST * _TABLE_BEND))


def _to_table(linear: FloatImage) -> FloatImage:
    """Scene-linear values to places in the table, 0 … 1."""
    return np.asarray(np.log2(linear.clip(0, _TABLE_MOST) * _TABLE_BEND + 1) / _TABLE_SCALE, np.float32)


@lru_cache(maxsize=4)
def _view_table(config: PyOpenColorIO.Config, display: str, view: str) -> PyOpenColorIO.CPUProcessor:
    """From places in the table to the display, each node computed by the exact transform."""
    linear = PyOpenColorIO.ROLE_SCENE_LINEAR
    axis = (np.exp2(np.linspace(0, _TABLE_SCALE, _TABLE_SIDE)) - 1) / _TABLE_BEND
    nodes = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).astype(np.float32)  # blue runs fastest
    transform = PyOpenColorIO.DisplayViewTransform(src=linear, display=display, view=view)
    try:
        exact = config.getProcessor(transform).getDefaultCPUProcessor()
        table = PyOpenColorIO.Lut3DTransform(_TABLE_SIDE)
        table.setInterpolation(PyOpenColorIO.INTERP_TETRAHEDRAL)
        table.setData(_apply(exact, nodes).ravel())
        # In a configuration of its own: OCIO 2.6 was seen to take a second table of one size for the first.
        return PyOpenColorIO.Config.CreateRaw().getProcessor(table).getDefaultCPUProcessor()
    except _OCIO_ERRORS as error:
        raise _unusable(linear, error) from error


def _apply(processor: PyOpenColorIO.CPUProcessor | None, pixels: FloatImage) -> FloatImage:
    if processor is None:
        return pixels
    if pixels.dtype != np.float32 or pixels.shape[-1] != 3:
        raise TypeError(f"pixels must be (…, 3) float32, not {pixels.shape} {pixels.dtype}")
    finite = np.isfinite(pixels)
    out = np.where(finite, pixels, np.float32(0)) if not finite.all() else np.array(pixels, order="C")
    if out.size:
        # One packed image; never applyRGB, which goes pixel by pixel and is seven times slower.
        processor.apply(PyOpenColorIO.PackedImageDesc(out, out.size // 3, 1, 3))
    np.copyto(out, pixels, where=~finite)
    return np.asarray(out, np.float32)


def _configuration() -> PyOpenColorIO.Config:
    source = os.environ.get("OCIO", "")
    try:
        changed = Path(source).stat().st_mtime_ns if source else 0
    except OSError:
        changed = 0  # A built-in name (ocio://…), or a file that is not there: loading it will tell.
    return _load(source, changed)


@lru_cache(maxsize=4)
def _load(source: str, _changed: int) -> PyOpenColorIO.Config:
    # At level "info" the library writes a dozen lines about inactive displays to stderr.
    PyOpenColorIO.SetLoggingLevel(PyOpenColorIO.LOGGING_LEVEL_WARNING)
    try:
        config = (
            PyOpenColorIO.Config.CreateFromFile(source)
            if source
            else PyOpenColorIO.Config.CreateFromBuiltinConfig(BUILT_IN)
        )
        config.validate()
    except _OCIO_ERRORS as error:
        raise UnknownColour(
            f"The OCIO configuration cannot be used ({_first_line(error)})",
            remedy="Correct or unset the environment variable OCIO",
            path=source,
        ) from error
    return config


def _processors(
    config: PyOpenColorIO.Config, name: str, linear: str
) -> tuple[PyOpenColorIO.CPUProcessor, PyOpenColorIO.CPUProcessor]:
    """(to scene-linear, back)."""
    return _processor(config, name, linear), _processor(config, linear, name)


def _with_gamut(gamut: str) -> str:
    """The configuration's name of a scene-linear space."""
    config = _configuration()
    for name in (gamut, *_OTHER_NAMES.get(gamut, ())):
        found = config.getColorSpace(name)
        if found is not None:
            return str(found.getName())
    raise UnknownColour(
        f"The engine needs the colour space '{gamut}', which is not in the OCIO configuration",
        remedy="Add it to the configuration, or use an engine that works in the plate's own primaries",
        path=os.environ.get("OCIO", ""),
    )


@lru_cache(maxsize=64)
def _processor(config: PyOpenColorIO.Config, source: str, target: str) -> PyOpenColorIO.CPUProcessor:
    """With exact powers: there and back is 50 times closer than with the fast ones."""
    depth, lossless = PyOpenColorIO.BIT_DEPTH_F32, PyOpenColorIO.OPTIMIZATION_LOSSLESS
    try:
        return config.getProcessor(source, target).getOptimizedCPUProcessor(depth, depth, lossless)
    except _OCIO_ERRORS as error:
        raise _unusable(target if source == PyOpenColorIO.ROLE_SCENE_LINEAR else source, error) from error


def _is_scene_linear(config: PyOpenColorIO.Config, space: PyOpenColorIO.ColorSpace) -> bool:
    try:
        linear = config.isColorSpaceLinear(space.getName(), PyOpenColorIO.REFERENCE_SPACE_SCENE)
    except _OCIO_ERRORS as error:  # without an encoding attribute, OCIO tries the space's transform
        raise _unusable(space.getName(), error) from error
    return bool(linear) and not space.isData()


def _unusable(name: str, error: Exception) -> UnknownColour:
    return UnknownColour(
        f"The colour space '{name}' of the OCIO configuration cannot be used ({_first_line(error)})",
        remedy="Give another colour space, or correct the configuration",
        path=os.environ.get("OCIO", ""),
    )


def _tagged(names: Sequence[str], what: str, path: object) -> ColourSpace:
    """The first of the names that the configuration knows."""
    config = _configuration()
    for name in names:
        if config.getColorSpace(name) is not None:
            return resolve(name)
    raise UnknownColour(
        f"The plate's {what} has no match in the OCIO configuration",
        remedy="Name the colour space with --colorspace",
        path=path,
    )


def _gamut_name(chromaticities: Sequence[float]) -> str:
    for name, gamut in _GAMUTS.items():
        if len(chromaticities) == len(gamut) and np.allclose(chromaticities, gamut, rtol=0, atol=_TOLERANCE):
            return name
    return ""


def _close_names(config: PyOpenColorIO.Config, name: str) -> list[str]:
    """Canonical names of the up to three spaces whose name or alias is closest."""
    by_label = {
        label.lower(): space.getName()
        for space in config.getColorSpaces()
        for label in (space.getName(), *space.getAliases())
    }
    close = difflib.get_close_matches(name.lower(), by_label, n=6, cutoff=0.6)
    return list(dict.fromkeys(f"'{by_label[label]}'" for label in close))[:3]


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")
