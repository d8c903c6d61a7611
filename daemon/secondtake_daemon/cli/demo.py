"""`secondtake demo`: fix a real shot, prove it, and show before and after."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Annotated

import typer

from secondtake.errors import NotFound
from secondtake.messages import FixRequest, FixResult, Operation
from secondtake_daemon.cli.fix import run_fix
from secondtake_daemon.cli.output import Answer, Output
from secondtake_daemon.cli.takes import check

__all__ = ["demo"]

_SHOT_FOLDER = Path(__file__).parents[3] / "demo" / "shot"
"""Beside a checkout's packages; an installed wheel does not bring it."""
_FRAMES = "sh010.####.exr"
_SHEET = "before-after.png"
_MOVIE = "before-after.mp4"


class _DemoAnswer(Answer, frozen=True, kw_only=True):
    take: str
    manifest: str
    sheet: str
    movie: str
    seconds: float


def demo(
    context: typer.Context,
    out: Annotated[str, typer.Option(help="Folder for everything the demo makes.")] = "secondtake-demo",
    shot_folder: Annotated[
        str, typer.Option(help="A folder with plate/sh010.####.exr and matte/sh010.####.exr.")
    ] = str(_SHOT_FOLDER),
) -> None:
    """Remove somebody from a shot, verify the take, and write a before/after picture and movie."""
    from secondtake_daemon.cli import sheet  # numpy and the image libraries load only here

    output: Output = context.obj
    request = _request(Path(shot_folder), Path(out))
    output.message(f"Fixing {request.plate}")
    result = run_fix(request, output=output, autostart=True)
    folder = Path(result.manifest).parent
    output.line(f"Take {result.take}: {len(result.frames)} frames in {folder}/, made in {result.seconds:.1f} s")
    check(folder, output=Output(as_json=False, debug=output.debug, stdout=output.stderr))
    pairs = sheet.load_pairs(folder)
    sheet.write_sheet(pairs, folder / _SHEET)
    sheet.write_movie(pairs, folder / _MOVIE)
    output.line(f"Look at {folder / _SHEET}")
    output.line(f"     and {folder / _MOVIE}")
    output.answer(_answer(result, folder))


def _request(shot: Path, out: Path) -> FixRequest:
    plate, matte = (Path(os.path.abspath(shot)) / name / _FRAMES for name in ("plate", "matte"))  # noqa: PTH100
    if not plate.parent.is_dir():
        remedy = "Run it in a checkout of Second Take, or give --shot-folder"
        raise NotFound("The demo shot is not here", remedy=remedy, path=plate.parent)
    return FixRequest(
        job=uuid.uuid4().hex,
        shot="sh010",
        plate=str(plate),
        matte=str(matte),
        out=str(_next_folder(Path(os.path.abspath(out)))),  # noqa: PTH100
        operation=Operation.REMOVE,
    )


def _next_folder(root: Path) -> Path:
    """`take-1`, or the first number that is not there: a take is never written over."""
    number = 1
    while (root / f"take-{number}").exists():
        number += 1
    return root / f"take-{number}"


def _answer(result: FixResult, folder: Path) -> _DemoAnswer:
    return _DemoAnswer(
        take=result.take,
        manifest=result.manifest,
        sheet=str(folder / _SHEET),
        movie=str(folder / _MOVIE),
        seconds=result.seconds,
    )
