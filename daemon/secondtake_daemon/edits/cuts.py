"""What plays where: for each shot the frames of its take, else of its plate, else nothing. No pixels here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from secondtake.errors import MissingFrames
from secondtake.frames import FrameSet
from secondtake.messages import FixResult, Operation
from secondtake_daemon.edits.edit import EditShot
from secondtake_daemon.edits.longer import frames_there
from secondtake_daemon.images.sequences import choose, find
from secondtake_daemon.takes.manifest import load

if TYPE_CHECKING:
    from secondtake_daemon.images.movies import MovieFacts

__all__ = ["Cut", "black", "movie_facts", "plate_cut", "take_cut"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One shot as it plays."""

    shot: EditShot
    frames: tuple[int, ...]
    """Their numbers, without a hole."""
    files: tuple[Path, ...] = ()
    """One EXR for each frame; none if the frames are decoded from a movie, or are black."""
    movie: Path | None = None
    """The movie the frames, or their plate, come from: also where the sound is, unless it is in `sound`."""
    sound: Path | None = None
    """What the take sounds like, from its first frame on, where it has a sound of its own."""
    colourspace: str = ""
    """OCIO name of the frames; "" is what the files say."""
    take: FixResult | None = None

    @property
    def is_black(self) -> bool:
        """True if there is nothing to show."""
        return not self.files and self.movie is None


def take_cut(shot: EditShot, take: FixResult) -> Cut:
    """A shot that was made. Raises NotFound or Incompatible if its manifest cannot be read."""
    manifest = load(Path(take.manifest))
    heard = manifest.sound
    is_own = heard is not None and (heard.made or not manifest.plate.source)
    return Cut(
        shot=shot,
        frames=take.frames,
        files=tuple(map(Path, take.files)),
        movie=Path(manifest.plate.source) if manifest.plate.source else None,
        sound=Path(take.manifest).parent / heard.file if heard is not None and is_own else None,
        colourspace=manifest.plate.colourspace,
        take=take,
    )


def plate_cut(shot: EditShot) -> Cut:
    """A shot as it was filmed; of an extension what there is. Raises MissingFrames; for a movie also BadImage,
    UnknownColour."""
    from secondtake_daemon.images import movies  # PyAV and numpy load only here

    if not shot.plate:
        raise MissingFrames("The shot has no plate", remedy="Look at why it failed")
    wanted = FrameSet(range(shot.frames.first, shot.frames.last + 1)) if shot.frames else None
    path = Path(shot.plate)
    if wanted is not None and shot.operation is Operation.EXTEND:
        wanted = FrameSet(set(wanted) & set(frames_there(shot.plate))) or None
    if path.is_file() and movies.is_movie(path):
        movie = movie_facts(path)
        space = shot.colourspace or movie.colour().name
        return Cut(shot=shot, frames=_of_movie(movie.length, wanted, path), movie=path, colourspace=space)
    sequence = find(shot.plate)
    frames = choose(sequence, wanted)
    return Cut(shot=shot, frames=frames, files=tuple(map(sequence.path, frames)), colourspace=shot.colourspace)


def movie_facts(path: Path) -> MovieFacts:
    """What there is to know of a movie, looked at once as long as it does not change. Raises BadImage."""
    try:
        status = path.stat()
    except OSError as error:
        raise MissingFrames("There is no such movie", remedy="Check its name", path=path) from error
    return _probed(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _probed(path: Path, _size_bytes: int, _changed_ns: int) -> MovieFacts:
    from secondtake_daemon.images import movies

    return movies.probe(path)


def black(shot: EditShot) -> Cut:
    """A shot that cannot be shown, as long as its frames say it is."""
    return Cut(shot=shot, frames=tuple(range(shot.frames.first, shot.frames.last + 1)) if shot.frames else ())


def _of_movie(length: int, wanted: FrameSet | None, path: Path) -> tuple[int, ...]:
    """Frames of a movie, which counts from 1."""
    numbers = tuple(wanted) if wanted else tuple(range(1, length + 1))
    if numbers[0] < 1 or numbers[-1] > length:
        raise MissingFrames(
            f"The movie has frames 1-{length}, not {wanted}", remedy=f"Give frames inside 1-{length}", path=path
        )
    return numbers
