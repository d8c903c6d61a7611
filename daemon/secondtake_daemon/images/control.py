"""Pictures to follow — depth, lines, poses — as codes 0 … 1 over the plate's display window.

Depth is inverse and near is white, as the networks draw it that video models learned it from (Ranftl et al.: Towards
Robust Monocular Depth Estimation, TPAMI 2022): what matters is the order of things and how far apart they are, so the
range is that of the whole shot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadImage, BadInput
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.exr_layout import ExrFile, ExrPart, SampleType
from secondtake_daemon.images.exr_read import read_planes
from secondtake_daemon.images.stills import read_still

__all__ = ["ControlPicture", "DepthRange", "depth_range", "depth_samples", "fitted", "open_depth", "open_picture"]

Codes = NDArray[np.float32]

_EXR_SUFFIXES = (".exr", ".sxr")
_ASPECT_TOLERANCE = 0.01
_LEAST_SIDE_PX = 16
_FAR = 1e9
"""Distances from here on are the sky: Blender writes 1e10 where nothing is."""
_MOST_CODE = 1.5
"""A picture of depth stays below it, also with a filter's ringing; a distance in any unit of use does not."""
_SAMPLES = 20_000
_LOW, _HIGH = 1.0, 99.0
"""Percentiles of inverse distance that become black and white: a hand before the lens does not flatten the rest."""


@dataclass(frozen=True, slots=True)
class ControlPicture:
    """One decoded frame."""

    values: Codes
    """(height, width) or (height, width, 3) float32 over the display window of its own file."""
    is_distance: bool = False
    """True if the values are distances, False if they are codes."""

    def codes(self, found: DepthRange) -> Codes:
        """Codes 0 … 1 of the same shape."""
        if not self.is_distance:
            return np.asarray(np.nan_to_num(self.values, nan=0.0).clip(0, 1), np.float32)
        return found.codes(_inverse(self.values))


@dataclass(frozen=True, slots=True)
class DepthRange:
    """Inverse distances that become black and white, for a whole shot."""

    low: float = 0.0
    high: float = 1.0

    def codes(self, inverse: Codes) -> Codes:
        """0 … 1; grey where the shot has but one distance."""
        if self.high - self.low <= 1e-9 * max(abs(self.high), 1e-30):
            return np.full_like(inverse, 0.5)
        return np.asarray(((inverse - self.low) / (self.high - self.low)).clip(0, 1), np.float32)


def depth_range(samples: Sequence[Codes]) -> DepthRange:
    """From the inverse distances of all frames (`depth_samples`)."""
    together = np.concatenate([each.ravel() for each in samples]) if samples else np.zeros(0, np.float32)
    if not together.size:
        return DepthRange()
    low, high = np.percentile(together.astype(np.float64), (_LOW, _HIGH))
    return DepthRange(float(low), float(high))


def depth_samples(picture: ControlPicture) -> Codes:
    """Some of a frame's inverse distances, evenly spread; none of a picture that holds codes."""
    if not picture.is_distance:
        return np.zeros(0, np.float32)
    every = max(int((picture.values.size / _SAMPLES) ** 0.5), 1)
    return _inverse(picture.values[::every, ::every]).ravel()


def open_depth(path: Path, *, plate_display: Box) -> ControlPicture:
    """A depth pass (Z, Depth.Z, V … as distances), or a picture of depth in which near is white.

    Raises MissingFrames or BadImage if it cannot be read, BadInput if it is of another shape than the plate.
    """
    values, is_named = _plane(path, plate_display=plate_display)
    return ControlPicture(values, is_distance=is_named or bool(np.nanmax(values, initial=0.0) > _MOST_CODE))


def open_picture(path: Path, *, plate_display: Box) -> ControlPicture:
    """Lines, a pose or grey: R, G and B, or one channel three times. An EXR's light is shown with the sRGB curve.

    Raises as `open_depth`.
    """
    if path.suffix.lower() in _EXR_SUFFIXES:
        file = inspect(path)
        part, names = _colour_channels(file)
        light = _stacked(_whole(file, part, names))
        _require_shape(light, part.display_window, plate_display, path)
        return ControlPicture(_screen(light))
    still = read_still(path)
    names = ("R", "G", "B") if {"R", "G", "B"} <= set(still.planes) else tuple(still.planes)[:1]
    values = _stacked([still.planes[name] for name in names])
    _require_shape(values, Box(0, 0, still.width, still.height), plate_display, path)
    return ControlPicture(values if still.is_integer else _screen(values))


