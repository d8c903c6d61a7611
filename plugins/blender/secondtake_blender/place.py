"""Where a take goes: to which plate, and in which form. Nothing of Blender."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from .plate import PlateChoice

__all__ = ["Place", "Target"]


class Target(Enum):
    """What shows a take."""

    STRIP = "strip"
    CLIP = "clip"
    NODE = "node"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A plate's place in a .blend."""

    target: Target
    plate_uid: str
    """Of the strip, clip, image or scene that is the plate."""
    choice: PlateChoice

    def with_choice(self, choice: PlateChoice) -> Place:
        """The same place, after the plate was rendered."""
        return replace(self, choice=choice)
