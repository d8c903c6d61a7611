"""`secondtake rename`, `star`, `unstar` and `delete`: what may be done with a take that is made."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace

from secondtake.client import Client
from secondtake.errors import BadInput, DaemonLost, UsageError
from secondtake_daemon.cli.fix import CLIENT_NAME
from secondtake_daemon.cli.output import Answer, Output
from secondtake_daemon.cli.takes import TakeName, registry_root
from secondtake_daemon.takes import registry
from secondtake_daemon.takes.manifest import Manifest, load
from secondtake_daemon.takes.notes import Notes, read_notes, write_notes
from secondtake_daemon.takes.removal import doomed, remove

__all__ = ["delete", "rename", "star", "unstar"]

_NAME = re.compile(r"\w(?:[\w .-]{0,62}\w)?")
_MOST_NOTE_CHARACTERS = 10_000
_MOST_JOBS = 1000


class _NotesAnswer(Answer, frozen=True, kw_only=True):
    take: str
    shot: str
    name: str
    note: str
    starred: bool


class _Deleted(Answer, frozen=True, kw_only=True):
    take: str
    folder: str
    files: int
    bytes: int


class _DeleteAnswer(Answer, frozen=True, kw_only=True):
    deleted: tuple[_Deleted, ...]


def rename(
    context: typer.Context,
    take: TakeName,
    name: Annotated[str, typer.Argument(help="A name that no other take of the shot has; '' takes the name away.")],
    note: Annotated[str | None, typer.Option(help="A note for people; '' takes it away.")] = None,
) -> None:
    """Name a take, and say something about it."""
    root, manifest = registry_root(), _manifest(take)
    _check_name(root, manifest, name)
    old = read_notes(root, manifest.take)
    if note is not None and len(note) > _MOST_NOTE_CHARACTERS:
        raise UsageError(f"The note has over {_MOST_NOTE_CHARACTERS} characters", remedy="Say it in fewer")
    notes = replace(old, name=name, note=old.note if note is None else note)
    _keep(manifest, notes, output=context.obj)


def star(context: typer.Context, take: TakeName) -> None:
    """Mark a take as a good one."""
    manifest = _manifest(take)
    _keep(manifest, replace(read_notes(registry_root(), manifest.take), starred=True), output=context.obj)


def unstar(context: typer.Context, take: TakeName) -> None:
    """Take a take's mark away."""
    manifest = _manifest(take)
    _keep(manifest, replace(read_notes(registry_root(), manifest.take), starred=False), output=context.obj)


def delete(
    context: typer.Context,
    take: TakeName,
    with_children: Annotated[
        bool, typer.Option("--with-children", help="Delete also the takes that were made on it.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; asked for on a terminal.")] = False,
) -> None:
    """Delete a take: its frames, take.json and what the list knows of it. No other file is touched."""
    output: Output = context.obj
    root = registry_root()
    entry = _entry(take)
    kept = registry.entry(root, entry.take)
    is_copy = kept is not None and kept.folder != entry.folder and registry.holds(kept)
    children = [] if is_copy else registry.children_of(entry.take, registry.entries(root))
    if children and not with_children:
        raise BadInput(
            f"Take {entry.take} is what {_counted(children)} made on: {_listed(children, root)}",
            remedy="Delete those first, or all together with --with-children",
            path=entry.folder,
        )
    going = [doomed(each) for each in (*children, entry)]
    _refuse_used([one.take for one in going])
    for one in going:
        files = f"{len(one.files)} files, {one.size_bytes:,} bytes" if one.files else "nothing on disk"
        output.message(f"Take {one.take} of {one.shot}: {files} in {one.folder}")
    if not (yes or output.as_json) and sys.stdin.isatty():
        raise UsageError("Nothing was deleted", remedy="Give --yes to delete the takes above")
    gone = tuple(
        _Deleted(take=one.take, folder=str(one.folder), files=len(one.files), bytes=one.size_bytes) for one in going
    )
    for one in going:
        remove(one, root=root)
    output.line(f"Deleted {', '.join(one.take for one in going)}")
    output.answer(_DeleteAnswer(deleted=gone))


def _manifest(take: str) -> Manifest:
    return load(registry.find(registry_root(), take))


def _entry(take: str) -> registry.Entry:
    """The take's pointer. A take whose folder is gone can still be taken off the list, by its whole id."""
    root = registry_root()
    lost = [entry for entry in registry.entries(root) if entry.take == take and not entry.is_there]
    if lost:
        return lost[0]
    folder = registry.find(root, take)
    return registry.entry_of(load(folder), folder.absolute())


def _keep(manifest: Manifest, notes: Notes, *, output: Output) -> None:
    root = registry_root()
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_notes(root, manifest.take, notes)
    name = f" — {notes.name}" if notes.name else ""
    output.line(f"{manifest.take} of {manifest.shot}{name}{' *' if notes.starred else ''}")
    output.answer(
        _NotesAnswer(take=manifest.take, shot=manifest.shot, name=notes.name, note=notes.note, starred=notes.starred)
    )


def _check_name(root: Path, manifest: Manifest, name: str) -> None:
    """Raise UsageError for what cannot be a name, BadInput for one that another take of the shot has."""
    if not name:
        return
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"'{name[:100]}' cannot be a take's name",
            remedy="Use letters, digits, spaces, '_', '-' and '.', at most 64, beginning and ending with a letter",
        )
    if registry.looks_like_id(name):
        raise UsageError(f"'{name}' looks like the id of a take", remedy="Choose a name that cannot be one")
    others = [entry for entry in registry.entries(root, shot=manifest.shot) if entry.take != manifest.take]
    for entry in others:
        if name in (entry.take, read_notes(root, entry.take).name):
            raise BadInput(
                f"Take {entry.take} of {manifest.shot} is called '{name}' already", remedy="Choose another name"
            )


def _refuse_used(takes: Sequence[str]) -> None:
    """Raise BadInput if the daemon has a job that works on one of them. Without a daemon nothing works."""
    try:
        with Client.connect(autostart=False, client=CLIENT_NAME) as client:
            views = client.jobs(limit=_MOST_JOBS)
    except DaemonLost:
        return
    for view in views:
        if not view.state.is_final and view.parent in takes:
            raise BadInput(
                f"The job {view.job[:8]} works on take {view.parent} just now",
                remedy="Wait for it, or stop it with `secondtake cancel`",
            )


def _counted(children: Sequence[registry.Entry]) -> str:
    return "1 take was" if len(children) == 1 else f"{len(children)} takes were"


def _listed(children: Sequence[registry.Entry], root: Path) -> str:
    named = ((entry.take, read_notes(root, entry.take).name) for entry in reversed(children))
    return ", ".join(f"{take} ({name})" if name else take for take, name in named)
