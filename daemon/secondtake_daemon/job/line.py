"""The take that a job works on, and through it the plate at the beginning of its line. Nothing is taken on trust."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from secondtake.errors import BadInput, MissingFrames
from secondtake.messages import FixRequest
from secondtake_daemon.images import sequences
from secondtake_daemon.job.report import Report
from secondtake_daemon.roots import require_inside
from secondtake_daemon.store.keys import FileDigests
from secondtake_daemon.takes.manifest import MANIFEST_NAME, Manifest, TakeFrame, load
from secondtake_daemon.takes.supports import Supports, read_supports

__all__ = ["Line", "find_line"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What a take on a take stands on."""

    parent: Manifest
    supports: Supports
    """Of the parent."""
    records: Mapping[int, TakeFrame]
    """The parent's, by frame."""
    movies: Path
    """Where frames of movies are kept, resolved: those are ours, whatever roots there are."""

    @property
    def takes(self) -> tuple[str, ...]:
        """Ids from the take on the plate to the parent."""
        return (*self.parent.line, self.parent.take)

    def root(self, frame: int) -> tuple[Path, str]:
        """Path and recorded digest of a frame of the plate that the line begins with."""
        record = self.records[frame]
        return Path(record.root or record.plate), record.root_digest or record.plate_digest

    def check(
        self,
        frames: sequences.Sequence,
        numbers: Sequence[int],
        *,
        digests: FileDigests,
        roots: Sequence[Path],
        threads: Executor,
        report: Report,
    ) -> None:
        """Raise BadInput unless the parent's frames, and the plate's, are byte for byte what the parent recorded.

        frames: the parent's, as they stand on disk. numbers: those that are needed.
        """

        def check(frame: int) -> None:
            self._check_frame(frame, path=frames.path(frame), digests=digests, roots=roots)

        for _ in threads.map(check, numbers):
            report.step()

    def _check_frame(self, frame: int, *, path: Path, digests: FileDigests, roots: Sequence[Path]) -> None:
        take = self.parent.take
        require_inside(path, roots)
        if frame not in self.records or digests.of(path) != self.records[frame].digest:
            raise BadInput(
                f"Frame {frame} of take {take} is not the file that was recorded",
                remedy="Put it back as it was, or fix the frames as a plate of their own",
                path=path,
            )
        plate, digest = self.root(frame)
        require_inside(plate, [*roots, self.movies] if roots else ())
        if not plate.is_file():
            is_movie = plate.resolve().is_relative_to(self.movies)
            raise MissingFrames(
                f"Frame {frame} of the plate under take {take} is not there any more",
                remedy="Fix the movie once more: that converts its frames" if is_movie else "Put it back where it was",
                path=plate,
            )
        if digests.of(plate) != digest:
            raise BadInput(
                f"Frame {frame} of the plate changed on disk since take {take} was made",
                remedy="Put it back as it was, or begin again on the new plate",
                path=plate,
            )


def find_line(request: FixRequest, *, roots: Sequence[Path], movies: Path) -> Line | None:
    """The line of a request that names a parent, else None. movies: the folder with the frames of converted movies.

    Raises NotFound or Incompatible for the parent's take.json, BadInput if it is of another take or shot.
    """
    if not request.parent:
        return None
    folder = Path(request.plate).parent
    require_inside(folder / MANIFEST_NAME, roots)
    parent = load(folder)
    if parent.take != request.parent:
        raise BadInput(
            f"The folder holds take {parent.take}, not {request.parent}", remedy="Name the take again", path=folder
        )
    if parent.shot != request.shot:
        raise BadInput(
            f"Take {parent.take} is a take of another shot, {parent.shot}",
            remedy="Give a take of this shot, or leave out --shot",
            path=folder,
        )
    if parent.supports is not None:
        require_inside(folder / Path(parent.supports.file).name, roots)
    records = {record.frame: record for record in parent.frames}
    return Line(parent=parent, supports=read_supports(parent, folder), records=records, movies=movies.resolve())
