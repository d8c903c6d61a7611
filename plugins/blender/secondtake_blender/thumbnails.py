"""Pictures of takes for lists, loaded in a tick of the pump and never in a draw."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import bpy.utils.previews

__all__ = ["clear", "has", "icon", "load"]

_held: dict[str, Any] = {}
_KEY = "all"


def has(name: str) -> bool:
    """True if it is loaded."""
    return name in _held.get(_KEY, ())


def load(name: str, path: str) -> None:
    """Load a PNG; again, if it is there already."""
    pictures = _held.get(_KEY)
    if pictures is None:
        pictures = _held[_KEY] = bpy.utils.previews.new()
    if name in pictures:
        del pictures[name]
    with suppress(KeyError):
        picture = pictures.load(name, path, "IMAGE")
        _ = picture.icon_id, tuple(picture.icon_size), tuple(picture.image_size)  # reads the file now


def icon(name: str) -> int:
    """Its icon for a layout; 0 is none."""
    pictures = _held.get(_KEY)
    return int(pictures[name].icon_id) if pictures is not None and name in pictures else 0


def clear() -> None:
    """Forget all of them."""
    pictures = _held.pop(_KEY, None)
    if pictures is not None:
        bpy.utils.previews.remove(pictures)
