"""What `secondtake doctor` looks at in the folders of a home: rights, a write that lasts, room, settings, clocks."""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from secondtake.errors import UsageError
from secondtake.home import Home
from secondtake_daemon.cli.doctor_check import Check, Health, amount
from secondtake_daemon.service.surveyor import free_bytes
from secondtake_daemon.settings import Settings, load_settings

__all__ = ["clock", "folders", "launcher", "rights", "settings", "settings_or_defaults", "space"]

_SLOW_S = 0.5
_SKEW_S = 5.0
_GOOD_FREE_BYTES = 20 << 30


def settings(home: Home) -> Iterator[Check]:
    """Can they be read?"""
    load_settings(home.settings_file)
    there = "" if home.settings_file.exists() else " (none: all defaults)"
    yield Check(name="settings", health=Health.OK, found=f"{home.settings_file}{there}")


def rights(home: Home) -> Iterator[Check]:
    """May nobody else read what is private? (On Windows the profile's own access list holds.)"""
    if sys.platform == "win32":
        return
    private = [home.config, home.run, home.data, home.runtime_file, *sorted((home.config / "keys").glob("*.key"))]
    for path in private:
        with suppress(FileNotFoundError):
            mode = path.stat().st_mode & 0o777
            if mode & 0o077:
                wanted = "700" if path.is_dir() else "600"
                yield Check(
                    name="rights",
                    health=Health.FAIL,
                    found=f"others may use {path} ({mode:03o})",
                    remedy=f"chmod {wanted} {path}",
                )
                return
    yield Check(name="rights", health=Health.OK, found="folders 0700, runtime file and keys 0600")


def folders(home: Home) -> Iterator[Check]:
    """Does each take a write, fsync and rename, and how fast?"""
    home.create()
    for name in ("config", "run", "data", "cache", "logs"):
        folder: Path = getattr(home, name)
        try:
            seconds = _try_writing(folder)
        except OSError as error:
            remedy = "Change its rights, or set SECONDTAKE_HOME"
            found = f"{folder} cannot be written ({error.strerror})"
            yield Check(name=f"folder {name}", health=Health.FAIL, found=found, remedy=remedy)
            continue
        is_slow = seconds > _SLOW_S
        yield Check(
            name=f"folder {name}",
            health=Health.WARN if is_slow else Health.OK,
            found=f"{folder} takes write, fsync and rename in {seconds * 1000:.1f} ms",
            remedy="Set SECONDTAKE_HOME to a folder on a local disk" if is_slow else "",
        )


def space(home: Home) -> Iterator[Check]:
    """Is there room for jobs?"""
    least = settings_or_defaults(home).min_free_bytes
    for name, folder in (("data", home.data), ("cache", home.cache)):
        free = free_bytes(folder)
        if free is None:
            yield Check(
                name=f"space {name}",
                health=Health.WARN,
                found=f"the disk of {folder} does not say how much is free",
                remedy="Look at it yourself",
            )
            continue
        yield amount(
            f"space {name}",
            free,
            least=least,
            good=max(_GOOD_FREE_BYTES, least),
            text=f"{free / (1 << 30):.1f} GiB free in {folder}; below {least / (1 << 30):.1f} GiB no job is begun",
            remedy="Make room on that disk, with `secondtake cache gc` for example",
        )


def clock(home: Home, out: Path | None) -> Iterator[Check]:
    """Does the file server of an output folder have our time?"""
    for name, folder in (("cache", home.cache), ("out", out)):
        if folder is None:
            continue
        skew_s = _skew_s(folder)
        is_off = abs(skew_s) > _SKEW_S
        yield Check(
            name=f"clock {name}",
            health=Health.WARN if is_off else Health.OK,
            found=f"the disk of {folder} is {abs(skew_s):.1f} s {'ahead' if skew_s > 0 else 'behind'}",
            remedy="Set both clocks by NTP: what is old and what is new is told by them" if is_off else "",
        )


def launcher(home: Home) -> Iterator[Check]:
    """Do programs without our Python find it?"""
    from secondtake.launch import read_launcher

    if not home.launcher_file.exists():
        found = "no launcher file yet; the daemon writes it when it starts"
        yield Check(name="launcher", health=Health.OK, found=found)
        return
    python = Path(read_launcher(home).python)
    if os.access(python, os.X_OK):
        yield Check(name="launcher", health=Health.OK, found=f"{home.launcher_file} names {python}")
    else:
        yield Check(
            name="launcher",
            health=Health.FAIL,
            found=f"{home.launcher_file} names {python}, which cannot be run",
            remedy="Run `secondtake daemon stop`, then `secondtake daemon start`, where Second Take is installed",
        )


def settings_or_defaults(home: Home) -> Settings:
    """The settings, as far as they can be read."""
    try:
        return load_settings(home.settings_file)
    except UsageError:  # said by its own check
        return Settings()


def _try_writing(folder: Path) -> float:
    """Seconds that it took. Raises OSError."""
    probe = folder / f".doctor-{uuid.uuid4().hex}"
    renamed = probe.with_suffix(".renamed")
    began_s = time.monotonic()
    try:
        with probe.open("wb") as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
        probe.rename(renamed)
    finally:
        probe.unlink(missing_ok=True)
        renamed.unlink(missing_ok=True)
    return time.monotonic() - began_s


def _skew_s(folder: Path) -> float:
    """How far the clock that stamps files there is ahead of ours. Raises OSError."""
    probe = folder / f".doctor-{uuid.uuid4().hex}"
    before = time.time()
    try:
        probe.write_bytes(b"x")
        after, stamp = time.time(), probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)
    # Some file systems stamp whole seconds, all with the time of the last tick.
    return stamp - after if stamp > after else min(stamp + 1.0 - before, 0.0)
