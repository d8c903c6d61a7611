"""One file of weights instead of a folder: what it is, told by its tensors, and what can be done with it.

Weights say nothing of text encoder, VAE and scheduler. So one file is an engine only on a model that is installed: a
folder of links is made, in which it stands for the part whose tensors it has, by name and shape. Weights under the
names that their makers gave them would have to be converted first, which takes diffusers, memory for all of them, and
for most a configuration from a network: that is not done here.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from secondtake.errors import BadInput, BadOutput
from secondtake_daemon.models.shelf import Model, check_there
from secondtake_daemon.models.weights import check_weights, shapes
from secondtake_daemon.store.io import disk_errors, make_folders

__all__ = ["delete", "is_joined", "joined_with", "part_shapes", "why_none"]

_FOLDER = "joined"
_ADAPTER = re.compile(r"lora|\.alpha$|\.(diff|diff_b)$")
_MAKERS = re.compile(r"^model\.diffusion_model\.|\.self_attn\.[qkvo]\.|^first_stage_model\.|^double_blocks\.")
_WEIGHTS = ".safetensors"

Shapes = Mapping[str, tuple[int, ...]]


def why_none(file: Path) -> BadInput:
    """Why this file alone is no engine. Raises BadInput if it is no safetensors at all, or not whole."""
    check_weights(file)
    names = shapes(file)
    kind, remedy = "one part of a model", _ON
    if any(_ADAPTER.search(name) for name in names):
        kind, remedy = (
            "an adapter, which changes a model and is none",
            "Add the model that it was made for, and then this file, with --on the model's name",
        )
    elif any(_MAKERS.search(name) for name in names):
        kind = "weights under the names that their makers gave them"
        remedy = "Get the same model as diffusers publishes it: a folder with a model_index.json"
    return BadInput(f"This file of {len(names)} tensors is {kind}", remedy=remedy, path=file)


def joined_with(base: Model, file: Path, *, root: Path, name: str) -> Path:
    """A folder of links: the model with one part's weights from the file.

    Raises BadInput if none of its parts has such tensors, BadOutput where no links can be made, DiskError.
    """
    check_weights(file)
    part = _part_like(base, shapes(file))
    if part is None:
        told = why_none(file)
        remedy = told.remedy if told.remedy != _ON else "Give --on the model that it was made from"
        raise BadInput(f"No part of {base.name} has the tensors of this file", remedy=remedy, path=file)
    folder = root / _FOLDER / name
    with disk_errors(folder):
        if folder.exists():  # of a command that was broken off: a model that is listed has its name
            shutil.rmtree(folder)
        for path in (Path(each.path) for each in base.files):
            is_replaced = path.parts[0] == part and (path.suffix == _WEIGHTS or path.name.endswith(".index.json"))
            if not is_replaced:
                _link(Path(base.folder) / path, folder / path)
        _link(file.resolve(), folder / part / _name_of_weights(base, part))
    return folder


def is_joined(folder: Path, root: Path) -> bool:
    """True if it was made here, and holds nothing but links."""
    return folder.parent == (root / _FOLDER).resolve()


def delete(folder: Path) -> None:
    """Remove the links. Raises DiskError."""
    with disk_errors(folder):
        shutil.rmtree(folder)


def part_shapes(base: Model) -> dict[str, dict[str, tuple[int, ...]]]:
    """Tensors of each part of a model, by name; headers are read. Raises BadInput, also where a file is gone."""
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    check_there(base)
    for path in (Path(each.path) for each in base.files):
        if path.suffix == _WEIGHTS:
            found.setdefault(path.parts[0], {}).update(shapes(Path(base.folder) / path))
    return found


def _part_like(base: Model, wanted: Shapes) -> str | None:
    return next((part for part, tensors in part_shapes(base).items() if tensors == wanted), None)


def _name_of_weights(base: Model, part: str) -> str:
    """As diffusers or transformers look for it: of several shards without their numbers."""
    names = [Path(each.path).name for each in base.files if each.path.startswith(f"{part}/")]
    first = min(name for name in names if name.endswith(_WEIGHTS))
    return re.sub(r"-\d{5}-of-\d{5}(?=\.safetensors)", "", first)


def _link(target: Path, link: Path) -> None:
    make_folders(link.parent)
    try:
        link.symlink_to(target)
    except OSError as error:
        remedy = "Copy the model's folder, put the file into it, and add that"
        raise BadOutput("No links can be made in the folder of models", remedy=remedy, path=link) from error


_ON = "Give the whole folder, or --on the name of an installed model of the same kind"
