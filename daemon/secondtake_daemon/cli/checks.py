"""What `secondtake doctor` looks at, in order. None of it needs a network, none changes anything that stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from secondtake.errors import SecondTakeError
from secondtake.home import Home
from secondtake_daemon.cli import doctor_daemon, doctor_home, doctor_software
from secondtake_daemon.cli.doctor_check import Check, Health

__all__ = ["all_checks"]

_REPORT = "Please report it with `secondtake doctor --bundle FILE.zip`"


def all_checks(home: Home, *, out: Path | None = None) -> Iterator[Check]:
    """Ask everything, cheapest first. A check that fails itself is a failed check, never an exception.

    out: an output folder to look at too.
    """
    asked: list[tuple[str, Callable[[Home], Iterator[Check]]]] = [
        ("python", doctor_software.python),
        ("settings", doctor_home.settings),
        ("rights", doctor_home.rights),
        ("folders", doctor_home.folders),
        ("space", doctor_home.space),
        ("clock", partial(doctor_home.clock, out=out)),
        ("memory", doctor_software.memory),
        ("socket", doctor_daemon.socket),
        ("lock", doctor_daemon.lock),
        ("daemon", doctor_daemon.daemon),
        ("launcher", doctor_home.launcher),
        ("sandbox", doctor_software.sandbox),
        ("libraries", doctor_software.libraries),
        ("torch", doctor_software.torch),
        ("models", doctor_software.models),
        ("hosts", doctor_software.hosts),
        ("colour", doctor_software.colour),
        ("movies", doctor_software.movies),
    ]
    for name, check in asked:
        try:
            yield from check(home)
        except SecondTakeError as error:
            found = f"{error.message} {error.path}".strip()
            yield Check(name=name, health=Health.FAIL, found=found, remedy=error.remedy or _REPORT)
        except Exception as error:  # noqa: BLE001 — doctor must reach its end on a broken machine
            yield Check(name=name, health=Health.FAIL, found=f"{type(error).__name__}: {error}", remedy=_REPORT)
