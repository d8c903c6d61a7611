"""A painted image as a matte, after Blender handed its pixels over. Nothing of Blender: it may run in a thread."""

from __future__ import annotations

import os
from array import array
from dataclasses import dataclass
from pathlib import Path

from .clearing import make_work_folder
from .exr_file import write_matte
from .matte import MatteChoice
from .refusal import Refusal

__all__ = ["Painting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Painting:
    """The pixels of an image as Blender holds them."""

    name: str
    size: tuple[int, int]
    channels: int
    values: array[float]
    """float32, `channels` for each pixel, rows from the bottom."""

    def write(self, folder: Path) -> MatteChoice:
        """Write its coverage to `folder`, number for number: the alpha if it is not 1 everywhere, else the red channel.

        Raises Refusal if nothing is painted, or it cannot be written.
        """
        width, height = self.size
        alpha = self.values[3::4] if self.channels == 4 else array("f")
        coverage = alpha if len(alpha) and min(alpha) < 1 else self.values[0 :: self.channels]
        if max(coverage) <= 0:
            raise Refusal(f"Nothing is painted in '{self.name}'", remedy="Paint white where the shot may change")
        from_top = array("f")
        for y in reversed(range(height)):
            from_top.extend(coverage[y * width : (y + 1) * width])
        path = folder / "painted.exr"
        try:
            make_work_folder(folder)
            write_matte(path, from_top, size=self.size)
        except OSError as error:
            raise Refusal("The painted matte could not be written", remedy="Free some disk", path=str(path)) from error
        return MatteChoice(source=f"painted image '{self.name}'", path=os.fspath(path), channel="V")
