"""The first phase of a job: find plate, matte and guides, check every frame, and say clearly what does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from secondtake.errors import BadImage
from secondtake.frames import FrameSet
from secondtake.messages import FixRequest, Operation
from secondtake_daemon.engines.card import Card, EngineColour
from secondtake_daemon.images import movies
from secondtake_daemon.images.colour import ColourSpace, Transform, from_header, resolve
from secondtake_daemon.images.coverage import MatteSource, open_matte, require_some
from secondtake_daemon.images.exr_channels import main_channels
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.exr_layout import ExrFile, ExrPart
from secondtake_daemon.images.exr_write import check_editable
from secondtake_daemon.images.sequences import Sequence, choose, find
from secondtake_daemon.images.whole import WholeMatte
from secondtake_daemon.job.blanks import added_frames, blank_shot, blanks_beside, colour_of_new
from secondtake_daemon.job.guides import Guides, PlateFormat, find_guides
from secondtake_daemon.job.line import Line
from secondtake_daemon.job.matte_cache import MatteCache
from secondtake_daemon.job.motion_check import check_motion
from secondtake_daemon.job.painted_check import unlike_plate
from secondtake_daemon.job.report import Report
from secondtake_daemon.job.shot import MATTES_BYTES, FrameFacts, PlateShot, facts_of, read_mattes
from secondtake_daemon.roots import require_inside
from secondtake_daemon.store.keys import FileDigests
from secondtake_daemon.store.movies import drop_damaged, keep_frame
from secondtake_daemon.takes.manifest import MatteUsed, PlateUsed

__all__ = ["PlateFound", "Prepared", "find_plate", "prepare"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateFound:
    """The plate's frames on disk, before any of them is opened."""

    sequence: Sequence
    frames: tuple[int, ...]
    movie: movies.MovieFacts | None = None
    """What the frames were converted from, if they were."""
    added: Mapping[int, Path] = field(default_factory=dict)
    """Frames that the plate does not have, ascending, and the empty ones that stand for them (`job.blanks`)."""

    def path(self, frame: int) -> Path:
        """Where a frame lies."""
        return self.added.get(frame) or self.sequence.path(frame)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A shot that can be worked on, and what the take records of it."""

    request: FixRequest
    shot: PlateShot
    sequence: Sequence
    plate_used: PlateUsed
    matte_used: MatteUsed
    guides: Guides
    notes: tuple[str, ...]
    """What was assumed or chosen on the way, one sentence each."""
    line: Line | None
    """What a take on a take stands on."""

    def file_names(self, take: str) -> Mapping[int, str]:
        """`<shot>.<take>.<frame>.exr` with the plate's padding, for every frame."""
        width = self.sequence.padding
        return {frame: f"{self.request.shot}.{take}.{frame:0{width}d}.exr" for frame in self.shot.frames}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Colour:
    space: ColourSpace
    assumed: bool = False


def find_plate(request: FixRequest, *, cache: Path, report: Report, digests: FileDigests | None = None) -> PlateFound:
    """The frames to work on; a movie is decoded once, into the cache. Raises MissingFrames, BadImage, UnknownColour."""
    if request.operation is Operation.GENERATE:
        new, blanks = blank_shot(request, cache=cache, digests=digests or FileDigests(), step=report.step)
        return PlateFound(sequence=new, frames=new.frames, added=blanks)
    path = Path(request.plate)
    movie = movies.probe(path) if path.is_file() and movies.is_movie(path) else None
    wanted = FrameSet.parse(request.frames) if request.frames else None
    if request.operation is Operation.EXTEND:
        return _find_longer(request, movie, wanted, cache=cache, report=report, digests=digests or FileDigests())
    if movie is None:
        sequence = find(request.plate)
    else:
        convert = partial(movies.convert, movie, cache, frames=wanted, replace_file=keep_frame, step=report.step)
        sequence = convert()
        needed = [sequence.path(frame) for frame in choose(sequence, wanted)]
        if drop_damaged(needed, digests or FileDigests(), step=report.step):
            sequence = convert()
    return PlateFound(sequence=sequence, frames=choose(sequence, wanted), movie=movie)


def _find_longer(
    request: FixRequest,
    movie: movies.MovieFacts | None,
    wanted: FrameSet | None,
    *,
    cache: Path,
    report: Report,
    digests: FileDigests,
) -> PlateFound:
    """The plate's frames among those that are wanted, and empty ones for the others."""
    if movie is None:
        there = find(request.plate)
    else:
        there = Sequence(
            name=request.plate, folder=cache, prefix="", suffix="", padding=4, frames=tuple(range(1, movie.length + 1))
        )
    kept, added = added_frames(wanted or FrameSet(there.frames), there)
    plate = find_plate(
        replace(request, operation=Operation.RESTYLE, frames=str(kept)), cache=cache, report=report, digests=digests
    )
    blanks = blanks_beside(added, plate=plate.sequence, kept=kept, cache=cache, digests=digests, step=report.step)
    frames = tuple(sorted((*plate.frames, *added)))
    return PlateFound(sequence=plate.sequence, frames=frames, movie=plate.movie, added=blanks)


