"""The installed models: one record each, `<models>/<name>.json`, which says where the folder lies and what was in it.

A model is not copied: folders of 70 GB lie where the artist keeps them, or on a share that a farm reads.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from secondtake.errors import BadInput, NotFound, UsageError
from secondtake_daemon.models.folder import read_folder
from secondtake_daemon.store.io import create_bytes, make_folders, remove_file, replace_bytes

__all__ = [
    "Model",
    "ModelFile",
    "accept",
    "add",
    "add_adapter",
    "check_name",
    "check_same",
    "check_there",
    "differing",
    "file_list_digest",
    "find",
    "folders",
    "models",
    "remove",
]

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,39}")


class ModelFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file, relative to the model's folder."""

    path: str
    size_bytes: int
    sha256: str


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """An installed model."""

    name: str
    """The engine's name."""
    folder: str
    pipeline: str
    added: str
    """UTC, ISO 8601."""
    licence: str
    licence_accepted: bool
    files: tuple[ModelFile, ...]
    component_bytes: dict[str, int]
    settings: dict[str, str] = {}
    """What of its family's card is different for it."""
    hub: str = ""
    """owner/name@commit, if it was fetched from a hub."""
    on: str = ""
    """The model whose layers it changes, if it is an adapter and no model."""
    adapters: tuple[Model, ...] = ()
    """What it is worn with in one job; never in a record."""

    @property
    def digest(self) -> str:
        """Of all its files: part of a patch's content key, and kept with a take."""
        return file_list_digest((*self.files, *(file for each in self.adapters for file in each.files)))


def file_list_digest(files: Sequence[ModelFile]) -> str:
    """BLAKE3 over names and digests."""
    from blake3 import blake3

    return blake3("\n".join(f"{file.path} {file.sha256}" for file in files).encode()).hexdigest()


def models(root: Path) -> tuple[Model, ...]:
    """All records that can be read, by name."""
    found = []
    for path in sorted(root.glob("*.json")):
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=Model))
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            continue
    return tuple(found)


def find(root: Path, name: str) -> Model:
    """Raises NotFound with the names there are."""
    known = models(root)
    for model in known:
        if model.name == name:
            return model
    there = ", ".join(model.name for model in known)
    raise NotFound(
        f"There is no model '{name}'",
        remedy=f"There is {there}" if there else "Add one: secondtake models add FOLDER --name NAME",
    )


def add(
    root: Path,
    folder: Path,
    *,
    name: str,
    licence: str,
    licence_accepted: bool,
    settings: dict[str, str],
    step: Callable[[int, int], None],
    hub: str = "",
    sha256: Mapping[str, str] | None = None,
) -> Model:
    """Check and record a folder. It is listed when all of it was read, and not before.

    step: told how many bytes of how many are hashed; may raise. sha256: of files, by path, that were hashed already.

    Raises BadInput for a folder that is no whole model, UsageError for a name that is taken or none.
    """
    check_name(root, name)
    found = read_folder(folder.resolve())
    return _record(
        root,
        Model(
            name=name,
            folder=str(found.folder),
            pipeline=found.pipeline,
            added=_now(),
            licence=licence,
            licence_accepted=licence_accepted,
            files=_hashed(found.folder, found.files, sha256 or {}, step),
            component_bytes=found.component_bytes,
            settings=settings,
            hub=hub,
        ),
    )


def add_adapter(
    root: Path,
    file: Path,
    *,
    on: Model,
    name: str,
    licence: str,
    licence_accepted: bool,
    settings: dict[str, str],
    step: Callable[[int, int], None],
) -> Model:
    """Record a file that changes layers of a model; that it fits is checked before (`models.adapter`).

    step: as of `add`. Raises UsageError for a name that is taken or none.
    """
    check_name(root, name)
    file = file.resolve()
    return _record(
        root,
        Model(
            name=name,
            folder=str(file.parent),
            pipeline=on.pipeline,
            added=_now(),
            licence=licence,
            licence_accepted=licence_accepted,
            files=_hashed(file.parent, (Path(file.name),), {}, step),
            component_bytes={},
            settings=settings,
            on=on.name,
        ),
    )


