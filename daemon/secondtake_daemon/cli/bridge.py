"""`secondtake bridge`: what a host's plugin talks to. People need it only to write the launcher file."""

from __future__ import annotations

import sys
from typing import Annotated

import msgspec
import typer

from secondtake.endpoint import write_private
from secondtake.errors import DiskError
from secondtake.home import Home
from secondtake.launch import Launcher
from secondtake_daemon.cli.output import Answer, Output

__all__ = ["bridge"]


class _InstallAnswer(Answer, frozen=True, kw_only=True):
    launcher: str
    python: str


def bridge(
    context: typer.Context,
    install: Annotated[
        bool, typer.Option("--install", help="Write the launcher file, with which plugins find this, and leave.")
    ] = False,
) -> None:
    """Serve a host's plugin: JSON lines on stdin and stdout, until stdin closes (docs/bridge.md)."""
    if not install:
        from secondtake_daemon.bridge.__main__ import main

        main()
    home, output = Home.find(), context.obj
    assert isinstance(output, Output)
    home.create()
    try:
        write_private(home.launcher_file, msgspec.json.encode(Launcher(python=sys.executable)))
    except OSError as error:
        raise DiskError(
            f"The launcher file cannot be written ({error.strerror})",
            remedy="Look at its folder",
            path=home.launcher_file,
        ) from error
    output.line(f"{home.launcher_file} names {sys.executable}")
    output.answer(_InstallAnswer(launcher=str(home.launcher_file), python=sys.executable))
