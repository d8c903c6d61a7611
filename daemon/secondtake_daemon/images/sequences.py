"""Sequence names in the field's grammar, and the frames they have on disk. No numpy, no pixels.

`sh010.####.exr` (n hashes are n digits, but a single `#` is four), `sh010.@@@.exr`, `sh010.%04d.exr`, `sh010.$F4.exr`,
each also with frames of its own as `sh010.1001-1048#.exr`; or the name of one file. What a padding token means is
fileseq's business. The folder is listed here, because a shot may be called `a [x] b` and that is no glob pattern.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from fileseq.constants import PAD_STYLE_HASH1, PAD_STYLE_HASH4
from fileseq.filesequence import FileSequence

from secondtake.errors import BadInput, MissingFrames, UsageError
from secondtake.frames import FrameRange, FrameSet

__all__ = ["Sequence", "choose", "describe", "find", "is_pattern", "shot_name"]

_TOKEN = re.compile(r"[#@]+|%0?\d*d|\$F\d*")
_PIECE = r"\d+(?:--?\d+(?:x\d+)?)?"
_RANGE = re.compile(rf"-?{_PIECE}(?:,-?{_PIECE})*$")
_NUMBERED = re.compile(r"^(?P<prefix>.*?)(?P<number>(?:(?<=[._])-|^-)?\d+)(?P<suffix>\.[^.]*)$", re.DOTALL)
_STANDS_ALONE = re.compile(r"(^|[._\- ])$")
_VERSION = re.compile(r"(^|[._\- ])[vV]$")
_PLAIN_PADDING = 4
_MOST_DIGITS = 9
_MOST_RANGES_SHOWN = 8
_MOST_NAME_CHARACTERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A sequence of files as it stands on disk. A file that is empty counts as present: its reader refuses it."""

    name: str
    """Absolute name, as it was asked for; `find` gives the same sequence for it again."""
    folder: Path
    prefix: str
    suffix: str
    padding: int
    """Least number of digits of a frame number."""
    frames: tuple[int, ...]
    """Frames on disk, ascending; of those the name itself lists, if it lists any."""
    named: tuple[int, ...] = ()
    """The frames that the name itself lists (`1001-1048#`), on disk or not."""
    odd_files: Mapping[int, str] = field(default_factory=dict, hash=False)
    """Files whose name is not what the padding says, as `-0005` where printf writes `-005`."""

    def path(self, frame: int) -> Path:
        """Where the frame lies, or would lie."""
        return self.folder / self.odd_files.get(frame, f"{self.prefix}{frame:0{self.padding}d}{self.suffix}")


class _Reading(NamedTuple):
    """One way to understand the name of a file."""

    prefix: str
    padding: int
    suffix: str
    named: FrameSet | None = None


def is_pattern(name: str) -> bool:
    """True if the name means a sequence; False for the name of one file."""
    path = _absolute(name)
    return not path.is_file() and bool(_TOKEN.search(path.name))


def find(name: str) -> Sequence:
    """Look the sequence up. A file of exactly this name comes first: it is one frame, with the number in its name or 1.

    Raises MissingFrames if nothing is there, BadInput if the name cannot be one.
    """
    path = _absolute(name)
    if path.is_file():
        return _one_file(path)
    if path.is_dir():
        raise BadInput("This is a folder, not a sequence", remedy="Name the frames, as sh010.####.exr", path=path)
    readings = _readings(path.name)
    if not readings:
        remedy = "Write the frame number as ####" if "*" in path.name else "Check the name"
        raise MissingFrames("There is no such file", remedy=remedy, path=path)
    listing = _listing(path.parent)
    for reading in readings:
        sequence = _match(path, reading, listing)
        if sequence.frames:
            return sequence
    raise MissingFrames("There are no frames of this name", remedy=_near_miss(readings[0], listing), path=path)


