"""The frames of a cut as pictures for the eye: read, fitted into the animatic's size, shown as the display would.

Whatever cannot be read is black, with a note: an animatic is there to be looked at, and must not fail over one frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadImage, MissingFrames, SecondTakeError
from secondtake.frames import FrameSet
from secondtake_daemon.edits.cuts import Cut, movie_facts
from secondtake_daemon.images import movies
from secondtake_daemon.images.colour import ColourSpace, Screen, from_header, resolve
from secondtake_daemon.images.exr_channels import main_channels
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.exr_layout import ExrPart
from secondtake_daemon.images.exr_read import read_planes
from secondtake_daemon.images.second import SecondImage

__all__ = ["Size", "Viewer", "common_size", "size_of"]

Picture = NDArray[np.uint8]
FloatImage = NDArray[np.float32]

_MOST_WIDTH_PX = 1280
_USUAL = (1280, 720)
_ASPECT = "PixelAspectRatio"


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height of square pixels."""

    width: int
    height: int

    def within(self, frame: Size) -> Size:
        """The same shape, as large as fits into a frame."""
        scale = min(frame.width / self.width, frame.height / self.height)
        return Size(max(round(self.width * scale), 1), max(round(self.height * scale), 1))


def size_of(cut: Cut) -> Size:
    """How large a cut's frames are shown: its display window, with square pixels. Raises BadImage."""
    if cut.files:
        file = inspect(cut.files[0])
        display = file.parts[main_channels(file)[0]].display_window
        return _squared(display.width, display.height, _aspect(file.path))
    assert cut.movie is not None, "a black cut has no size"
    movie = movie_facts(cut.movie)
    return _squared(movie.width, movie.height, float(movie.pixel_aspect))


def common_size(sizes: list[Size]) -> Size:
    """The frame all cuts are fitted into: the largest of them, at most 1280 wide, with even sides; none: 720p."""
    largest = max(sizes, key=lambda size: (size.width * size.height, size.width), default=Size(*_USUAL))
    scale = min(_MOST_WIDTH_PX / largest.width, 1.0)
    return Size(_even(largest.width * scale), _even(largest.height * scale))


@dataclass(slots=True)
class Viewer:
    """Shows cuts, one after the other, all in one size."""

    size: Size
    notes: list[str] = field(default_factory=list)
    """What could not be shown, one sentence each."""

    @property
    def black(self) -> Picture:
        """(height, width, 3) uint8, all 0."""
        return np.zeros((self.size.height, self.size.width, 3), np.uint8)

    def pictures(self, cut: Cut) -> Iterator[Picture]:
        """One picture for each frame of the cut, (height, width, 3) uint8 in the display's codes, letterboxed."""
        shown = 0
        try:
            for picture in self._frames(cut):
                yield picture
                shown += 1
            if shown < len(cut.frames) and not cut.is_black:
                raise MissingFrames("The movie ends")
        except SecondTakeError as error:
            self.notes.append(f"Shot {cut.shot.name} is black from its frame {cut.frames[shown]} on: {error.message}.")
        for _ in range(len(cut.frames) - shown):
            yield self.black

    def _frames(self, cut: Cut) -> Iterator[Picture]:
        if cut.files:
            fitted = size_of(cut).within(self.size)
            screens: dict[str, Screen] = {}
            for path in cut.files:
                pixels, space = _read(path, cut.colourspace)
                if space.name not in screens:
                    screens[space.name] = Screen(space)
                yield self._mounted(pixels, fitted, screens[space.name])
        elif cut.movie is not None:
            movie = movie_facts(cut.movie)
            fitted = size_of(cut).within(self.size)
            screen = Screen(resolve(cut.colourspace))
            for _, pixels in movies.decode(movie, FrameSet(cut.frames)):
                yield self._mounted(pixels, fitted, screen)

    def _mounted(self, pixels: FloatImage, fitted: Size, screen: Screen) -> Picture:
        """Scaled while still in the plate's own encoding, then shown, then put into the middle."""
        height, width = pixels.shape[:2]
        if (width, height) != (fitted.width, fitted.height):
            smaller = fitted.width * fitted.height < width * height
            way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
            finite = np.nan_to_num(pixels, nan=0.0, posinf=1e4, neginf=0.0)
            pixels = np.asarray(cv2.resize(finite, (fitted.width, fitted.height), interpolation=way), np.float32)
        picture = self.black
        top, left = (self.size.height - fitted.height) // 2, (self.size.width - fitted.width) // 2
        picture[top : top + fitted.height, left : left + fitted.width] = screen.show(pixels)
        return picture


def _read(path: Path, colourspace: str) -> tuple[FloatImage, ColourSpace]:
    """An EXR's picture over its display window, black where it has no data, and its colour space. Raises BadImage."""
    file = inspect(path)
    index, channels = main_channels(file)
    part = file.parts[index]
    found = read_planes(file, part=index, channels=channels)
    planes = [found.planes[name].astype(np.float32) for name in channels]
    stacked = np.stack(planes if len(planes) == 3 else planes * 3, axis=-1)
    return _on_display(stacked, found.box, part.display_window), _space(part, colourspace, path)


def _on_display(pixels: FloatImage, data: Box, display: Box) -> FloatImage:
    if data == display:
        return pixels
    picture = np.zeros((display.height, display.width, 3), np.float32)
    seen = data.intersect(display)
    if not seen.is_empty:
        picture[seen.within(display)] = pixels[seen.within(data)]
    return picture


def _space(part: ExrPart, name: str, path: Path) -> ColourSpace:
    if name:
        return resolve(name)
    return from_header(interop_id=part.colour_interop_id, chromaticities=part.chromaticities, path=path).space


def _aspect(path: Path) -> float:
    """How wide a pixel is; 1 if the second reader cannot say."""
    try:
        with SecondImage(path) as image:
            return float(image.parts[0].attributes.get(_ASPECT, "float 1").split()[-1])
    except BadImage:
        return 1.0


def _squared(width: int, height: int, aspect: float) -> Size:
    """Stretched sideways, as projectors do; an absurd aspect is none."""
    return Size(max(round(width * aspect), 1), height) if 0.1 < aspect < 10 else Size(width, height)


def _even(length: float) -> int:
    return max(2 * round(length / 2), 2)
