"""Fetch a model from a hub into the folder of models. Only `models add --from-hub` does; no job ever uses a network.

What is fetched lies in `hub/.<name>.part` until every file of it is there and is what the hub says it is; then the
folder gets its name at once. Whatever breaks it off, the same command goes on where it was, in the middle of a file.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from secondtake import disk
from secondtake.errors import BadInput, DiskError, UsageError
from secondtake.process import is_same_process, process_start
from secondtake_daemon.models.folder import INDEX, component_names
from secondtake_daemon.models.hub_wire import HubFile, HubModel, download, model_on_hub
from secondtake_daemon.store.io import disk_errors, make_folders, swap_file, sync_folder

__all__ = ["Fetched", "Unfinished", "delete", "fetch", "is_fetched", "unfinished"]

_FOLDER = "hub"
_PART = ".part"
_HALF = ".half"
_WEIGHTS = ".safetensors"
_SUFFIXES = (_WEIGHTS, ".json", ".txt", ".model", ".jinja")
_KEPT_AT_ROOT = re.compile(r"(readme|licen[cs]e|notice)[\w.-]*", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_VARIANT = re.compile(r"\.(fp16|bf16|fp32|fp8|ema|non_ema)(-\d{5}-of-\d{5})?(?=\.safetensors)")
_SPARE_BYTES = 1 << 30
_PIECE_BYTES = 16 << 20

Step = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A whole model on disk, as its page describes it."""

    folder: Path
    hub: str
    """owner/name."""
    revision: str
    """The commit, 40 hex digits."""
    licence: str
    """What its page says: as `apache-2.0`; "" is nothing."""
    sha256: dict[str, str]
    """Of each file, by its path in the folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A model of which a part is there."""

    hub: str
    size_bytes: int
    folder: Path


def fetch(hub: str, *, revision: str | None, root: Path, step: Step) -> Fetched:
    """Get a model, or the rest of it. root: folder of the models' records. step: told bytes had and in all; may raise.

    Raises UsageError for what is no name, NotFound, BadInput if the hub can't be reached or gave something else than
    it says, DiskError.
    """
    there = model_on_hub(hub, revision=revision)
    slug = f"{hub.replace('/', '--')}@{there.commit[:12]}"
    folder, part = root / _FOLDER / slug, root / _FOLDER / f".{slug}{_PART}"
    if folder.is_dir():
        sums = {file.path: file.sha256 for file in there.files if file.sha256 and (folder / file.path).is_file()}
        return Fetched(folder=folder, hub=hub, revision=there.commit, licence=there.licence, sha256=sums)
    make_folders(part)
    with _alone(part):
        sums = _fill(part, there, step)
    with disk_errors(folder):
        disk.replace(part, folder)
        sync_folder(folder.parent)
    return Fetched(folder=folder, hub=hub, revision=there.commit, licence=there.licence, sha256=sums)


def is_fetched(folder: Path, root: Path) -> bool:
    """True if this folder was made by `fetch`, and so is ours to delete."""
    return folder.parent == (root / _FOLDER).resolve()


def unfinished(root: Path) -> tuple[Unfinished, ...]:
    """What was begun and is not whole."""
    found = []
    for part in sorted((root / _FOLDER).glob(f".*{_PART}")):
        size = sum(path.stat().st_size for path in part.rglob("*") if path.is_file())
        name = part.name.removeprefix(".").removesuffix(_PART).partition("@")[0].replace("--", "/", 1)
        found.append(Unfinished(hub=name, size_bytes=size, folder=part))
    return tuple(found)


def delete(folder: Path) -> None:
    """Delete what was fetched, whole or not; broken off, it is one that is not whole. Raises UsageError, DiskError."""
    part = folder if folder.name.endswith(_PART) else folder.with_name(f".{folder.name}{_PART}")
    with disk_errors(folder):
        if part != folder:
            disk.replace(folder, part)
        with _alone(part):
            shutil.rmtree(part)
        sync_folder(part.parent)


