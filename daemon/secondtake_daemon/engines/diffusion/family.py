"""A family: all checkpoints that one pipeline class of diffusers runs, as data and two functions. No torch here.

A new pipeline is one entry of FAMILIES and one module with `arguments(run)` and `frames(output)`.
"""

from __future__ import annotations

from dataclasses import dataclass

from secondtake.messages import Operation

__all__ = ["FAMILIES", "Family", "Settings", "family_of"]

_EDITS = frozenset({Operation.REMOVE, Operation.REPLACE, Operation.MODIFY, Operation.RESTYLE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How hard the model works."""

    steps: int
    guidance: float
    second_guidance: float | None = None
    """Of the second stage of models that have two."""
    strength: float = 1.0
    """Of what it is conditioned on."""
    prompt_tokens: int = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What is the same for all checkpoints."""

    name: str
    pipeline: str
    """Class in diffusers; `model_index.json` of a folder names it."""
    module: str
    """Where `arguments` and `frames` are."""
    summary: str
    operations: frozenset[Operation]
    shaper: str
    stride_px: int
    every: int
    """k of the rule k·m + 1 for the number of frames."""
    longest: int
    """Frames a checkpoint of this family was trained on at most."""
    head: int
    tail: int
    """Handles of a window: known frames on both sides, whole latents of them."""
    area_px: int
    """Pixels of the canvas."""
    final: Settings
    draft: Settings
    denoisers: tuple[str, ...]
    """Components that take part in each step."""

    @property
    def window_frames(self) -> int:
        """Frames a window owns."""
        return self.longest - self.head - self.tail


FAMILIES = (
    Family(
        name="wan-vace",
        pipeline="WanVACEPipeline",
        module="secondtake_daemon.engines.diffusion.vace",
        summary="Wan VACE: invents what the instruction says, inside the matte",
        operations=_EDITS,
        shaper="display",
        stride_px=16,
        every=4,
        longest=81,
        head=8,
        tail=9,
        area_px=832 * 480,
        final=Settings(steps=30, guidance=5.0),
        draft=Settings(steps=12, guidance=5.0),
        denoisers=("transformer", "transformer_2"),
    ),
)


def family_of(pipeline: str) -> Family | None:
    """By the class that a model's `model_index.json` names."""
    return next((family for family in FAMILIES if family.pipeline == pipeline), None)
