"""`secondtake takes`, `show` and `verify`: takes on disk. No daemon is needed for any of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from secondtake.errors import ErrorBody, ProofFailed
from secondtake.frames import FrameSet
from secondtake.home import Home
from secondtake_daemon.cli.output import Answer, Output
from secondtake_daemon.cli.progress import display
from secondtake_daemon.takes import registry
from secondtake_daemon.takes.manifest import MANIFEST_NAME, Manifest, load

__all__ = ["check", "show", "takes", "verify"]

_Take = Annotated[str, typer.Argument(metavar="TAKE|DIR", help="Id of the take, or the folder that holds take.json.")]


class _TakesAnswer(Answer, frozen=True, kw_only=True):
    takes: tuple[registry.Entry, ...]


class _ShowAnswer(Answer, frozen=True, kw_only=True):
    folder: str
    manifest: Manifest


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


def takes(
    context: typer.Context,
    shot: Annotated[str, typer.Argument(help="Only the takes of this shot.")] = "",
) -> None:
    """List the takes made here, newest first."""
    output: Output = context.obj
    found = registry.entries(_root(), shot=shot)
    rows = [
        (entry.take, entry.shot, entry.frames, entry.engine, entry.made, entry.folder if entry.is_there else "(gone)")
        for entry in found
    ]
    if rows:
        output.table(("TAKE", "SHOT", "FRAMES", "ENGINE", "MADE", "FOLDER"), rows)
    else:
        output.line(f"There are no takes of {shot} yet." if shot else "There are no takes yet.")
    output.answer(_TakesAnswer(takes=tuple(found)))


def show(context: typer.Context, take: _Take) -> None:
    """Show a take: what it was made from, how, and its proof."""
    output: Output = context.obj
    folder = registry.find(_root(), take)
    manifest = load(folder)
    for name, value in _facts(manifest, folder):
        output.line(f"{name:<12}{value}")
    output.answer(_ShowAnswer(folder=str(folder), manifest=manifest))


def verify(context: typer.Context, take: _Take) -> None:
    """Prove again, with a second EXR library, that nothing outside the matte changed."""
    check(registry.find(_root(), take), output=context.obj)


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
        )
    )
    if error:
        raise error
    output.line(
        f"Take {found.take} of {found.shot} holds: {len(found.frames)} frames, {found.outside_samples:,} samples "
        f"outside the matte read with {found.library}, 0 differ from the plate"
    )


def _facts(manifest: Manifest, folder: Path) -> list[tuple[str, str]]:
    request, plate, matte = manifest.request, manifest.plate, manifest.matte
    assumed = " (assumed: the file has no tag)" if plate.colourspace_assumed else ""
    numbers = FrameSet(record.frame for record in manifest.frames)
    facts = [
        ("take", manifest.take),
        ("shot", manifest.shot),
        ("made", f"{manifest.made} in {manifest.seconds:.1f} s by {manifest.software}"),
        ("folder", str(folder)),
        ("frames", f"{len(numbers)}: {numbers}"),
        ("plate", plate.source or plate.name),
        ("colour", plate.colourspace + assumed),
        ("matte", f"{matte.name} (grow {matte.grow_px} px, feather {matte.feather_px} px)"),
        ("operation", request.operation.value),
        ("engine", f"{manifest.engine.name} {manifest.engine.version}, seed {request.seed}"),
        ("proof", f"{manifest.proof.outside_changed} of {manifest.proof.outside_samples:,} samples changed outside"),
    ]
    if request.instruction:
        facts.append(("instruction", request.instruction))
    return facts + [("note", note) for note in manifest.notes]


def _root() -> Path:
    return Home.find().data / "takes"
