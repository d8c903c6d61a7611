"""All engines, as cards. The engines themselves are imported by name, in worker processes only."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from secondtake.errors import NoSuchEngine, UsageError
from secondtake.messages import FixRequest, Operation
from secondtake_daemon.engines import standin_card
from secondtake_daemon.engines.card import Card
from secondtake_daemon.engines.temporal import card as temporal_card

__all__ = ["CARDS", "able", "card_for", "check_request", "factory"]

CARDS: tuple[Card, ...] = (temporal_card.CARD, standin_card.CARD)


def card_for(name: str) -> Card:
    """The card of an engine. Raises NoSuchEngine with the names there are."""
    for card in CARDS:
        if card.name == name:
            return card
    raise NoSuchEngine(f"There is no engine '{name}'", remedy=f"Use {_either(CARDS)}")


def able(operation: Operation) -> list[Card]:
    """The engines that can do an operation."""
    return [card for card in CARDS if operation in card.operations]


def check_request(request: FixRequest) -> Card:
    """The card of the request's engine. Raises NoSuchEngine if it cannot do what is asked, UsageError for an option."""
    card = card_for(request.engine)
    if request.operation not in card.operations:
        others = able(request.operation)
        remedy = f"Use {_either(others)}" if others else "No installed engine can"
        raise NoSuchEngine(f"The engine '{card.name}' cannot {request.operation.value}", remedy=remedy)
    unknown = sorted(request.engine_options.keys() - set(card.options))
    if unknown:
        takes = f"It takes {', '.join(card.options)}" if card.options else "It takes none"
        raise UsageError(f"The engine '{card.name}' has no option '{unknown[0]}'", remedy=takes)
    if request.references and not card.references:
        able_to = [other for other in able(request.operation) if other.references]
        remedy = f"Leave them out, or use {_either(able_to)}" if able_to else "Leave them out"
        raise NoSuchEngine(f"The engine '{card.name}' makes no use of reference images", remedy=remedy)
    return card


def factory(card: Card) -> Callable[[], Any]:
    """The class of an engine. Worker processes only: this imports the engine with all it needs."""
    module, _, name = card.factory.partition(":")
    made: Callable[[], Any] = getattr(importlib.import_module(module), name)
    return made


def _either(cards: list[Card] | tuple[Card, ...]) -> str:
    return " or ".join(f"'{card.name}'" for card in cards)
