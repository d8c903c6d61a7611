"""In the background Blender: each order to the module that knows how."""

from __future__ import annotations

from pathlib import Path

from . import work_matte, work_plate, work_previz
from .background import Writer
from .orders import MatteOrder, Order, PlateOrder

__all__ = ["carry_out"]


def carry_out(order: Order, folder: Path, writer: Writer) -> None:
    """Render everything that was ordered into the folder. Raises Refusal."""
    if isinstance(order, PlateOrder):
        work_plate.render_plate(order, folder, writer)
    elif isinstance(order, MatteOrder):
        work_matte.render_matte(order, folder, writer)
    else:
        work_previz.render_previz(order, folder, writer)
