"""The switch `anchor` of engines that can be shown a frame of their own: what it may say. The daemon reads it too."""

from __future__ import annotations

from secondtake.errors import UsageError

__all__ = ["ANCHOR", "AUTO", "NONE", "anchor_said"]

ANCHOR = "anchor"
"""Its name among an engine's options."""
AUTO, NONE = "auto", "none"


def anchor_said(text: str) -> str | int:
    """AUTO, NONE or the number of a frame. Raises UsageError."""
    if text in (AUTO, NONE):
        return text
    try:
        return int(text)
    except ValueError:
        raise UsageError(
            f"'{text}' is no frame to begin with", remedy=f"Give {ANCHOR} the number of a frame, {AUTO} or {NONE}"
        ) from None
