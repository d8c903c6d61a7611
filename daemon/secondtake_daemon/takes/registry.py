"""Which takes there are, and which one is meant: one small file a take, pointing at its folder.

The folder is the truth. A take is named by its folder, its id, a beginning of its id, or the name somebody gave it,
alone or as `shot/name`.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from secondtake.errors import BadInput, BadOutput, DiskError, Incompatible, NotFound
from secondtake.messages import Knowledge
from secondtake_daemon.store.io import make_folders, remove_file, replace_bytes
from secondtake_daemon.takes.manifest import MANIFEST_NAME, Manifest, load
from secondtake_daemon.takes.notes import NOTES_SUFFIX, Notes, read_notes, remove_notes

__all__ = [
    "Entry",
    "children_of",
    "entries",
    "entry",
    "entry_of",
    "find",
    "forget",
    "holds",
    "looks_like_id",
    "register",
]

_ID = re.compile(r"t[0-9a-hjkmnp-tv-z]{6,}")
_ID_LETTERS = re.compile(r"[0-9a-z]{1,64}")
_LEAST_PREFIX = 3
_MOST_SHOWN = 6
_SUFFIX = ".json"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Where a take lies, and what a list shows of it without opening its take.json."""

    take: str
    shot: str
    made: str
    folder: str
    frames: int
    engine: str
    operation: str = ""
    parent: str = ""
    revises: str = ""
    instruction: str = ""
    """The last one."""
    knowledge: Knowledge | None = None

    @property
    def is_there(self) -> bool:
        """False if its folder was moved or deleted."""
        return os.path.exists(f"{self.folder}/{MANIFEST_NAME}")  # noqa: PTH110 — asked thousands of times for one list


_DECODER = msgspec.json.Decoder(Entry)


def entry_of(manifest: Manifest, folder: Path) -> Entry:
    """What the registry keeps of a take."""
    return Entry(
        take=manifest.take,
        shot=manifest.shot,
        made=manifest.made,
        folder=str(folder),
        frames=len(manifest.frames),
        engine=manifest.engine.name,
        operation=manifest.request.operation.value,
        parent=manifest.parent,
        revises=manifest.revises,
        instruction=manifest.instructions[-1] if manifest.instructions else manifest.request.instruction,
        knowledge=manifest.knowledge,
    )


def register(root: Path, manifest: Manifest, folder: Path) -> None:
    """Note a published take, durably. root: the folder `data/takes` of the home."""
    make_folders(root, mode=0o700)
    replace_bytes(root / f"{manifest.take}{_SUFFIX}", msgspec.json.encode(entry_of(manifest, folder)))


def entry(root: Path, take: str) -> Entry | None:
    """The pointer of a take, by its whole id; None if there is none, or a damaged one."""
    return _read(f"{root}/{take}{_SUFFIX}")


def holds(entry: Entry) -> bool:
    """True if the take is still in its folder."""
    try:
        return load(Path(entry.folder)).take == entry.take
    except (NotFound, Incompatible):
        return False


def forget(root: Path, take: str) -> None:
    """Durably take a take, and what was said of it, out of the registry. Raises DiskError, BadOutput."""
    remove_notes(root, take)
    remove_file(root / f"{take}{_SUFFIX}")


def entries(root: Path, *, shot: str = "") -> list[Entry]:
    """All takes, or those of one shot, newest first. A damaged pointer file is left out. No take.json is opened."""
    found = []
    try:
        with os.scandir(root) as listing:
            names = [file.name for file in listing if not file.name.startswith(".")]
    except OSError:
        return []
    for name in names:
        if not name.endswith(_SUFFIX) or name.endswith(NOTES_SUFFIX):
            continue
        read = _read(f"{root}/{name}")
        if read is not None and (not shot or read.shot == shot):
            found.append(read)
    return sorted(found, key=lambda entry: (entry.made, entry.take), reverse=True)


def children_of(take: str, among: Sequence[Entry]) -> list[Entry]:
    """The takes made on a take, and those on them, and so on: each before those it stands on."""
    found: dict[str, Entry] = {}
    wanted = {take}
    while wanted:
        level = {entry.take: entry for entry in among if entry.parent in wanted and entry.take not in found}
        found |= level
        wanted = set(level)
    return list(found.values())[::-1]


