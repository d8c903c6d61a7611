"""`secondtake export`: a take handed on, whole or as layers for a compositor. No daemon is needed."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from secondtake.errors import UsageError
from secondtake.frames import FrameSet
from secondtake_daemon.cli.compare import ended_by_signals, folder_of
from secondtake_daemon.cli.output import Answer, Output
from secondtake_daemon.cli.progress import display
from secondtake_daemon.cli.takes import TakeName, registry_root
from secondtake_daemon.takes import registry
from secondtake_daemon.takes.manifest import load

__all__ = ["export"]


class _Form(str, Enum):
    FULL = "full"
    LAYERS = "layers"


class _ExportAnswer(Answer, frozen=True, kw_only=True):
    take: str
    shot: str
    form: str
    folder: str
    files: tuple[str, ...]
    lost: tuple[int, ...]


def export(
    context: typer.Context,
    take: TakeName,
    out: Annotated[str, typer.Option(help="A folder that is empty, or not there yet.")],
    form: Annotated[
        _Form, typer.Option("--as", help="The frames as they are, or a patch and a matte for each.")
    ] = _Form.FULL,
) -> None:
    """Hand a take on: its frames byte for byte with their proof, or as layers to blend again."""
    output: Output = context.obj
    if not out:
        raise UsageError("--out is empty", remedy="Give a folder")
    source, folder = registry.find(registry_root(), take), folder_of(out)
    manifest = load(source)
    from secondtake_daemon.review.export import export_full  # numpy and the image libraries load only here
    from secondtake_daemon.review.layers import export_layers

    lost: tuple[int, ...] = ()
    with ended_by_signals(), display(output) as shown:

        def on_frame(done: int, total: int, frame: int) -> None:
            shown.show("export", done=done, total=total, frame=frame)

        if form is _Form.FULL:
            files = export_full(source, folder, on_frame=on_frame)
        else:
            written = export_layers(source, folder, on_frame=on_frame)
            files, lost = written.files, written.lost
    output.line(f"Take {manifest.take} of {manifest.shot}: {len(files)} files in {folder}")
    if lost:
        output.line(
            f"The plate has values that are no numbers inside the matte of frames {FrameSet(lost)}: there the patch is "
            "the take's own, and has to be laid in by its matte, not over"
        )
    output.answer(
        _ExportAnswer(
            take=manifest.take, shot=manifest.shot, form=form.value, folder=str(folder), files=files, lost=lost
        )
    )
