"""Colour spaces set on Blender's data, and looked at again: Blender drops a name it lacks only with an error."""

from __future__ import annotations

import bpy

from .compat import Rna, enum_names
from .refusal import Refusal

__all__ = ["require_colourspace", "set_colourspace"]


def require_colourspace(name: str) -> None:
    """Look whether this Blender has the space ("" is what it chooses), before anything is altered. Raises Refusal."""
    known = enum_names(bpy.types.ColorManagedInputColorspaceSettings, "name")
    if name and name not in known:
        raise Refusal(
            f"This Blender has no colour space '{name}'", remedy="Start it with the OCIO configuration of the plate"
        )


def set_colourspace(settings: Rna, name: str) -> None:
    """Set a strip's, image's or clip's colour space. Raises Refusal if Blender does not take it."""
    require_colourspace(name)
    if name:
        settings.name = name
        if settings.name != name:
            raise Refusal(f"Blender kept '{settings.name}' in place of '{name}'", remedy="Set the colour space by hand")
