"""A take as it lands: its files by the plate's frame numbers, there already or still to come. Nothing of Blender."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from .plate import PlateChoice

__all__ = ["Take"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """All frames of a take, whether their files exist yet or not."""

    take: str
    """Its id, or the job's while it has none."""
    folder: str
    """Absolute."""
    names: Mapping[int, str]
    """File name of each of the plate's frame numbers; one file under any number for a plate that is one image."""

    def name_at(self, choice: PlateChoice, number: int) -> str:
        """The file for a frame of the plate. Raises KeyError if the take has none."""
        return next(iter(self.names.values())) if choice.stands_alone else self.names[number]

    def timeline_names(self, choice: PlateChoice) -> tuple[str, ...]:
        """File names in the order of the timeline, handles included; one for a plate that is one image."""
        if choice.stands_alone:
            return (self.name_at(choice, 0),)
        return tuple(self.names[pair.number] for pair in choice.pairs)

    def path_at(self, choice: PlateChoice, number: int) -> str:
        """Absolute path of the file for a frame of the plate."""
        return os.path.join(self.folder, self.name_at(choice, number))  # noqa: PTH118