def prepare(
    request: FixRequest,
    plate: PlateFound,
    *,
    line: Line | None = None,
    card: Card,
    roots: tuple[Path, ...],
    digests: FileDigests,
    threads: Executor,
    report: Report,
) -> Prepared:
    """Open every frame of plate, matte and guides once. Raises BadInput of the kind that fits."""
    if line is not None:
        numbers = [frame for frame in plate.frames if frame not in plate.added]
        line.check(plate.sequence, numbers, digests=digests, roots=roots, threads=threads, report=report)
    first = inspect(plate.path(next((frame for frame in plate.frames if frame not in plate.added), plate.frames[0])))
    part, channels = main_channels(first)
    colour = _colour(request, plate, line, first, part)
    matte = _matte(request, plate, first.parts[part])
    transform = Transform(colour.space, scene_linear=card.colour is not EngineColour.PLATE, gamut=card.colour.gamut)
    display = first.parts[part].display_window
    fit = PlateFormat(frames=plate.frames, display=display, space=colour.space, transform=transform)
    guides = find_guides(request, fit, roots=roots, digests=digests, threads=threads, report=report)
    mattes = MatteCache(MATTES_BYTES)

    def read(frame: int) -> FrameFacts:
        if not plate.movie and frame not in plate.added:  # those are ours
            require_inside(plate.path(frame), roots)
        for path in matte.digest_inputs(frame):
            require_inside(path, roots)
        file = inspect(plate.path(frame))
        _check_alike(file, first, part=part, channels=channels)
        found = read_mattes(matte, frame, request=request, window=file.parts[part].data_window)
        mattes.put(frame, found)
        digest = digests.of(file.path)
        return facts_of(frame, file, digest=digest, part=part, mattes=found, is_added=frame in plate.added)

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
        transform=transform,
        part=part,
        channels=channels,
        colourspace=colour.space.name,
        guides=guides,
    )
    check_motion(shot, name=request.motion, report=report)
    seen = (*guides.notes, *unlike_plate(shot, report=report))
    return _prepared(request, plate, line, shot, colour, matte, guides, card=card, notes=seen)


def _matte(request: FixRequest, plate: PlateFound, first: ExrPart) -> MatteSource:
    """What was drawn; where nothing was, whole frames."""
    if not request.matte:
        return WholeMatte(
            _whole_frames(request, plate),
            window_of=lambda frame: inspect(plate.path(frame)).parts[first.index].data_window,
        )
    return open_matte(
        request.matte,
        frames=plate.frames,
        plate_display=first.display_window,
        plate_data=first.data_window,
        channel=request.matte_channel,
    )


def _whole_frames(request: FixRequest, plate: PlateFound) -> FrameSet:
    """Without a matte: the frames that are added to a plate, else all."""
    return FrameSet(plate.added if request.operation is Operation.EXTEND else plate.frames)


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


def _colour(request: FixRequest, plate: PlateFound, line: Line | None, first: ExrFile, part: int) -> _Colour:
    if line is not None:  # a take's frames hold what its plate held
        return _Colour(space=resolve(line.parent.plate.colourspace), assumed=line.parent.plate.colourspace_assumed)
    if request.operation is Operation.GENERATE:
        return _Colour(space=colour_of_new(request))
    if request.colourspace:
        return _Colour(space=resolve(request.colourspace))
    if plate.movie:
        return _Colour(space=plate.movie.colour())
    header = first.parts[part]
    found = from_header(interop_id=header.colour_interop_id, chromaticities=header.chromaticities, path=first.path)
    return _Colour(space=found.space, assumed=found.assumed)


def _prepared(
    request: FixRequest,
    plate: PlateFound,
    line: Line | None,
    shot: PlateShot,
    colour: _Colour,
    matte: MatteSource,
    guides: Guides,
    *,
    card: Card,
    notes: tuple[str, ...],
) -> Prepared:
    said = [*(plate.movie.notes if plate.movie else ()), *matte.notes, *notes]
    if colour.assumed and line is None:
        said.insert(0, f"The plate has no colour tag and was taken as {colour.space.name}, as OpenEXR says.")
    if request.said and not card.reads_instruction:
        said.append(f"The engine '{card.name}' does not read instructions; yours is kept with the take.")
    return Prepared(
        request=request,
        shot=shot,
        sequence=plate.sequence,
        plate_used=PlateUsed(
            name=plate.sequence.name if request.plate else "",
            colourspace=colour.space.name,
            colourspace_assumed=colour.assumed,
            channels=shot.channels,
            part=shot.part,
            source=request.plate if plate.movie else "",
            added=str(FrameSet(plate.added)) if plate.added else "",
        ),
        matte_used=MatteUsed(
            name=request.matte,
            channel=matte.channel,
            grow_px=request.grow_px,
            feather_px=request.feather_px,
            whole="" if request.matte else str(_whole_frames(request, plate)),
        ),
        guides=guides,
        notes=tuple(said),
        line=line,
    )