def find(root: Path, name: str) -> Path:
    """The folder of the take that is meant. A take given by a folder that the registry does not know is entered.

    Raises NotFound, with those that it could be; BadInput if it could be several; Incompatible for its take.json.
    """
    by_folder = _take_folder(name)
    known = entries(root)
    meant = _meant(root, known, name, has_folder=by_folder is not None)
    if by_folder is None:
        if not meant:
            raise _unknown(known, root, name)
        if len(meant) > 1:
            raise _ambiguous(meant, root, name)
        return _folder_of(meant[0])
    manifest = load(by_folder)
    if meant and [entry.take for entry in meant] != [manifest.take]:
        raise BadInput(
            f"'{name}' is a folder with take {manifest.take} here, and also the name of take {meant[0].take}",
            remedy=f"Give '{Path.cwd() / by_folder}' for the folder, or the take's id",
            path=by_folder,
        )
    with suppress(OSError, DiskError, BadOutput):  # the folder is the truth; a home that cannot be written is no reason
        _enter(root, manifest, by_folder.absolute())
    return by_folder


def looks_like_id(name: str) -> bool:
    """True for what could be a take's id: no take may be named so."""
    return bool(_ID.fullmatch(name))


def _read(path: str) -> Entry | None:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 — thousands are read for one list
            return _DECODER.decode(file.read())
    except (OSError, msgspec.MsgspecError):
        return None


def _take_folder(name: str) -> Path | None:
    path = Path(name)
    try:
        if (path / MANIFEST_NAME).is_file():
            return path
        if path.name == MANIFEST_NAME and path.is_file():
            return path.parent
    except (OSError, ValueError):  # what cannot be a path can still be a name
        pass
    return None


def _meant(root: Path, known: Sequence[Entry], name: str, *, has_folder: bool) -> list[Entry]:
    """The entries that a name means: by id, else by name, else by the beginning of the id."""
    same = [entry for entry in known if entry.take == name]
    if same:
        return same
    shot, slash, rest = name.rpartition("/")
    among = [entry for entry in known if entry.shot == shot] if slash else list(known)
    named = [entry for entry in among if rest and _name_of(root, entry) == rest]
    if named or has_folder or len(rest) < _LEAST_PREFIX:
        return named
    return [entry for entry in among if entry.take.startswith(rest)]


def _name_of(root: Path, entry: Entry) -> str:
    return read_notes(root, entry.take).name


def _folder_of(entry: Entry) -> Path:
    folder = Path(entry.folder)
    if not entry.is_there:
        raise NotFound(
            f"Take {entry.take} of {entry.shot} is not in its folder any more",
            remedy="If it was moved, give the folder it lies in now",
            path=folder,
        )
    if (there := load(folder).take) != entry.take:
        raise NotFound(
            f"The folder of take {entry.take} holds another take now, {there}",
            remedy="If it was moved, give the folder it lies in now",
            path=folder,
        )
    return folder


def _enter(root: Path, manifest: Manifest, folder: Path) -> None:
    """Note a take that was moved here, or comes from another home; a copy of one that is in its place is not noted."""
    if not _ID_LETTERS.fullmatch(manifest.take):
        raise Incompatible(f"'{manifest.take[:80]}' is no id of a take", path=folder / MANIFEST_NAME)
    old = entry(root, manifest.take)
    if old is None or not (old.folder == str(folder) or holds(old)):
        register(root, manifest, folder)


def _unknown(known: Sequence[Entry], root: Path, name: str) -> NotFound:
    rest = name.rpartition("/")[2]
    names = {_name_of(root, entry): entry for entry in known}
    names.pop("", None)
    names |= {entry.take: entry for entry in known}
    near = [names[close] for close in difflib.get_close_matches(rest, names, _MOST_SHOWN)]
    shown = list({entry.take: entry for entry in near}.values()) or list(known[:_MOST_SHOWN])
    there = f"There is {_listed(shown, root)}. " if shown else ""
    short = f"; an id is told by {_LEAST_PREFIX} characters at least" if 0 < len(rest) < _LEAST_PREFIX else ""
    return NotFound(
        f"There is no take '{name}'{short}",
        remedy=f"{there}Look into `secondtake takes`, or give the take's folder",
    )


def _ambiguous(meant: Sequence[Entry], root: Path, name: str) -> BadInput:
    more = f" and {len(meant) - _MOST_SHOWN} more" if len(meant) > _MOST_SHOWN else ""
    return BadInput(
        f"'{name}' could be {_listed(meant[:_MOST_SHOWN], root)}{more}", remedy="Give its whole id, or shot/name"
    )


def _listed(some: Sequence[Entry], root: Path) -> str:
    return ", ".join(_label(entry, read_notes(root, entry.take)) for entry in some)


def _label(entry: Entry, notes: Notes) -> str:
    return f"{entry.take} ({entry.shot}/{notes.name})" if notes.name else f"{entry.take} ({entry.shot})"
