"""A reference image as the artist handed it over: where it lies on the plate, in which colour space, its pixels."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadImage, BadInput, MissingFrames, UnknownColour
from secondtake_daemon.images.colour import ColourSpace, from_header, resolve
from secondtake_daemon.images.exr_channels import main_channels
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.exr_layout import SampleType
from secondtake_daemon.images.exr_read import read_planes
from secondtake_daemon.images.stills import read_still

__all__ = ["Pixels", "Reference", "open_reference", "require_size"]

FloatImage = NDArray[np.float32]

_EXR_SUFFIXES = (".exr", ".sxr")
_LOG_SUFFIXES = (".dpx", ".cin")
_RGB = ("R", "G", "B")
_SRGB_NAMES = ("srgb_rec709_scene", "srgb_tx", "sRGB - Texture", "Utility - sRGB - Texture", "sRGB Texture", "sRGB")
_LEAST_LOOK_PX, _MOST_LOOK_PX, _MOST_LOOK_RATIO = 16, 16_384, 8
_NAME_IT = "Name its colour space with --reference-colorspace"


@dataclass(frozen=True, slots=True)
class Pixels:
    """Decoded pixels."""

    box: Box
    values: FloatImage
    """(box.height, box.width, 3) float32 in the image's own colour space."""


class Reference(Protocol):
    """A reference image that was opened and fits the plate."""

    space: ColourSpace
    note: str
    """What was assumed about its colour, as a sentence; "" if it was named or tagged."""
    window: Box
    """The pixels it has, in those of the plate's display window; may be smaller or larger."""

    def read(self, rows: tuple[int, int]) -> Pixels:
        """At least the rows first … end − 1 over the full width; they lie inside the window. Alpha is not looked at.

        Raises BadImage if the file is damaged.
        """


def open_reference(path: Path, *, colourspace: str, plate_space: ColourSpace, plate_display: Box | None) -> Reference:
    """Open an image and decide on its colour: the name given, else its tag, else the kind of file (docs/references.md).

    plate_display: what a painted frame must have the size of; None for a look, which has its own. Raises MissingFrames
    if it is not there, BadImage if it cannot be read or has no colour, BadInput if it is not of the plate's size, or a
    look of a size that shows nothing, UnknownColour if its space is not known or must be named.
    """
    if not os.path.exists(path):  # noqa: PTH110 — a name that is too long is no error, it is not there
        remedy = "Check its name; a painted frame is given as IMAGE@FRAME"
        raise MissingFrames("There is no such reference image", remedy=remedy, path=path)
    named = resolve(colourspace) if colourspace else None
    if path.suffix.lower() in _EXR_SUFFIXES:
        return _ExrReference(path, named, plate_space, plate_display)
    return _StillReference(path, named, plate_space, plate_display)


def require_size(what: str, *, display: Box, plate: Box, path: Path, remedy: str) -> None:
    """Raise BadInput if an image of this display window is not of the plate's format; nothing is ever scaled."""
    if display == plate:
        return
    size, wanted = f"{display.width} × {display.height}", f"{plate.width} × {plate.height}"
    if size == wanted:
        size, wanted = f"placed at {display.x}, {display.y}", f"at {plate.x}, {plate.y}"
    raise BadInput(f"{what} {size}, the plate {wanted}", remedy=remedy, path=path)


def _require_fit(display: Box, plate: Box | None, path: Path) -> None:
    if plate is None:
        _require_look_size(display, path)
        return
    remedy = "Save it in the plate's format, with the whole frame in it"
    require_size("The reference is", display=display, plate=plate, path=path, remedy=remedy)


def _require_look_size(display: Box, path: Path) -> None:
    short, long = sorted((display.width, display.height))
    if short < _LEAST_LOOK_PX or long > _MOST_LOOK_PX or long > _MOST_LOOK_RATIO * short:
        raise BadInput(
            f"A picture of {display.width} × {display.height} pixels cannot show what is wanted",
            remedy=f"Give one with sides of {_LEAST_LOOK_PX} to {_MOST_LOOK_PX:,} pixels, not longer than "
            f"{_MOST_LOOK_RATIO} times its other side",
            path=path,
        )


