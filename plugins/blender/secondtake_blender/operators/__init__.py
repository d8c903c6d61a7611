"""Buttons. Each is named, says why it is grey, and can be undone where it changes the .blend."""

from __future__ import annotations

from . import connecting, fixing, references, shapes, taking

__all__ = ["CLASSES"]

CLASSES = (*connecting.CLASSES, *fixing.CLASSES, *references.CLASSES, *shapes.CLASSES, *taking.CLASSES)
