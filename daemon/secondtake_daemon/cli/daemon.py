"""`secondtake daemon run|start|stop|status`."""

from __future__ import annotations

from typing import Annotated

import typer

from secondtake.client import Client
from secondtake.endpoint import find_daemon
from secondtake.errors import DaemonLost
from secondtake.home import Home
from secondtake.launch import ensure_daemon
from secondtake.messages import StatusReply
from secondtake_daemon.cli.fix import CLIENT_NAME
from secondtake_daemon.cli.output import Answer, Output

__all__ = ["app"]

app = typer.Typer(help="The daemon: it starts by itself when it is needed.", no_args_is_help=True)


class _StatusAnswer(Answer, frozen=True, kw_only=True):
    status: StatusReply


class _RunAnswer(Answer, frozen=True, kw_only=True):
    exit_status: int


class _StopAnswer(Answer, frozen=True, kw_only=True):
    stopped: bool
    """False if none ran."""


_OwnerOption = Annotated[
    str,
    typer.Option(
        metavar="PID[:STARTTIME]|auto|none",
        help="End with this process; auto: with this shell, or the program that started this session.",
    ),
]


@app.command()
def run(context: typer.Context, owner: _OwnerOption = "none") -> None:
    """Run the daemon in the foreground, until it is told to stop."""
    from secondtake_daemon.service.__main__ import main

    status = main(["--owner", owner])
    output: Output = context.obj
    output.answer(_RunAnswer(exit_status=status))
    raise typer.Exit(status)


@app.command()
def start(context: typer.Context, owner: _OwnerOption = "none") -> None:
    """Start the daemon in the background, unless it runs already (with the owner it has, or none)."""
    from secondtake_daemon.service.owner import Owner

    watched = Owner.parse(owner)
    if watched is not None:
        ensure_daemon(Home.find(), owner_pid=watched.pid)
        watched.close()
    with Client.connect(client=CLIENT_NAME) as client:
        _say(client.status(), context.obj)


@app.command()
def status(context: typer.Context) -> None:
    """Say how the daemon is. Exit code 10 if none runs."""
    with Client.connect(autostart=False, client=CLIENT_NAME) as client:
        _say(client.status(), context.obj)


@app.command()
def stop(
    context: typer.Context,
    drain: Annotated[bool, typer.Option("--drain", help="Let running jobs end first.")] = False,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="Wait so long for its end.", min=0.1)] = 30.0,
) -> None:
    """End the daemon. Running jobs go on where they were when it starts again."""
    output: Output = context.obj
    runs = find_daemon(Home.find()) is not None
    if runs:
        try:
            with Client.connect(autostart=False, client=CLIENT_NAME) as client:
                client.stop(drain=drain, timeout_s=timeout)
        except DaemonLost:
            if find_daemon(Home.find()) is not None:
                raise
    output.line("The daemon has stopped." if runs else "No daemon runs.")
    output.answer(_StopAnswer(stopped=runs))


def _say(reply: StatusReply, output: Output) -> None:
    output.line(f"Daemon {reply.version}, pid {reply.pid}, up {_duration(reply.uptime_s)}, {reply.rss_bytes >> 20} MiB")
    output.line(f"jobs      {reply.queued} queued, {reply.running} running, {reply.finished} finished")
    for worker in reply.workers:
        output.line(f"worker    pid {worker.pid} {worker.state}{f', job {worker.job[:8]}' if worker.job else ''}")
    output.line(f"clients   {reply.clients}")
    output.line(f"home      {reply.home}")
    for endpoint in reply.endpoints:
        output.line(f"listens   {endpoint}")
    if reply.condition:
        output.line(f"condition {reply.condition}")
    output.answer(_StatusAnswer(status=reply))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
