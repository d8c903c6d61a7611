"""Which takes there are: one small file per take, pointing at its folder. The folder is the truth."""

from __future__ import annotations

from pathlib import Path

import msgspec

from secondtake.errors import NotFound
from secondtake_daemon.store.io import replace_bytes
from secondtake_daemon.takes.manifest import MANIFEST_NAME, Manifest, load

__all__ = ["Entry", "entries", "find", "register"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Where a take lies."""

    take: str
    shot: str
    made: str
    folder: str
    frames: int
    engine: str

    @property
    def is_there(self) -> bool:
        """False if its folder was moved or deleted."""
        return (Path(self.folder) / MANIFEST_NAME).exists()


def register(root: Path, manifest: Manifest, folder: Path) -> None:
    """Note a published take, durably. root: the folder `data/takes` of the home."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    entry = Entry(
        take=manifest.take,
        shot=manifest.shot,
        made=manifest.made,
        folder=str(folder),
        frames=len(manifest.frames),
        engine=manifest.engine.name,
    )
    replace_bytes(root / f"{manifest.take}.json", msgspec.json.encode(entry))


def entries(root: Path, *, shot: str = "") -> list[Entry]:
    """All takes, or those of one shot, newest first. A damaged pointer file is left out."""
    found = []
    for path in root.glob("*.json"):
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=Entry))
        except (OSError, msgspec.MsgspecError):
            continue
    chosen = [entry for entry in found if not shot or entry.shot == shot]
    return sorted(chosen, key=lambda entry: (entry.made, entry.take), reverse=True)


def find(root: Path, name: str) -> Path:
    """The folder of a take, given by its id or by its folder. Raises NotFound."""
    folder = Path(name)
    if (folder / MANIFEST_NAME).exists():
        return folder
    if folder.name == MANIFEST_NAME and folder.exists():
        return folder.parent
    for entry in entries(root):
        if entry.take == name:
            load(Path(entry.folder))
            return Path(entry.folder)
    raise NotFound(f"There is no take '{name}'", remedy="`secondtake takes` lists them; a take's folder does as well")
