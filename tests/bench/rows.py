"""One line of a benchmark's table: a figure, its rival of the same run, and the goal."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Row", "median_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`value` against `rival`; ratio is how many times better we are, or None where there is no rival."""

    bench: str
    what: str
    value: float
    unit: str
    rival: str = ""
    rival_value: float | None = None
    ratio: float | None = None
    goal: str = ""
    met: bool | None = None


def median_of(runs: int, measure: Callable[[], float]) -> float:
    """Median of several measurements, after one that warms up."""
    measure()
    return statistics.median(measure() for _ in range(runs))