def _fill(part: Path, there: HubModel, step: Step) -> dict[str, str]:
    index = _chosen(there.files, {INDEX})
    if not index:
        raise BadInput(f"{there.hub} is no model that diffusers can read: it has no {INDEX}", remedy=_ANOTHER)
    _get(part, there, index[0], lambda had: step(had, index[0].size_bytes))
    names = component_names(part)
    wanted = [*index, *_components(there.files, names)]
    missing = set(names) - {PurePosixPath(file.path).parts[0] for file in wanted}
    if missing:
        raise BadInput(f"{there.hub} lacks the part '{min(missing)}' as safetensors", remedy=_ANOTHER)
    total = sum(file.size_bytes for file in wanted)
    _check_room(part, total)
    sums, had = {}, 0
    for file in wanted:
        sums[file.path] = _get(part, there, file, lambda now, before=had: step(before + now, total))  # type: ignore[misc]
        had += file.size_bytes
        step(had, total)
    return sums


def _components(files: Sequence[HubFile], names: Sequence[str]) -> list[HubFile]:
    """Weights as safetensors and text of the parts that the model has, and the words of its licence. No pickles, no
    programs; of weights in several precisions those without one in their name."""
    found = []
    for file in files:
        path = PurePosixPath(file.path)
        at_root = len(path.parts) == 1 and _KEPT_AT_ROOT.fullmatch(path.name)
        of_part = len(path.parts) == 2 and path.parts[0] in names and path.suffix in _SUFFIXES
        if at_root or (of_part and _NAME.fullmatch(path.name)):
            found.append(file)
    paths = {file.path for file in found}
    return [file for file in found if not (_VARIANT.search(file.path) and _has_plain(file.path, paths))]


def _has_plain(path: str, paths: set[str]) -> bool:
    plain, part = _VARIANT.sub("", path), path.partition("/")[0]
    return plain in paths or any(
        other.startswith(f"{part}/") and other.endswith(_WEIGHTS) and not _VARIANT.search(other) for other in paths
    )


def _chosen(files: Sequence[HubFile], paths: set[str]) -> list[HubFile]:
    return [file for file in files if file.path in paths]


def _get(part: Path, there: HubModel, file: HubFile, step: Callable[[int], None]) -> str:
    """Its SHA-256. A file that is there and right is not fetched again."""
    target = part / file.path
    half = target.with_name(target.name + _HALF)
    with disk_errors(target):
        make_folders(target.parent)
        if not target.is_file():
            download(there, file, half, step)
            disk.sync_file(half)
            disk.replace(half, target)
            sync_folder(target.parent)
        sha256, git_sha1 = _sums(target, lambda: step(file.size_bytes))
    is_right = sha256 == file.sha256 if file.sha256 else git_sha1 == file.git_sha1
    if not is_right:
        disk.unlink(target)
        raise BadInput(
            f"The file {file.path} of {there.hub} is not what the hub says it is",
            remedy="Say it again: that file is fetched anew, the others are kept",
            path=target,
        )
    return sha256


def _sums(path: Path, step: Callable[[], None]) -> tuple[str, str]:
    """SHA-256, and what git calls a file with these bytes."""
    sha256, git = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            sha256.update(piece)
            git.update(piece)
            step()
    return sha256.hexdigest(), git.hexdigest()


def _check_room(part: Path, total: int) -> None:
    had = sum(path.stat().st_size for path in part.rglob("*") if path.is_file())
    lacks = total - had + _SPARE_BYTES - shutil.disk_usage(part).free
    if lacks > 0:
        raise DiskError(
            f"The model takes {total / 2**30:.1f} GiB, and {lacks / 2**30:.1f} GiB of that are not free here",
            remedy="Make room, or set 'models' in the settings to a folder on another disk",
            path=part.parent,
        )


_OWNER = ".owner"


@contextmanager
def _alone(part: Path) -> Iterator[None]:
    """Two commands must not write into the same file."""
    note = part / _OWNER
    with suppress(OSError, ValueError):
        pid, start = note.read_text(encoding="ascii").split()
        if int(pid) != os.getpid() and is_same_process(int(pid), start):
            raise UsageError("Another command fetches this model just now", remedy="Wait for it, or end it", path=part)
    with disk_errors(note):
        swap_file(note, lambda path: path.write_text(f"{os.getpid()} {process_start(os.getpid())}", encoding="ascii"))
    try:
        yield
    finally:
        with suppress(OSError):
            disk.unlink(note)


_ANOTHER = "Use one that is published as a folder of diffusers: its page lists model_index.json"
