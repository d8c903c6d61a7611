"""Check a take again, from outside: does it still prove what its take.json says?

Everything is read anew and by another library than the one that wrote it (`images.second`): the written frames, the
plate, and the matte, from which the samples that were allowed to change are derived again. A take on a take is checked
twice: against its parent, outside its own matte, and against the plate that its line begins with, outside all mattes of
the line. docs/exactness.md says what exactly the proof covers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadImage, BadInput, Incompatible, MissingFrames, ProofFailed
from secondtake_daemon.composite.matte import Stitch, stitch_matte, support_digest
from secondtake_daemon.images.coverage import Coverage, MatteSource
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.exr_layers import LAYERS, layers_of
from secondtake_daemon.images.second import SecondImage, SecondPart
from secondtake_daemon.images.second_matte import open_second_matte
from secondtake_daemon.takes.layer_check import LayerCheck
from secondtake_daemon.takes.manifest import Manifest, TakeFrame, load
from secondtake_daemon.takes.supports import Supports, read_supports
from secondtake_daemon.takes.whole import whole_matte

__all__ = ["Difference", "FrameCheck", "Verification", "stitch_of", "support_of", "verify"]

Support = NDArray[np.bool_]
_THREADS = 2


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One sample outside the matte whose bits are not the plate's."""

    frame: int
    part: int
    channel: str
    x: int
    y: int
    """Pixel coordinates of the file: its data window, y down."""
    plate_bits: str
    take_bits: str
    """Hex, 4 digits for half, 8 for float and uint."""


class FrameCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in one frame. Samples are counted over all channels of all parts, as in `Proof`."""

    frame: int
    path: str
    problems: tuple[str, ...] = ()
    """One sentence each; none if the frame is proved."""
    first: Difference | None = None
    """The topmost, leftmost sample that differs."""
    outside_changed: int = 0
    outside_samples: int = 0
    inside_samples: int = 0
    line_changed: int = 0
    """Of a take on a take: samples outside all mattes of the line that differ from the plate it begins with."""
    line_samples: int = 0
    """How many were compared for that."""


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome for a whole take."""

    take: str
    shot: str
    folder: str
    library: str
    """What read the files."""
    frames: tuple[FrameCheck, ...]
    line: tuple[str, ...] = ()
    """Ids of the takes it stands on."""
    sound_problem: str = ""
    """What speaks against its sound, one sentence; "" is nothing."""

    @property
    def line_changed(self) -> int:
        """Samples outside all mattes of the line that differ from the plate it begins with, over all frames."""
        return sum(check.line_changed for check in self.frames)

    @property
    def line_samples(self) -> int:
        """Samples that were compared for that."""
        return sum(check.line_samples for check in self.frames)

    @property
    def outside_changed(self) -> int:
        """Samples outside the matte that differ from the plate, over all frames."""
        return sum(check.outside_changed for check in self.frames)

    @property
    def outside_samples(self) -> int:
        """Samples that were compared."""
        return sum(check.outside_samples for check in self.frames)

    @property
    def inside_samples(self) -> int:
        """Samples that were allowed to change."""
        return sum(check.inside_samples for check in self.frames)

    @property
    def holds(self) -> bool:
        """True if there is nothing to object to."""
        return not self.sound_problem and not any(check.problems for check in self.frames)

    def require(self) -> None:
        """Raise ProofFailed, naming the first problem, unless the proof holds."""
        broken = [check for check in self.frames if check.problems]
        if self.sound_problem and not broken:
            raise ProofFailed(
                f"The proof does not hold: {self.sound_problem}",
                remedy="Make the take again from its plate",
                path=self.folder,
            )
        if not broken:
            return
        also = f" ({len(broken)} of {len(self.frames)} frames have problems)" if len(broken) > 1 else ""
        raise ProofFailed(
            f"The proof does not hold: {broken[0].problems[0]}{also}",
            remedy="Make the take again from its plate",
            path=broken[0].path,
        )


def stitch_of(manifest: Manifest, coverage: Coverage, data: Box) -> Stitch:
    """The stitch matte of a take's frame, derived again. data: the frame's data window."""
    return stitch_matte(
        coverage,
        operation=manifest.request.operation,
        grow_px=manifest.matte.grow_px,
        feather_px=manifest.matte.feather_px,
        bounds=data,
    )


def support_of(stitch: Stitch, data: Box) -> Support:
    """(height, width) of the data window: True where the matte allows a change."""
    support = np.zeros((data.height, data.width), np.bool_)
    if not stitch.box.is_empty:
        support[stitch.box.within(data)] = stitch.alpha > 0
    return support


