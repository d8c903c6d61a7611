"""The card of the temporal engine. No numpy here: the daemon reads it."""

from __future__ import annotations

from secondtake.messages import Operation
from secondtake_daemon.engines.card import Card, EngineColour

__all__ = ["CARD"]

CARD = Card(
    name="temporal",
    version="2",
    summary="Removes an object with what other frames saw behind it; needs no model and no GPU",
    operations=frozenset({Operation.REMOVE}),
    factory="secondtake_daemon.engines.temporal.engine:TemporalEngine",
    colour=EngineColour.SCENE_LINEAR,
    window_frames=8,
    sees_shot=True,
    options=("grain",),
)
