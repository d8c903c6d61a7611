"""`secondtake generate`: a shot without a plate."""

from __future__ import annotations

from typing import Annotated

import typer

from secondtake.home import Home
from secondtake.messages import ControlKind, Quality
from secondtake_daemon.cli.asked import Asked, generate_request
from secondtake_daemon.cli.fix import conclude, run_fix
from secondtake_daemon.cli.output import Output

__all__ = ["generate"]


def generate(
    context: typer.Context,
    *,
    size: Annotated[str, typer.Option(metavar="WIDTHxHEIGHT", help="Of the frames, in pixels, as 832x480.")],
    frames: Annotated[str, typer.Option(metavar="A-B", help="Which frames to make, as 1001-1048.")],
    out: Annotated[str, typer.Option(help="Folder for the frames and take.json.")],
    engine: Annotated[str, typer.Option(help="Who makes them; see `secondtake engines`.")],
    fps: Annotated[float | None, typer.Option(help="Frames a second, as 24.")] = None,
    instruction: Annotated[str | None, typer.Option(help="What you want, in words.")] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(metavar="IMAGE[@FRAME]", help="A picture of what is wanted; with a frame, that very frame."),
    ] = None,
    reference_colorspace: Annotated[
        str | None,
        typer.Option("--reference-colorspace", "--reference-colourspace", help="The references' colour space."),
    ] = None,
    control: Annotated[
        str | None, typer.Option(metavar="FRAMES", help="Frames to follow: depth.####.exr, lines, a pose.")
    ] = None,
    control_kind: Annotated[ControlKind | None, typer.Option(help="What these show.")] = None,
    colorspace: Annotated[
        str | None,
        typer.Option("--colorspace", "--colourspace", help="Of the new frames; the default is linear Rec.709."),
    ] = None,
    engine_option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A switch of the engine; may be given many times.")
    ] = None,
    quality: Annotated[
        Quality | None, typer.Option(help="How much time the engine may take; the default is final.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same bytes; the default is 0.")] = None,
    shot: Annotated[str | None, typer.Option(help="Name of the shot; the default is that of the folder.")] = None,
    job: Annotated[
        str | None, typer.Option(help="Id of the job, 32 hex digits; the same id again is the same job.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Say what it would take, memory and time, and make nothing.")
    ] = False,
    no_start: Annotated[bool, typer.Option("--no-start", help="Do not start a daemon if none runs.")] = False,
) -> None:
    """Make a shot without a plate: EXR frames, and a take like any other."""
    asked = Asked(
        out=out, instruction=instruction, references=reference or None, reference_colourspace=reference_colorspace,
        control=control, control_kind=control_kind, frames=frames, colourspace=colorspace, engine=engine,
        engine_options=engine_option or None, quality=quality, seed=seed, shot=shot, job=job,
    )  # fmt: skip
    request = generate_request(asked, size=size, fps=fps)
    output: Output = context.obj
    if plan:
        from secondtake_daemon.cli.planned import planned  # it reads frames: numpy and the image libraries

        raise typer.Exit(planned(request, home=Home.find(), output=output))
    conclude(run_fix(request, output=output, autostart=not no_start), request.job, output)