def verify(folder: Path, *, on_frame: Callable[[int], None] = lambda _frame: None) -> Verification:
    """Check the take in a folder. on_frame: called with each frame's number when it is done, in order.

    Raises NotFound or Incompatible for the manifest, MissingFrames, BadMatte or BadImage if plate or matte can't be
    read. What speaks against the take itself is not raised; it stands in the result.
    """
    manifest = load(folder)
    if not manifest.frames:
        raise Incompatible("The take's manifest lists no frames", path=folder)
    folder = folder if folder.is_dir() else folder.parent
    checker = _Checker(manifest, folder)
    checks = []
    with ThreadPoolExecutor(_THREADS) as threads:
        try:
            for check in threads.map(checker.check, manifest.frames):
                checks.append(check)
                on_frame(check.frame)
        finally:
            threads.shutdown(wait=True, cancel_futures=True)
    return Verification(
        take=manifest.take,
        shot=manifest.shot,
        folder=str(folder),
        library=f"OpenImageIO {version('OpenImageIO')}",
        frames=tuple(checks),
        line=manifest.line,
        sound_problem=_sound_problem(manifest, folder),
    )


def _sound_problem(manifest: Manifest, folder: Path) -> str:
    if manifest.sound is None:
        return ""
    try:
        digest = blake3().update_mmap(folder / Path(manifest.sound.file).name).hexdigest()
    except OSError:
        return "Its sound is gone"
    return "" if digest == manifest.sound.digest else "Its sound changed on disk since it was made"


class _Checker:
    """Checks single frames; thread-safe."""

    def __init__(self, manifest: Manifest, folder: Path) -> None:
        self._manifest = manifest
        self._folder = folder
        self._matte = whole_matte(manifest) or self._drawn_matte()
        self._line = _LineCheck(manifest, folder)

    def _drawn_matte(self) -> MatteSource:
        with _open_plate(self._manifest.frames[0]) as image:
            first = image.parts[self._edited_index(image)]
        return open_second_matte(
            self._manifest.matte.name,
            frames=[record.frame for record in self._manifest.frames],
            plate_display=first.display,
            plate_data=first.data,
            channel=self._manifest.matte.channel,
        )

    def check(self, record: TakeFrame) -> FrameCheck:
        """One frame, whole: digests first, then headers, then every sample."""
        path = self._folder / record.file
        if not path.is_file():
            return FrameCheck(frame=record.frame, path=str(path), problems=(f"Frame {record.frame} is gone",))
        if not record.added and _digest_of(Path(record.plate), record) != record.plate_digest:
            under = f"take {self._manifest.parent}" if self._manifest.parent else "the plate"
            problem = f"Frame {record.frame} of {under} changed on disk since the take was made"
            return FrameCheck(frame=record.frame, path=record.plate, problems=(problem,))
        problems = []
        if _digest_of(path, record) != record.digest:
            problems.append(f"Frame {record.frame} is not the file that was recorded")
        try:
            inspect(path)  # these bytes are known to nobody; the guard keeps a hostile header from the second reader
            compare = self._look if record.added else self._compare
            return compare(record, path, problems)
        except BadImage as error:
            if Path(error.path) != path:
                raise
            problems.append(f"Frame {record.frame} cannot be read any more: {error.message}")
        return FrameCheck(frame=record.frame, path=str(path), problems=tuple(problems))

    def _compare(self, record: TakeFrame, path: Path, problems: list[str]) -> FrameCheck:
        with _open_plate(record) as plate, SecondImage(path) as take:
            edited = plate.parts[self._edited_index(plate)]
            support = self._support(record, edited.data)
            if support is None:
                problem = f"The matte of frame {record.frame} is not the one the take was made with"
                problems.append(problem)
                return FrameCheck(frame=record.frame, path=self._manifest.matte.name, problems=tuple(problems))
            layers = [LayerCheck(layer, edited, support) for layer in layers_of(self._manifest.request.aovs)]
            due = [_with_layers(part, layers) if part is edited else part for part in plate.parts]
            problems += _header_problems(due, take.parts, record.frame)
            count = _Count(record.frame)
            if _shapes(due) == _shapes(take.parts):
                for mine, its in zip(plate.parts, take.parts, strict=True):
                    inside = _Inside(support, self._manifest.plate.channels, layers) if mine is edited else None
                    _compare_part(plate, mine, take, its, inside=inside, count=count)
                problems += [problem for layer in layers for problem in layer.problems(record)]
            line = _Count(record.frame)
            problems += self._line.problems(record, take, support, edited.data, line)
        for first, changed, where in (
            (line.first, line.changed, "outside all mattes of the line"),
            (count.first, count.changed, "outside the matte"),
        ):
            if first is not None:
                problems.insert(0, _sentence(first, changed, where))
        return FrameCheck(
            frame=record.frame,
            path=str(path),
            problems=tuple(problems),
            first=count.first,
            outside_changed=count.changed,
            outside_samples=count.outside,
            inside_samples=count.inside,
            line_changed=line.changed,
            line_samples=line.outside,
        )

    def _look(self, record: TakeFrame, path: Path, problems: list[str]) -> FrameCheck:
        """A frame that the plate does not have: nothing lies outside, and it need only be what was recorded."""
        with SecondImage(path) as take:
            edited = take.parts[self._edited_index(take)]
        everything = Stitch(box=edited.data, alpha=np.ones((edited.data.height, edited.data.width), np.float32))
        if support_digest(everything, edited.data) != record.matte_digest:
            problems.append(f"Frame {record.frame} is new, and was not made whole")
        if not set(self._manifest.plate.channels) <= set(dict(edited.channels)):
            problems.append(f"Frame {record.frame}: its channels are not the plate's")
        inside = edited.data.area * len(self._manifest.plate.channels)
        return FrameCheck(frame=record.frame, path=str(path), problems=tuple(problems), inside_samples=inside)

    def _support(self, record: TakeFrame, data: Box) -> Support | None:
        """The samples that were allowed to change, over the data window; None if they are not the recorded ones."""
        stitch = stitch_of(self._manifest, self._matte.coverage(record.frame), data)
        return support_of(stitch, data) if support_digest(stitch, data) == record.matte_digest else None

    def _edited_index(self, image: SecondImage) -> int:
        wanted = self._manifest.plate.part
        for position, part in enumerate(image.parts):
            if (part.index, part.level) == (wanted, 0):
                return position
        raise BadImage(f"The plate has no part {wanted}", remedy="Give the plate the take was made of", path=image.path)