def choose(sequence: Sequence, frames: FrameSet | None = None) -> tuple[int, ...]:
    """The frames to work on: those asked for, else those the name lists, else all from the first to the last.

    Raises MissingFrames if one of them is not on disk, with a remedy that names what could be done.
    """
    present = FrameSet(sequence.frames)
    if frames is None and not sequence.named:
        _refuse_missing(sequence, _gaps(present), present)
        return sequence.frames
    wanted = frames if frames is not None else FrameSet(sequence.named)
    first, last = sequence.frames[0], sequence.frames[-1]
    outside = FrameSet(frame for frame in wanted if not first <= frame <= last)
    if outside and frames is not None:
        raise MissingFrames(
            f"The plate has frames {describe(present)}, not {describe(outside)}",
            remedy=f"Give --frames inside {FrameRange(first, last)}",
            path=sequence.name,
        )
    on_disk = set(sequence.frames)
    missing = FrameSet(frame for frame in wanted if frame not in on_disk)
    _refuse_missing(sequence, missing.ranges(), FrameSet(frame for frame in wanted if frame in on_disk))
    return tuple(wanted)


def describe(frames: FrameSet) -> str:
    """Frames as text for an error: their ranges, at most eight of them."""
    return _describe(frames.ranges())


def shot_name(name: str) -> str:
    """A file name part for the shot, from any plate's name: `/a/sh010.####.exr` → `sh010`. Needs nothing on disk."""
    path = _absolute(name)
    readings = _readings(path.name)
    if readings:
        stem = readings[0].prefix
    else:
        numbered = _frame_number(path.name)
        stem = numbered[0] if numbered else path.stem
    text = _safe(stem) or _safe(path.parent.name) or "shot"
    return f"{text}_" if text.upper() in _RESERVED else text


_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))}


def _safe(text: str) -> str:
    text = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", text))
    return text.strip("._-")[:_MOST_NAME_CHARACTERS].strip("._-")


def _absolute(name: str) -> Path:
    if not name or "\0" in name:
        raise BadInput("The name of the sequence is empty", remedy="Name the frames, as sh010.####.exr")
    # Not resolve(): a link to the footage store keeps the name that the artist knows.
    return Path(os.path.abspath(Path(name).expanduser()))  # noqa: PTH100


def _one_file(path: Path) -> Sequence:
    prefix, number, suffix = _frame_number(path.name) or (path.stem + ".", "1", path.suffix)
    padding = len(number) if _frame_number(path.name) else _PLAIN_PADDING
    frame = int(number)
    return Sequence(
        name=str(path),
        folder=path.parent,
        prefix=prefix,
        suffix=suffix,
        padding=padding,
        frames=(frame,),
        odd_files={frame: path.name},
    )


def _frame_number(filename: str) -> tuple[str, str, str] | None:
    """(prefix, number, suffix) if the name ends in a frame number.

    That is one that stands alone or has four digits, and is no version: not the 010 of `sh010.exr`, the 2 of
    `sh_v2.exr` or the 0002 of `sh_v0002.exr`.
    """
    match = _NUMBERED.match(filename)
    if not match or len(match["number"]) > _MOST_DIGITS or _VERSION.search(match["prefix"]):
        return None
    if len(match["number"]) < _PLAIN_PADDING and not _STANDS_ALONE.search(match["prefix"]):
        return None
    return match["prefix"], match["number"], match["suffix"]


def _readings(filename: str) -> list[_Reading]:
    """All ways to read a name with a padding token, the likeliest first."""
    tokens = list(_TOKEN.finditer(filename))
    if not tokens:
        return []
    token = tokens[-1]
    before, suffix = filename[: token.start()], filename[token.end() :]
    padding = _padding(token[0])
    plain = _Reading(before, padding, suffix)
    listed = _RANGE.search(before)
    if not listed:
        return [plain]
    starts = [listed.start(), listed.start() + 1] if listed[0].startswith("-") else [listed.start()]
    ranged = [reading for start in starts if (reading := _ranged(before, start, padding, suffix))]
    # `sh010####` is far more often the shot sh010 than frame 10 of the shot `sh`.
    lone = listed[0].lstrip("-").isdigit() and not _STANDS_ALONE.search(before[: listed.start()])
    return [plain, *ranged] if lone else [*ranged, plain]


