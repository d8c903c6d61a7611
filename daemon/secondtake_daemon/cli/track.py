"""`secondtake track`: a matte drawn on one frame, carried through the shot. No daemon is needed."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import FrameType, TracebackType
from typing import Annotated

import typer

from secondtake.errors import Cancelled
from secondtake.frames import FrameSet
from secondtake.home import Home
from secondtake.messages import Quality
from secondtake_daemon.cli.arguments import absolute_path, as_text
from secondtake_daemon.cli.output import Answer, Output
from secondtake_daemon.cli.progress import Display, display
from secondtake_daemon.images.sequences import shot_name

__all__ = ["TrackAnswer", "track"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class TrackAnswer(Answer, frozen=True, kw_only=True):
    """`track --json`."""

    shot: str
    frames: tuple[int, ...]
    files: tuple[str, ...]
    drawn: tuple[int, ...]
    confidence: dict[int, float]
    worst: tuple[int, ...]
    seconds: float
    manifest: str
    notes: tuple[str, ...]


def track(
    context: typer.Context,
    matte: Annotated[
        str, typer.Argument(metavar="MATTE[@FRAME]", help="The drawn frame: roto.1012.exr, roto.png@1012, shapes.json.")
    ],
    plate: Annotated[str, typer.Argument(help="The shot: sh010.####.exr, one frame, or a movie.")],
    out: Annotated[str, typer.Option(help="Folder for the mattes and track.json.")],
    also: Annotated[
        list[str] | None,
        typer.Option(metavar="MATTE[@FRAME]", help="One more drawn frame, as a correction; may be given many times."),
    ] = None,
    frames: Annotated[str, typer.Option(metavar="A-B", help="Only these frames; the default is all.")] = "",
    matte_channel: Annotated[str, typer.Option(help="The matte's channel that holds coverage.")] = "",
    colorspace: Annotated[
        str, typer.Option("--colorspace", "--colourspace", help="The plate's colour space, as OCIO calls it.")
    ] = "",
    quality: Annotated[Quality, typer.Option(help="How finely motion is measured.")] = Quality.FINAL,
    shot: Annotated[str, typer.Option(help="Name of the shot; the default is made of the plate's.")] = "",
) -> None:
    """Carry a matte drawn on one or a few frames through the shot."""
    from secondtake_daemon.tracking import request as asked  # numpy and the image libraries load only here
    from secondtake_daemon.tracking.track import track as track_mattes

    output: Output = context.obj
    request = asked.TrackRequest(
        shot=as_text("--shot", shot) or shot_name(plate),
        plate=absolute_path(plate),
        drawn=tuple(asked.parse_drawn(absolute_path(text)) for text in (matte, *(also or ()))),
        out=Path(absolute_path(out)),
        frames=FrameSet.parse(frames) if frames else None,
        matte_channel=as_text("--matte-channel", matte_channel),
        colourspace=as_text("--colorspace", colorspace),
        quality=quality,
    )
    with display(output) as shown, _Watch(shown) as watch:
        found = track_mattes(request, cache=Home.find().cache, watcher=watch)
    record = found.record
    sure = {one.frame: one.confidence for one in record.frames}
    drawn = f"drawn: {FrameSet(found.drawn)}"
    least = ", ".join(f"{frame} ({sure[frame]:.2f})" for frame in found.worst)
    output.line(
        f"{len(record.frames)} mattes of {record.shot} in {_short(found.folder)}/ — {drawn}"
        + (f"; least sure: {least}" if least else "")
    )
    for note in record.notes:
        output.line(f"Note: {note}")
    output.answer(
        TrackAnswer(
            shot=record.shot,
            frames=tuple(sure),
            files=found.files,
            drawn=found.drawn,
            confidence=sure,
            worst=found.worst,
            seconds=found.seconds,
            manifest=str(found.manifest),
            notes=record.notes,
        )
    )


class _Watch:
    """Shows progress. ^C (or SIGTERM) ends the work at once, except while the files take their places."""

    def __init__(self, shown: Display) -> None:
        self._shown = shown
        self._is_held = False
        self._was_asked = False
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> _Watch:
        self._before = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal returned it takes again

    def show(self, what: str, *, done: int = 0, total: int = 0, frame: int | None = None) -> None:
        self._shown.show(what, done=done, total=total, frame=frame)
        self.step()

    def step(self) -> None:
        if self._was_asked and not self._is_held:
            raise Cancelled("Interrupted")

    def hold(self) -> None:
        self.step()
        self._is_held = True

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        again, self._was_asked = self._was_asked, True
        if not (again or self._is_held):  # a second one would interrupt the tidying up
            raise Cancelled("Interrupted")


def _short(folder: Path) -> str:
    short = os.path.relpath(folder)
    return short if not short.startswith("..") else str(folder)
