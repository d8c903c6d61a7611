"""A take's matte, read once more for `verify`: an EXR by the second reader, any other kind as it was read before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import numpy as np

from secondtake.boxes import Box
from secondtake.errors import BadMatte
from secondtake_daemon.images import exr_guard, sequences
from secondtake_daemon.images.coverage import Coverage, MatteSource, open_matte
from secondtake_daemon.images.second import SecondImage, SecondPart

__all__ = ["open_second_matte"]

_EXR_SUFFIXES = (".exr", ".sxr")


def open_second_matte(
    name: str, *, frames: Sequence[int], plate_display: Box, plate_data: Box, channel: str
) -> MatteSource:
    """Open the matte of a take; the arguments are those of `open_matte`, with the channel the take recorded.

    Raises BadMatte or MissingFrames if it is not there any more.
    """
    if not name.lower().endswith(_EXR_SUFFIXES):
        return open_matte(name, frames=frames, plate_display=plate_display, plate_data=plate_data, channel=channel)
    return _SecondMatte(
        sequences.find(name), held=not sequences.is_pattern(name), plate=(plate_display, plate_data), channel=channel
    )


class _SecondMatte:
    notes = ()

    def __init__(self, sequence: sequences.Sequence, *, held: bool, plate: tuple[Box, Box], channel: str) -> None:
        self._sequence = sequence
        self._held = held
        self._plate_display, self._plate_data = plate
        self._kept: Coverage | None = None
        self._lock = Lock()
        self.channel = channel

    def coverage(self, frame: int) -> Coverage:
        if not self._held:
            return self._read(self._sequence.path(frame))
        with self._lock:
            if self._kept is None:
                self._kept = self._read(self.digest_inputs(frame)[0])
            return self._kept

    def digest_inputs(self, frame: int) -> tuple[Path, ...]:
        return (self._sequence.path(self._sequence.frames[0] if self._held else frame),)

    def _read(self, path: Path) -> Coverage:
        exr_guard.inspect(path)  # nobody recorded this file's digest: its header may be hostile by now
        with SecondImage(path) as image:
            part = self._part(image)
            values = image.values(part, self.channel)
        if not np.isfinite(values).all():
            raise BadMatte("The matte holds values that are not finite numbers", remedy="Put it back", path=path)
        return Coverage(box=self._place(part, path), values=np.clip(values, 0, 1))

    def _part(self, image: SecondImage) -> SecondPart:
        for part in image.parts:
            if part.level == 0 and self.channel in dict(part.channels):
                return part
        raise BadMatte(f"The matte has no channel '{self.channel}' any more", remedy="Put it back", path=image.path)

    def _place(self, part: SecondPart, path: Path) -> Box:
        """The rules of docs/mattes.md: same display window, else an image without windows of a size that fits."""
        if part.display == self._plate_display:
            return part.data
        if part.data == part.display and (part.data.x, part.data.y) == (0, 0):
            for box in (self._plate_display, self._plate_data):
                if (part.data.width, part.data.height) == (box.width, box.height):
                    return box
        raise BadMatte("The matte has another size than when the take was made", remedy="Put it back", path=path)
