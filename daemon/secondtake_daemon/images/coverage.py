"""Where the artist allows a change: mattes of every kind as coverage in pixels of the plate.

A matte is an EXR or image sequence, one image held over the range, or keyed shapes. docs/mattes.md states the rules of
placement and of the channel that are carried out here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadMatte
from secondtake.frames import FrameSet
from secondtake_daemon.images import exr_guard, exr_margins, exr_read, sequences, shapes, stills

__all__ = ["Coverage", "MatteSource", "open_matte", "require_some"]

_FloatPlane = NDArray[np.float32]
_EXR_SUFFIXES = (".exr", ".sxr")
_SHAPES_SUFFIX = ".json"
_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Coverage of one frame: 0 = keep, 1 = change. Outside the box it is 0."""

    box: Box
    """In pixels of the plate's display window; may reach beyond the plate's data window."""
    values: _FloatPlane
    """(height, width) float32, 0..1, finite."""


class MatteSource(Protocol):
    """A matte, placed on its plate."""

    @property
    def channel(self) -> str:
        """The channel that holds coverage; "" for shapes."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was chosen or corrected so far, one sentence each."""

    def coverage(self, frame: int) -> Coverage:
        """Read or draw one of the frames the matte was opened for. Raises BadMatte or BadImage."""

    def digest_inputs(self, frame: int) -> tuple[Path, ...]:
        """The files this frame's coverage is made of."""


@dataclass(frozen=True, slots=True)
class _Plate:
    display: Box
    data: Box


def open_matte(
    name: str, *, frames: Sequence[int], plate_display: Box, plate_data: Box, channel: str = ""
) -> MatteSource:
    """Open the matte of a plate.

    name: absolute name of a sequence, an image or a .json of keyed shapes. frames: the plate's, ascending. channel: ""
    chooses. Reads the first frame, so that a matte that does not fit is refused before anything is rendered.

    Raises BadMatte if it lacks frames, is of another size or has no such channel; MissingFrames if nothing is there.
    """
    plate = _Plate(plate_display, plate_data)
    if name.lower().endswith(_SHAPES_SUFFIX):
        return _Shapes(Path(name), plate)
    sequence = sequences.find(name)
    held = not sequences.is_pattern(name)
    if not held:
        _require_frames(sequence, frames)
    return _Images(sequence, held=held, first=frames[0], plate=plate, channel=channel)


def require_some(bounds: Mapping[int, Box], *, path: object) -> None:
    """Raise BadMatte if the stitch box of every frame is empty; in single frames that is fine."""
    if all(box.is_empty for box in bounds.values()):
        remedy = "Check its channel, its frame numbers and how far it is shrunk"
        raise BadMatte("The matte is empty in every frame", remedy=remedy, path=path)


def _require_frames(sequence: sequences.Sequence, frames: Sequence[int]) -> None:
    there = set(sequence.frames)
    missing = FrameSet(frame for frame in frames if frame not in there)
    if missing:
        subject = "1 of the plate's frames" if len(missing) == 1 else f"{len(missing)} of the plate's frames"
        raise BadMatte(
            f"The matte lacks {subject}: {sequences.describe(missing)}",
            remedy=f"Render the missing frames, or give --frames inside {sequences.describe(FrameSet(there))}",
            path=sequence.name,
        )


def _place(plate: _Plate, *, data: Box, display: Box, path: Path) -> tuple[Box, str]:
    """Where a matte with these windows lies on the plate, and a note if that had to be concluded."""
    if display == plate.display:
        return data, ""
    size = data.width, data.height
    if data == display and (data.x, data.y) == (0, 0):
        if size == (plate.display.width, plate.display.height):
            return plate.display, ""
        if size == (plate.data.width, plate.data.height):
            return plate.data, "The matte has the size of the plate's data window and was placed on it."
    raise BadMatte(
        f"The matte is {display.width} × {display.height}, the plate is {plate.display.width} × {plate.display.height}",
        remedy="Render the matte in the plate's format",
        path=path,
    )


class _Shapes:
    """Keyed shapes, rasterised on demand."""

    channel = ""

    def __init__(self, path: Path, plate: _Plate) -> None:
        self._path = path
        self._shapes = shapes.load(path)
        size = Box(0, 0, *self._shapes.size)
        self._box, note = _place(plate, data=size, display=size, path=path)
        self.notes = (note,) if note else ()

    def coverage(self, frame: int) -> Coverage:
        return Coverage(box=self._box, values=shapes.rasterise(self._shapes, frame))

    def digest_inputs(self, frame: int) -> tuple[Path, ...]:
        return (self._path,)


