"""A plate choice as text, for a .blend: a take is shown again in its place after the file was closed."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from .frames import Pair
from .plate import Placement, PlateChoice, PlateKind

__all__ = ["read_choice", "write_choice"]

_PLACEMENT_TUPLES = ("scale", "offset_px", "origin", "crop_px", "flip")


def write_choice(choice: PlateChoice) -> str:
    """JSON of a choice; what had to be rendered for it is over and left out."""
    values = asdict(choice)
    values["kind"] = choice.kind.name
    values["pairs"] = _runs(choice.pairs)
    del values["order"]
    return json.dumps(values, ensure_ascii=False)


def read_choice(text: str) -> PlateChoice:
    """The choice again. Raises ValueError for what `write_choice` did not write."""
    try:
        values: dict[str, Any] = json.loads(text)
        placement: dict[str, Any] = {
            name: tuple(value) if name in _PLACEMENT_TUPLES else value for name, value in values["placement"].items()
        }
        values["kind"] = PlateKind[values["kind"]]
        values["pairs"] = tuple(
            Pair(first + place, number + place * step)
            for first, number, count, step in values["pairs"]
            for place in range(count)
        )
        values["size"] = tuple(values["size"]) if values["size"] else None
        values["notes"] = tuple(values["notes"])
        return PlateChoice(**{**values, "placement": Placement(**placement)})
    except (KeyError, TypeError) as error:
        raise ValueError("This is no plate of Second Take") from error


def _runs(pairs: tuple[Pair, ...]) -> list[list[int]]:
    """Pairs as [first timeline frame, first number, count, step]: a shot of ten thousand frames is one line."""
    runs: list[list[int]] = []
    for timeline, number in pairs:
        if runs:
            first, begun, count, step = runs[-1]
            if timeline == first + count:
                if count == 1 and abs(number - begun) <= 1:
                    runs[-1][2:] = [2, number - begun]
                    continue
                if count > 1 and number == begun + count * step:
                    runs[-1][2] += 1
                    continue
        runs.append([timeline, number, 1, 0])
    return runs
