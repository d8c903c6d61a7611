"""The card of the temporal engine. No numpy here: the daemon reads it."""

from __future__ import annotations

from secondtake.messages import Operation
from secondtake_daemon.engines.card import Card, EngineColour

__all__ = ["CARD"]

_CARRIED = frozenset({Operation.MODIFY, Operation.REPLACE, Operation.RESTYLE})

CARD = Card(
    name="temporal",
    version="5",
    summary="Removes with what other frames saw, and carries painted frames through the shot; no model, no GPU",
    operations=frozenset({Operation.REMOVE, *_CARRIED}),
    factory="secondtake_daemon.engines.temporal.engine:TemporalEngine",
    colour=EngineColour.SCENE_LINEAR,
    window_frames=2,
    sees_shot=True,
    references=True,
    needs_painted=_CARRIED,
    carries=True,
    reads_motion=True,
    says_how=True,
    options=("grain", "transfer"),
)
