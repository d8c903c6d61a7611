"""Takes on disk, as the command line lists them. No daemon is needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from secondtake.home import Home
from secondtake_daemon.bridge.answers import ListedTake, NotesAnswer, ShownTake, TakesAnswer, pattern_of
from secondtake_daemon.store.io import make_folders
from secondtake_daemon.takes import registry
from secondtake_daemon.takes.manifest import Manifest, load
from secondtake_daemon.takes.notes import read_notes, write_notes

__all__ = ["find", "show", "star", "takes", "thumbnail_path", "thumbnails"]


def takes(home: Home, *, shot: str) -> TakesAnswer:
    """All takes of a shot (or all), each below the one it was made on."""
    root = home.data / "takes"
    pictures = thumbnails(home)
    listed = []
    for entry, depth in _tree(registry.entries(root, shot=shot)):
        notes = read_notes(root, entry.take)
        listed.append(
            ListedTake(
                take=entry.take,
                shot=entry.shot,
                name=notes.name,
                note=notes.note,
                starred=notes.starred,
                is_gone=not entry.is_there,
                parent=entry.parent,
                revises=entry.revises,
                depth=depth,
                made=entry.made,
                folder=entry.folder,
                frames=entry.frames,
                engine=entry.engine,
                operation=entry.operation,
                instruction=entry.instruction,
                knowledge=entry.knowledge,
                thumbnail=pictures.get(entry.take, ""),
            )
        )
    return TakesAnswer(takes=tuple(listed))


def find(home: Home, take: str) -> tuple[Manifest, Path]:
    """The take that is meant, and its folder. Raises NotFound, BadInput, Incompatible."""
    folder = registry.find(home.data / "takes", take).absolute()
    return load(folder), folder


def show(home: Home, take: str) -> ShownTake:
    """One take. Raises as `find`."""
    manifest, folder = find(home, take)
    notes = read_notes(home.data / "takes", manifest.take)
    names = tuple(record.file for record in manifest.frames)
    return ShownTake(
        take=manifest.take,
        shot=manifest.shot,
        name=notes.name,
        note=notes.note,
        starred=notes.starred,
        folder=str(folder),
        pattern=pattern_of(names),
        frames=tuple(record.frame for record in manifest.frames),
        files=names,
        plate=manifest.root_name,
        colourspace=manifest.plate.colourspace,
        colourspace_assumed=manifest.plate.colourspace_assumed,
        parent=manifest.parent,
        revises=manifest.revises,
        line=manifest.line,
        instructions=manifest.instructions or tuple(filter(None, [manifest.request.instruction])),
        engine=manifest.engine.name,
        made=manifest.made,
        seconds=manifest.seconds,
        proof=manifest.proof,
        line_proof=manifest.line_proof,
        knowledge=manifest.knowledge,
        figures=manifest.figures,
        notes=manifest.notes,
        thumbnail=thumbnails(home).get(manifest.take, ""),
        request=manifest.request,
    )


def star(home: Home, take: str, *, starred: bool) -> NotesAnswer:
    """Mark a take, or take the mark away. Raises as `find`, and DiskError."""
    manifest, _ = find(home, take)
    root = home.data / "takes"
    notes = replace(read_notes(root, manifest.take), starred=starred)
    make_folders(root, mode=0o700)
    write_notes(root, manifest.take, notes)
    return NotesAnswer(take=manifest.take, shot=manifest.shot, name=notes.name, note=notes.note, starred=notes.starred)


def thumbnail_path(home: Home, *, take: str, frame: int, width_px: int) -> Path:
    """Where the picture of a frame lies, there or not. A take never changes, so neither does its picture."""
    return home.cache / "thumbnails" / f"{take}.{frame}.{width_px}.png"


def thumbnails(home: Home) -> dict[str, str]:
    """One picture of each take that has some, by take."""
    folder = home.cache / "thumbnails"
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError:
        return {}
    return {name.partition(".")[0]: str(folder / name) for name in names if name.endswith(".png")}


def _tree(entries: Sequence[registry.Entry]) -> Iterator[tuple[registry.Entry, int]]:
    """entries: newest first. The tree with the newest take of a shot comes first; on a take its takes, oldest first."""
    known = {entry.take for entry in entries}
    on: dict[str, list[registry.Entry]] = {}
    for entry in entries:
        on.setdefault(entry.parent if entry.parent in known and entry.parent != entry.take else "", []).append(entry)
    roots = on.get("", [])
    shots = {shot: at for at, shot in enumerate(dict.fromkeys(entry.shot for entry in entries))}
    waiting = [(entry, 0) for entry in sorted(roots, key=lambda entry: shots[entry.shot], reverse=True)]
    while waiting:
        entry, depth = waiting.pop()
        yield entry, depth
        waiting += [(child, depth + 1) for child in on.get(entry.take, ())]
