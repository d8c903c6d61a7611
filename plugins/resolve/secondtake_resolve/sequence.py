"""Names of files as Resolve and the daemon write them. Pure text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .ranges import SourceFrame

__all__ = ["Sequence", "kind_of", "parse_sequence", "printf_pattern", "safe_name"]

_BRACKETS = re.compile(r"^(?P<head>.*)\[(?P<first>\d+)-(?P<last>\d+)\](?P<tail>\.[^.\[\]/\\]+)$", re.DOTALL)
_PICTURES = frozenset(["exr", "dpx", "cin", "tif", "tiff", "png", "jpg", "jpeg", "tga", "bmp", "sgi", "hdr", "webp"])
_MOVIES = frozenset(["mov", "mp4", "m4v", "mkv", "webm", "avi", "mxf", "mpg", "ts", "mts", "y4m"])
_UNSAFE = re.compile(r"[^\w.-]+")


@dataclass(frozen=True)
class Sequence:
    """Numbered files."""

    pattern: str
    """`/show/sh010.####.exr`."""
    first: SourceFrame
    last: SourceFrame


def parse_sequence(path: str) -> Sequence | None:
    """What Resolve writes as `/show/sh010.[1001-1048].exr`; None if it is no sequence.

    The digits of the first number are the padding, as Resolve writes it.
    """
    found = _BRACKETS.match(path)
    if found is None:
        return None
    first, last = found["first"], found["last"]
    if int(last) < int(first):
        return None
    pattern = f"{found['head']}{'#' * len(first)}{found['tail']}"
    return Sequence(pattern, SourceFrame(int(first)), SourceFrame(int(last)))


def kind_of(path: str) -> str:
    """`picture`, `movie`, or "" for what the daemon does not read (camera raw among it)."""
    extension = path.rpartition(".")[2].lower()
    return "picture" if extension in _PICTURES else "movie" if extension in _MOVIES else ""


def printf_pattern(pattern: str) -> str:
    """`sh010.####.exr` as `sh010.%04d.exr`, which `ImportMedia` wants. The last run of # counts."""
    runs = list(re.finditer(r"#+", pattern))
    if not runs:
        return pattern
    run = runs[-1]
    return f"{pattern[: run.start()]}%0{run.end() - run.start()}d{pattern[run.end() :]}"


def safe_name(text: str, *, otherwise: str = "shot") -> str:
    """Text as a name for files and bins: letters, digits, `.`, `_` and `-`, of any script."""
    return _UNSAFE.sub("_", text).strip("._-")[:64] or otherwise
