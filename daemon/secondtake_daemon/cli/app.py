"""The `secondtake` command: which verbs there are, and how an error ends it.

Nothing heavy is imported here; each verb imports what it needs when it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from secondtake._version import __version__
from secondtake.errors import Cancelled, SecondTakeError, UsageError
from secondtake_daemon.cli import (
    bridge,
    cache,
    clients,
    compare,
    daemon,
    demo,
    doctor,
    export,
    fix,
    generate,
    jobs,
    logs,
    models,
    replay,
    takes,
    tend,
    track,
)
from secondtake_daemon.cli.output import Answer, Output, give_up_pipe
from secondtake_daemon.cli.run import run as run_edit
from secondtake_daemon.cli.spelt_out import spelt_out

__all__ = ["run"]

_EVERYWHERE = (
    "With every verb: --json prints one JSON object as the last line of stdout; --debug shows tracebacks. "
    "Exit codes are listed in docs/cli.md."
)
_SWITCHES = ("--json", "--debug")
_INTERRUPTED = 130
"""What typer makes of ^C."""
# typer names only this one of its usage errors; the others ("no such option", "no such command") are its siblings.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]


class _Version(Answer, frozen=True, kw_only=True):
    version: str


def run(arguments: Sequence[str]) -> int:
    """Run one command; arguments without the program's name. Returns the exit status."""
    rest, switches = _take_switches(arguments)
    output = Output(as_json="--json" in switches, debug="--debug" in switches)
    try:
        status = _app()(args=rest, prog_name="secondtake", standalone_mode=False, obj=output)
    except SecondTakeError as error:
        output.failure(error)
        return error.exit_status
    except _UsageError as error:
        misused = UsageError(_text(error), remedy="`secondtake --help` lists what there is")
        return _failed(output, spelt_out(rest) or misused, error)
    except (KeyboardInterrupt, typer.Abort) as error:
        return _failed(output, Cancelled("Interrupted"), error)
    except BrokenPipeError:
        give_up_pipe()
        return 0
    if status == _INTERRUPTED:
        return _failed(output, Cancelled("Interrupted"), KeyboardInterrupt())
    return status if isinstance(status, int) else 0


def _app() -> typer.Typer:
    app = typer.Typer(
        help="Keep the shot, change one thing: fixes on EXR plates, bit-identical outside the matte.",
        epilog=_EVERYWHERE,
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_root)
    verbs: dict[str, Callable[..., None]] = {
        "fix": fix.fix,
        "generate": generate.generate,
        "track": track.track,
        "bridge": bridge.bridge,
        "run": run_edit,
        "takes": takes.takes,
        "show": takes.show,
        "verify": takes.verify,
        "replay": replay.replay,
        "compare": compare.compare,
        "export": export.export,
        "rename": tend.rename,
        "star": tend.star,
        "unstar": tend.unstar,
        "delete": tend.delete,
        "jobs": jobs.jobs,
        "cancel": jobs.cancel,
        "engines": jobs.engines,
        "logs": logs.logs,
        "doctor": doctor.doctor,
        "demo": demo.demo,
    }
    for name, verb in verbs.items():
        app.command(name, epilog=_EVERYWHERE)(verb)
    app.add_typer(models.app, name="models", epilog=_EVERYWHERE)
    app.add_typer(cache.app, name="cache", epilog=_EVERYWHERE)
    app.add_typer(clients.app, name="clients", epilog=_EVERYWHERE)
    app.add_typer(daemon.app, name="daemon", epilog=_EVERYWHERE)
    return app


def _print_version(context: typer.Context, wanted: bool) -> None:
    if wanted:
        output: Output = context.obj
        output.line(f"secondtake {__version__}")
        output.answer(_Version(version=__version__))
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Stands before every verb."""


def _take_switches(arguments: Sequence[str]) -> tuple[list[str], set[str]]:
    """The switches that hold for every verb may stand anywhere before a lone `--`.

    They are taken out before the rest is parsed, so that a mistake in the rest is answered in JSON too.
    """
    end = list(arguments).index("--") if "--" in arguments else len(arguments)
    found = {argument for argument in arguments[:end] if argument in _SWITCHES}
    rest = [argument for argument in arguments[:end] if argument not in _SWITCHES]
    return [*rest, *arguments[end:]], found


def _text(error: Exception) -> str:
    message: object = getattr(error, "format_message", lambda: str(error))()
    return str(message).replace("\n", " ")


def _failed(output: Output, error: SecondTakeError, cause: BaseException) -> int:
    error.__cause__ = cause
    output.failure(error)
    return error.exit_status
