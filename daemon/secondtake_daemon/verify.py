"""Check a take again, from outside: does it still prove what its take.json says?

Everything is read anew and by another library than the one that wrote it (`images.second`): the written frames, the
plate, and the matte, from which the samples that were allowed to change are derived again. docs/exactness.md says what
exactly the proof covers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadImage, Incompatible, MissingFrames, ProofFailed
from secondtake_daemon.composite.matte import Stitch, stitch_matte, support_digest
from secondtake_daemon.images.coverage import Coverage
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.second import SecondImage, SecondPart
from secondtake_daemon.images.second_matte import open_second_matte
from secondtake_daemon.takes.manifest import Manifest, TakeFrame, load

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


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome for a whole take."""

    take: str
    shot: str
    folder: str
    library: str
    """What read the files."""
    frames: tuple[FrameCheck, ...]

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
        return not any(check.problems for check in self.frames)

    def require(self) -> None:
        """Raise ProofFailed, naming the first problem, unless the proof holds."""
        broken = [check for check in self.frames if check.problems]
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
    )


class _Checker:
    """Checks single frames; thread-safe."""

    def __init__(self, manifest: Manifest, folder: Path) -> None:
        self._manifest = manifest
        self._folder = folder
        with _open_plate(manifest.frames[0]) as image:
            first = image.parts[self._edited_index(image)]
        self._matte = open_second_matte(
            manifest.matte.name,
            frames=[record.frame for record in manifest.frames],
            plate_display=first.display,
            plate_data=first.data,
            channel=manifest.matte.channel,
        )

    def check(self, record: TakeFrame) -> FrameCheck:
        """One frame, whole: digests first, then headers, then every sample."""
        path = self._folder / record.file
        if not path.is_file():
            return FrameCheck(frame=record.frame, path=str(path), problems=(f"Frame {record.frame} is gone",))
        if _digest_of(Path(record.plate), record) != record.plate_digest:
            problem = f"Frame {record.frame} of the plate changed on disk since the take was made"
            return FrameCheck(frame=record.frame, path=record.plate, problems=(problem,))
        problems = []
        if _digest_of(path, record) != record.digest:
            problems.append(f"Frame {record.frame} is not the file that was recorded")
        try:
            inspect(path)  # these bytes are known to nobody; the guard keeps a hostile header from the second reader
            return self._compare(record, path, problems)
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
            problems += _header_problems(plate, take, record.frame)
            count = _Count(record.frame)
            if _same_shape(plate, take):
                for mine, its in zip(plate.parts, take.parts, strict=True):
                    inside = _Inside(support, self._manifest.plate.channels) if mine is edited else None
                    _compare_part(plate, mine, take, its, inside=inside, count=count)
        if count.first is not None:
            problems.insert(0, _sentence(count.first, count.changed))
        return FrameCheck(
            frame=record.frame,
            path=str(path),
            problems=tuple(problems),
            first=count.first,
            outside_changed=count.changed,
            outside_samples=count.outside,
            inside_samples=count.inside,
        )

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


@dataclass(frozen=True, slots=True)
class _Inside:
    support: Support
    channels: tuple[str, ...]


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
        for name, bits in theirs.items():
            differs = bits != ours[name]
            size = differs.size
            if inside is not None and name in inside.channels:
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


def _header_problems(plate: SecondImage, take: SecondImage, frame: int) -> Iterator[str]:
    """What the two headers do not have in common."""
    if len(plate.parts) != len(take.parts):
        yield f"Frame {frame} has {len(take.parts)} parts or levels, the plate {len(plate.parts)}"
        return
    for theirs, ours in zip(plate.parts, take.parts, strict=True):
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


def _same_shape(plate: SecondImage, take: SecondImage) -> bool:
    def shape(image: SecondImage) -> list[tuple[object, ...]]:
        return [(part.index, part.level, part.data, dict(part.channels)) for part in image.parts]

    return shape(plate) == shape(take)


def _sentence(first: Difference, changed: int) -> str:
    more = f", and {changed - 1} more" if changed > 1 else ""
    part = f" of part {first.part}" if first.part else ""
    return (
        f"Frame {first.frame}: channel {first.channel}{part} at x {first.x}, y {first.y} is outside the matte "
        f"and differs from the plate ({first.plate_bits} became {first.take_bits}{more})"
    )


def _open_plate(record: TakeFrame) -> SecondImage:
    path = Path(record.plate)
    if not path.is_file():
        raise MissingFrames(
            f"Frame {record.frame} of the plate is not there any more", remedy="Put the plate back", path=path
        )
    return SecondImage(path)


def _digest_of(path: Path, record: TakeFrame) -> str:
    try:
        return blake3().update_mmap(path).hexdigest()
    except OSError as error:
        raise MissingFrames(
            f"Frame {record.frame} cannot be read ({error.strerror})",
            remedy="Put it back, or check its rights",
            path=path,
        ) from error
