"""`secondtake logs`: what daemon and workers wrote. Every line is escaped before it is printed (`cli.output`)."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from secondtake.home import Home
from secondtake_daemon.cli.log_files import Follower, LogLine, last_lines
from secondtake_daemon.cli.output import Answer, Output

__all__ = ["logs"]

_LOOK_S = 0.2


class _LogsAnswer(Answer, frozen=True, kw_only=True):
    lines: tuple[LogLine, ...]


class _LineAnswer(Answer, frozen=True, kw_only=True):
    line: LogLine


def logs(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with the lines that come, until ^C.")] = False,
    job: Annotated[str, typer.Option(help="Only lines about this job; the beginning of its id is enough.")] = "",
    lines: Annotated[int, typer.Option("--lines", "-n", help="Begin with so many of the last lines.", min=0)] = 50,
) -> None:
    """Show the logs of the daemon and its workers. With --follow and --json each line is one JSON object."""
    output: Output = context.obj
    home = Home.find()
    follower = Follower(home.logs)  # before the last lines are read: none is missed, and a twin is dropped below
    last = last_lines(home.logs, most=lines, job=job) if lines else []
    if not follow:
        for line in last:
            output.line(line.text)
        output.answer(_LogsAnswer(lines=tuple(last)))
        return
    try:
        for line in last:
            _show(line, output)
        while True:
            for line in follower.new_lines():
                if line.is_about(job) and line not in last:
                    _show(line, output)
            time.sleep(_LOOK_S)
    except KeyboardInterrupt:  # the only way to end it, so no error
        return


def _show(line: LogLine, output: Output) -> None:
    output.line(line.text)
    output.answer(_LineAnswer(line=line))
