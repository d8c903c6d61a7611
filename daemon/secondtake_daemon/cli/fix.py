"""`secondtake fix`: hand a request to the daemon, watch it, say where the take is."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from secondtake._version import __version__
from secondtake.client import Client
from secondtake.errors import Cancelled, UsageError, WorkerCrashed, error_from_body
from secondtake.frames import FrameSet
from secondtake.messages import FixRequest, FixResult, JobState, JobView, Operation, Proof, Quality, Reference
from secondtake_daemon.cli.interrupt import CancelOnInterrupt
from secondtake_daemon.cli.output import Answer, Output
from secondtake_daemon.cli.progress import display, words
from secondtake_daemon.images.sequences import shot_name

__all__ = ["CLIENT_NAME", "FixAnswer", "fix", "run_fix"]

CLIENT_NAME = f"secondtake-cli/{__version__}"
_JOB_ID = re.compile(r"[0-9a-f]{32}")


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


def fix(
    context: typer.Context,
    plate: Annotated[str, typer.Argument(help="The shot: sh010.####.exr, one frame, or a movie.")],
    matte: Annotated[str, typer.Option(help="What may change: a sequence, one held image, or keyed shapes (.json).")],
    out: Annotated[str, typer.Option(help="Folder for the frames and take.json.")],
    operation: Annotated[Operation, typer.Option(help="What is done inside the matte.")] = Operation.REMOVE,
    instruction: Annotated[str, typer.Option(help="What you want, in words.")] = "",
    reference: Annotated[
        list[str] | None,
        typer.Option(metavar="IMAGE[@FRAME]", help="An image to follow; with a frame, that frame as you painted it."),
    ] = None,
    frames: Annotated[str, typer.Option(metavar="A-B", help="Only these frames; the default is all.")] = "",
    colorspace: Annotated[
        str, typer.Option("--colorspace", "--colourspace", help="The plate's colour space, as OCIO calls it.")
    ] = "",
    engine: Annotated[str, typer.Option(help="Who makes the new pixels; see `secondtake engines`.")] = "temporal",
    engine_option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A switch of the engine; may be given many times.")
    ] = None,
    quality: Annotated[Quality, typer.Option(help="How much time the engine may take.")] = Quality.FINAL,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    shot: Annotated[str, typer.Option(help="Name of the shot; the default is made of the plate's.")] = "",
    grow: Annotated[int, typer.Option(metavar="PIXELS", help="Enlarge the matte (negative: shrink it).")] = 0,
    feather: Annotated[int, typer.Option(metavar="PIXELS", help="Soften the matte's edge, inward.", min=0)] = 0,
    matte_channel: Annotated[str, typer.Option(help="The matte's channel that holds coverage.")] = "",
    job: Annotated[str, typer.Option(help="Id of the job, 32 hex digits; the same id again is the same job.")] = "",
    no_start: Annotated[bool, typer.Option("--no-start", help="Do not start a daemon if none runs.")] = False,
) -> None:
    """Change one thing in a shot: a new take, bit-identical to the plate outside the matte."""
    request = FixRequest(
        job=_job_id(job),
        shot=_text("--shot", shot) or shot_name(plate),
        plate=_absolute(plate),
        matte=_absolute(matte),
        out=_absolute(out),
        operation=operation,
        instruction=_text("--instruction", instruction),
        references=tuple(map(_reference, reference or ())),
        frames=str(FrameSet.parse(frames)) if frames else "",
        colourspace=_text("--colorspace", colorspace),
        ocio=_configuration(os.environ.get("OCIO", "")),
        matte_channel=_text("--matte-channel", matte_channel),
        grow_px=grow,
        feather_px=feather,
        engine=_text("--engine", engine),
        engine_options=_options(engine_option or ()),
        quality=quality,
        seed=seed,
    )
    output: Output = context.obj
    result = run_fix(request, output=output, autostart=not no_start)
    _say(result, output)
    output.answer(_answer(result, request.job))


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
            shown.show(words(view), done=view.done, total=view.total, frame=view.frame)
    return _result(view)


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
    )


def _say(result: FixResult, output: Output) -> None:
    count = f"{len(result.frames)} frame{'s' if len(result.frames) != 1 else ''}"
    folder = os.path.relpath(Path(result.manifest).parent)
    folder = folder if not folder.startswith("..") else str(Path(result.manifest).parent)
    output.line(
        f"Take {result.take} of {result.shot}: {count} in {folder}/ — "
        f"{result.proof.outside_changed} samples changed outside the matte"
    )
    for note in result.notes:
        output.line(f"Note: {note}")


def _job_id(text: str) -> str:
    if text and not _JOB_ID.fullmatch(text):
        raise UsageError(f"'{text}' is no job id", remedy="Give --job 32 hex digits, or leave it out")
    return text or uuid.uuid4().hex


def _configuration(ocio: str) -> str:
    """What $OCIO means here, for a worker that runs elsewhere: a built-in name (`ocio://…`), or an absolute path."""
    return ocio if not ocio or "://" in ocio else _absolute(ocio)


def _absolute(path: str) -> str:
    if not path:
        raise UsageError("A path is empty", remedy="Check what was meant to be there")
    # Not resolve(): a link to the footage store keeps the name that the artist knows.
    return os.path.abspath(os.path.expanduser(_text("The path", path)))  # noqa: PTH100, PTH111


def _text(what: str, text: str) -> str:
    """Text as it can travel: a message is UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(f"{what} holds bytes that are no UTF-8", remedy="Rename it", path=text) from None
    return text


def _reference(text: str) -> Reference:
    image, at, frame = text.rpartition("@")
    if at and re.fullmatch(r"-?\d+", frame) and not Path(text).exists():
        return Reference(path=_absolute(image), frame=int(frame))
    return Reference(path=_absolute(text))


def _options(texts: Sequence[str]) -> dict[str, str]:
    options = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise UsageError(f"'{text}' is no engine option", remedy="Write it as NAME=VALUE")
        options[name] = _text("--engine-option", value)
    return options
