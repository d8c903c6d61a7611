"""`secondtake cache`: what is kept to save work, and how much disk it takes. With or without a running daemon."""

from __future__ import annotations

import re
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from secondtake.errors import NotFound, UsageError
from secondtake.home import Home
from secondtake_daemon.cli.output import Answer, Output
from secondtake_daemon.cli.progress import display
from secondtake_daemon.cli.takes import TakeName, registry_root
from secondtake_daemon.settings import load_settings
from secondtake_daemon.takes import registry
from secondtake_daemon.takes.manifest import Manifest, load

if TYPE_CHECKING:
    from secondtake_daemon.store.cache import Cache

__all__ = ["app"]

app = typer.Typer(help="What is kept to save work: patches, converted movies, pictures of takes.", no_args_is_help=True)

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([KMGT]?)(?:i?B)?", re.IGNORECASE)
_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


class _UsageAnswer(Answer, frozen=True, kw_only=True):
    kind: str
    objects: int
    size_bytes: int
    oldest_use: float | None


class _PinAnswer(Answer, frozen=True, kw_only=True):
    take: str
    shot: str
    patches: int


class _StatsAnswer(Answer, frozen=True, kw_only=True):
    root: str
    limit_bytes: int
    total_bytes: int
    kept_bytes: int
    movies_of_takes: int
    held_by_jobs: int
    kinds: tuple[_UsageAnswer, ...]
    pins: tuple[_PinAnswer, ...]


class _FreedAnswer(Answer, frozen=True, kw_only=True):
    objects: int
    freed_bytes: int
    left_bytes: int
    limit_bytes: int
    shapes: int
    """Drawn shapes that no take names."""


class _VerifiedAnswer(Answer, frozen=True, kw_only=True):
    objects: int
    damaged: tuple[str, ...]


@app.command()
def stats(context: typer.Context) -> None:
    """Say what lies in the cache, as `du` counts it."""
    output: Output = context.obj
    found = _cache().stats()
    rows = [
        (usage.kind.value, usage.objects or "", _size(usage.size_bytes), _day(usage.oldest_use))
        for usage in found.usages
    ]
    output.table(("KIND", "OBJECTS", "DISK", "OLDEST USE"), rows)
    output.line(f"{_size(found.total_bytes)} of {_size(found.limit_bytes)} in {found.root}")
    output.line(
        f"{_size(found.kept_bytes)} stay whatever happens: jobs hold {found.held_by_jobs} objects, {len(found.pins)} "
        f"takes are pinned, and {found.movies_of_takes} converted movies are the plate of a take"
    )
    for pin in found.pins:
        output.line(f"Pinned: take {pin.take} of {pin.shot}")
    output.answer(
        _StatsAnswer(
            root=found.root,
            limit_bytes=found.limit_bytes,
            total_bytes=found.total_bytes,
            kept_bytes=found.kept_bytes,
            movies_of_takes=found.movies_of_takes,
            held_by_jobs=found.held_by_jobs,
            kinds=tuple(
                _UsageAnswer(
                    kind=usage.kind.value,
                    objects=usage.objects,
                    size_bytes=usage.size_bytes,
                    oldest_use=usage.oldest_use,
                )
                for usage in found.usages
            ),
            pins=tuple(_PinAnswer(take=pin.take, shot=pin.shot, patches=len(pin.names)) for pin in found.pins),
        )
    )


@app.command()
def gc(
    context: typer.Context,
    to: Annotated[str, typer.Option(metavar="SIZE", help="As 10G, 500M or 0; the default is the limit.")] = "",
) -> None:
    """Remove what was not used for longest, until the rest fits. Nothing that is pinned or in use goes.

    Drawn shapes that no take names go too, a month after their last use.
    """
    from secondtake_daemon.takes.drawn_shapes import SHAPES, sweep_shapes

    output: Output = context.obj
    limit = _limit()
    freed = _cache().evict(to_bytes=_bytes(to) if to else limit)
    swept = sweep_shapes(Home.find().data / SHAPES, takes=registry_root(), now_s=time.time())
    output.line(f"Removed {freed.objects} objects, {_size(freed.freed_bytes)}; {_size(freed.left_bytes)} are left")
    if swept.files:
        output.line(f"Removed {swept.files} drawn shapes that no take names")
    output.answer(
        _FreedAnswer(
            objects=freed.objects,
            freed_bytes=freed.freed_bytes,
            left_bytes=freed.left_bytes,
            limit_bytes=limit,
            shapes=swept.files,
        )
    )


