"""Recipes: engines made of two others. One edits a single frame by the instruction, the other carries it on.

No model that is free to use edits a whole shot by words alone; models that edit one picture do, and how the shot moves
is known. So "edit one frame, then carry it" is offered as an engine for every pair that is installed. No numpy here:
the daemon reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from secondtake.messages import Operation
from secondtake_daemon.engines.anchoring import ANCHOR
from secondtake_daemon.engines.card import Card, EngineColour

__all__ = ["CARRY", "EDIT", "FRAME", "options_of", "recipe_cards"]

EDIT, CARRY, FRAME = "edit.", "carry.", "frame"
"""How options name the step they are for, and the option that says which frame is edited."""
_VERSION = "1"
_CARRIED = frozenset({Operation.MODIFY, Operation.REPLACE, Operation.RESTYLE})


def options_of(options: Mapping[str, str], step: str) -> dict[str, str]:
    """Those of a recipe that are for a step (EDIT or CARRY), as that engine names them."""
    return {name.removeprefix(step): text for name, text in options.items() if name.startswith(step)}


def recipe_cards(cards: Sequence[Card]) -> tuple[Card, ...]:
    """One card for each engine that edits single frames with each one that carries painted frames."""
    editors = [card for card in cards if card.edits_stills]
    carriers = [card for card in cards if card.carries]
    return tuple(
        _joined(editor, carrier)
        for editor in editors
        for carrier in carriers
        if carrier.colour in (editor.colour, EngineColour.SCENE_LINEAR)
        and carrier.operations & editor.operations & _CARRIED
    )


def _joined(editor: Card, carrier: Card) -> Card:
    """The carrier's card, but for what comes from the editor. The editor's colour, which is scene-linear too."""
    return replace(
        carrier,
        name=f"{editor.name}+{carrier.name}",
        version=f"recipe {_VERSION} of {editor.version} and {carrier.version}",
        summary=f"Edits one frame by the instruction with {editor.name}, and carries it on with {carrier.name}",
        operations=carrier.operations & editor.operations & _CARRIED,
        factory="secondtake_daemon.engines.recipe:RecipeEngine",
        colour=editor.colour,
        context_px=max(editor.context_px, carrier.context_px),
        context_ratio=max(editor.context_ratio, carrier.context_ratio),
        sees_shot=True,
        reads_instruction=True,
        looks=editor.looks,
        controls=frozenset(),
        whole_frames=editor.whole_frames and carrier.whole_frames,
        needs_words=editor.needs_words & _CARRIED,
        needs_painted=frozenset(),
        options=(
            FRAME,
            *(EDIT + name for name in editor.options if name != ANCHOR),
            *(CARRY + name for name in carrier.options if name != ANCHOR),  # the edited frame is one
        ),
        licence=" · ".join(dict.fromkeys((editor.licence, carrier.licence))),
        deterministic=editor.deterministic and carrier.deterministic,
        model=None,
        steps=(editor, carrier),
        why_not=editor.why_not or carrier.why_not,
    )
