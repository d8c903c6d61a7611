"""`secondtake takes`, `show` and `verify`: takes on disk. No daemon is needed for any of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from secondtake.errors import ErrorBody, ProofFailed
from secondtake.home import Home
from secondtake_daemon.cli import described, tree
from secondtake_daemon.cli.output import Answer, Output
from secondtake_daemon.cli.progress import display
from secondtake_daemon.takes import registry
from secondtake_daemon.takes.manifest import MANIFEST_NAME, Manifest, load
from secondtake_daemon.takes.notes import read_notes

__all__ = ["TakeName", "check", "registry_root", "show", "takes", "verify"]

TakeName = Annotated[
    str,
    typer.Argument(
        metavar="TAKE", help="Id of the take, or the beginning of it, its name, or the folder that holds take.json."
    ),
]


class _ListedTake(registry.Entry, frozen=True, kw_only=True):
    name: str
    note: str
    starred: bool
    is_gone: bool


class _TakesAnswer(Answer, frozen=True, kw_only=True):
    takes: tuple[_ListedTake, ...]


class _ShowAnswer(Answer, frozen=True, kw_only=True):
    folder: str
    manifest: Manifest
    name: str
    note: str
    starred: bool


class VerifyAnswer(Answer, frozen=True, kw_only=True):
    """`verify --json`, also when the proof does not hold."""

    take: str
    shot: str
    holds: bool
    frames: int
    outside_changed: int
    outside_samples: int
    inside_samples: int
    problems: tuple[str, ...]
    manifest: str
    library: str
    error: ErrorBody | None = None
    line: tuple[str, ...] = ()
    line_changed: int = 0
    line_samples: int = 0


def takes(
    context: typer.Context,
    shot: Annotated[str, typer.Argument(help="Only the takes of this shot.")] = "",
) -> None:
    """Show the takes made here as a tree: below each take those made on it."""
    output: Output = context.obj
    root = registry_root()
    found = registry.entries(root, shot=shot)
    notes = {entry.take: read_notes(root, entry.take) for entry in found}
    if found:
        output.table(tree.HEADER, [tree.row(twig, notes[twig.entry.take]) for twig in tree.grow(found)])
    else:
        output.line(f"There are no takes of {shot} yet." if shot else "There are no takes yet.")
    listed = (
        _ListedTake(
            **{name: getattr(entry, name) for name in registry.Entry.__struct_fields__},
            name=notes[entry.take].name,
            note=notes[entry.take].note,
            starred=notes[entry.take].starred,
            is_gone=not entry.is_there,
        )
        for entry in found
    )
    output.answer(_TakesAnswer(takes=tuple(listed) if output.as_json else ()))


def show(context: typer.Context, take: TakeName) -> None:
    """Show a take in words: what was asked, on what, with what, and what came of it."""
    output: Output = context.obj
    folder = registry.find(registry_root(), take)
    manifest = load(folder)
    notes = read_notes(registry_root(), manifest.take)
    for name, value in described.facts(manifest, folder, notes):
        output.line(f"{name:<12}{value}")
    output.answer(
        _ShowAnswer(folder=str(folder), manifest=manifest, name=notes.name, note=notes.note, starred=notes.starred)
    )


def verify(context: typer.Context, take: TakeName) -> None:
    """Prove again, with a second EXR library, that nothing outside the matte changed."""
    check(registry.find(registry_root(), take), output=context.obj)


def check(folder: Path, *, output: Output) -> None:
    """Verify the take in a folder, and say how it went. Raises ProofFailed if the proof does not hold."""
    from secondtake_daemon.verify import verify as verify_take  # numpy and OpenImageIO load only here

    total, done = len(load(folder).frames), 0
    with display(output) as shown:

        def on_frame(frame: int) -> None:
            nonlocal done
            done += 1
            shown.show("verify", done=done, total=total, frame=frame)

        found = verify_take(folder, on_frame=on_frame)
    error: ProofFailed | None = None
    try:
        found.require()
    except ProofFailed as raised:
        error = raised
    output.answer(
        VerifyAnswer(
            take=found.take,
            shot=found.shot,
            holds=found.holds,
            frames=len(found.frames),
            outside_changed=found.outside_changed,
            outside_samples=found.outside_samples,
            inside_samples=found.inside_samples,
            problems=tuple(problem for frame in found.frames for problem in frame.problems),
            manifest=str(Path(found.folder) / MANIFEST_NAME),
            library=found.library,
            error=error.body() if error else None,
            line=found.line,
            line_changed=found.line_changed,
            line_samples=found.line_samples,
        )
    )
    if error:
        raise error
    output.line(
        f"Take {found.take} of {found.shot} holds: {len(found.frames)} frames, {found.outside_samples:,} samples "
        f"outside the matte read with {found.library}, 0 differ from {found.line[-1] if found.line else 'the plate'}"
    )
    if found.line:
        output.line(f"Its line holds: {found.line_samples:,} samples outside all its mattes, 0 differ from the plate")


def registry_root() -> Path:
    """The folder of the registry of this home."""
    return Home.find().data / "takes"
