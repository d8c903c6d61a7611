"""The job's look at motion vectors before anything is rendered: do they fit the plate?"""

from __future__ import annotations

from itertools import pairwise

from secondtake.errors import BadInput
from secondtake_daemon.images.vectors import CONVENTION
from secondtake_daemon.images.vectors_fit import Evidence, measure, misfit
from secondtake_daemon.job.report import Report
from secondtake_daemon.job.shot import PlateShot

__all__ = ["check_motion"]

_PAIRS = 4
_REMEDY = f"{CONVENTION}. Render that pass for this shot, camera included, or convert yours"


def check_motion(shot: PlateShot, *, name: str, report: Report) -> None:
    """Compare the plate with itself along the vectors, on a few pairs of neighbours spread over the shot.

    Raises BadInput, with the hint, if another reading of the vectors fits clearly better. Shots in which nothing moves
    pass, and those without two neighbouring frames.
    """
    if not shot.has_motion:
        return
    pairs = [(a, b) for a, b in pairwise(shot.frames) if b == a + 1]
    count = min(len(pairs), _PAIRS)
    chosen = [pairs[(2 * place + 1) * len(pairs) // (2 * count)] for place in range(count)]
    evidence = []
    for pair in chosen:
        evidence.append(_measured(shot, *pair))
        report.step()
    fault = misfit(evidence)
    if fault:
        raise BadInput(f"The motion vectors do not fit the plate: {fault}", remedy=_REMEDY, path=name)


def _measured(shot: PlateShot, first: int, second: int) -> Evidence:
    box = shot.facts[first].window.intersect(shot.facts[second].window)
    return measure(
        first=shot.plate(first, box),
        second=shot.plate(second, box),
        of_first=shot.motion(first, box),
        of_second=shot.motion(second, box),
    )
