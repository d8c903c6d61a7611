"""One line of a benchmark's table: a figure, its rival of the same run, and the goal."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Choice", "Row", "median_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`value` against `rival`; ratio is how many times better we are, or None where there is no rival."""

    bench: str
    what: str
    seed: int | None = None
    """Of a shot that is made from one."""
    figure: str = ""
    """What was measured, where a benchmark measures more than one thing."""
    value: float
    unit: str
    rival: str = ""
    rival_value: float | None = None
    ratio: float | None = None
    goal: str = ""
    met: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A part of a benchmark that has several."""

    only: tuple[str, ...] = ()
    """Names of shots, or of kinds of them; none is all."""
    seeds: tuple[int, ...] = (0, 1)

    def has(self, *names: str) -> bool:
        """Whether a shot that goes by these names is wanted."""
        return not self.only or any(name in self.only for name in names)


def median_of(runs: int, measure: Callable[[], float]) -> float:
    """Median of several measurements, after one that warms up."""
    measure()
    return statistics.median(measure() for _ in range(runs))
