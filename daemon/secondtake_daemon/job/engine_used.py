"""What a take says of its engine: the card's name and version, and every file of the models behind it."""

from __future__ import annotations

from secondtake_daemon.engines.card import Card
from secondtake_daemon.models.shelf import Model
from secondtake_daemon.takes.manifest import EngineUsed, ModelUsed

__all__ = ["engine_used"]


def engine_used(card: Card) -> EngineUsed:
    """The record of an engine; of a recipe with the models of all its steps, each followed by what it wore."""
    models = [model for each in card.steps or (card,) if each.model is not None for model in _worn(each.model)]
    used = (
        ModelUsed(
            name=model.name,
            licence=model.licence,
            hub=model.hub,
            files={file.path: file.sha256 for file in model.files},
        )
        for model in models
    )
    return EngineUsed(name=card.name, version=card.version, models=tuple(used))


def _worn(model: Model) -> tuple[Model, ...]:
    return (model, *model.adapters)
