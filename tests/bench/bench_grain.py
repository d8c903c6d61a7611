"""The grain made again with grain=match: as strong as the plate's in the dark and in the light, and new each frame.

Judged on what lies above a blur of two pixels in result - truth, the truth being without grain; in sigmas of the grain
that the generator put on the plate. The temporal correlation is that of neighbouring frames.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from bars import GRAIN
from rows import Choice, Row

sys.path.append(str(Path(__file__).resolve().parents[1] / "quality"))

from array_shots import removed
from scenes import grain, make
from scores import fine_correlation, fine_sigma

KINDS = ("pan", "static", "shake", "track")
TONES = 3


def measure(choice: Choice) -> list[Row]:
    """Two rows for each kind and seed."""
    rows: list[Row] = []
    for kind in KINDS:
        for seed in choice.seeds if choice.has("grain", kind) else ():
            print(f"grain: {kind} {seed}", file=sys.stderr)
            rows += _rows(kind, seed)
    return rows


def _rows(kind: str, seed: int) -> list[Row]:
    shot = make(kind, seed=seed, drawn=False)
    assert shot.clean is not None
    with tempfile.TemporaryDirectory() as folder:
        ours = removed(shot, Path(folder), grain="match")
    rng = np.random.default_rng(1000 + seed)
    plain = shot.clean
    wanted = np.stack([one + grain(one, rng) for one in plain])
    shares = [
        one / other
        for one, other in zip(
            fine_sigma(ours, plain, shot.holes, tones=TONES),
            fine_sigma(wanted, plain, shot.holes, tones=TONES),
            strict=True,
        )
    ]
    worst = max(shares, key=lambda share: abs(share - 1))
    both = fine_correlation(ours, plain, shot.holes)
    return [
        Row(bench="grain", what=kind, seed=seed, figure="sigma, share of the plate's, worst of dark, middle, bright",
            value=worst, unit="", goal=f"1 ± {GRAIN.off:g}", met=abs(worst - 1) <= GRAIN.off),
        Row(bench="grain", what=kind, seed=seed, figure="correlation with the frame before", value=both, unit="",
            goal=f"< {GRAIN.correlation:g}", met=abs(both) < GRAIN.correlation),
    ]  # fmt: skip
