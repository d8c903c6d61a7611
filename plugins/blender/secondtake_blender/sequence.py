"""File names of an image sequence as one name in the grammar of the daemon: `sh010.####.exr`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["FileNames", "name_sequence", "numbered", "split_name"]

_NUMBERED = re.compile(r"^(.*?)(\d+)(\.[^.#@%$]*)$", re.DOTALL)
_TOKEN = re.compile(r"#{2,}(?=[^#]*$)|%01d(?=[^%]*$)")
_PADDING = ("#", "@")
"""In front of a number they would be read as a part of the padding."""


@dataclass(frozen=True, slots=True)
class FileNames:
    """Files that differ in their number only."""

    pattern: str
    """`sh010.####.exr`; the file's own name if there is but one."""
    numbers: tuple[int, ...]
    """One for each name given, in their order; 0 for a file that stands alone."""


def name_sequence(names: Sequence[str]) -> FileNames | None:
    """One pattern for all names, in any order and with repeats; None if there is none.

    A file that stands alone is named as it is, so that nobody looks at its neighbours.
    """
    if not names:
        return None
    if len(set(names)) == 1:
        return FileNames(names[0], (0,) * len(names))
    matches = [_NUMBERED.match(name) for name in names]
    pieces = [(match[1], match[2], match[3]) for match in matches if match]
    if len(pieces) < len(names) or len({(before, suffix) for before, _, suffix in pieces}) > 1:
        return None
    padding = min(len(digits) for _, digits, _ in pieces)
    if any(len(digits) > padding and digits.startswith("0") for _, digits, _ in pieces):
        return None
    before, _, suffix = pieces[0]
    if before.endswith(_PADDING):
        return None
    return FileNames(_pattern(before, padding, suffix), tuple(int(digits) for _, digits, _ in pieces))


def split_name(name: str) -> tuple[str, int] | None:
    """The pattern that a numbered file belongs to, and its number; None without a number."""
    match = _NUMBERED.match(name)
    if match is None or match[1].endswith(_PADDING):
        return None
    return _pattern(match[1], len(match[2]), match[3]), int(match[2])


def _pattern(before: str, padding: int, suffix: str) -> str:
    # A lone # would mean four digits.
    return f"{before}{'#' * padding if padding > 1 else '%01d'}{suffix}"


def numbered(pattern: str, number: int) -> str:
    """The name of one file of a pattern; a pattern without a token is the file itself."""
    tokens = list(_TOKEN.finditer(pattern))
    if not tokens:
        return pattern
    token = tokens[-1]
    padding = len(token[0]) if token[0].startswith("#") else 1
    return f"{pattern[: token.start()]}{number:0{padding}d}{pattern[token.end() :]}"
