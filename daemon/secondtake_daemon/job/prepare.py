"""The first phase of a job: find plate and matte, check every frame of them, and say clearly what does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from secondtake.errors import BadImage
from secondtake.frames import FrameSet
from secondtake.messages import FixRequest
from secondtake_daemon.engines.card import Card, EngineColour
from secondtake_daemon.images import movies
from secondtake_daemon.images.colour import ColourSpace, Transform, from_header, resolve
from secondtake_daemon.images.coverage import MatteSource, open_matte, require_some
from secondtake_daemon.images.exr_channels import main_channels
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.exr_layout import ExrFile
from secondtake_daemon.images.exr_write import check_editable
from secondtake_daemon.images.sequences import Sequence, choose, find
from secondtake_daemon.job.matte_cache import MatteCache
from secondtake_daemon.job.report import Report
from secondtake_daemon.job.shot import MATTES_BYTES, FrameFacts, PlateShot, facts_of, read_mattes
from secondtake_daemon.roots import require_inside
from secondtake_daemon.store.io import replace_file
from secondtake_daemon.store.keys import FileDigests
from secondtake_daemon.takes.manifest import MatteUsed, PlateUsed

__all__ = ["PlateFound", "Prepared", "find_plate", "prepare"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateFound:
    """The plate's frames on disk, before any of them is opened."""

    sequence: Sequence
    frames: tuple[int, ...]
    movie: movies.MovieFacts | None = None
    """What the frames were converted from, if they were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A shot that can be worked on, and what the take records of it."""

    request: FixRequest
    shot: PlateShot
    sequence: Sequence
    plate_used: PlateUsed
    matte_used: MatteUsed
    notes: tuple[str, ...]
    """What was assumed or chosen on the way, one sentence each."""

    def file_names(self, take: str) -> Mapping[int, str]:
        """`<shot>.<take>.<frame>.exr` with the plate's padding, for every frame."""
        width = self.sequence.padding
        return {frame: f"{self.request.shot}.{take}.{frame:0{width}d}.exr" for frame in self.shot.frames}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Colour:
    space: ColourSpace
    assumed: bool = False


def find_plate(request: FixRequest, *, cache: Path, report: Report) -> PlateFound:
    """The frames to work on; a movie is decoded once, into the cache. Raises MissingFrames, BadImage, UnknownColour."""
    path = Path(request.plate)
    movie = movies.probe(path) if path.is_file() and movies.is_movie(path) else None
    wanted = FrameSet.parse(request.frames) if request.frames else None
    if movie is None:
        sequence = find(request.plate)
    else:
        sequence = movies.convert(movie, cache, frames=wanted, replace_file=replace_file, step=report.step)
    return PlateFound(sequence=sequence, frames=choose(sequence, wanted), movie=movie)


def prepare(
    request: FixRequest,
    plate: PlateFound,
    *,
    card: Card,
    roots: tuple[Path, ...],
    digests: FileDigests,
    threads: Executor,
    report: Report,
) -> Prepared:
    """Open every frame of plate and matte once. Raises BadInput of the kind that fits."""
    first = inspect(plate.sequence.path(plate.frames[0]))
    part, channels = main_channels(first)
    colour = _colour(request, plate, first, part)
    matte = open_matte(
        request.matte,
        frames=plate.frames,
        plate_display=first.parts[part].display_window,
        plate_data=first.parts[part].data_window,
        channel=request.matte_channel,
    )
    mattes = MatteCache(MATTES_BYTES)

    def read(frame: int) -> FrameFacts:
        if not plate.movie:  # whose converted frames are ours
            require_inside(plate.sequence.path(frame), roots)
        for path in matte.digest_inputs(frame):
            require_inside(path, roots)
        file = inspect(plate.sequence.path(frame))
        _check_alike(file, first, part=part, channels=channels)
        found = read_mattes(matte, frame, request=request, window=file.parts[part].data_window)
        mattes.put(frame, found)
        return facts_of(frame, file, digest=digests.of(file.path), part=part, mattes=found)

    facts = {}
    for fact in threads.map(read, plate.frames):
        facts[fact.frame] = fact
        report.frame(fact.frame)
    require_some({frame: fact.support_box for frame, fact in facts.items()}, path=request.matte)
    shot = PlateShot(
        request=request,
        facts=facts,
        matte=matte,
        mattes=mattes,
        transform=Transform(colour.space, scene_linear=card.colour is EngineColour.SCENE_LINEAR),
        part=part,
        channels=channels,
        colourspace=colour.space.name,
    )
    return _prepared(request, plate, shot, colour, matte, card=card)


def _check_alike(file: ExrFile, first: ExrFile, *, part: int, channels: tuple[str, ...]) -> None:
    """Every frame must be of the first one's kind, and of a kind that can be edited."""
    check_editable(file, part, channels)
    if main_channels(file) != (part, channels):
        raise BadImage(
            "The frame's channels are not those of the plate's first frame",
            remedy="Render it like the others, or leave it out with --frames",
            path=file.path,
        )
    size, wanted = file.parts[part].display_window, first.parts[part].display_window
    if size != wanted:
        raise BadImage(
            f"The frame is {size.width} × {size.height}, the plate's first frame {wanted.width} × {wanted.height}",
            remedy="Render it like the others, or leave it out with --frames",
            path=file.path,
        )


def _colour(request: FixRequest, plate: PlateFound, first: ExrFile, part: int) -> _Colour:
    if request.colourspace:
        return _Colour(space=resolve(request.colourspace))
    if plate.movie:
        return _Colour(space=plate.movie.colour())
    header = first.parts[part]
    found = from_header(interop_id=header.colour_interop_id, chromaticities=header.chromaticities, path=first.path)
    return _Colour(space=found.space, assumed=found.assumed)


def _prepared(
    request: FixRequest, plate: PlateFound, shot: PlateShot, colour: _Colour, matte: MatteSource, *, card: Card
) -> Prepared:
    notes = [*(plate.movie.notes if plate.movie else ()), *matte.notes]
    if colour.assumed:
        notes.insert(0, f"The plate has no colour tag and was taken as {colour.space.name}, as OpenEXR says.")
    if request.instruction and not card.reads_instruction:
        notes.append(f"The engine '{card.name}' does not read instructions; yours is kept with the take.")
    return Prepared(
        request=request,
        shot=shot,
        sequence=plate.sequence,
        plate_used=PlateUsed(
            name=plate.sequence.name,
            colourspace=colour.space.name,
            colourspace_assumed=colour.assumed,
            channels=shot.channels,
            part=shot.part,
            source=request.plate if plate.movie else "",
        ),
        matte_used=MatteUsed(
            name=request.matte, channel=matte.channel, grow_px=request.grow_px, feather_px=request.feather_px
        ),
        notes=tuple(notes),
    )
