"""An edit of a frame, and putting it over the plate's samples: by selection, never by arithmetic.

A lerp with a matte of 0 is not the identity: it lets NaN and inf of the other side through and turns −0 into +0. So
samples are chosen on views as unsigned integers, where every bit pattern is just a number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake_daemon.images.exr_layout import ExrFile, ExrPart
from secondtake_daemon.images.exr_read import Plane, Planes, read_planes

__all__ = ["Edit", "band_of", "band_runs", "bits", "check_fits", "edited", "touched_bands", "where_on"]

_RUN_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """New samples for some channels of one part."""

    part: int
    box: Box
    """Inside the part's data window."""
    planes: Mapping[str, Plane]
    """Per edited channel (box.height, box.width), in the file's own sample type."""
    where: NDArray[np.bool_]
    """(box.height, box.width): samples that change. All others keep the file's bits."""
    added: Mapping[str, Plane] = field(default_factory=dict)
    """Channels that the part does not have yet: (box.height, box.width) half each, used like the others where `where`
    is true. Everywhere else they are 0."""
    band: Planes | None = None
    """All channels of the part over at least the rows of box, if they are decoded already. Saves decoding them."""

    @property
    def is_empty(self) -> bool:
        """True if it changes nothing."""
        return not self.added and (not self.planes or not self.where.any())


def check_fits(edit: Edit, part: ExrPart) -> None:
    """Raise ValueError if the edit is not one of this part: a mistake of the caller, not of the file."""
    size = edit.box.height, edit.box.width
    if not part.data_window.contains(edit.box) or edit.where.shape != size or edit.where.dtype != np.bool_:
        raise ValueError(f"the edit of {edit.box} does not fit {part.data_window}")
    for name, plane in edit.planes.items():
        if name not in part.names or plane.shape != size or plane.dtype != part.channel(name).type.dtype:
            raise ValueError(f"the edit of channel {name} does not fit the file")
    for name, plane in edit.added.items():
        if name in part.names or plane.shape != size or plane.dtype != np.float16:
            raise ValueError(f"the new channel {name} does not fit the file")


def touched_bands(part: ExrPart, edit: Edit) -> list[tuple[int, int]]:
    """Runs of the part's bands that hold a changed row: first, and one behind the last; ascending, never adjacent."""
    rows = np.flatnonzero(edit.where.any(axis=1)) + (edit.box.y - part.data_window.y)
    bands = np.unique(rows // part.chunk_rows)
    borders = np.flatnonzero(np.diff(bands) > 1) + 1
    return [(int(run[0]), int(run[-1]) + 1) for run in np.split(bands, borders) if run.size]


def band_runs(part: ExrPart) -> Iterator[tuple[int, int]]:
    """All bands of the part in runs that decode to about 64 MB: first, and one behind the last."""
    step = max(_RUN_BYTES * part.bands // max(part.decoded_bytes, 1), 1)
    for first in range(0, part.bands, step):
        yield first, min(first + step, part.bands)


def band_of(file: ExrFile, edit: Edit, first: int, end: int) -> Planes:
    """The plate's samples of some bands, all channels: those the edit brought along, or decoded."""
    part = file.parts[edit.part]
    box = part.band_box(first, end)
    known = edit.band
    if known is None or not known.box.contains(box) or tuple(known.planes) != part.names:
        known = read_planes(file, part=part.index, rows=(box.y, box.bottom))
    return known.rows(box.y, box.bottom)


def edited(plate: Planes, edit: Edit) -> dict[str, Plane]:
    """The plate's samples with the edit put in, new channels last; the channels that it leaves alone are not copied."""
    common = edit.box.intersect(plate.box)
    planes = dict(plate.planes)
    planes.update({name: np.zeros((plate.box.height, plate.box.width), np.float16) for name in edit.added})
    if common.is_empty:
        return planes
    inside = common.within(edit.box)
    for name, new in (*edit.planes.items(), *edit.added.items()):
        planes[name] = planes[name] if name in edit.added else planes[name].copy()
        target = bits(planes[name])[common.within(plate.box)]
        np.copyto(target, bits(new)[inside], where=edit.where[inside])
    return planes


def where_on(edit: Edit, box: Box) -> NDArray[np.bool_]:
    """(box.height, box.width): the samples of a box that the edit may change."""
    where = np.zeros((box.height, box.width), np.bool_)
    common = edit.box.intersect(box)
    if not common.is_empty:
        where[common.within(box)] = edit.where[common.within(edit.box)]
    return where


def bits(plane: Plane) -> NDArray[np.unsignedinteger]:
    """A view that tells −0 from +0 and one NaN from another; of a copy if the plane is not contiguous."""
    return np.ascontiguousarray(plane).view(f"u{plane.dtype.itemsize}")