class _ExrReference:
    """An EXR, which says where it lies; only the rows that are wanted are decoded."""

    def __init__(
        self, path: Path, named: ColourSpace | None, plate_space: ColourSpace, plate_display: Box | None
    ) -> None:
        self._file = inspect(path)
        index, self._channels = main_channels(self._file)
        self._part = self._file.parts[index]
        self.window = self._part.data_window
        _require_fit(self._part.display_window if plate_display else self.window, plate_display, path)
        if any(self._part.channel(name).type is SampleType.UINT for name in self._channels):
            raise BadImage("The reference holds whole numbers, no colour", remedy="Save it as half or float", path=path)
        self.space, self.note = named or plate_space, ""
        if named is None:
            self._from_tag(plate_space, path)

    def _from_tag(self, plate_space: ColourSpace, path: Path) -> None:
        part = self._part
        try:
            found = from_header(interop_id=part.colour_interop_id, chromaticities=part.chromaticities, path=path)
        except UnknownColour as error:
            what = "The reference's colour tag has no match in the OCIO configuration"
            raise UnknownColour(what, remedy=_NAME_IT, path=path) from error
        self.space = plate_space if found.assumed else found.space
        self.note = _taken(path, plate_space, "as the plate is") if found.assumed else ""

    def read(self, rows: tuple[int, int]) -> Pixels:
        found = read_planes(self._file, part=self._part.index, rows=rows, channels=self._channels)
        return Pixels(found.box, _stacked([found.planes[name] for name in self._channels]))


class _StillReference:
    """Any other image: of the plate's display size, or of its own; decoded as a whole."""

    def __init__(
        self, path: Path, named: ColourSpace | None, plate_space: ColourSpace, plate_display: Box | None
    ) -> None:
        self._path = path
        still = read_still(path)
        corner = (plate_display.x, plate_display.y) if plate_display else (0, 0)
        self.window = Box(*corner, still.width, still.height)
        _require_fit(self.window, plate_display, path)
        self._channels = _still_channels(tuple(still.planes), path)
        self.space, self.note = named or plate_space, ""
        if named is None:
            self._assume(plate_space, is_integer=still.is_integer)

    def _assume(self, plate_space: ColourSpace, *, is_integer: bool) -> None:
        suffix = self._path.suffix.lower()
        if suffix in _LOG_SUFFIXES:
            what = f"A {suffix[1:].upper()} file does not say its colour space"
            raise UnknownColour(what, remedy=_NAME_IT, path=self._path)
        self.space = _srgb(self._path) if is_integer else plate_space
        self.note = _taken(self._path, self.space, "as images for a screen are" if is_integer else "as the plate is")

    def read(self, rows: tuple[int, int]) -> Pixels:
        del rows
        planes = read_still(self._path).planes
        return Pixels(self.window, _stacked([planes[name] for name in self._channels]))


def _still_channels(names: tuple[str, ...], path: Path) -> tuple[str, ...]:
    for wanted in (_RGB, ("Y",), ("I",)):
        if set(wanted) <= set(names):
            return wanted
    raise BadImage(f"The reference has no R, G, B but {', '.join(names)}", remedy="Save it as RGB", path=path)


def _srgb(path: Path) -> ColourSpace:
    """The sRGB curve over Rec.709 primaries, by the names that configurations give it."""
    for name in _SRGB_NAMES:
        try:
            return resolve(name)
        except UnknownColour:
            continue
    raise UnknownColour("The OCIO configuration has no sRGB, which this image would be", remedy=_NAME_IT, path=path)


def _taken(path: Path, space: ColourSpace, why: str) -> str:
    return f"The reference {path.name} has no colour tag and was taken as {space.name}, {why}."


def _stacked(planes: list[NDArray[np.generic]]) -> FloatImage:
    """Three planes, or one of luminance three times, as (height, width, 3) float32."""
    three = planes if len(planes) == len(_RGB) else planes * len(_RGB)
    return np.stack([plane.astype(np.float32) for plane in three], axis=-1)
