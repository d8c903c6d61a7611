"""`secondtake doctor`: why does it not work here? A report to read, or to paste."""

from __future__ import annotations

import typer

from secondtake.errors import BadInput
from secondtake.home import Home
from secondtake_daemon.cli.checks import Check, Health, all_checks
from secondtake_daemon.cli.output import Answer, Output

__all__ = ["doctor"]

_MARKS = {Health.OK: "ok", Health.WARN: "warn", Health.FAIL: "FAIL"}


class _DoctorAnswer(Answer, frozen=True, kw_only=True):
    healthy: bool
    checks: tuple[Check, ...]


def doctor(context: typer.Context) -> None:
    """Look at everything Second Take needs here. No network is used; nothing is ever sent anywhere."""
    output: Output = context.obj
    checks = tuple(all_checks(Home.find()))
    failed = [check for check in checks if check.health is Health.FAIL]
    output.table(("", "CHECK", "FOUND"), [(_MARKS[check.health], check.name, check.found) for check in checks])
    for check in checks:
        if check.remedy:
            output.line(f"{check.name}: {check.remedy}")
    output.line("There is no telemetry, no update check and no licence server.")
    output.answer(_DoctorAnswer(healthy=not failed, checks=checks))
    if failed:
        names = ", ".join(check.name for check in failed)
        raise BadInput(f"{len(failed)} check{'s' if len(failed) > 1 else ''} failed: {names}", remedy=failed[0].remedy)
