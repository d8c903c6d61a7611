"""Requests that a real worker renders with the stand-in engine: a few tiny frames, and faults on demand."""

from __future__ import annotations

from pathlib import Path

from places import Place

from secondtake import FixRequest

__all__ = ["real_request"]


def real_request(ground: Place, shot: Path, out: str, *, seed: int = 0, **switches: object) -> FixRequest:
    """shot: the fixture's folder. switches: what the stand-in engine is told to do."""
    options = {"mode": "noise", **{name: str(value) for name, value in switches.items()}}
    plate, matte = str(shot / "plate" / "sh.####.exr"), str(shot / "matte" / "m.####.exr")
    return ground.request(out=out, plate=plate, matte=matte, engine="standin", engine_options=options, seed=seed)
