"""Shapes that hosts drew, `data/shapes/<digest>.json`: kept for the takes that name them, dropped when none does."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

import msgspec

from secondtake_daemon.takes.manifest import MANIFEST_NAME
from secondtake_daemon.takes.registry import Entry, entries

__all__ = ["GRACE_S", "SHAPES", "Swept", "sweep_shapes"]

SHAPES = "shapes"
"""Folder in the home's data."""
GRACE_S = 30 * 24 * 3600.0
"""So long after their last use shapes stay that no take names: a job that waits may still want them."""
_NAME = re.compile(rb"/shapes/([0-9a-f]{32}\.json)")


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep removed."""

    files: int = 0
    freed_bytes: int = 0


def sweep_shapes(folder: Path, *, takes: Path, now_s: float, more_than: int = 0) -> Swept:
    """Remove shapes that no take in the registry `takes` names, oldest first, until `more_than` files are left.

    now_s: seconds since the epoch. Nothing goes while the folder of a take cannot be reached: it may name any of them.
    A take whose folder was removed from a place that is there is gone. Reads the manifests only if there is something
    to remove.
    """
    files = _old_ones(folder, before_s=now_s - GRACE_S)
    count = _count(folder)
    if not files or count <= more_than:
        return Swept()
    named = _named(entries(takes))
    if named is None:
        return Swept()
    swept = Swept()
    for file in files:
        if count - swept.files <= more_than:
            break
        if file.name not in named:
            with suppress(OSError):
                size = file.stat().st_size
                file.unlink()
                swept = Swept(files=swept.files + 1, freed_bytes=swept.freed_bytes + size)
    return swept


def _count(folder: Path) -> int:
    try:
        with os.scandir(folder) as found:
            return sum(1 for each in found if each.name.endswith(".json"))
    except OSError:
        return 0


def _old_ones(folder: Path, *, before_s: float) -> list[Path]:
    """Files that were last used before then, oldest first."""
    found = []
    for path in folder.glob("*.json"):
        with suppress(OSError):
            used_s = path.stat().st_mtime
            if used_s < before_s:
                found.append((used_s, path))
    return [path for _, path in sorted(found)]


def _named(known: list[Entry]) -> set[str] | None:
    """Names of all shapes that takes name; None if a take cannot be asked."""
    named: set[str] = set()
    for each in known:
        manifest = Path(each.folder) / MANIFEST_NAME
        try:
            named.update(name.decode("ascii") for name in _NAME.findall(manifest.read_bytes()))
        except FileNotFoundError:
            if not Path(each.folder).parent.is_dir():
                return None
        except OSError:
            return None
    return named