class _LineCheck:
    """What a take keeps of where it and its line may change, and the take against the plate its line begins with.

    The mattes of the takes below are not needed: each take keeps the union. It must be what the parent keeps, as far as
    that is still to be read, and the take's own matte.
    """

    def __init__(self, manifest: Manifest, folder: Path) -> None:
        self._manifest = manifest
        self._channels = (*manifest.plate.channels, *(name for layer in LAYERS for name in layer.channels))
        self._fault = ""
        self._kept: Supports | None = None
        self._below: Supports | None = None
        try:  # takes on the plate that an older version made have none
            self._kept = read_supports(manifest, folder) if manifest.supports or manifest.parent else None
        except BadInput as error:
            self._fault = error.message
        if manifest.parent:
            with suppress(BadInput, Incompatible):
                below = Path(manifest.frames[0].plate).parent
                self._below = read_supports(load(below), below)

    def problems(self, record: TakeFrame, take: SecondImage, own: Support, data: Box, count: _Count) -> Iterator[str]:
        """own: the take's own support, derived again. count: gets what the comparison with the plate finds."""
        if self._fault or self._kept is None:
            yield from filter(None, [self._fault])
            return
        try:
            kept, union = self._kept.own(record.frame, data), self._kept.line(record.frame, data)
            below = union if self._manifest.parent else kept
            below = self._below.line(record.frame, data) if self._below else below
        except BadInput as error:
            yield error.message
            return
        if not np.array_equal(kept, own) or not np.array_equal(union, own | below):
            yield f"Frame {record.frame}: what the take keeps of where its line may change is not true"
        if not self._manifest.parent:
            return
        if not record.root:
            yield f"Frame {record.frame}: it does not say where its line begins"
            return
        root = Path(record.root)
        if not root.is_file():
            raise _gone(record, root)
        if _digest_of(root, record) != record.root_digest:
            yield f"Frame {record.frame} of the plate changed on disk since the take was made"
            return
        with SecondImage(root) as plate:
            if not _holds_parts(take.parts, plate.parts):
                yield f"Frame {record.frame}: its parts or channels are not those of the plate its line begins with"
                return
            for mine, its in zip(plate.parts, take.parts, strict=True):
                edited = (mine.index, mine.level) == (self._manifest.plate.part, 0)
                inside = _Inside(union, self._channels, []) if edited else None
                _compare_part(plate, mine, take, its, inside=inside, count=count)


@dataclass(frozen=True, slots=True)
class _Inside:
    support: Support
    channels: tuple[str, ...]
    layers: list[LayerCheck]

    def may_change(self, channel: str) -> bool:
        return channel in self.channels or any(channel in check.layer.channels for check in self.layers)


