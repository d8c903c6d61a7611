"""`secondtake compare`: two takes of a shot, or a take and its plate. No daemon is needed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from secondtake.errors import UsageError
from secondtake.frames import FrameSet
from secondtake_daemon.cli.output import Answer, Output
from secondtake_daemon.cli.progress import display
from secondtake_daemon.cli.takes import registry_root
from secondtake_daemon.takes import registry

if TYPE_CHECKING:
    from secondtake_daemon.review.compare import FrameDifference

__all__ = ["compare", "ended_by_signals", "folder_of"]

_PLATE = "plate"
_Named = Annotated[str, typer.Argument(help="A take, by whatever names it; or 'plate', for one of the two.")]


class _CompareAnswer(Answer, frozen=True, kw_only=True):
    a: str
    b: str
    frames: tuple[FrameDifference, ...]
    only_a: tuple[int, ...]
    only_b: tuple[int, ...]
    differing: tuple[int, ...]
    worst: int | None
    sheet: str
    wipe: str


def compare(
    context: typer.Context,
    a: _Named,
    b: _Named,
    out: Annotated[str | None, typer.Option(help="Folder for a contact sheet (PNG) and a wipe (MP4).")] = None,
) -> None:
    """Say where two takes of a shot differ, by how much, and whether one would see it."""
    output: Output = context.obj
    if out == "":
        raise UsageError("--out is empty", remedy="Give a folder, or leave it out")
    folders = [None if name == _PLATE else registry.find(registry_root(), name) for name in (a, b)]
    from secondtake_daemon.review.compare import (
        compare as compare_takes,
    )  # numpy and the image libraries load only here
    from secondtake_daemon.review.sides import open_pair

    pair = open_pair(*folders)
    with ended_by_signals(), display(output) as shown:
        found = compare_takes(
            pair,
            out=folder_of(out) if out else None,
            on_frame=lambda what, done, total, frame: shown.show(what, done=done, total=total, frame=frame),
        )
    only_a, only_b = (
        tuple(frame for frame in one.files if frame not in other.files)
        for one, other in ((pair.a, pair.b), (pair.b, pair.a))
    )
    _say(output, found.frames)
    for label, only in ((pair.a.label, only_a), (pair.b.label, only_b)):
        if only:
            output.line(f"Only {label} has {FrameSet(only)}")
    worst = f"; most in frame {found.worst}" if found.worst is not None else ""
    output.line(
        f"{pair.a.label} and {pair.b.label} differ in {len(found.differing)} of {len(found.frames)} frames{worst}"
    )
    for path in filter(None, (found.sheet, found.wipe)):
        output.line(f"Look at {path}")
    output.answer(
        _CompareAnswer(
            a=pair.a.label,
            b=pair.b.label,
            frames=found.frames,
            only_a=only_a,
            only_b=only_b,
            differing=found.differing,
            worst=found.worst,
            sheet=found.sheet,
            wipe=found.wipe,
        )
    )


def folder_of(out: str) -> Path:
    """Where --out lies, whatever the working folder becomes."""
    return Path(os.path.abspath(os.path.expanduser(out)))  # noqa: PTH100, PTH111 — as `fix` does


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM counts as ^C: what is half-written goes."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say(output: Output, frames: tuple[FrameDifference, ...]) -> None:
    rows = [
        (
            one.frame,
            f"{one.differing:,}",
            f"{one.outside:,}",
            f"{one.maximum:.4g}",
            f"{one.mean:.4g}",
            "same" if one.psnr_db is None else f"{one.psnr_db:.1f} dB",
        )
        for one in frames
    ]
    output.table(("frame", "samples that differ", "outside", "most", "mean", "on the display"), rows)
