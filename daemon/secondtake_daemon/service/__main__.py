"""The daemon process: `python -m secondtake_daemon.service`. Imports stay light, so that it is ready at once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from secondtake._version import __version__
from secondtake.errors import SecondTakeError
from secondtake.home import Home
from secondtake_daemon.service.instance import AlreadyRuns
from secondtake_daemon.service.log import Log
from secondtake_daemon.service.loop import Service
from secondtake_daemon.service.owner import Owner
from secondtake_daemon.service.takeover import take_over
from secondtake_daemon.settings import load_settings

__all__ = ["main"]

_DESCRIPTORS = 10_240
"""As many as macOS allows; a connection takes one, and is dropped after five seconds without a handshake."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a daemon in this process until it ends; the exit status.

    If another daemon has the home: 10, or 0 for one that a client started on its own (then that was only a race).
    """
    options = _parser().parse_args(argv)
    try:
        _serve(options.home, owner=options.owner, echo=not options.autostart)
    except AlreadyRuns as error:
        sys.stderr.write(f"{error}\n")
        return 0 if options.autostart else error.exit_status
    except SecondTakeError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m secondtake_daemon.service", description="The Second Take daemon.")
    parser.add_argument("--home", type=Path, default=None, help="root of all folders (else SECONDTAKE_HOME)")
    parser.add_argument("--owner", default="none", help="end when this process ends: PID, PID:STARTTIME, auto, none")
    parser.add_argument("--autostart", action="store_true", help="started by a client: leave quietly if one runs")
    return parser


def _serve(root: Path | None, *, owner: str, echo: bool) -> None:
    home = Home.find(root)
    home.create()
    watched = Owner.parse(owner)
    settings = load_settings(home.settings_file)  # before an older daemon gives way to us
    _allow_many_connections()
    instance = take_over(home)
    try:
        log = Log(
            home.logs / "daemon.log",
            most_bytes=settings.log_bytes,
            most_files=settings.log_files,
            echo=echo,
            always={"version": __version__},
        )
        try:
            Service(home, settings, instance, log, owner=watched).run()
        except SecondTakeError as error:
            log.warning("ended by an error", reason=str(error))
            raise
        except Exception as error:
            log.error("ended by a fault", error)
            raise
    finally:
        instance.release()


def _allow_many_connections() -> None:
    """Raise the limit of open files: libzmq ends the process when a connection comes and no descriptor is left."""
    if sys.platform == "win32":
        return
    import resource

    usual, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if most == resource.RLIM_INFINITY else min(most, _DESCRIPTORS)
    if usual != resource.RLIM_INFINITY and usual < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


if __name__ == "__main__":
    sys.exit(main())
