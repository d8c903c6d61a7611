"""What is done to the disk in these tests, and what must be true of it: at every moment, once it was acknowledged, and
after recovery. Recovery is to do the same again, as a daemon and its clients do."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
from blake3 import blake3
from exr_shots import Layout

from secondtake import FixRequest, Home, Operation
from secondtake.errors import NotFound
from secondtake.figures import Figures
from secondtake.keys import add_client, named_keys, revoke_client
from secondtake.messages import Phase
from secondtake_daemon.pipeline import Folders, render_fix
from secondtake_daemon.store.cache import Cache
from secondtake_daemon.store.patches import StoredPatch, is_whole
from secondtake_daemon.store.pins import Pin, pin, pins, unpin
from secondtake_daemon.takes import registry
from secondtake_daemon.takes.leftovers import sweep
from secondtake_daemon.takes.manifest import MANIFEST_NAME, load
from secondtake_daemon.takes.notes import NO_NOTES, NOTES_SUFFIX, Notes, read_notes, write_notes
from secondtake_daemon.takes.removal import doomed, remove

__all__ = ["FRAMES", "LAYOUT", "SCENARIOS", "Place", "Scenario", "Tree", "restore", "snapshot"]

FRAMES = [3, 4, 5]
"""Two windows of the stand-in engine."""
LAYOUT = Layout(width=16, height=12)
_TAKE, _SHOT = "tfau1ts", "sh"
_KEY = "ab" * 32
_DEBRIS = (".part", ".tmp", ".ledger", ".deleted")

Tree = dict[str, bytes | None]
"""Path below the root → bytes; None is a folder."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """root: everything that may be written. shot: plate and matte."""

    root: Path
    shot: Path

    @property
    def out(self) -> Path:
        return self.root / "shots" / "out"

    @property
    def takes(self) -> Path:
        return self.root / "data" / "takes"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def home(self) -> Home:
        return Home.under(self.root)

    @property
    def request(self) -> FixRequest:
        return FixRequest(
            job="faults",
            shot=_SHOT,
            plate=str(self.shot / "plate" / "sh.####.exr"),
            matte=str(self.shot / "matte" / "m.####.exr"),
            out=str(self.out),
            operation=Operation.REMOVE,
            engine="standin",
            engine_options={"mode": "noise"},
        )


def _nothing(_: Place) -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """act: does it, and does it again after a crash. faults: of what was acknowledged, in words."""

    name: str
    act: Callable[[Place], None]
    faults: Callable[[Place], list[str]]
    prepare: Callable[[Place], None] = field(default=_nothing)

    def moment(self, place: Place, *, acknowledged: bool = False) -> list[str]:
        """What is wrong now, before recovery. acknowledged: act has returned."""
        return [*_sound(place), *(self.faults(place) if acknowledged else ())]

    def settled(self, place: Place) -> list[str]:
        """What is wrong after recovery."""
        left = [f"{name} is left" for name in snapshot(place.root) if name.endswith(_DEBRIS) or "/.gone." in name]
        return [*_sound(place), *self.faults(place), *left]


class Silent:
    """Nobody listens."""

    def phase(self, phase: Phase, total: int = 0) -> None: ...

    def frame(self, frame: int) -> None: ...

    def figures(self, figures: Figures) -> None: ...

    def stage(self, stage: object) -> None: ...

    def step(self) -> None: ...


# --- what must be true at every moment ------------------------------------------------------------------------------


def _sound(place: Place) -> list[str]:
    """Whatever is visible under its final name is whole."""
    return [
        *(fault for path in place.root.rglob(MANIFEST_NAME) for fault in _take_faults(path)),
        *(fault for path in _visible(place.takes) for fault in _entry_faults(path)),
        *(fault for path in _visible(place.cache / "pins") for fault in _decoded(path, Pin)),
        *_key_faults(place),
    ]


def _take_faults(path: Path) -> Iterator[str]:
    try:
        manifest = load(path)
    except Exception as error:  # noqa: BLE001 — whatever it is, it is a fault
        yield f"take.json is torn: {error}"
        return
    files = {record.file: record.digest for record in manifest.frames}
    if manifest.supports is not None:
        files[manifest.supports.file] = manifest.supports.digest
    for name, digest in files.items():
        file = path.parent / name
        if not file.exists():
            yield f"take.json names {name}, which is not there"
        elif blake3(file.read_bytes()).hexdigest() != digest:
            yield f"take.json names {name}, which is torn"


def _entry_faults(path: Path) -> Iterator[str]:
    yield from _decoded(path, Notes if path.name.endswith(NOTES_SUFFIX) else registry.Entry)


def _decoded(path: Path, kind: type) -> Iterator[str]:
    try:
        msgspec.json.decode(path.read_bytes(), type=kind)
    except msgspec.MsgspecError as error:
        yield f"{path.name} is torn: {error}"


def _key_faults(place: Place) -> Iterator[str]:
    for path in place.home.config.rglob("*"):
        if path.is_file():
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                yield f"others may read {path.name}"
            if not path.name.startswith(".") and path.stem not in named_keys(path.parent).values():
                yield f"{path.name} is torn"


def _visible(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*") if not path.name.startswith(".")]


# --- what is done ----------------------------------------------------------------------------------------------------


def _make(place: Place) -> None:
    folders = Folders(cache=place.cache, takes=place.takes, cache_bytes=1 << 30)
    render_fix(place.request, take=_TAKE, folders=folders, report=Silent())
    shutil.rmtree(place.cache / "jobs", ignore_errors=True)  # the worker does it when the job has ended


def _made(place: Place) -> list[str]:
    entry = registry.entry(place.takes, _TAKE)
    if entry is None or entry.folder != str(place.out):
        return ["the registry does not know the take"]
    try:
        manifest = load(place.out)
    except NotFound:
        return ["the take is gone"]
    found = sorted(path.name for path in place.out.iterdir() if not path.name.startswith("."))
    named = [record.file for record in manifest.frames] + [manifest.supports.file if manifest.supports else ""]
    return [] if found == sorted([*named, MANIFEST_NAME]) else [f"the folder holds {found}"]


def _cancel(place: Place) -> None:
    """A job that is swept in the middle: made, but for take.json and what comes after it."""
    sweep(place.out, shot=_SHOT, take=_TAKE)


def _half_made(place: Place) -> None:
    _make(place)
    entry = registry.entry(place.takes, _TAKE)
    assert entry is not None
    (place.out / MANIFEST_NAME).unlink()
    shutil.rmtree(place.takes)
    head = {"job": "faults", "take": _TAKE, "shot": _SHOT, "made_folders": [str(place.out)]}
    (place.out / f".{_TAKE}.ledger").write_bytes(msgspec.json.encode(head) + b"\n")
    (place.out / f".{_SHOT}.{_TAKE}.0005.exr.part").write_bytes(b"half")


def _swept(place: Place) -> list[str]:
    return [f"{path.name} is still there" for path in place.out.rglob("*")]


def _forget(place: Place) -> None:
    entry = registry.entry(place.takes, _TAKE)
    if entry is not None:
        remove(doomed(entry), root=place.takes)
    elif (place.takes / f"{_TAKE}.json").exists():  # as the command says when it cannot read it
        raise NotFound("There is no such take")


def _forgotten(place: Place) -> list[str]:
    left = [*place.takes.glob("*"), *place.out.rglob("*")]
    return [f"{path.name} is still there" for path in left]


def _say(place: Place, *, notes: Notes) -> None:
    write_notes(place.takes, _TAKE, notes)


def _said(place: Place, *, notes: Notes) -> list[str]:
    return [] if read_notes(place.takes, _TAKE) == notes else ["what was said is lost"]


def _starred(place: Place) -> None:
    _make(place)
    _say(place, notes=_STAR)


_STAR = Notes(name="hero", note="this one", starred=True)
_PIN = Pin(take=_TAKE, shot=_SHOT, names=("patches/ab/x",))


def _pin(place: Place) -> None:
    pin(place.cache / "pins", _PIN)


def _pinned(place: Place) -> list[str]:
    return [] if pins(place.cache / "pins") == (_PIN,) else ["the pin is lost"]


def _unpin(place: Place) -> None:
    unpin(place.cache / "pins", _TAKE)


def _unpinned(place: Place) -> list[str]:
    return ["the pin is back"] if pins(place.cache / "pins") else []


def _patch() -> StoredPatch:
    return StoredPatch((np.arange(900, dtype=np.float32).reshape(300, 3),))


def _cache(place: Place) -> Cache:
    return Cache(place.cache, most_bytes=1 << 30, takes=place.takes)


def _put(place: Place) -> None:
    cache = _cache(place)
    cache.put(_KEY, _patch())
    cache.evict()


def _patch_faults(place: Place) -> list[str]:
    """It can be made again, so it may be gone after a power cut; it may never come back as something else."""
    found = _cache(place).get(_KEY, counts=(300,))
    return [] if found is None or np.array_equal(found.samples[0], _patch().samples[0]) else ["a wrong patch"]


def _put_at_last(place: Place) -> list[str]:
    path = place.cache / "patches" / _KEY[:2] / _KEY
    return _patch_faults(place) + ([] if not path.exists() or is_whole(path) else ["a damaged patch is kept"])


_CLIENT = "A" * 40


def _allow(place: Place) -> None:
    place.home.config.mkdir(mode=0o700, exist_ok=True)
    folder = place.home.config / "clients"
    if "guest" not in named_keys(folder).values():
        add_client(folder, name="guest", public=_CLIENT)


def _allowed(place: Place) -> list[str]:
    return [] if named_keys(place.home.config / "clients") == {_CLIENT: "guest"} else ["the key is lost"]


def _revoke(place: Place) -> None:
    if (place.home.config / "clients" / "guest.key").exists():
        revoke_client(place.home.config / "clients", name="guest")


def _revoked(place: Place) -> list[str]:
    return ["a revoked key is back"] if named_keys(place.home.config / "clients") else []


SCENARIOS = {
    one.name: one
    for one in (
        Scenario(name="make", act=_make, faults=_made),
        Scenario(name="cancel", prepare=_half_made, act=_cancel, faults=_swept),
        Scenario(name="delete", prepare=_starred, act=_forget, faults=_forgotten),
        Scenario(name="star", prepare=_make, act=partial(_say, notes=_STAR), faults=partial(_said, notes=_STAR)),
        Scenario(
            name="unstar", prepare=_starred, act=partial(_say, notes=NO_NOTES), faults=partial(_said, notes=NO_NOTES)
        ),
        Scenario(name="pin", act=_pin, faults=_pinned),
        Scenario(name="unpin", prepare=_pin, act=_unpin, faults=_unpinned),
        Scenario(name="patch", act=_put, faults=_put_at_last),
        Scenario(name="allow", act=_allow, faults=_allowed),
        Scenario(name="revoke", prepare=_allow, act=_revoke, faults=_revoked),
    )
}


# --- trees -----------------------------------------------------------------------------------------------------------


def snapshot(root: Path) -> Tree:
    """All that is below a folder."""
    return {
        path.relative_to(root).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in sorted(root.rglob("*"))
    }


def restore(root: Path, tree: Tree) -> None:
    """Make a folder hold exactly this. Files are readable by their owner only, as all that is written there."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    for name, content in tree.items():
        path = root / name
        if content is None:
            path.mkdir(mode=0o700, exist_ok=True)
        else:
            path.write_bytes(content)
            os.chmod(path, 0o600)  # noqa: PTH101
