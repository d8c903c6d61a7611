"""The job's look at painted frames: outside the matte nobody painted, so there they must look like the plate."""

from __future__ import annotations

import numpy as np

from secondtake_daemon.job.report import Report
from secondtake_daemon.job.shot import PlateShot

__all__ = ["unlike_plate"]

_STEP_PX = 3
_FEWEST = 200
_UNLIKE = 0.1
_DARK = 0.05


def unlike_plate(shot: PlateShot, *, report: Report) -> tuple[str, ...]:
    """A note for each painted frame that differs from the plate by more than a tenth in most pixels outside the matte.

    It is another frame, or in another colour space than was thought. Not refused: a grade may cover the whole frame.
    """
    notes = []
    for frame in shot.references:
        report.step()
        if _difference(shot, frame) > _UNLIKE:
            notes.append(_note(frame))
    return tuple(notes)


def _note(frame: int) -> str:
    return (
        f"Outside the matte, the painted frame {frame} does not look like the plate; "
        "check its number and its colour space. Only what is inside is carried."
    )


def _difference(shot: PlateShot, frame: int) -> float:
    """Median relative difference outside the matte; 0 if there is too little to tell."""
    box, every = shot.facts[frame].window, slice(None, None, _STEP_PX)
    plate = shot.plate(frame, box)[every, every].copy()
    painted = shot.reference(frame, box)[every, every].copy()
    outside = (shot.hole(frame, box)[every, every] == 0) & np.isfinite(plate).all(-1) & np.isfinite(painted).all(-1)
    if np.count_nonzero(outside) < _FEWEST:
        return 0.0
    before, after = plate[outside].astype(np.float64), painted[outside].astype(np.float64)
    level = np.abs(before)
    return float(np.median(np.abs(after - before) / np.maximum(level, _DARK * (float(np.median(level)) or 1.0))))
