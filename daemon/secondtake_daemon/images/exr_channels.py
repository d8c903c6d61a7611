"""Which channels of a file are the picture."""

from __future__ import annotations

from secondtake.errors import BadImage
from secondtake_daemon.images.exr_layers import LAYERS
from secondtake_daemon.images.exr_layout import ExrFile, ExrPart

__all__ = ["main_channels"]

_RGB = ("R", "G", "B")


def main_channels(file: ExrFile) -> tuple[int, tuple[str, ...]]:
    """(part, channels) that a fix edits: R, G, B of the first part that has them; else Y alone; else the first layer
    with R, G and B that is not one of ours. Everything else in the file stays as it is. Raises BadImage if there is
    no such set.
    """
    wanted: tuple[str, ...]
    for wanted in (_RGB, ("Y",)):
        for part in file.parts:
            if set(wanted) <= _names(part):
                return part.index, wanted
    for part in file.parts:
        for layer in _layers(part):
            wanted = tuple(f"{layer}.{letter}" for letter in _RGB)
            if set(wanted) <= _names(part):
                return part.index, wanted
    names = ", ".join(sorted(name for part in file.parts for name in _names(part))[:12])
    raise BadImage(f"The file has no R, G, B and no Y, but {names}", remedy="Save a colour image", path=file.path)


def _names(part: ExrPart) -> set[str]:
    return {channel.name for channel in part.channels}


def _layers(part: ExrPart) -> list[str]:
    ours = {layer.name for layer in LAYERS}
    found = dict.fromkeys(c.name.rpartition(".")[0] for c in part.channels if "." in c.name)
    return [name for name in found if name not in ours]
