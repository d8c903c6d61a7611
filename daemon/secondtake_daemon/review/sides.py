"""The two things that are compared: takes of one shot, or a take and the plate its line begins with."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadInput, MissingFrames
from secondtake_daemon.images.colour import Screen, resolve
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.exr_layout import ExrPart
from secondtake_daemon.images.exr_read import Planes, read_planes
from secondtake_daemon.review.recorded import Recorded, plate_frame, take_frame
from secondtake_daemon.takes.manifest import Manifest, load
from secondtake_daemon.takes.supports import Supports, read_supports

__all__ = ["PLATE", "Pair", "Side", "open_pair"]

PLATE = "plate"
"""The word for the plate, where a take could be named."""
_USUAL_RATE = Fraction(24)
_MOST_RATE = 240

Support = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A take, or the plate below one."""

    label: str
    """Id of the take, or "plate"."""
    manifest: Manifest
    """Of the take; for the plate that of the take on it."""
    files: Mapping[int, Recorded]
    """By frame number, ascending."""
    supports: Supports | None
    """Of the take; None for a plate, and for takes of older versions."""
    screen: Screen

    def read(self, frame: int) -> tuple[ExrPart, Planes]:
        """The picture's samples over the data window. Raises MissingFrames, BadInput, BadImage."""
        plate = self.manifest.plate
        file = inspect(self.files[frame].require())
        if plate.part >= len(file.parts) or not set(plate.channels) <= set(file.parts[plate.part].names):
            raise BadInput(f"{self.files[frame].what} has other channels than the take", path=file.path)
        return file.parts[plate.part], read_planes(file, part=plate.part, channels=plate.channels)

    def show(self, planes: Planes) -> NDArray[np.uint8]:
        """(height, width, 3) uint8, as the configuration's display shows it."""
        found = [planes.planes[name].astype(np.float32) for name in self.manifest.plate.channels]
        return self.screen.show(np.stack(found if len(found) == 3 else found * 3, axis=-1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two sides of one shot."""

    a: Side
    b: Side

    @property
    def frames(self) -> tuple[int, ...]:
        """What both have, ascending."""
        return tuple(frame for frame in self.a.files if frame in self.b.files)

    @property
    def rate(self) -> Fraction:
        """Frames a second, as the first frame says; 24 if it says nothing of use."""
        path = self.a.files[self.frames[0]].path
        said = inspect(path).parts[self.a.manifest.plate.part].frames_per_second or (0, 0)
        rate = Fraction(*said) if said[1] > 0 else Fraction(0)
        return rate if 1 <= rate <= _MOST_RATE else _USUAL_RATE

    def mattes(self, frame: int, window: Box) -> Support:
        """(height, width): the union of the mattes in which the two may differ. Takes with the same parent, or one on
        the other, differ in their own mattes, others in all mattes of their lines. Everything, if a take is of an older
        version. Raises BadInput."""
        union = np.zeros((window.height, window.width), np.bool_)
        for side, other in ((self.a, self.b), (self.b, self.a)):
            if side.label in (PLATE, other.manifest.parent):
                continue  # the other begins here
            if side.supports is None:
                return np.ones_like(union)
            is_own = other.label != PLATE and side.manifest.parent in (other.manifest.parent, other.label)
            union |= side.supports.own(frame, window) if is_own else side.supports.line(frame, window)
        return union


def open_pair(a: Path | None, b: Path | None) -> Pair:
    """Two folders of takes; None, for one of them, is the plate.

    Raises NotFound or Incompatible for a take.json, UnknownColour, BadInput if the two cannot be compared.
    """
    folder = a or b
    if folder is None:
        raise BadInput("The plate compared with itself says nothing", remedy="Name a take")
    pair = Pair(a=_take(a) if a else _plate(folder), b=_take(b) if b else _plate(folder))
    one, other = pair.a.manifest, pair.b.manifest
    if one.shot != other.shot:
        raise BadInput(
            f"Take {one.take} is of shot {one.shot}, take {other.take} of {other.shot}",
            remedy="Compare takes of one shot",
        )
    if (one.plate.part, one.plate.channels) != (other.plate.part, other.plate.channels):
        raise BadInput(
            f"Take {one.take} edits {', '.join(one.plate.channels)}, take {other.take} "
            f"{', '.join(other.plate.channels)}",
            remedy="Compare takes of one plate",
        )
    if not pair.frames:
        raise MissingFrames(f"{pair.a.label} and {pair.b.label} have no frame in common", remedy="Compare others")
    return pair


def _take(folder: Path) -> Side:
    manifest = load(folder)
    return Side(
        label=manifest.take,
        manifest=manifest,
        files={record.frame: take_frame(manifest, folder, record) for record in manifest.frames},
        supports=read_supports(manifest, folder) if manifest.supports else None,
        screen=_screen(manifest),
    )


def _plate(folder: Path) -> Side:
    manifest = load(folder)
    files = {record.frame: plate_frame(record) for record in manifest.frames}
    return Side(label=PLATE, manifest=manifest, files=files, supports=None, screen=_screen(manifest))


def _screen(manifest: Manifest) -> Screen:
    with _configured(manifest.request.ocio):
        return Screen(resolve(manifest.plate.colourspace))


@contextmanager
def _configured(ocio: str) -> Iterator[None]:
    """The take's OCIO configuration, as the worker had it: not the one of who looks at it."""
    before = os.environ.get("OCIO")
    os.environ["OCIO"] = ocio
    try:
        yield
    finally:
        if before is None:
            del os.environ["OCIO"]
        else:
            os.environ["OCIO"] = before
