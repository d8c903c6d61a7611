"""Wan 2.2 VACE-Fun: VACE with two experts, one for the noisy steps and one for the rest.

Which one runs hangs on the timestep: the first while t ≥ 0.875 · 1000 (`boundary_ratio` of its folder), which the
scheduler's shift moves. Each has a guidance of its own.
"""

from __future__ import annotations

from dataclasses import replace

from secondtake_daemon.engines.diffusion.families import wan_vace
from secondtake_daemon.engines.diffusion.family import Checkpoint, Settings

__all__ = ["FAMILY"]

FAMILY = replace(
    wan_vace.FAMILY,
    name="wan-vace-fun",
    parts=frozenset({"transformer_2"}),
    summary="Wan 2.2 VACE-Fun: as Wan VACE, with two experts; for GPUs of 80 GB and more",
    final=Settings(steps=30, guidance=5.0, second_guidance=4.0),
    draft=Settings(steps=12, guidance=5.0, second_guidance=4.0),
    checkpoints=(
        Checkpoint(
            hub="linoyts/Wan2.2-VACE-Fun-14B-diffusers",
            billions=34.7,
            licence="Apache-2.0 by its makers' word: read the card that came with it",
            is_free=False,
        ),
    ),
)