def _ranged(before: str, start: int, padding: int, suffix: str) -> _Reading | None:
    try:
        return _Reading(before[:start], padding, suffix, FrameSet.parse(before[start:]))
    except UsageError:
        return None


def _padding(token: str) -> int:
    # In the styles of fileseq: a lone # is four digits (HASH4), several are one digit each (HASH1).
    style = PAD_STYLE_HASH4 if token == "#" else PAD_STYLE_HASH1
    return max(1, min(FileSequence.getPaddingNum(token, pad_style=style), _MOST_DIGITS))


def _listing(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_file())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        remedy = "Check its name and its rights"
        raise MissingFrames(
            f"The folder of the frames cannot be read ({reason})", remedy=remedy, path=folder
        ) from error


def _match(path: Path, reading: _Reading, listing: Iterable[str]) -> Sequence:
    found: dict[int, str] = {}
    for filename in listing:
        number = _number_in(filename, reading)
        if number is None or not _is_padded(number, reading.padding):
            continue
        frame = int(number)
        if reading.named is None or frame in reading.named:
            # If two files claim a frame, the one printf would write has it.
            found[frame] = filename if f"{frame:0{reading.padding}d}" == number else found.get(frame, filename)
    return Sequence(
        name=str(path),
        folder=path.parent,
        prefix=reading.prefix,
        suffix=reading.suffix,
        padding=reading.padding,
        frames=tuple(sorted(found)),
        named=tuple(reading.named or ()),
        odd_files={
            frame: filename
            for frame, filename in found.items()
            if filename != f"{reading.prefix}{frame:0{reading.padding}d}{reading.suffix}"
        },
    )


def _number_in(filename: str, reading: _Reading) -> str | None:
    if not (filename.startswith(reading.prefix) and filename.endswith(reading.suffix)):
        return None
    number = filename[len(reading.prefix) : len(filename) - len(reading.suffix)]
    digits = number.removeprefix("-")
    return number if digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS else None


def _is_padded(number: str, padding: int) -> bool:
    """True for exactly the padding, or for more digits without a leading zero. The minus may count or not."""
    if number.startswith("-"):
        digits = number[1:]
        return len(digits) in (padding, padding - 1) or (len(digits) > padding and digits[0] != "0")
    return len(number) == padding or (len(number) > padding and number[0] != "0")


def _near_miss(reading: _Reading, listing: Iterable[str]) -> str:
    """What to do about a pattern that found nothing."""
    numbers = [number for filename in listing if (number := _number_in(filename, reading))]
    if not numbers:
        return "Check the name and the folder"
    return f"There is {reading.prefix}{numbers[0]}{reading.suffix}: write {'#' * len(numbers[0])} or %d for the number"


def _gaps(present: FrameSet) -> list[FrameRange]:
    runs = present.ranges()
    return [FrameRange(a.last + 1, b.first - 1) for a, b in pairwise(runs)]


def _refuse_missing(sequence: Sequence, missing: list[FrameRange], left: FrameSet) -> None:
    count = sum(run.length for run in missing)
    if not count:
        return
    subject = "1 frame is" if count == 1 else f"{count} frames are"
    ranges = left.ranges()
    other = f", or give --frames {left}" if 0 < len(ranges) <= _MOST_RANGES_SHOWN else ""
    raise MissingFrames(
        f"{subject} missing: {_describe(missing)}",
        remedy=f"Render {'it' if count == 1 else 'them'}{other}",
        path=sequence.name,
    )


def _describe(runs: list[FrameRange]) -> str:
    shown = ", ".join(str(run) for run in runs[:_MOST_RANGES_SHOWN])
    more = len(runs) - _MOST_RANGES_SHOWN
    return f"{shown} and {more} more ranges" if more > 0 else shown
