"""All engines, as cards: those that are built in, and one for each installed model.

The engines themselves are imported by name, in worker processes only.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from secondtake.errors import BadInput, NoSuchEngine, UsageError
from secondtake.frames import FrameSet
from secondtake.messages import FixRequest, Operation
from secondtake_daemon.engines import standin_card
from secondtake_daemon.engines.anchoring import ANCHOR, anchor_said
from secondtake_daemon.engines.card import Card
from secondtake_daemon.engines.installed import installed, worn
from secondtake_daemon.engines.recipe_card import CARRY, EDIT, options_of, recipe_cards
from secondtake_daemon.engines.temporal import card as temporal_card
from secondtake_daemon.engines.wishes import check_wishes, either, refuse_sound
from secondtake_daemon.images.exr_layers import CONFIDENCE, LAYERS

__all__ = ["CARDS", "Catalogue", "factory"]

CARDS: tuple[Card, ...] = (temporal_card.CARD, standin_card.CARD)
"""Those that need no model."""


class Catalogue:
    """The engines there are. models: folder of the models' records, read anew for each question."""

    def __init__(self, models: Path | None) -> None:
        self._models = models

    @property
    def cards(self) -> tuple[Card, ...]:
        """All of them, also those that cannot run here."""
        single = (*CARDS, *(installed(self._models) if self._models is not None else ()))
        return (*single, *recipe_cards(single))

    def card_for(self, name: str) -> Card:
        """The card of an engine. Raises NoSuchEngine with the names there are."""
        cards = self.cards
        for card in cards:
            if card.name == name:
                return card
        raise NoSuchEngine(f"There is no engine '{name}'", remedy=f"Use {either(cards)}")

    def able(self, operation: Operation) -> list[Card]:
        """The engines that can do an operation here."""
        return [card for card in self.cards if operation in card.operations and not card.why_not]

    def check_request(self, request: FixRequest) -> Card:
        """The card of the request's engine. Raises as `check_request`."""
        card = self.card_for(request.engine)
        if card.why_not:
            raise NoSuchEngine(f"The engine '{card.name}' cannot run: {card.why_not}", remedy="Do that, or use another")
        check_request(request, card, able=self.able(request.operation))
        return card


def check_request(request: FixRequest, card: Card, *, able: list[Card]) -> None:
    """Can this engine do what is asked? able: the engines that can do the operation.

    Raises NoSuchEngine if it cannot do what is asked, UsageError for an option, BadInput for painted frames that do
    not fit the request.
    """
    if request.operation not in card.operations:
        remedy = f"Use {either(able)}" if able else "No installed engine can"
        raise NoSuchEngine(f"The engine '{card.name}' cannot {request.operation.value}", remedy=remedy)
    unknown = sorted(request.engine_options.keys() - set(card.options))
    if unknown:
        takes = f"It takes {', '.join(card.options)}" if card.options else "It takes none"
        raise UsageError(f"The engine '{card.name}' has no option '{unknown[0]}'", remedy=takes)
    refuse_sound(request)
    if ANCHOR in request.engine_options:
        anchor_said(request.engine_options[ANCHOR])
    if request.references and not card.references:
        raise _no_use(card, "reference images", [other for other in able if other.references])
    if request.motion and not card.reads_motion:
        raise _no_use(card, "motion vectors", [other for other in able if other.reads_motion])
    check_wishes(request, card, able=able)
    _check_adapters(request, card)
    _check_painted(request, card, able)
    _check_aovs(request, card, able)


def factory(card: Card) -> Callable[[Card], Any]:
    """The class of an engine. Worker processes only: this imports the engine with all it needs."""
    module, _, name = card.factory.partition(":")
    made: Callable[[Card], Any] = getattr(importlib.import_module(module), name)
    return made


def _no_use(card: Card, what: str, others: list[Card]) -> NoSuchEngine:
    remedy = f"Leave them out, or use {either(others)}" if others else "Leave them out"
    return NoSuchEngine(f"The engine '{card.name}' makes no use of {what}", remedy=remedy)


def _check_painted(request: FixRequest, card: Card, able: list[Card]) -> None:
    """What can be known about painted frames without opening a file."""
    painted: dict[int, str] = {}
    for reference in request.references:
        if reference.frame is None and card.needs_painted:
            raise BadInput(
                f"The engine '{card.name}' carries painted frames, and this image names no frame",
                remedy="Give it as IMAGE@FRAME, with the number of the frame that it is",
                path=reference.path,
            )
        if reference.frame in painted:
            remedy = "Give one image for each painted frame"
            raise BadInput(f"Frame {reference.frame} is given twice", remedy=remedy, path=reference.path)
        if reference.frame is not None:
            painted[reference.frame] = reference.path
    if request.operation in card.needs_painted and not painted:
        others = [other for other in able if request.operation not in other.needs_painted]
        raise NoSuchEngine(
            f"The engine '{card.name}' cannot {request.operation.value} without a painted frame",
            remedy="Give --reference IMAGE@FRAME with that frame as you painted it"
            + (f", or use an engine that invents: {either(others)}" if others else ""),
        )
    asked = set(FrameSet.parse(request.frames)) if painted and request.frames else painted.keys()
    outside = [frame for frame in painted if frame not in asked]
    if outside:
        raise BadInput(
            f"The painted frame {outside[0]} is not one of the frames {request.frames}",
            remedy="Give the number of one of them after the @, or change --frames",
            path=painted[outside[0]],
        )


def _check_adapters(request: FixRequest, card: Card) -> None:
    """Raises as `installed.worn`."""
    options = request.engine_options
    for step, own in zip(card.steps, (EDIT, CARRY), strict=False) if card.steps else ((card, ""),):
        worn(step, operation=request.operation, options=options_of(options, own))


def _check_aovs(request: FixRequest, card: Card, able: list[Card]) -> None:
    names = [layer.name for layer in LAYERS]
    unknown = sorted(set(request.aovs) - set(names))
    if unknown:
        raise UsageError(f"There is no layer '{unknown[0]}' to write", remedy=f"There is {', '.join(names)}")
    if CONFIDENCE.name in request.aovs and not card.says_how:
        able_to = [other for other in able if other.says_how]
        remedy = f"Leave out --aov, or use {either(able_to)}" if able_to else "Leave out --aov"
        raise NoSuchEngine(f"The engine '{card.name}' does not say how it knows its pixels", remedy=remedy)
