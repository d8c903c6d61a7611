"""Two takes, frame by frame: where they differ, by how much, and whether one would see it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from secondtake.errors import BadInput
from secondtake_daemon.images.exr_edit import bits
from secondtake_daemon.images.exr_read import Plane, Planes
from secondtake_daemon.review.contact import write_sheet
from secondtake_daemon.review.sides import Pair
from secondtake_daemon.review.wipe import Wipe
from secondtake_daemon.store.io import disk_errors, replace_file

__all__ = ["Comparison", "FrameDifference", "compare"]

Picture = NDArray[np.uint8]
_PEAK = 255.0
OnFrame = Callable[[str, int, int, int], None]
"""Told the phase, how many frames of how many are done, and which frame it was."""


class FrameDifference(msgspec.Struct, frozen=True, kw_only=True):
    """How one frame of A differs from that of B. Only the picture's channels are looked at."""

    frame: int
    differing: int
    """Samples whose bits are not the same (values, if the types differ), in the whole data window."""
    outside: int
    """Those of them outside the mattes."""
    maximum: float
    """Largest absolute difference inside the mattes, in the file's numbers; samples that are NaN or infinite in either
    are left out here and in the mean."""
    mean: float
    psnr_db: float | None
    """10 log₁₀(255² / mean square difference) inside the mattes, of the display's 8-bit codes; None if no code
    differs."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """All frames that both have."""

    frames: tuple[FrameDifference, ...]
    sheet: str = ""
    wipe: str = ""
    """Absolute paths; "" if none was asked for."""

    @property
    def differing(self) -> tuple[int, ...]:
        """Frames with a sample that differs."""
        return tuple(one.frame for one in self.frames if one.differing)

    @property
    def worst(self) -> int | None:
        """The frame with the largest mean difference; None if nothing differs."""
        some = [one for one in self.frames if one.differing]
        return max(some, key=lambda one: (one.mean, one.maximum, one.differing)).frame if some else None


def compare(pair: Pair, *, out: Path | None, on_frame: OnFrame) -> Comparison:
    """Compare all frames. out: a folder for the sheet and the wipe; each appears whole or not at all.

    Raises BadInput if a frame is of another size, or not the file that was recorded; MissingFrames, BadImage,
    BadOutput, DiskError.
    """
    if out is None:
        return Comparison(frames=_measured(pair, None, on_frame))
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    with disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    name = f"{pair.a.manifest.shot}.{pair.a.label}-{pair.b.label}"
    sheet, wipe = out / f"{name}.sheet.png", out / f"{name}.wipe.mp4"

    def film(part: Path) -> tuple[FrameDifference, ...]:
        with Wipe(part, frames=len(pair.frames), rate=pair.rate) as wiped:
            return _measured(pair, wiped, on_frame)

    try:
        found = Comparison(frames=replace_file(wipe, film), sheet=str(sheet), wipe=str(wipe))
        rows = _rows(pair.frames, found.worst)
        replace_file(sheet, lambda part: write_sheet(pair, rows, part, on_frame))
    except BaseException:
        with suppress(OSError):  # something whole is in it
            for folder in made:
                folder.rmdir()
        raise
    return found


def _measured(pair: Pair, film: Wipe | None, on_frame: OnFrame) -> tuple[FrameDifference, ...]:
    found = []
    for done, frame in enumerate(pair.frames, start=1):
        (part_a, a), (part_b, b) = pair.a.read(frame), pair.b.read(frame)
        if (part_a.data_window, part_a.display_window) != (part_b.data_window, part_b.display_window):
            sizes = [f"{one.data_window.width} × {one.data_window.height}" for one in (part_a, part_b)]
            raise BadInput(
                f"Frame {frame} of {pair.a.label} has not the windows that it has in {pair.b.label} "
                f"({sizes[0]} and {sizes[1]})",
                remedy="Compare takes of one plate",
                path=pair.b.files[frame].path,
            )
        shown = pair.a.show(a), pair.b.show(b)
        found.append(_difference(frame, a, b, shown, pair.mattes(frame, a.box)))
        if film is not None:
            film.add(*shown)
        on_frame("compare", done, len(pair.frames), frame)
    return tuple(found)


def _difference(
    frame: int, a: Planes, b: Planes, shown: tuple[Picture, Picture], mattes: NDArray[np.bool_]
) -> FrameDifference:
    differing = outside = count = 0
    most = total = 0.0
    for name, plane in a.planes.items():
        other = b.planes[name]
        differs = _differs(plane, other)
        differing += int(np.count_nonzero(differs))
        outside += int(np.count_nonzero(differs & ~mattes))
        values = plane[mattes].astype(np.float64), other[mattes].astype(np.float64)
        known = np.isfinite(values[0]) & np.isfinite(values[1])
        distance = np.abs(values[0][known] - values[1][known])
        most = max(most, float(distance.max(initial=0)))
        total += float(distance.sum())
        count += distance.size
    codes = shown[0][mattes].astype(np.float64) - shown[1][mattes]
    square = float(np.mean(codes**2)) if codes.size else 0.0
    return FrameDifference(
        frame=frame,
        differing=differing,
        outside=outside,
        maximum=most,
        mean=total / count if count else 0.0,
        psnr_db=round(10 * float(np.log10(_PEAK**2 / square)), 2) if square else None,
    )


def _differs(one: Plane, other: Plane) -> NDArray[np.bool_]:
    if one.dtype == other.dtype:
        return np.asarray(bits(one) != bits(other))
    return np.asarray((one != other) & ~(np.isnan(one) & np.isnan(other)))


def _rows(frames: tuple[int, ...], worst: int | None) -> tuple[int, ...]:
    """A few frames to look at: first, middle, last, and the worst."""
    few = {frames[0], frames[len(frames) // 2], frames[-1]} | ({worst} if worst is not None else set())
    return tuple(sorted(few))
