"""`secondtake doctor`: why does it not work here? A report to read, or to hand to somebody."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from secondtake.errors import BadInput, UsageError
from secondtake.home import Home
from secondtake_daemon.cli.checks import all_checks
from secondtake_daemon.cli.doctor_check import Check, Health
from secondtake_daemon.cli.output import Answer, Output
from secondtake_daemon.settings import load_settings, setting_sources

__all__ = ["doctor"]

_MARKS = {Health.OK: "ok", Health.WARN: "warn", Health.FAIL: "FAIL"}


class SettingInEffect(msgspec.Struct, frozen=True, kw_only=True):
    """A setting as a daemon that starts now would have it."""

    name: str
    value: object
    source: str
    """default, file, or the name of a variable."""


class _DoctorAnswer(Answer, frozen=True, kw_only=True):
    healthy: bool
    checks: tuple[Check, ...]
    settings: tuple[SettingInEffect, ...] = ()
    bundle: str = ""


def doctor(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Look at this output folder's clock too.")] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(metavar="FILE.zip", help="Put the report and the logs, without names, paths and keys, in a file."),
    ] = None,
) -> None:
    """Look at everything Second Take needs here. No network is used; nothing is ever sent anywhere."""
    output: Output = context.obj
    home = Home.find()
    checks, settings = tuple(all_checks(home, out=out)), _settings(home)
    output.table(("", "CHECK", "FOUND"), [(_MARKS[check.health], check.name, check.found) for check in checks])
    for setting in settings:
        if setting.source != "default":
            output.line(f"setting {setting.name} = {setting.value} ({setting.source})")
    for check in checks:
        if check.remedy:
            output.line(f"{check.name}: {check.remedy}")
    output.line("There is no telemetry, no update check and no licence server.")
    failed = [check for check in checks if check.health is Health.FAIL]
    if bundle is not None:
        _bundle(bundle, home, checks, settings)
        output.line(f"{bundle} holds this report and the logs, without names, paths and keys. Look into it first.")
    answer = _DoctorAnswer(healthy=not failed, checks=checks, settings=settings, bundle=str(bundle or ""))
    output.answer(answer)
    if failed:
        names = ", ".join(dict.fromkeys(check.name for check in failed))
        raise BadInput(f"{len(failed)} check{'s' if len(failed) > 1 else ''} failed: {names}", remedy=failed[0].remedy)


def _settings(home: Home) -> tuple[SettingInEffect, ...]:
    try:
        values, sources = load_settings(home.settings_file), setting_sources(home.settings_file)
    except UsageError:  # said by its own check
        return ()
    return tuple(
        SettingInEffect(name=name, value=getattr(values, name), source=source) for name, source in sources.items()
    )


def _bundle(file: Path, home: Home, checks: tuple[Check, ...], settings: tuple[SettingInEffect, ...]) -> None:
    from secondtake_daemon.cli.doctor_bundle import write_bundle

    report = {"checks": msgspec.to_builtins(checks), "settings": msgspec.to_builtins(settings)}
    write_bundle(file, home=home, report=report)
