"""Whether a job wants an anchor: a frame that is made first, and shown to windows that are made without it."""

from __future__ import annotations

from collections.abc import Collection

from secondtake.errors import UsageError
from secondtake.messages import FixRequest, Operation
from secondtake_daemon.engines.anchoring import ANCHOR, AUTO, NONE, anchor_said
from secondtake_daemon.engines.card import Card
from secondtake_daemon.plan.anchor import Wish

__all__ = ["anchor_wish"]

_INVENT = frozenset({Operation.REPLACE, Operation.MODIFY, Operation.RESTYLE, Operation.GENERATE})
"""Where a new thing must be the same one everywhere. What lies behind a thing that goes, or comes after the plate's
last frame, is another thing at each place."""


def anchor_wish(request: FixRequest, card: Card, *, looks: int, painted: Collection[int]) -> Wish | None:
    """None is none. looks: how many pictures of what is wanted the artist gave. painted: frames of the shot.

    Left to itself, an engine has one if it renders windows and can be shown a picture more, and nobody painted a frame:
    a painted one is shown to all windows anyway. Raises UsageError if there is no room for one that is asked for.
    """
    said = anchor_said(request.engine_options.get(ANCHOR, AUTO))
    has_room = ANCHOR in card.options and looks < card.looks
    if said == NONE:
        return None
    if said == AUTO:
        renders_windows = card.head_frames > 0 or card.tail_frames > 0
        is_wanted = request.operation in _INVENT and renders_windows and not painted
        return Wish() if is_wanted and has_room else None
    if not has_room:
        raise UsageError(
            f"The engine '{card.name}' takes {card.looks} pictures of what is wanted, and has no room for an anchor",
            remedy=f"Give fewer references without a frame, or {ANCHOR}={NONE}",
        )
    return Wish(frame=int(said))
