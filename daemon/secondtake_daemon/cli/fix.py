"""`secondtake fix`: hand a request to the daemon, watch it, say where the take is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from secondtake._version import __version__
from secondtake.client import Client
from secondtake.errors import Cancelled, WorkerCrashed, error_from_body
from secondtake.home import Home
from secondtake.messages import (
    ControlKind,
    FixRequest,
    FixResult,
    JobState,
    JobView,
    Knowledge,
    Operation,
    Proof,
    Quality,
)
from secondtake_daemon.cli.asked import Asked, request_of
from secondtake_daemon.cli.interrupt import CancelOnInterrupt
from secondtake_daemon.cli.knowledge import frames_of, knowledge_line
from secondtake_daemon.cli.output import Answer, Output
from secondtake_daemon.cli.progress import display, said

__all__ = ["CLIENT_NAME", "FixAnswer", "conclude", "fix", "run_fix"]

CLIENT_NAME = f"secondtake-cli/{__version__}"

_Plate = Annotated[
    str | None,
    typer.Argument(help="The shot: sh010.####.exr, one frame, or a movie; with --on or --revise it is known."),
]
_On = Annotated[
    str | None,
    typer.Option(metavar="TAKE", help="Make an edit on top of this take: its id, name or folder."),
]
_Revise = Annotated[
    str | None,
    typer.Option(metavar="TAKE", help="Say this take's own edit again, with an instruction more, from its own plate."),
]
_Matte = Annotated[
    str | None, typer.Option(help="What may change: a sequence, one held image, or keyed shapes (.json).")
]
_Operation = Annotated[
    Operation | None,
    typer.Option(help="What is done inside the matte; the default is remove, or modify with a painted frame."),
]
_References = Annotated[
    list[str] | None,
    typer.Option(metavar="IMAGE[@FRAME]", help="An image to follow; with a frame, that frame as you painted it."),
]
_ReferenceColour = Annotated[
    str | None,
    typer.Option(
        "--reference-colorspace", "--reference-colourspace", help="The references' colour space, whatever they say."
    ),
]
_Motion = Annotated[
    str | None, typer.Option(metavar="VECTORS", help="Blender's Vector pass of the plate: vectors.####.exr.")
]
_Control = Annotated[
    str | None,
    typer.Option(metavar="FRAMES", help="Frames to follow inside the matte: depth.####.exr, lines, a pose."),
]
_ControlKind = Annotated[
    ControlKind | None,
    typer.Option(help="What is followed; scribble and grey can be made of the plate. Restyle follows its lines."),
]
_Frames = Annotated[str | None, typer.Option(metavar="A-B", help="Only these frames; the default is all.")]
_Extend = Annotated[
    list[int] | None,
    typer.Option(
        metavar="N", help="Go on for so many frames after the plate (before it, if negative); may be given twice."
    ),
]
_Colour = Annotated[
    str | None, typer.Option("--colorspace", "--colourspace", help="The plate's colour space, as OCIO calls it.")
]
_Engine = Annotated[
    str | None, typer.Option(help="Who makes the new pixels; see `secondtake engines`. The default is temporal.")
]
_EngineOptions = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="A switch of the engine; may be given many times.")
]
_Quality = Annotated[Quality | None, typer.Option(help="How much time the engine may take; the default is final.")]
_Seed = Annotated[int | None, typer.Option(help="The same seed gives the same bytes; the default is 0.")]
_Grow = Annotated[int | None, typer.Option(metavar="PIXELS", help="Enlarge the matte (negative: shrink it).")]
_Feather = Annotated[int | None, typer.Option(metavar="PIXELS", help="Soften the matte's edge, inward.", min=0)]
_Aovs = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="A layer to write beside the picture: confidence. May be given many times."),
]


class FixAnswer(Answer, frozen=True, kw_only=True):
    """`fix --json`."""

    take: str
    shot: str
    frames: tuple[int, ...]
    files: tuple[str, ...]
    engine: str
    seconds: float
    proof: Proof
    manifest: str
    job: str
    notes: tuple[str, ...]
    knowledge: Knowledge | None = None
    parent: str = ""
    line_proof: Proof | None = None


def fix(
    context: typer.Context,
    plate: _Plate = None,
    *,
    out: Annotated[str, typer.Option(help="Folder for the frames and take.json.")],
    matte: _Matte = None,
    on: _On = None,
    revise: _Revise = None,
    operation: _Operation = None,
    instruction: Annotated[str | None, typer.Option(help="What you want, in words.")] = None,
    reference: _References = None,
    reference_colorspace: _ReferenceColour = None,
    motion: _Motion = None,
    control: _Control = None,
    control_kind: _ControlKind = None,
    frames: _Frames = None,
    extend: _Extend = None,
    colorspace: _Colour = None,
    engine: _Engine = None,
    engine_option: _EngineOptions = None,
    quality: _Quality = None,
    seed: _Seed = None,
    aov: _Aovs = None,
    shot: Annotated[str | None, typer.Option(help="Name of the shot; the default is made of the plate's.")] = None,
    grow: _Grow = None,
    feather: _Feather = None,
    matte_channel: Annotated[str | None, typer.Option(help="The matte's channel that holds coverage.")] = None,
    job: Annotated[
        str | None, typer.Option(help="Id of the job, 32 hex digits; the same id again is the same job.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what it would take, memory and time, and make nothing.")
    ] = False,
    no_start: Annotated[bool, typer.Option("--no-start", help="Do not start a daemon if none runs.")] = False,
) -> None:
    """Change one thing in a shot: a new take, bit-identical to the plate outside the matte."""
    asked = Asked(
        plate=plate, on=on, revise=revise, matte=matte, out=out, operation=operation, instruction=instruction,
        references=reference or None, reference_colourspace=reference_colorspace, motion=motion, control=control,
        control_kind=control_kind, frames=frames, extend=extend or None, colourspace=colorspace, engine=engine,
        engine_options=engine_option or None, quality=quality, seed=seed, aovs=aov or None, shot=shot, grow_px=grow,
        feather_px=feather, matte_channel=matte_channel, job=job,
    )  # fmt: skip
    request = request_of(asked)
    output: Output = context.obj
    if plan:
        from secondtake_daemon.cli.planned import planned  # it reads frames: numpy and the image libraries

        raise typer.Exit(planned(request, home=Home.find(), output=output))
    conclude(run_fix(request, output=output, autostart=not no_start), request.job, output)


def run_fix(request: FixRequest, *, output: Output, autostart: bool) -> FixResult:
    """Submit, show progress, wait. Raises the error the job ended with, or Cancelled.

    The first interrupt cancels the job and goes on waiting for its end, the second one leaves at once.
    """
    with (
        Client.connect(autostart=autostart, client=CLIENT_NAME) as client,
        display(output) as shown,
        CancelOnInterrupt(request.job, output),
    ):
        view = client.submit(request)
        for view in client.watch(request.job):
            shown.show(said(view), done=view.done, total=view.total, frame=view.frame, stage=view.stage)
    return _result(view)


def conclude(result: FixResult, job: str, output: Output) -> None:
    """Say what came of it, in words and as JSON."""
    _say(result, output)
    output.answer(_answer(result, job))


def _result(view: JobView) -> FixResult:
    if view.result is not None:
        return view.result
    if view.error is not None:
        raise error_from_body(view.error)
    if view.state is JobState.CANCELLED:
        raise Cancelled("The job was cancelled")
    raise WorkerCrashed("The job failed without a reason", remedy="Look into the log, see `secondtake doctor`")


def _answer(result: FixResult, job: str) -> FixAnswer:
    return FixAnswer(
        take=result.take,
        shot=result.shot,
        frames=result.frames,
        files=result.files,
        engine=result.engine,
        seconds=result.seconds,
        proof=result.proof,
        manifest=result.manifest,
        job=job,
        notes=result.notes,
        knowledge=result.knowledge,
        parent=result.parent,
        line_proof=result.line_proof,
    )


def _say(result: FixResult, output: Output) -> None:
    count = f"{len(result.frames)} frame{'s' if len(result.frames) != 1 else ''}"
    folder = os.path.relpath(Path(result.manifest).parent)
    folder = folder if not folder.startswith("..") else str(Path(result.manifest).parent)
    on = f" on {result.parent}" if result.parent else ""
    output.line(
        f"Take {result.take} of {result.shot}{on}: {count} in {folder}/ — "
        + (
            f"{result.proof.outside_changed} samples changed outside the matte"
            if result.proof.outside_samples
            else "all of them new"
        )
    )
    if result.line_proof is not None:
        output.line(f"Against the plate, {result.line_proof.outside_changed} outside all mattes of the line")
    if result.knowledge is not None:
        output.line(knowledge_line(result.knowledge, frames_of(result.manifest)))
    for note in result.notes:
        output.line(f"Note: {note}")
