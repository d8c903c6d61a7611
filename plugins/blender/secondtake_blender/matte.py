"""What will be sent as the matte, as plain data, and in words."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from .orders import MatteOrder

__all__ = ["MATTE", "MatteChoice"]

MATTE = "matte.####.exr"
"""What a background Blender writes, numbered as the plate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatteChoice:
    """A matte of a plate: where its files are, or how to get them."""

    source: str
    """What it is made of, in words: `mask 'Roto'`."""
    path: str
    """Absolute: a sequence numbered as the plate, one image or keyed shapes; "" until `order` is carried out."""
    channel: str = ""
    """For the request; "" lets the daemon choose."""
    order: MatteOrder | None = None
    notes: tuple[str, ...] = ()

    def rendered(self, folder: str) -> MatteChoice:
        """The same matte after it was rendered into `folder`."""
        return replace(self, path=os.path.join(folder, MATTE), order=None)  # noqa: PTH118

    def words(self) -> tuple[tuple[str, str], ...]:
        """Label and text of each line that a panel shows."""
        file = os.path.basename(self.path) if self.path else "rendered in a background Blender first"  # noqa: PTH119
        return (("Matte", self.source), ("File", file), *(("Note", note) for note in self.notes))
