"""Frame numbers in the field's grammar: `1001-1048`, `1001-1010,1020`, `1-100x5`. Ranges are inclusive."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from secondtake.errors import UsageError

__all__ = ["FrameRange", "FrameSet"]

_MOST_FRAMES = 1_000_000
_PIECE = re.compile(r"^(-?\d+)(?:-(-?\d+)(?:x(\d+))?)?$")


class FrameRange(NamedTuple):
    """Frames first … last, both included."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    @property
    def length(self) -> int:
        """How many frames. (`len` is the tuple's.)"""
        return self.last - self.first + 1


class FrameSet:
    """An ordered set of frame numbers without duplicates; its text form is canonical."""

    __slots__ = ("_numbers",)

    def __init__(self, numbers: Iterable[int]) -> None:
        self._numbers = tuple(sorted(set(numbers)))

    @classmethod
    def parse(cls, text: str) -> FrameSet:
        """Read `A`, `A-B` or `A-BxSTEP`, joined by commas. Raises UsageError for anything else."""
        numbers: set[int] = set()
        for piece in text.split(","):
            numbers.update(_parse_piece(piece.strip(), text))
            if len(numbers) > _MOST_FRAMES:
                raise UsageError(f"'{text}' names over {_MOST_FRAMES} frames", remedy="Give a shorter range")
        return cls(numbers)

    def ranges(self) -> list[FrameRange]:
        """The runs of consecutive frames, ascending."""
        runs: list[FrameRange] = []
        for number in self._numbers:
            if runs and runs[-1].last == number - 1:
                runs[-1] = FrameRange(runs[-1].first, number)
            else:
                runs.append(FrameRange(number, number))
        return runs

    def longer(self, *, before: int, after: int) -> FrameSet:
        """The same, and so many frames before the first and after the last, in the smallest step that it has."""
        step = min((later - earlier for earlier, later in pairwise(self._numbers)), default=1)
        first, last = self._numbers[0], self._numbers[-1]
        head = (first - step * place for place in range(1, before + 1))
        tail = (last + step * place for place in range(1, after + 1))
        return FrameSet((*self._numbers, *head, *tail))

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, number: object) -> bool:
        return number in self._numbers

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FrameSet) and self._numbers == other._numbers

    def __hash__(self) -> int:
        return hash(self._numbers)

    def __str__(self) -> str:
        return ",".join(str(run) for run in self.ranges())

    def __repr__(self) -> str:
        return f"FrameSet('{self}')"


def _parse_piece(piece: str, text: str) -> range:
    match = _PIECE.match(piece)
    if not match:
        raise UsageError(f"'{text}' is not a frame range", remedy="Write it as 1001-1048, 1001-1010,1020 or 1-100x5")
    first = int(match[1])
    last = int(match[2]) if match[2] is not None else first
    step = int(match[3]) if match[3] is not None else 1
    if last < first or step < 1:
        raise UsageError(f"'{text}' runs backwards or has no step", remedy="Put the lower frame number first")
    if last - first > _MOST_FRAMES * step:
        raise UsageError(f"'{text}' names over {_MOST_FRAMES} frames", remedy="Give a shorter range")
    return range(first, last + 1, step)
