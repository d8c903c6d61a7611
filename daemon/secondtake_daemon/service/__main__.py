"""The daemon process: `python -m secondtake_daemon.service`. Imports stay light, so that it is ready at once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from secondtake.errors import SecondTakeError
from secondtake.home import Home
from secondtake_daemon.service.instance import AlreadyRuns, Instance
from secondtake_daemon.service.log import Log
from secondtake_daemon.service.loop import Service
from secondtake_daemon.service.owner import Owner
from secondtake_daemon.settings import load_settings

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a daemon in this process until it ends; the exit status.

    If another daemon has the home: 10, or 0 for one that a client started on its own (then that was only a race).
    """
    options = _parser().parse_args(argv)
    try:
        _serve(options.home, owner_pid=options.owner, echo=not options.autostart)
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
    parser.add_argument("--owner", type=int, default=None, metavar="PID", help="end when this process ends")
    parser.add_argument("--autostart", action="store_true", help="started by a client: leave quietly if one runs")
    return parser


def _serve(root: Path | None, *, owner_pid: int | None, echo: bool) -> None:
    home = Home.find(root)
    home.create()
    owner = Owner.watch(owner_pid) if owner_pid is not None else None
    instance = Instance(home)
    try:
        settings = load_settings(home.settings_file)
        file = home.logs / "daemon.log"
        log = Log(file, most_bytes=settings.log_bytes, most_files=settings.log_files, echo=echo)
        try:
            Service(home, settings, instance, log, owner=owner).run()
        except SecondTakeError as error:
            log.warning("ended by an error", reason=str(error))
            raise
        except Exception as error:
            log.error("ended by a fault", error)
            raise
    finally:
        instance.release()


if __name__ == "__main__":
    sys.exit(main())
