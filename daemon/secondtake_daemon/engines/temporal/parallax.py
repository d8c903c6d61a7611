"""Where a layer is while nobody sees it: in a scene that stands still, all layers drift by one camera.

What a plane moves beyond the camera's own layer is the camera's translation times a depth of its own (plane plus
parallax: Irani, Anandan, Weinshall, ECCV 1998). So the drift of a hidden layer is a constant share of the drift that a
layer in view has at the same spot. Things that move by themselves do not keep to that, and are left to their habits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from secondtake_daemon.engines.temporal.camera import apply
from secondtake_daemon.engines.temporal.kinds import Matrix, Points

__all__ = ["Steps", "drifts_at", "predict_drifts"]

_LEAST = 6
_BETTER = 0.5

Steps = Sequence[Matrix | None]


def drifts_at(steps: Steps, camera: Steps, spots: Mapping[int, Points]) -> dict[int, Points]:
    """The motion (x, y) beyond the camera's, by frame, at a spot (1, 2) of each frame; none where a step is missing."""
    found = {}
    for place, spot in spots.items():
        step, own = steps[place], camera[place]
        if step is not None and own is not None:
            found[place] = (apply(step, spot) - apply(own, spot))[0]
    return found


def predict_drifts(
    *, known: Mapping[int, Points], spots: Mapping[int, Points], others: Sequence[Steps], camera: Steps
) -> dict[int, Points]:
    """The layer's drift in the frames that `known` lacks, by the layer in view that tells it best.

    spots: where the layer is in each frame, (1, 2), roughly where it is hidden. Nothing where no other layer keeps
    to one share of drift clearly better than a steady drift would.
    """
    told: list[tuple[float, dict[int, Points]]] = []
    for other in others:
        drifts = drifts_at(other, camera, spots)
        both = sorted(set(known) & set(drifts))
        if len(both) < _LEAST:
            continue
        own, theirs = (np.array([one[place] for place in both], np.float64) for one in (known, drifts))
        share = float((own * theirs).sum() / max((theirs**2).sum(), 1e-9))
        miss, steady = ((rest**2).mean() for rest in (own - share * theirs, own - own.mean(axis=0)))
        if miss < _BETTER**2 * steady:
            told.append((float(miss), {place: np.float32(share) * drift for place, drift in drifts.items()}))
    result: dict[int, Points] = {}
    for _, predicted in sorted(told, key=lambda one: -one[0]):  # the best last: it has the last word
        result.update(predicted)
    return {place: drift for place, drift in result.items() if place not in known}