class _Images:
    """A sequence, or one image held over the range."""

    def __init__(self, sequence: sequences.Sequence, *, held: bool, first: int, plate: _Plate, channel: str) -> None:
        self._sequence = sequence
        self._held = held
        self._plate = plate
        self._notes: dict[str, None] = {}
        picture = _open(self._path(first))
        self.channel = channel or self._choose(picture)
        self._placed(picture)  # here already, so that what does not fit is refused before anything is rendered

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(self._notes)

    def coverage(self, frame: int) -> Coverage:
        return self._held_coverage if self._held else self._read(frame)

    def digest_inputs(self, frame: int) -> tuple[Path, ...]:
        return (self._path(frame),)

    @cached_property
    def _held_coverage(self) -> Coverage:
        return self._read(self._sequence.frames[0])

    def _path(self, frame: int) -> Path:
        return self._sequence.path(self._sequence.frames[0] if self._held else frame)

    def _read(self, frame: int) -> Coverage:
        picture = _open(self._path(frame))
        placed = self._placed(picture)
        plane = picture.plane(self.channel)
        used = _used(plane)  # a matte is mostly zeros, and converting those costs more than decoding them
        box = Box(placed.x + used.x, placed.y + used.y, used.width, used.height)
        values = plane[used.y : used.bottom, used.x : used.right].astype(np.float32)
        bad = int(np.count_nonzero(~np.isfinite(values)))
        if bad:
            where = "The matte" if self._held else f"Frame {frame} of the matte"
            raise BadMatte(
                f"{where} holds {bad} {'value that is' if bad == 1 else 'values that are'} not a finite number",
                remedy="Render it again, or remove NaN and infinity from it",
                path=picture.path,
            )
        if values.size and (values.min() < -_TOLERANCE or values.max() > 1 + _TOLERANCE):
            self._notes.setdefault("The matte has values below 0 or above 1; they were taken as 0 and 1.")
        return Coverage(box=box, values=np.clip(values, 0, 1))

    def _placed(self, picture: _Picture) -> Box:
        data, display = picture.windows(self.channel)
        box, note = _place(self._plate, data=data, display=display, path=picture.path)
        if note:
            self._notes.setdefault(note)
        return box

    def _choose(self, picture: _Picture) -> str:
        """The channel that holds coverage, if nobody said which: the rules of docs/mattes.md."""
        names = picture.channels
        if len(names) == 1:
            return names[0]
        if "Y" in names:
            return "Y"
        has_rgb = {"R", "G", "B"} <= set(names)
        if "A" in names and (not has_rgb or (picture.plane("A") != 1).any()):
            return "A"
        chosen = "R" if "R" in names else names[0]
        self._notes.setdefault(f"The matte's coverage was taken from channel {chosen} of {', '.join(names)}.")
        return chosen


def _used(plane: NDArray[np.generic]) -> Box:
    """The smallest box around the values that are not 0 (NaN is not), relative to the plane."""
    bits = plane.view(f"u{plane.itemsize}")
    if plane.dtype.kind == "f":
        bits = bits << 1  # −0 is 0
    rows = np.flatnonzero(bits.any(axis=1))
    if not rows.size:
        return Box(0, 0, 0, 0)
    y, height = int(rows[0]), int(rows[-1] - rows[0]) + 1
    columns = np.flatnonzero(bits[y : y + height].any(axis=0))
    return Box(int(columns[0]), y, int(columns[-1] - columns[0]) + 1, height)


class _Picture(Protocol):
    """One file of a matte, opened but not yet decoded."""

    path: Path
    channels: tuple[str, ...]

    def windows(self, channel: str) -> tuple[Box, Box]:
        """Data and display window of the channel. Raises BadMatte if there is no such channel."""

    def plane(self, channel: str) -> NDArray[np.generic]:
        """Its values: (height, width) of the data window."""


class _StillPicture:
    """An image without windows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._still = stills.read_still(path)
        self.channels = tuple(self._still.planes)

    def windows(self, channel: str) -> tuple[Box, Box]:
        _require_channel(channel, self.channels, self.path)
        size = Box(0, 0, self._still.width, self._still.height)
        return size, size

    def plane(self, channel: str) -> NDArray[np.generic]:
        return self._still.planes[channel]


class _ExrPicture:
    """An EXR; a channel is that of the first part that has one of this name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = exr_guard.inspect(path)
        by_name = [(channel.name, part) for part, header in enumerate(self._file.parts) for channel in header.channels]
        self._part = dict(reversed(by_name))
        self.channels = tuple(dict.fromkeys(name for name, _ in by_name))

    def windows(self, channel: str) -> tuple[Box, Box]:
        _require_channel(channel, self.channels, self.path)
        part = self._file.parts[self._part[channel]]
        if any(found.is_subsampled for found in part.channels if found.name == channel):
            raise BadMatte(
                f"The matte's channel '{channel}' is stored at a lower resolution",
                remedy="Render the matte as a full channel",
                path=self.path,
            )
        return part.data_window, part.display_window

    def plane(self, channel: str) -> NDArray[np.generic]:
        part = self._file.parts[self._part[channel]]
        rows = exr_margins.used_rows(self._file, part)
        window = part.data_window
        plane: NDArray[np.generic] = np.zeros((window.height, window.width), part.channel(channel).type.dtype)
        if rows is not None:
            band = exr_read.read_planes(self._file, part=part.index, rows=rows, channels=(channel,))
            plane[band.box.within(window)] = band.planes[channel]
        return plane


def _open(path: Path) -> _Picture:
    return _ExrPicture(path) if path.suffix.lower() in _EXR_SUFFIXES else _StillPicture(path)


def _require_channel(channel: str, names: Sequence[str], path: Path) -> None:
    if channel not in names:
        has = ", ".join(names)
        raise BadMatte(f"The matte has no channel '{channel}'", remedy=f"Name one that it has: {has}", path=path)
