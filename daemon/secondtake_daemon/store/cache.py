"""The cache as a whole: patches, movies and pictures of takes under one limit, what must stay, and what goes first.

All that lies here can be made again. Whoever removes something looks first at what running jobs hold (`leases`), what
the user pinned (`pins`) and which movies published takes name as their plate; of the rest the least recently used goes.
Several processes may do that at once, with or without a daemon: to remove is atomic, and to find nothing is a miss.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from secondtake.process import process_start
from secondtake_daemon.store.leases import GRACE_S, leases
from secondtake_daemon.store.patches import PatchStore, StoredPatch
from secondtake_daemon.store.pins import Pin, pins
from secondtake_daemon.store.usage import Item, Kind, Usage, disk_bytes, items_of, usage_of

__all__ = ["MOVIES", "Cache", "Freed", "Stats", "patch_name"]

MOVIES = Kind.MOVIE.value
_PART_S = 3600.0
_LEAST_GROWTH_BYTES = 64 << 20
_GROWTH_SHARE = 16
_MANIFEST = "take.json"


class Freed(msgspec.Struct, frozen=True, kw_only=True):
    """What an eviction did."""

    objects: int
    freed_bytes: int
    left_bytes: int
    """What the cache takes now."""


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the cache."""

    root: str
    limit_bytes: int
    total_bytes: int
    """Disk, as `du` counts it."""
    usages: tuple[Usage, ...]
    kept_bytes: int
    """Of patches, movies and pictures that may not go now: held by jobs, pinned, or the plate of a take."""
    movies_of_takes: int
    """Movies that stay because a take's manifest names their frames as its plate."""
    held_by_jobs: int
    """Patches and movies that running and waiting jobs hold."""
    pins: tuple[Pin, ...]


