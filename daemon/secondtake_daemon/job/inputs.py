"""Whether what a take was made from is still there, byte for byte: plate, matte, references, vectors, colour."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from secondtake.errors import BadImage, BadInput
from secondtake_daemon.images import sequences
from secondtake_daemon.images.coverage import MatteSource, open_matte
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.job.machine import configuration
from secondtake_daemon.job.shot import facts_of, read_mattes
from secondtake_daemon.store.keys import FileDigests
from secondtake_daemon.takes.manifest import Manifest, TakeFrame, joint_digest

__all__ = ["ChangedInput", "changed_inputs"]


@dataclass(frozen=True, slots=True)
class ChangedInput:
    """One thing that is not what it was."""

    sentence: str
    path: str


def changed_inputs(manifest: Manifest, *, step: Callable[[], None] = lambda: None) -> Iterator[ChangedInput]:
    """Look at every file. step is called for each frame. Mattes are only looked at if the plate is what it was."""
    digests = FileDigests()
    changed = [*_colour(manifest), *_guides(manifest, digests)]
    plate = list(_plate(manifest, digests, step))
    yield from (*changed, *plate)
    if not plate and not manifest.plate.source and manifest.matte.name:
        yield from _matte(manifest, step)


def _colour(manifest: Manifest) -> Iterator[ChangedInput]:
    source = manifest.request.ocio
    try:
        now = configuration(source)
    except BadImage:
        yield ChangedInput("The OCIO configuration is not there any more", source)
        return
    if manifest.configuration and now != manifest.configuration:
        yield ChangedInput("The OCIO configuration is another than it was", source)


def _guides(manifest: Manifest, digests: FileDigests) -> Iterator[ChangedInput]:
    for used in manifest.references:
        named = "A reference" if used.frame is None else f"The painted frame {used.frame}"
        yield from _compared(named, Path(used.name), used.digest, digests)
    if manifest.motion is not None:
        yield from _sequence("The motion vectors", manifest.motion.name, manifest.motion.digest, manifest, digests)
    if manifest.control is not None:
        yield from _sequence("The frames to follow", manifest.control.name, manifest.control.digest, manifest, digests)


def _sequence(what: str, name: str, digest: str, manifest: Manifest, digests: FileDigests) -> Iterator[ChangedInput]:
    try:
        sequence = sequences.find(name)
        held = None if sequences.is_pattern(name) else sequence.path(sequence.frames[0])
        known = {record.frame: digests.of(held or sequence.path(record.frame)) for record in manifest.frames}
    except BadInput:
        yield ChangedInput(f"{what} are not all there any more", name)
        return
    if joint_digest(known) != digest:
        yield ChangedInput(f"{what} changed on disk", name)


def _plate(manifest: Manifest, digests: FileDigests, step: Callable[[], None]) -> Iterator[ChangedInput]:
    if manifest.plate.source and not manifest.parent:  # its frames can be converted again, from the same movie
        folder = Path(next(record for record in manifest.frames if not record.added).plate).parent.name
        movie = Path(manifest.plate.source)
        if not movie.is_file():
            yield ChangedInput("The movie is not there any more", str(movie))
        elif not folder.startswith(digests.of(movie)[:32]):
            yield ChangedInput("The movie changed on disk", str(movie))
        return
    for record in manifest.frames:
        if record.added:  # an empty frame, which can be written again
            continue
        whose = f"Frame {record.frame} of {'take ' + manifest.parent if manifest.parent else 'the plate'}"
        yield from _compared(whose, Path(record.plate), record.plate_digest, digests)
        step()


def _compared(what: str, path: Path, digest: str, digests: FileDigests) -> Iterator[ChangedInput]:
    if not path.is_file():
        yield ChangedInput(f"{what} is not there any more", str(path))
    elif digests.of(path) != digest:
        yield ChangedInput(f"{what} changed on disk", str(path))


def _matte(manifest: Manifest, step: Callable[[], None]) -> Iterator[ChangedInput]:
    first = inspect(Path(manifest.frames[0].plate)).parts[manifest.plate.part]
    try:
        source = open_matte(
            manifest.matte.name,
            frames=[record.frame for record in manifest.frames],
            plate_display=first.display_window,
            plate_data=first.data_window,
            channel=manifest.matte.channel,
        )
    except BadInput as error:
        yield ChangedInput(f"The matte cannot be used any more: {error.message}", manifest.matte.name)
        return
    for record in manifest.frames:
        try:
            is_same = _is_same_matte(manifest, record, source)
        except BadInput as error:
            yield ChangedInput(
                f"The matte of frame {record.frame} cannot be used any more: {error.message}", error.path
            )
            return
        if not is_same:
            yield ChangedInput(f"The matte of frame {record.frame} changed on disk", manifest.matte.name)
            return
        step()


def _is_same_matte(manifest: Manifest, record: TakeFrame, source: MatteSource) -> bool:
    file, part = inspect(Path(record.plate)), manifest.plate.part
    window = file.parts[part].data_window
    mattes = read_mattes(source, record.frame, request=manifest.request, window=window)
    facts = facts_of(record.frame, file, digest="", part=part, mattes=mattes)
    return facts.support_digest == record.matte_digest and record.hole_digest in ("", facts.hole_digest)
