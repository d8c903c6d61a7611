"""Adapters put into a loaded pipeline's weights, before it is laid out on its device.

weight + strength · (alpha / rank) · up · down, in float32, then rounded to what the weight is kept in. So a pipeline
with an adapter is a pipeline like any other: blocks are streamed, moved and stored in eight bits as they were, no
layer runs twice, and no package is needed that hooks into layers. To take an adapter off, the model is loaded again.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from secondtake.errors import BadInput
from secondtake_daemon.models.adapter import Renames, check_fits, read_changes
from secondtake_daemon.models.shelf import Model, check_same

__all__ = ["fuse"]


def fuse(pipe: Any, adapters: Sequence[Model], *, names: Renames) -> None:
    """In the order given; parts that were not loaded are left out.

    names: how makers call the layers of this family. Raises BadInput for a file that is not the one that was added,
    does not fit, or holds numbers that are none.
    """
    safetensors = importlib.import_module("safetensors")
    modules = {name: part for name, part in pipe.components.items() if hasattr(part, "named_parameters")}
    there = {name: {at: tuple(it.shape) for at, it in part.named_parameters()} for name, part in modules.items()}
    for adapter in adapters:
        check_same(adapter)
        file = Path(adapter.folder) / adapter.files[0].path
        part, scale = adapter.settings.get("part", "transformer"), float(adapter.settings.get("scale", "1"))
        found = read_changes(file, names=names, parts=pipe.components, part=part)
        changes = [change for change in found if change.part in modules]
        check_fits(file, changes, parts=there, model=adapter.on)
        with safetensors.safe_open(str(file), framework="pt") as held:
            for change in changes:
                given = {kind: held.get_tensor(name) for kind, name in change.tensors.items()}
                if not all(tensor.isfinite().all() for tensor in given.values()):
                    raise BadInput(
                        f"This adapter holds numbers that are none, in {change.layer}", remedy="Get it again", path=file
                    )
                _change(modules[change.part].get_submodule(change.layer), given, scale)


def _change(layer: Any, given: Mapping[str, Any], scale: float) -> None:
    added = _added(given, layer.weight.shape)
    if added is not None:
        layer.weight.data = _sum(layer.weight, added, scale)
    if "bias" in given:
        layer.bias.data = _sum(layer.bias, given["bias"].float(), scale)


def _added(given: Mapping[str, Any], shape: Any) -> Any:
    """What comes to the weight, float32; None if nothing does."""
    added = given["whole"].float() if "whole" in given else None
    if "down" in given:
        down, up = given["down"].float().flatten(1), given["up"].float().flatten(1)
        product = (up @ down).reshape(shape)
        if "alpha" in given:
            product = product * (float(given["alpha"]) / len(down))
        added = product if added is None else added + product
    return added


def _sum(before: Any, added: Any, scale: float) -> Any:
    return (before.data.float() + added * scale).to(before.dtype)
