"""The plate of a tracking, as the engine's motion machinery sees a shot: nothing of it is a hole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from secondtake.boxes import Box
from secondtake.errors import BadImage, NotFound
from secondtake_daemon.engines.contract import FloatImage
from secondtake_daemon.images import movies, sequences
from secondtake_daemon.images.colour import ColourSpace, Transform, from_header, resolve
from secondtake_daemon.images.exr_channels import main_channels
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.exr_layout import ExrFile
from secondtake_daemon.images.exr_read import read_planes
from secondtake_daemon.store.io import replace_file
from secondtake_daemon.tracking.request import TrackRequest

__all__ = ["TrackPlate", "open_plate"]


class TrackPlate:
    """Implements `engines.contract.Shot` on files; holds no pixels."""

    def __init__(
        self, sequence: sequences.Sequence, windows: dict[int, Box], *, display: Box, space: ColourSpace, assumed: bool
    ) -> None:
        self.sequence = sequence
        self.display = display
        self.windows = windows
        """The data window of each frame."""
        self.space = space
        self.assumed = assumed
        """True if nobody said the colour space."""
        self.on_read: Callable[[int], None] = lambda _frame: None
        """Told the number of each frame that is read."""
        self._transform = Transform(space, scene_linear=True)
        self._bounds = Box(0, 0, 0, 0)
        for window in windows.values():
            self._bounds = self._bounds.union(window)

    @property
    def frames(self) -> tuple[int, ...]:
        """All frame numbers, ascending."""
        return tuple(self.windows)

    @property
    def bounds(self) -> Box:
        """Union of the frames' data windows."""
        return self._bounds

    def plate(self, frame: int, box: Box) -> FloatImage:
        """(height, width, 3) float32, scene-linear; NaN where the frame has no pixels."""
        self.on_read(frame)
        file = inspect(self.sequence.path(frame))
        part, channels = main_channels(file)
        window = file.parts[part].data_window
        common = box.intersect(window)
        canvas = np.full((box.height, box.width, 3), np.nan, np.float32)
        if common.is_empty:
            return canvas
        planes = read_planes(file, part=part, rows=(common.y, common.bottom), channels=channels)
        for index in range(3):
            plane = planes.planes[channels[index % len(channels)]]
            canvas[(*common.within(box), index)] = plane[common.within(planes.box)]
        return self._transform.to_engine(canvas)

    def hole(self, frame: int, box: Box) -> FloatImage:
        """(height, width) zeros: the thing in the matte is what is looked at."""
        return np.zeros((box.height, box.width), np.float32)

    @property
    def references(self) -> tuple[int, ...]:
        """No painted frames."""
        return ()

    def reference(self, frame: int, box: Box) -> FloatImage:
        """Raises NotFound."""
        raise NotFound(f"Frame {frame} was not painted")

    @property
    def has_motion(self) -> bool:
        """No motion vectors."""
        return False

    def motion(self, frame: int, box: Box) -> FloatImage:
        """Raises NotFound."""
        raise NotFound("There are no motion vectors")


def open_plate(request: TrackRequest, *, cache: Path, step: Callable[[], None]) -> TrackPlate:
    """Find the frames and look at the header of each; a movie is converted once, into the cache.

    Raises MissingFrames, BadImage or UnknownColour.
    """
    path = Path(request.plate)
    movie = movies.probe(path) if path.is_file() and movies.is_movie(path) else None
    if movie is None:
        sequence = sequences.find(request.plate)
    else:
        sequence = movies.convert(movie, cache / "movies", frames=request.frames, replace_file=replace_file, step=step)
    frames = sequences.choose(sequence, request.frames)
    first = inspect(sequence.path(frames[0]))
    part, _ = main_channels(first)
    display = first.parts[part].display_window
    windows = {}
    for frame in frames:
        step()
        file = inspect(sequence.path(frame))
        windows[frame] = _window(file, display)
    space, assumed = _colour(request, first, part, movie)
    return TrackPlate(sequence, windows, display=display, space=space, assumed=assumed)


def _window(file: ExrFile, display: Box) -> Box:
    header = file.parts[main_channels(file)[0]]
    if header.display_window != display:
        found = header.display_window
        raise BadImage(
            f"The frame is {found.width} × {found.height}, the plate's first frame {display.width} × {display.height}",
            remedy="Render it like the others, or leave it out with --frames",
            path=file.path,
        )
    return header.data_window


def _colour(
    request: TrackRequest, first: ExrFile, part: int, movie: movies.MovieFacts | None
) -> tuple[ColourSpace, bool]:
    if request.colourspace:
        return resolve(request.colourspace), False
    if movie is not None:
        return movie.colour(), False
    header = first.parts[part]
    found = from_header(interop_id=header.colour_interop_id, chromaticities=header.chromaticities, path=first.path)
    return found.space, found.assumed