def _record(root: Path, model: Model) -> Model:
    try:
        make_folders(root)
        create_bytes(root / f"{model.name}.json", msgspec.json.format(msgspec.json.encode(model), indent=1))
    except FileExistsError as error:
        raise _taken(model.name) from error
    return model


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def check_name(root: Path, name: str) -> None:
    """Raises UsageError for a name that is taken or none."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"'{name}' is no name for a model", remedy="Use small letters, digits, dots and dashes")
    if (root / f"{name}.json").exists():
        raise _taken(name)


def _taken(name: str) -> UsageError:
    return UsageError(f"There is a model '{name}' already", remedy="Give --name another, or remove it")


def accept(root: Path, model: Model) -> Model:
    """Record that the licence was accepted."""
    accepted = msgspec.structs.replace(model, licence_accepted=True)
    replace_bytes(root / f"{model.name}.json", msgspec.json.format(msgspec.json.encode(accepted), indent=1))
    return accepted


def remove(root: Path, model: Model) -> None:
    """Forget a model. Its folder stays."""
    remove_file(root / f"{model.name}.json")


def differing(model: Model, *, step: Callable[[int, int], None]) -> list[str]:
    """Files that are not as they were when the model was added, or are gone. Hashes everything."""
    total, done, found = sum(file.size_bytes for file in model.files), 0, []
    for file in model.files:
        path = Path(model.folder) / file.path
        try:
            is_same = path.stat().st_size == file.size_bytes and _sha256(path, lambda: None) == file.sha256
        except OSError:
            is_same = False
        if not is_same:
            found.append(file.path)
        done += file.size_bytes
        step(done, total)
    return found


def folders(installed: Sequence[Model]) -> set[Path]:
    """Where their files really lie: links are followed."""
    found = set()
    for model in installed:
        root = Path(model.folder)
        found |= {root, *((root / file.path).resolve().parent for file in model.files)}
    return found


def check_same(model: Model) -> None:
    """Read all of it. Raises BadInput if any byte is not as it was when the model was added."""
    bad = differing(model, step=lambda done, total: None)
    if bad:
        raise BadInput(
            f"A file of '{model.name}' is not the one that was added",
            remedy=f"Bring it back, or: secondtake models remove {model.name}, and add it again",
            path=Path(model.folder) / bad[0],
        )


def check_there(model: Model) -> None:
    """Sizes only, as before each job. Raises BadInput if a file is gone or has another size."""
    for adapter in model.adapters:
        check_there(adapter)
    for file in model.files:
        path = Path(model.folder) / file.path
        try:
            size = path.stat().st_size
        except OSError as error:
            raise BadInput(
                f"A file of the model '{model.name}' is gone", remedy="Bring it back, or add the model again", path=path
            ) from error
        if size != file.size_bytes:
            raise BadInput(
                f"A file of the model '{model.name}' is not the one that was added",
                remedy=f"Bring it back, or: secondtake models remove {model.name}, and add it again",
                path=path,
            )


def _hashed(
    folder: Path, paths: Sequence[Path], known: Mapping[str, str], step: Callable[[int, int], None]
) -> tuple[ModelFile, ...]:
    sizes = {path: (folder / path).stat().st_size for path in paths}
    total, done, files = sum(sizes.values()), 0, []
    for path, size in sizes.items():
        digest = known.get(path.as_posix()) or _sha256(folder / path, lambda at=done: step(at, total))  # type: ignore[misc]
        files.append(ModelFile(path=path.as_posix(), size_bytes=size, sha256=digest))
        done += size
        step(done, total)
    return tuple(files)


def _sha256(path: Path, step: Callable[[], None]) -> str:
    """SHA-256, because that is what model hubs publish."""
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(16 << 20):
            hasher.update(piece)
            step()
    return hasher.hexdigest()