@app.command()
def verify(context: typer.Context) -> None:
    """Read everything, and remove what is damaged. It is made again when it is needed."""
    from secondtake_daemon.store.keys import FileDigests
    from secondtake_daemon.store.movies import drop_damaged
    from secondtake_daemon.store.patches import is_whole

    output: Output = context.obj
    cache, digests = _cache(), FileDigests()
    patches = cache.patches()
    frames = [frame for movie in cache.movies() for frame in sorted(movie.glob("*.exr"))]
    damaged, done, total = [], 0, len(patches) + len(frames)
    with display(output) as shown:
        for path in (*patches, *frames):
            done += 1
            shown.show("verify", done=done, total=total)
            try:
                if path.suffix == ".exr":
                    is_bad = drop_damaged([path], digests, step=lambda: None) > 0
                else:
                    is_bad = not is_whole(path)
                    if is_bad:
                        path.unlink(missing_ok=True)
            except FileNotFoundError:  # evicted meanwhile
                continue
            if is_bad:
                damaged.append(str(path))
    for name in damaged:
        output.message(f"Damaged, removed: {name}")
    output.line(f"{total} objects read, {len(damaged)} of them damaged and removed")
    output.answer(_VerifiedAnswer(objects=total, damaged=tuple(damaged)))


@app.command()
def pin(context: typer.Context, take: TakeName) -> None:
    """Keep the patches of a take, however long they are not used."""
    from secondtake_daemon.store.cache import MOVIES, patch_name
    from secondtake_daemon.store.pins import Pin
    from secondtake_daemon.store.pins import pin as pin_names

    output: Output = context.obj
    manifest = _manifest(take)
    names = [patch_name(key) for key in manifest.patches if key]
    if not names:
        raise NotFound(f"Take {manifest.take} does not say what it is made of", remedy="Replay it and pin the new one")
    there = sum((Home.find().cache / name).exists() for name in names)
    if manifest.plate.source and manifest.frames:
        names.append(f"{MOVIES}/{Path(manifest.frames[0].plate).parent.name}")
    pin_names(_pins(), Pin(take=manifest.take, shot=manifest.shot, names=tuple(names)))
    keys = sum(1 for key in manifest.patches if key)
    output.line(f"Take {manifest.take} is pinned: {there} of its {keys} patches are in the cache")
    output.answer(_PinAnswer(take=manifest.take, shot=manifest.shot, patches=there))


@app.command()
def unpin(context: typer.Context, take: Annotated[str, typer.Argument(metavar="TAKE")]) -> None:
    """Let the patches of a take go when room is needed."""
    from secondtake_daemon.store.pins import pins
    from secondtake_daemon.store.pins import unpin as let_go

    output: Output = context.obj
    found = next((one for one in pins(_pins()) if one.take == take), None)
    name = found.take if found else _manifest(take).take
    if not let_go(_pins(), name):
        raise NotFound(f"Take {name} is not pinned", remedy="`secondtake cache stats` lists those that are")
    output.line(f"Take {name} is not pinned any more")
    output.answer(_PinAnswer(take=name, shot=found.shot if found else "", patches=0))


def _cache() -> Cache:
    from secondtake_daemon.store.cache import Cache as Opened  # numpy loads only here

    return Opened(Home.find().cache, most_bytes=_limit(), takes=registry_root())


def _limit() -> int:
    return load_settings(Home.find().settings_file).cache_bytes


def _pins() -> Path:
    return Home.find().cache / "pins"


def _manifest(take: str) -> Manifest:
    return load(registry.find(registry_root(), take))


def _bytes(text: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise UsageError(f"'{text}' is no size", remedy="Write it as 10G, 500M or 0")
    return int(float(found[1]) * 1024 ** _UNITS[found[2].upper()])


def _size(size_bytes: int) -> str:
    """As 1.2 GiB."""
    value, unit = float(size_bytes), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def _day(moment_s: float | None) -> str:
    return datetime.fromtimestamp(moment_s).astimezone().strftime("%Y-%m-%d %H:%M") if moment_s is not None else ""
