"""A painted image as a matte, after Blender handed its pixels over. Nothing of Blender."""

from __future__ import annotations

import os
from array import array
from collections.abc import Generator
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

    def write(self, folder: Path) -> Generator[None, None, MatteChoice]:
        """Write its coverage to `folder`, number for number: the alpha if it is not 1 everywhere, else the red channel.

        Yields after each row. Raises Refusal if nothing is painted, or it cannot be written.
        """
        height, first = self.size[1], 0
        if self.channels == 4:
            for y in range(height):
                if min(self._row(y, 3)) < 1:
                    first = 3
                    break
                yield
        for y in range(height):
            if max(self._row(y, first)) > 0:
                break
            yield
        else:
            raise Refusal(f"Nothing is painted in '{self.name}'", remedy="Paint white where the shot may change")
        path = folder / "painted.exr"
        try:
            make_work_folder(folder)
            yield from write_matte(path, (self._row(y, first) for y in reversed(range(height))), size=self.size)
        except OSError as error:
            raise Refusal("The painted matte could not be written", remedy="Free some disk", path=str(path)) from error
        return MatteChoice(source=f"painted image '{self.name}'", path=os.fspath(path), channel="V")

    def _row(self, y: int, channel: int) -> array[float]:
        width = self.size[0] * self.channels
        return self.values[y * width + channel : (y + 1) * width : self.channels]