@dataclass(slots=True)
class _Count:
    """Running sums over the parts of one frame."""

    frame: int
    changed: int = 0
    outside: int = 0
    inside: int = 0
    first: Difference | None = None


def _compare_part(
    plate: SecondImage,
    part: SecondPart,
    take: SecondImage,
    take_part: SecondPart,
    *,
    inside: _Inside | None,
    count: _Count,
) -> None:
    for first, end in part.bands():
        theirs = plate.read(part, rows=(first, end))
        ours = take.read(take_part, rows=(first, end))
        rows = slice(first - part.data.y, end - part.data.y)
        for check in inside.layers if inside is not None else ():
            check.look(ours, first, end)
        for name, bits in theirs.items():
            differs = bits != ours[name]
            size = differs.size
            if inside is not None and inside.may_change(name):
                support = inside.support[rows]
                differs &= ~support
                allowed = int(np.count_nonzero(support))
                count.inside += allowed
                size -= allowed
            count.outside += size
            changed = int(np.count_nonzero(differs))
            if changed:
                count.changed += changed
                y, x = np.unravel_index(int(differs.argmax()), differs.shape)
                found = Difference(
                    frame=count.frame,
                    part=part.index,
                    channel=name,
                    x=part.data.x + int(x),
                    y=first + int(y),
                    plate_bits=f"{int(bits[y, x]):0{2 * bits.itemsize}x}",
                    take_bits=f"{int(ours[name][y, x]):0{2 * bits.itemsize}x}",
                )
                if count.first is None or (found.part, found.y, found.x) < (
                    count.first.part,
                    count.first.y,
                    count.first.x,
                ):
                    count.first = found


def _with_layers(part: SecondPart, layers: list[LayerCheck]) -> SecondPart:
    """The plate's part with the channels that the take adds to it."""
    added = [(name, "half") for check in layers for name in check.added]
    return replace(part, channels=(*part.channels, *added))


def _header_problems(plate: Sequence[SecondPart], take: Sequence[SecondPart], frame: int) -> Iterator[str]:
    """What the headers of all parts do not have in common."""
    if len(plate) != len(take):
        yield f"Frame {frame} has {len(take)} parts or levels, the plate {len(plate)}"
        return
    for theirs, ours in zip(plate, take, strict=True):
        where = f"Frame {frame}, {ours.label}" if ours.label else f"Frame {frame}"
        if (theirs.data, theirs.display) != (ours.data, ours.display):
            yield f"{where}: its windows are not the plate's"
        if dict(theirs.channels) != dict(ours.channels):
            yield f"{where}: its channels are not the plate's"
        if theirs.compression != ours.compression and not theirs.is_lossy:
            yield f"{where}: its compression is {ours.compression}, the plate's {theirs.compression}"
        for name in sorted(theirs.attributes.keys() | ours.attributes.keys()):
            if theirs.attributes.get(name) != ours.attributes.get(name):
                yield f"{where}: its attribute '{name}' is not the plate's"


def _shapes(parts: Sequence[SecondPart]) -> list[tuple[object, ...]]:
    return [(part.index, part.level, part.data, dict(part.channels)) for part in parts]


def _holds_parts(take: Sequence[SecondPart], plate: Sequence[SecondPart]) -> bool:
    """True if the take has all that the plate has; it may have more channels."""
    return [(part.index, part.level, part.data) for part in take] == [
        (part.index, part.level, part.data) for part in plate
    ] and all(set(theirs.channels) <= set(ours.channels) for theirs, ours in zip(plate, take, strict=True))


def _sentence(first: Difference, changed: int, where: str) -> str:
    more = f", and {changed - 1} more" if changed > 1 else ""
    part = f" of part {first.part}" if first.part else ""
    return (
        f"Frame {first.frame}: channel {first.channel}{part} at x {first.x}, y {first.y} is {where} "
        f"and differs from the plate ({first.plate_bits} became {first.take_bits}{more})"
    )


def _open_plate(record: TakeFrame) -> SecondImage:
    path = Path(record.plate)
    if not path.is_file():
        raise _gone(record, path)
    return SecondImage(path)


def _gone(record: TakeFrame, path: Path) -> MissingFrames:
    under = "the take it was made on" if record.root and path == Path(record.plate) else "the plate"
    return MissingFrames(f"Frame {record.frame} of {under} is not there any more", remedy="Put it back", path=path)


def _digest_of(path: Path, record: TakeFrame) -> str:
    try:
        return blake3().update_mmap(path).hexdigest()
    except OSError as error:
        raise MissingFrames(
            f"Frame {record.frame} cannot be read ({error.strerror})",
            remedy="Put it back, or check its rights",
            path=path,
        ) from error