class Cache:
    """The folder `cache` of a home. takes: its registry of takes. One object belongs to one thread."""

    def __init__(self, root: Path, *, most_bytes: int, takes: Path) -> None:
        self._root = root
        self._most_bytes = most_bytes
        self._takes = takes
        self._patches = PatchStore(root / Kind.PATCH.value)
        self._grown_bytes = 0

    def has(self, key: str) -> bool:
        """See `PatchStore.has`."""
        return self._patches.has(key)

    def get(self, key: str, *, counts: tuple[int, ...]) -> StoredPatch | None:
        """See `PatchStore.get`."""
        return self._patches.get(key, counts=counts)

    def put(self, key: str, patch: StoredPatch) -> bool:
        """See `PatchStore.put`. Makes room when much was added."""
        kept = self._patches.put(key, patch)
        self._grown_bytes += patch.size_bytes
        if self._grown_bytes > max(_LEAST_GROWTH_BYTES, self._most_bytes // _GROWTH_SHARE):
            self.evict()
        return kept

    def evict(self, *, to_bytes: int | None = None) -> Freed:
        """Remove the least recently used until the cache fits into to_bytes, or into its limit. Never what is kept."""
        self._grown_bytes = 0
        items, total = items_of(self._root), disk_bytes(self._root)
        wanted, count, freed = self._most_bytes if to_bytes is None else to_bytes, 0, 0
        for item in self._abandoned(items):
            if _remove(item.path):
                count, freed = count + 1, freed + item.size_bytes
        if total - freed > wanted:
            for item in self._free(items):
                if total - freed <= wanted:
                    break
                if _remove(item.path):
                    count, freed = count + 1, freed + item.size_bytes
        return Freed(objects=count, freed_bytes=freed, left_bytes=total - freed)

    def stats(self) -> Stats:
        """Look at everything."""
        usages, total = usage_of(self._root)
        items = [item for item in items_of(self._root) if item.kind is not Kind.JOB]
        free = {item.name for item in self._free(items)}
        held = self._held()
        return Stats(
            root=str(self._root),
            limit_bytes=self._most_bytes,
            total_bytes=total,
            usages=usages,
            kept_bytes=sum(item.size_bytes for item in items if item.name not in free),
            movies_of_takes=len(self._named_by_takes(items)),
            held_by_jobs=sum(1 for item in items if _is_in(item.name, held)),
            pins=pins(self._root / "pins"),
        )

    def patches(self) -> list[Path]:
        """The files of all whole patches."""
        return [item.path for item in items_of(self._root) if item.kind is Kind.PATCH and not item.is_part]

    def movies(self) -> list[Path]:
        """The folders of all converted movies."""
        return [item.path for item in items_of(self._root) if item.kind is Kind.MOVIE and not item.is_part]

    def _free(self, items: Iterable[Item]) -> list[Item]:
        """Patches, movies and pictures that may go, the least recently used first."""
        kept = self._held()
        kept.update(name for pin in pins(self._root / "pins") for name in pin.names)
        items = [item for item in items if item.kind is not Kind.JOB and not item.is_part]
        free = [item for item in items if not _is_in(item.name, kept)]
        named = self._named_by_takes(free)
        return sorted((item for item in free if item.name not in named), key=lambda item: item.used_ns)

    def _held(self) -> set[str]:
        """What jobs hold."""
        return {name for names in leases(self._root / Kind.JOB.value).values() for name in names}

    def _abandoned(self, items: Iterable[Item]) -> list[Item]:
        """Part files whose writer died, movies that were half removed, scratch of jobs that never came back, and
        pictures of takes that the registry does not know any more."""
        jobs, now_s = leases(self._root / Kind.JOB.value), time.time()
        takes = {path.name.partition(".")[0] for path in self._takes.glob("*.json")}
        owners = {Kind.JOB: jobs, Kind.THUMBNAIL: takes}
        most_s = {Kind.PATCH: _PART_S, Kind.MOVIE: 0.0, Kind.JOB: GRACE_S, Kind.THUMBNAIL: _PART_S}
        found = [item for item in items if item.is_part or _owner(item) not in owners.get(item.kind, (_owner(item),))]
        return [item for item in found if now_s - item.used_ns / 1e9 > most_s[item.kind] or _is_writer_dead(item)]

    def _named_by_takes(self, items: Iterable[Item]) -> set[str]:
        """Movies whose frames the manifest of a registered take names."""
        wanted = {item.name: f"/{item.name}/".encode() for item in items if item.kind is Kind.MOVIE}
        found: set[str] = set()
        for folder in _take_folders(self._takes) if wanted else ():
            with suppress(OSError):
                raw = (folder / _MANIFEST).read_bytes()
                found.update(name for name, mark in wanted.items() if mark in raw)
        return found


class _Entry(msgspec.Struct, frozen=True):
    """The part of a registry's pointer file that is of use here."""

    folder: str


def patch_name(key: str) -> str:
    """What a patch is called in leases and pins."""
    return f"{Kind.PATCH.value}/{key[:2]}/{key}"


def _take_folders(registry: Path) -> Iterator[Path]:
    for path in registry.glob("*.json"):
        with suppress(OSError, msgspec.MsgspecError):  # damaged, or a note beside a pointer
            yield Path(msgspec.json.decode(path.read_bytes(), type=_Entry).folder)


def _owner(item: Item) -> str:
    """The job, or the take, that a thing is named after."""
    return item.path.name if item.kind is Kind.JOB else item.path.name.partition(".")[0]


def _is_in(name: str, names: set[str]) -> bool:
    """True if the name stands there, or a folder that it is in."""
    parts = name.split("/")
    return any("/".join(parts[: end + 1]) in names for end in range(len(parts)))


def _is_writer_dead(item: Item) -> bool:
    """True if the process that a part file is named after has ended. (One of another machine would try again.)"""
    if not item.is_part or not process_start(os.getpid()):  # there is no looking at processes here
        return False
    pid = item.path.name.removesuffix(".part").rpartition(".")[2]
    return pid.isdecimal() and not process_start(int(pid))


def _remove(path: Path) -> bool:
    """A folder vanishes at once, under another name, before it is emptied: nobody finds half a movie."""
    try:
        if not path.is_dir():
            path.unlink()
            with suppress(OSError):  # other patches are in it
                path.parent.rmdir()
            return True
        gone = path.with_name(f".gone.{path.name}")
        path.rename(gone)
    except OSError:  # another process was faster
        return False
    shutil.rmtree(gone, ignore_errors=True)
    return True
