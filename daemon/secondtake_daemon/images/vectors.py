"""Motion vectors as Blender's Vector pass holds them, read as displacements between neighbouring frames.

The pass counts in pixels with Y up: previous = p + (X, Y), next = p − (Z, W) (measured on Blender 4.2 to 5.2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadInput
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.exr_layout import ExrFile, ExrPart, SampleType
from secondtake_daemon.images.exr_read import read_planes
from secondtake_daemon.images.reference import require_size

__all__ = ["CONVENTION", "VectorFile", "Vectors", "open_vectors"]

CONVENTION = (
    "Second Take reads Blender's Vector pass: previous = p + (X, Y), next = p − (Z, W), in pixels of the plate, Y up"
)

_SETS = (("X", "Y", "Z", "W"), ("R", "G", "B", "A"))
_PASS = "vector"
_MOST_WIDTHS = 4
_MOST_SHOWN = 24
_DOWN = np.array([1, -1, -1, 1], np.float32)
"""The pass in pixels with y up, as displacements to previous (x, y) and next (x, y) with y down."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """Decoded vectors."""

    box: Box
    """In pixels of the plate's display window."""
    values: NDArray[np.float32]
    """(box.height, box.width, 4): from each pixel to where its point stands in the previous frame (x, y) and in the
    next (x, y), in pixels, y down. NaN where the file holds no number, or one that cannot be meant."""


@dataclass(frozen=True, slots=True)
class VectorFile:
    """The vectors of one frame: a file that was inspected, and where in it they are."""

    file: ExrFile
    part: int
    channels: tuple[str, str, str, str]

    @property
    def window(self) -> Box:
        """The pixels that have vectors."""
        return self.file.parts[self.part].data_window

    def read(self, rows: tuple[int, int]) -> Vectors:
        """At least the rows first … end − 1 over the full width; they lie inside the window. Raises BadImage."""
        planes = read_planes(self.file, part=self.part, rows=rows, channels=self.channels)
        values = np.stack([planes.planes[name].astype(np.float32) for name in self.channels], axis=-1) * _DOWN
        most_px = _MOST_WIDTHS * self.file.parts[self.part].display_window.width
        for ways in (values[..., :2], values[..., 2:]):
            known = (np.abs(ways) <= most_px).all(axis=-1, keepdims=True)  # False for NaN
            np.copyto(ways, np.float32(np.nan), where=~known)
        return Vectors(planes.box, values)


def open_vectors(path: Path, *, plate_display: Box) -> VectorFile:
    """Inspect one file. Raises MissingFrames or BadImage as `inspect` does, BadInput if it holds no vectors or is not
    of the plate's size.

    Of a file with many layers the one called Vector is taken; else the only one with X, Y, Z, W; else a plain
    R, G, B, A, as an output node writes a vector socket.
    """
    file = inspect(path)
    part, channels = _choose(file)
    remedy = "Render them in the plate's format"
    display = file.parts[part].display_window
    require_size("The motion vectors are", display=display, plate=plate_display, path=path, remedy=remedy)
    return VectorFile(file, part, channels)


@dataclass(frozen=True, slots=True)
class _Found:
    part: int
    channels: tuple[str, str, str, str]
    letters: tuple[str, ...]
    layer: str
    """Lower case, with the part's name in front."""

    @property
    def is_pass(self) -> bool:
        return _PASS in self.layer.split(".")


def _choose(file: ExrFile) -> tuple[int, tuple[str, str, str, str]]:
    found = [each for part in file.parts for each in _candidates(part)]
    xyzw = [each for each in found if each.letters == _SETS[0]]
    rgba = [each for each in found if each.letters == _SETS[1]]
    for group, alone in ((xyzw, False), (xyzw, True), (rgba, False), (rgba, True)):
        fitting = group if alone else [each for each in group if each.is_pass]
        if fitting and (len(fitting) == 1 or not alone):
            return fitting[0].part, fitting[0].channels
    names = [name for part in file.parts for name in part.names]
    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    raise BadInput(
        f"The file holds no motion vectors, but {', '.join(names[:_MOST_SHOWN])}{more}",
        remedy="Switch on the Vector pass (X, Y, Z, W) and render it as EXR",
        path=file.path,
    )


def _candidates(part: ExrPart) -> Iterator[_Found]:
    """Every set of four channels of the part that could be vectors, in file order."""
    kinds = {channel.name: channel.type for channel in part.channels if not channel.is_subsampled}
    for layer in dict.fromkeys(name.rpartition(".")[0] for name in kinds):
        for letters in _SETS:
            one, two, three, four = (f"{layer}.{letter}" if layer else letter for letter in letters)
            channels = (one, two, three, four)
            if all(kinds.get(name, SampleType.UINT) is not SampleType.UINT for name in channels):
                yield _Found(part.index, channels, letters, f"{part.name}.{layer}".lower())
