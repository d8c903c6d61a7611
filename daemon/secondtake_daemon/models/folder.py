"""A folder as diffusers writes it: which pipeline it is, which components, and whether all of it is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from secondtake.errors import BadInput
from secondtake_daemon.models.weights import check_weights, looks_like_pickle

__all__ = ["INDEX", "ModelFolder", "component_names", "read_folder"]

INDEX = "model_index.json"
_WEIGHTS = (".safetensors",)
_PLAIN = (".json", ".txt", ".md", ".model", ".jinja", "")
_MOST_JSON_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """What was found."""

    folder: Path
    pipeline: str
    """Class name in diffusers."""
    components: tuple[str, ...]
    files: tuple[Path, ...]
    """Of the model, relative to the folder, sorted; nothing else of it is ever read."""
    component_bytes: dict[str, int]
    """Bytes of tensors."""


def read_folder(folder: Path) -> ModelFolder:
    """Look at every file. Raises BadInput if it is no model, incomplete, holds a pickle, or wants its own code run."""
    pipeline = _index(folder).get("_class_name")
    if not isinstance(pipeline, str):
        raise BadInput("The model's model_index.json names no pipeline", remedy="Get it again", path=folder / INDEX)
    components = component_names(folder)
    files, sizes = [Path(INDEX)], {}
    for name in components:
        found, sizes[name] = _component(folder, name)
        files += found
    return ModelFolder(folder, pipeline, components, tuple(sorted(files)), sizes)


def component_names(folder: Path) -> tuple[str, ...]:
    """The parts that the model's index lists. Raises BadInput if there is none, or one that is no name of a folder."""
    named = {name: value for name, value in _index(folder).items() if not name.startswith("_")}
    found = tuple(name for name, value in named.items() if isinstance(value, list) and value and value[0])
    strange = [name for name in found if not name.isidentifier()]
    if strange:
        raise BadInput("The model's model_index.json can't be right", remedy="Get it again", path=folder / INDEX)
    return found


def _index(folder: Path) -> dict[str, object]:
    return _json(folder / INDEX, "There is no model here: no model_index.json")


def _component(folder: Path, name: str) -> tuple[list[Path], int]:
    place = folder / name
    if not place.is_dir() or place.resolve().parent != folder.resolve():
        raise BadInput(f"The model's part '{name}' is missing", remedy="Get the whole folder again", path=place)
    files, size = [], 0
    for path in sorted(place.iterdir()):
        if path.is_dir() or path.name.startswith("."):
            continue
        suffix = path.suffix.lower()
        if suffix in _WEIGHTS:
            size += check_weights(path)
        elif suffix == ".json":
            _refuse_code(_json(path, "A file of the model is missing"), path)
        elif suffix not in _PLAIN or looks_like_pickle(path):
            raise BadInput(
                f"The model's part '{name}' holds a file that is neither weights nor text",
                remedy="Get the model as safetensors, without .bin, .pt or .py files",
                path=path,
            )
        files.append(path.relative_to(folder))
    _check_shards(place)
    return files, size


def _check_shards(place: Path) -> None:
    for index in place.glob("*.index.json"):
        shards = _json(index, "A file of the model is missing").get("weight_map")
        names = set(shards.values()) if isinstance(shards, dict) else set()
        missing = sorted(str(name) for name in names if not (place / str(name)).is_file())
        if missing:
            raise BadInput(
                f"{len(missing)} of the model's {len(names)} weight files are missing",
                remedy="Get the rest",
                path=place / missing[0],
            )


def _refuse_code(config: dict[str, object], path: Path) -> None:
    if "auto_map" in config:
        raise BadInput("The model wants to run code of its own", remedy="Use one that diffusers knows", path=path)


def _json(path: Path, missing: str) -> dict[str, object]:
    try:
        if path.stat().st_size > _MOST_JSON_BYTES:
            raise BadInput("A text file of the model is far too large", remedy="Get it again", path=path)
        return msgspec.json.decode(path.read_bytes(), type=dict[str, object])
    except OSError as error:
        raise BadInput(missing, remedy="Give a folder as diffusers writes it, with all its parts", path=path) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput("A text file of the model can't be read", remedy="Get it again", path=path) from error
