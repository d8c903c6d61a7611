"""Cards of the installed models: what a model's record and its family make together. Reads records only, no weights."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from secondtake.errors import SecondTakeError
from secondtake.messages import Operation
from secondtake_daemon.engines.anchoring import ANCHOR
from secondtake_daemon.engines.card import Card
from secondtake_daemon.engines.diffusion.families import family_of
from secondtake_daemon.engines.diffusion.family import Family
from secondtake_daemon.engines.diffusion.settings import JOB_OPTIONS, adapted
from secondtake_daemon.models.shelf import Model, models

__all__ = ["card_of", "installed"]

VERSION = "2"
"""Of the path around a model: raised by every change of it that changes pixels."""
_NEEDED = ("torch", "diffusers", "transformers", "accelerate", "ftfy")


def installed(root: Path) -> tuple[Card, ...]:
    """One card for each model under root whose record makes sense; `why_not` says what stands in the way of the others'
    use."""
    found = []
    for model in models(root):
        family = family_of(model.pipeline, model.component_bytes)
        if family is not None:
            found.append(card_of(model, family))
    return tuple(found)


def card_of(model: Model, family: Family) -> Card:
    """The card of one model."""
    why_not = _why_not(model)
    try:
        family = adapted(family, model.settings)
    except SecondTakeError as error:
        why_not = str(error)
    return Card(
        name=model.name,
        version=" ".join(
            [VERSION, model.digest[:16], *(f"{name}={text}" for name, text in sorted(model.settings.items()))]
        ),
        summary=f"{family.summary} ({model.folder})",
        operations=family.operations,
        factory="secondtake_daemon.engines.diffusion.engine:DiffusionEngine",
        colour=family.colour,
        window_frames=family.window_frames,
        head_frames=family.head,
        tail_frames=family.tail,
        context_ratio=0.3,
        context_px=64,
        stride_px=family.stride_px,
        reads_instruction=True,
        references=True,
        edits_stills=family.longest == 1,
        carries=family.longest > 1,
        looks=family.looks,
        controls=family.controls,
        whole_frames=True,
        needs_words=family.operations - _wordless(family),
        options=JOB_OPTIONS if family.looks else tuple(name for name in JOB_OPTIONS if name != ANCHOR),
        licence=model.licence,
        model=model,
        why_not=why_not,
    )


def _wordless(family: Family) -> frozenset[Operation]:
    """What needs no words: going on as it was, and removing, for which a family has words of its own."""
    return frozenset({Operation.EXTEND, *([Operation.REMOVE] if family.removal_prompt else [])})


def _why_not(model: Model) -> str:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        return f"{missing[0]} is not installed: pip install 'secondtake[diffusion]'"
    if not model.licence_accepted:
        return f"its licence is not accepted: secondtake models accept {model.name}"
    return ""
