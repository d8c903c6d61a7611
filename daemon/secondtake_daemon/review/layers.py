"""A take handed on as layers, so that a compositor can do the blend again: a premultiplied patch and its matte.

With Porter and Duff's over, `patch.rgb + below · (1 − patch.a)` (Compositing Digital Images, SIGGRAPH 1984), the patch
gives back the take: inside the matte its colour is `take − below · (1 − A)`. Below is the plate, or the parent's
frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadImage, BadMatte, Incompatible
from secondtake_daemon.composite.matte import Stitch, generation_matte, stitch_matte, support_digest
from secondtake_daemon.images.coverage import MatteSource, open_matte
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.exr_layout import ExrFile, ExrPart
from secondtake_daemon.images.exr_read import Planes, read_planes
from secondtake_daemon.images.exr_write import write_new
from secondtake_daemon.images.second import SecondImage
from secondtake_daemon.review.recorded import below, take_frame
from secondtake_daemon.review.staging import staged_folder
from secondtake_daemon.store.io import replace_file
from secondtake_daemon.takes.manifest import Manifest, TakeFrame, load
from secondtake_daemon.takes.whole import whole_matte

__all__ = ["Layers", "export_layers"]

FloatPlane = NDArray[np.float32]
_ASPECT = "PixelAspectRatio"
"""What OpenImageIO calls it."""


@dataclass(frozen=True, slots=True)
class Layers:
    """What was written."""

    files: tuple[str, ...]
    """Names, patch and matte of each frame in turn."""
    lost: tuple[int, ...]
    """Frames in which what the take was made on is NaN or infinite inside the matte: `over` would keep that."""


def export_layers(folder: Path, out: Path, *, on_frame: Callable[[int, int, int], None]) -> Layers:
    """Write patch and matte of each frame of the take in a folder.

    Raises BadInput, BadMatte or MissingFrames if the take, what it was made on, or its matte is not what was recorded;
    BadImage, BadOutput, DiskError.
    """
    manifest = load(folder)
    if not manifest.frames:
        raise Incompatible("The take's manifest lists no frames", path=folder)
    files, lost = [], []
    with staged_folder(out) as stage:
        matte = _open_matte(manifest)
        for done, record in enumerate(manifest.frames, start=1):
            frame = _Frame(manifest, folder, record)
            stitch = _stitch(manifest, record, matte, frame.window)
            planes, is_lost = frame.patch(stitch)
            number = f"{record.frame:04d}"
            for kind, channels in (("patch", planes), ("matte", {"Y": planes["A"]})):
                name = f"{manifest.shot}.{manifest.take}.{kind}.{number}.exr"
                frame.write(stage / name, channels)
                files.append(name)
            lost += [record.frame] if is_lost else []
            on_frame(done, len(manifest.frames), record.frame)
    return Layers(tuple(files), tuple(lost))


class _Frame:
    """One frame of the take, and what it was made on; both are the recorded files."""

    def __init__(self, manifest: Manifest, folder: Path, record: TakeFrame) -> None:
        self._channels = manifest.plate.channels
        self._under, self._part = _open(below(manifest, record).require(), manifest)
        self._take, part = _open(take_frame(manifest, folder, record).require(), manifest)
        if part.data_window != self._part.data_window:
            raise BadImage("The take's data window is not the plate's", path=self._take.path)

    @property
    def window(self) -> Box:
        """The data window."""
        return self._part.data_window

    def patch(self, stitch: Stitch) -> tuple[dict[str, FloatPlane], bool]:
        """R, G, B and A, (height, width) float32 over the data window, premultiplied; A is the stitch matte.

        Where the sample below is NaN or infinite, the patch is the take's own; the second is True if there is any.
        """
        alpha = np.zeros((self.window.height, self.window.width), np.float32)
        if not stitch.box.is_empty:
            alpha[stitch.box.within(self.window)] = stitch.alpha
        inside = alpha > 0
        rest = 1 - alpha[inside]
        take, under = self._read(self._take), self._read(self._under)
        planes, is_lost = {}, False
        for at, letter in enumerate("RGB"):
            name = self._channels[at % len(self._channels)]
            new, old = (found.planes[name][inside].astype(np.float32) for found in (take, under))
            known = np.isfinite(old)
            plane = np.zeros_like(alpha)
            plane[inside] = new - np.where(known, old, np.float32(0)) * rest
            planes[letter] = plane
            is_lost = is_lost or not known.all()
        return {**planes, "A": alpha}, is_lost

    def write(self, path: Path, planes: dict[str, FloatPlane]) -> None:
        """A file of its own with the plate's windows, pixel shape and colour tags."""
        replace_file(
            path,
            lambda part: write_new(
                part,
                data_window=self.window,
                display_window=self._part.display_window,
                planes=planes,
                attributes=self._attributes(is_colour="R" in planes),
            ),
            sync_name=False,
        )

    def _read(self, file: ExrFile) -> Planes:
        return read_planes(file, part=self._part.index, channels=self._channels)

    def _attributes(self, *, is_colour: bool) -> dict[str, Any]:
        found: dict[str, Any] = {}
        with SecondImage(self._under.path) as image:
            said = next(part for part in image.parts if part.index == self._part.index).attributes.get(_ASPECT, "")
        if said:
            found["pixelAspectRatio"] = float(said.split()[-1])
        if is_colour and self._part.chromaticities is not None:
            found["chromaticities"] = self._part.chromaticities
        if is_colour and self._part.colour_interop_id:
            found["colorInteropID"] = self._part.colour_interop_id
        return found


def _open(path: Path, manifest: Manifest) -> tuple[ExrFile, ExrPart]:
    file = inspect(path)
    if manifest.plate.part >= len(file.parts):
        raise BadImage(f"The file has no part {manifest.plate.part}", path=path)
    return file, file.parts[manifest.plate.part]


def _open_matte(manifest: Manifest) -> MatteSource:
    whole = whole_matte(manifest)
    if whole is not None:
        return whole
    _, first = _open(below(manifest, manifest.frames[0]).require(), manifest)
    return open_matte(
        manifest.matte.name,
        frames=[record.frame for record in manifest.frames],
        plate_display=first.display_window,
        plate_data=first.data_window,
        channel=manifest.matte.channel,
    )


def _stitch(manifest: Manifest, record: TakeFrame, source: MatteSource, window: Box) -> Stitch:
    """The stitch matte, made again as the job made it. Raises BadMatte if it is not the one that was recorded."""
    coverage = source.coverage(record.frame)
    grow_px = manifest.matte.grow_px
    stitch = stitch_matte(
        coverage,
        operation=manifest.request.operation,
        grow_px=grow_px,
        feather_px=manifest.matte.feather_px,
        bounds=window,
    )
    hole = generation_matte(coverage, grow_px=grow_px, bounds=window)
    if support_digest(stitch, window) != record.matte_digest or record.hole_digest not in ("", _digest(hole)):
        raise BadMatte(
            f"The matte of frame {record.frame} is not the one the take was made with",
            remedy="Put it back as it was, or export the full frames",
            path=manifest.matte.name,
        )
    return stitch


def _digest(hole: Stitch) -> str:
    """As `TakeFrame.hole_digest`: it tells a matte with the same outline and other values."""
    hasher = blake3(repr(tuple(hole.box)).encode())
    hasher.update(hole.alpha.tobytes())
    return hasher.hexdigest()
