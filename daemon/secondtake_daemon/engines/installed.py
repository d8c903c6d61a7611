"""Cards of the installed models: what a model's record and its family make together. Reads records only, no weights."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

from msgspec import structs

from secondtake.errors import SecondTakeError
from secondtake.messages import Operation
from secondtake_daemon.engines.anchoring import ANCHOR
from secondtake_daemon.engines.card import Card
from secondtake_daemon.engines.diffusion.adapters import OPTION, dressed, picked
from secondtake_daemon.engines.diffusion.families import family_of
from secondtake_daemon.engines.diffusion.family import Family
from secondtake_daemon.engines.diffusion.settings import JOB_OPTIONS, adapted
from secondtake_daemon.models.shelf import Model, models

__all__ = ["card_of", "installed", "worn"]

VERSION = "3"
"""Of the path around a model: raised by every change of it that changes pixels."""
_NEEDED = ("torch", "diffusers", "transformers", "accelerate", "ftfy")


def installed(root: Path) -> tuple[Card, ...]:
    """One card for each model under root whose record makes sense; `why_not` says what stands in the way of the others'
    use."""
    found, records = [], models(root)
    for model in records:
        family = family_of(model.pipeline, model.component_bytes) if not model.on else None
        if family is not None:
            found.append(card_of(model, family, adapters=tuple(each for each in records if each.on == model.name)))
    return tuple(found)


def worn(card: Card, *, operation: Operation, options: Mapping[str, str]) -> Card:
    """The card as a job works with it: with the adapters that it names, or that are for what it does.

    Raises UsageError for an adapter that is none, NoSuchEngine for one whose licence is not accepted.
    """
    model = card.model
    family = family_of(model.pipeline, model.component_bytes) if model is not None else None
    if model is None or family is None:
        return card
    adapters = picked(model, card.adapters, operation=operation, text=options.get(OPTION))
    if adapters == model.adapters:
        return card
    return card_of(structs.replace(model, adapters=adapters), family, adapters=card.adapters)


def card_of(model: Model, family: Family, *, adapters: tuple[Model, ...] = ()) -> Card:
    """The card of one model. adapters: those that were added on it."""
    why_not = _why_not(model)
    try:
        family = dressed(adapted(family, model.settings), model.adapters)
    except SecondTakeError as error:
        why_not = str(error)
    return Card(
        name=model.name,
        version=" ".join(
            [
                VERSION,
                model.digest[:16],
                *_said(model.settings),
                *(f"{each.name}({','.join(_said(each.settings))})" for each in model.adapters),
            ]
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
        adapters=adapters,
        why_not=why_not,
    )


def _said(settings: Mapping[str, str]) -> list[str]:
    return [f"{name}={text}" for name, text in sorted(settings.items())]


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