def fitted(codes: Codes, *, display: Box, box: Box) -> Codes:
    """The part of a picture that lies in a box of the plate: (box.height, box.width[, 3]); black beyond the picture.

    codes: over the whole display window, in any number of pixels.
    """
    if codes.shape[:2] != (display.height, display.width):
        way = cv2.INTER_AREA if codes.shape[0] > display.height else cv2.INTER_LINEAR
        codes = np.asarray(cv2.resize(codes, (display.width, display.height), interpolation=way), np.float32)
    canvas = np.zeros((box.height, box.width, *codes.shape[2:]), np.float32)
    common = box.intersect(display)
    if not common.is_empty:
        canvas[common.within(box)] = codes[common.within(display)]
    return canvas


def _inverse(distance: Codes) -> Codes:
    """1 / distance; 0 for the sky and for what is no distance."""
    is_there = np.isfinite(distance) & (distance > 0) & (distance < _FAR)
    return np.asarray(np.where(is_there, 1.0 / np.where(is_there, distance, 1.0), 0.0), np.float32)


def _plane(path: Path, *, plate_display: Box) -> tuple[Codes, bool]:
    """One plane, and whether its channel's name says that it holds distances."""
    if path.suffix.lower() in _EXR_SUFFIXES:
        file = inspect(path)
        part, name, is_named = _depth_channel(file)
        values = _whole(file, part, (name,))[0]
        _require_shape(values, part.display_window, plate_display, path)
        return values, is_named
    still = read_still(path)
    values = next(iter(still.planes.values()))
    _require_shape(values, Box(0, 0, still.width, still.height), plate_display, path)
    return values, False


def _depth_channel(file: ExrFile) -> tuple[ExrPart, str, bool]:
    """Of a file with many layers the one called Z or depth; else the only channel, or the first of R, G, B."""
    found = [(part, channel.name) for part in file.parts for channel in part.channels if _is_number(channel.type)]
    layers = [(_words(part, name), part, name) for part, name in found]
    for is_it in (_is_of_depth, _is_distance):
        for words, part, name in layers:
            if is_it(words):
                return part, name, True
    for wanted in ("Y", "R", "V"):
        for part, name in found:
            if name == wanted:
                return part, name, False
    if len(found) == 1:
        return (*found[0], False)
    has = ", ".join(name for _, name in found[:24])
    raise BadInput(
        f"The file holds no depth, but {has}", remedy="Switch on the Z pass and render it as EXR", path=file.path
    )


def _words(part: ExrPart, name: str) -> list[str]:
    return f"{part.name}.{name}".lower().split(".")


def _is_of_depth(words: list[str]) -> bool:
    """A layer of that very name: others have a Z too, as Mist, Normal and Denoising Depth."""
    return words[-1] == "depth" or (words[-1] in ("z", "v") and "depth" in words)


def _is_distance(words: list[str]) -> bool:
    return words[-1] == "z" and not any(word.endswith(("mist", "normal", "position", "vector")) for word in words)


def _colour_channels(file: ExrFile) -> tuple[ExrPart, tuple[str, ...]]:
    for part in file.parts:
        for names in (("R", "G", "B"), ("Y",)):
            if set(names) <= set(part.names):
                return part, names
    part = file.parts[0]
    if len(part.names) == 1:
        return part, part.names
    raise BadImage(
        f"The picture has no R, G, B but {', '.join(part.names[:24])}", remedy="Save it as RGB", path=file.path
    )


def _whole(file: ExrFile, part: ExrPart, names: tuple[str, ...]) -> list[Codes]:
    """Planes over the display window; 0 where the file has no pixel."""
    window, display = part.data_window, part.display_window
    read = read_planes(file, part=part.index, rows=(window.y, window.bottom), channels=names)
    planes, common = [], window.intersect(display)
    for name in names:
        plane = np.zeros((display.height, display.width), np.float32)
        if not common.is_empty:
            plane[common.within(display)] = read.planes[name][common.within(read.box)]
        planes.append(plane)
    return planes


def _require_shape(values: Codes, display: Box, plate: Box, path: Path) -> None:
    """Raise BadInput unless it shows what the plate does: another number of pixels will do, another shape will not."""
    height, width = values.shape[:2]
    ratio = (width / height) / (plate.width / plate.height)
    if min(width, height) < _LEAST_SIDE_PX or abs(ratio - 1) > _ASPECT_TOLERANCE:
        raise BadInput(
            f"The picture to follow is {display.width} × {display.height}, the plate {plate.width} × {plate.height}",
            remedy="Render it in the plate's format, or in another of the same shape",
            path=path,
        )


def _is_number(kind: SampleType) -> bool:
    return kind is not SampleType.UINT


def _stacked(planes: list[Codes]) -> Codes:
    return np.stack(planes if len(planes) == 3 else planes[:1] * 3, axis=-1)


def _screen(light: Codes) -> Codes:
    """The sRGB curve (IEC 61966-2-1) of light 0 … 1."""
    x = np.nan_to_num(light, nan=0.0, posinf=1.0, neginf=0.0).clip(0, 1).astype(np.float64)
    return np.asarray(np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055), np.float32)
