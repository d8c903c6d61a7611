"""An adapter (LoRA): one safetensors file of small matrices that change layers of a model which is installed.

What a file is, is told by the names and shapes of its tensors: for each layer a matrix that goes down to a few numbers
and one that comes up again (Hu et al., LoRA, ICLR 2022), as `lora_A` and `lora_B` or `lora_down` and `lora_up`; some
files also bring a whole difference (`diff`, `diff_b`). A file fits a model if it has every layer that the file
changes, with the same shape: one made for another size or another architecture is refused when it is added. No torch
here; only headers are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

from secondtake.errors import BadInput
from secondtake_daemon.models.weights import check_weights, metadata, shapes

__all__ = ["Change", "Renames", "check_fits", "is_adapter", "licence_said", "read_changes"]

Shapes = Mapping[str, tuple[int, ...]]
Renames = Sequence[tuple[str, str]]
"""Patterns of layers' names as their makers wrote them, and what diffusers calls these, applied in order."""

_TENSOR = re.compile(
    r"(?P<layer>.+)\.(?:(?P<down>lora_A(?:\.default)?\.weight|lora_down\.weight)"
    r"|(?P<up>lora_B(?:\.default)?\.weight|lora_up\.weight)"
    r"|(?P<bias>lora_B(?:\.default)?\.bias|diff_b)|(?P<whole>diff)|(?P<alpha>alpha))"
)
_WRAPPED = re.compile(r"^(base_model\.model\.|model\.diffusion_model\.|diffusion_model\.)+")
_OTHER = "Get the adapter that was made for this model, or give --on the model that it was made for"


@dataclass(frozen=True, slots=True)
class Change:
    """What a file does to one layer: names of its tensors, "" where there is none."""

    part: str
    """Component of the pipeline."""
    layer: str
    """Module of it, as diffusers names it."""
    tensors: dict[str, str] = field(default_factory=dict)
    """By kind: `down`, `up`, `alpha`, `whole`, `bias`."""


def is_adapter(file: Path) -> bool:
    """True if any of its tensors is half of such a pair. Raises BadInput if it is no safetensors, or not whole."""
    check_weights(file)
    return any(found[kind] for name in shapes(file) if (found := _TENSOR.fullmatch(name)) for kind in ("down", "up"))


def read_changes(file: Path, *, names: Renames, parts: Iterable[str], part: str) -> tuple[Change, ...]:
    """What it changes, in the order of its layers' names.

    names: of its model's family. parts: of the pipeline; a layer that names none of them belongs to `part`. Raises
    BadInput for a tensor of another kind, and for half a pair.
    """
    known, found = set(parts), dict[tuple[str, str], Change]()
    for name in sorted(shapes(file)):
        told = _TENSOR.fullmatch(name)
        if told is None:
            raise BadInput(
                f"This adapter holds a tensor of a kind that is not used: {name[:80]}",
                remedy="Get it as a plain LoRA, with lora_A and lora_B for each layer",
                path=file,
            )
        layer = _renamed(told["layer"], names)
        own, _, rest = layer.partition(".")
        place, layer = (own, rest) if own in known else (part, layer)
        kind = next(kind for kind in ("down", "up", "alpha", "whole", "bias") if told[kind])
        found.setdefault((place, layer), Change(place, layer)).tensors[kind] = name
    halves = [each for each in found.values() if ("down" in each.tensors) != ("up" in each.tensors)]
    if halves:
        raise BadInput(
            f"This adapter has one half only of {len(halves)} of its {len(found)} changes",
            remedy="It was not written to its end; get it again",
            path=file,
        )
    return tuple(found.values())


def check_fits(file: Path, changes: Sequence[Change], *, parts: Mapping[str, Shapes], model: str) -> None:
    """parts: tensors of the model's components. Raises BadInput if it was made for another model, or is damaged."""
    given = shapes(file)
    strange = [each for each in changes if f"{each.layer}.weight" not in parts.get(each.part, {})]
    if strange:
        raise BadInput(
            f"This adapter changes {len(changes)} layers, and {len(strange)} of them '{model}' does not have",
            remedy=_OTHER,
            path=file,
        )
    for change in changes:
        _check_layer(file, change, given, parts[change.part], model)


def licence_said(file: Path) -> str:
    """What the file's own header says of its licence; "" if nothing."""
    said = metadata(file)
    return said.get("modelspec.license") or said.get("license") or ""


def _renamed(layer: str, names: Renames) -> str:
    layer = _WRAPPED.sub("", layer)
    for pattern, plain in names:
        layer = re.sub(pattern, plain, layer)
    return layer


def _check_layer(file: Path, change: Change, given: Shapes, there: Shapes, model: str) -> None:
    weight, tensors = there[f"{change.layer}.weight"], {kind: given[name] for kind, name in change.tensors.items()}
    down, up = tensors.get("down"), tensors.get("up")
    if down is not None and up is not None:
        if len(down) < 2 or len(up) < 2 or up[1] != down[0]:
            raise BadInput(
                f"Two halves of this adapter do not fit each other: they are {_size(down)} and {_size(up)}",
                remedy="It is damaged; get it again",
                path=file,
            )
        if up[0] != weight[0] or prod(down[1:]) != prod(weight[1:]) or prod(up[2:]) != 1:
            raise BadInput(
                f"This adapter changes layers of {up[0]} × {prod(down[1:])}, where '{model}' has "
                f"{weight[0]} × {prod(weight[1:])}",
                remedy=_OTHER,
                path=file,
            )
    is_right = (
        tensors.get("whole", weight) == weight
        and ("bias" not in tensors or tensors["bias"] == there.get(f"{change.layer}.bias"))
        and prod(tensors.get("alpha", ())) == 1
    )
    if not is_right:
        raise BadInput(f"This adapter does not fit '{model}' in {change.layer}", remedy=_OTHER, path=file)


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "none"
