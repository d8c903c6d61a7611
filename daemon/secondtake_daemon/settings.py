"""Settings of the daemon: `config/settings.toml`, overruled by SECONDTAKE_* variables, as one frozen value.

Every setting is described in `docs/daemon.md`; a test holds the two together.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from secondtake.errors import UsageError
from secondtake.home import Home

__all__ = ["Settings", "load_settings", "models_folder", "setting_sources"]

_TABLE = "daemon"
_PREFIX = "SECONDTAKE_"

Seconds = Annotated[float, msgspec.Meta(gt=0, le=31_536_000)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[daemon]`. The variable of a setting is its name in capitals after SECONDTAKE_."""

    workers: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    """Worker processes at most."""
    worker_threads: Annotated[int, msgspec.Meta(ge=0, le=1024)] = 0
    """Threads the image libraries of a worker may use; 0 shares the machine's cores among the workers. A model without
    a GPU has as many, or all cores in each worker: its last bits hang on their number."""
    worker_idle_s: Seconds = 60.0
    """A worker without work ends after so long."""
    worker_command: tuple[str, ...] = ()
    """For tests and debugging: run this instead of the worker."""
    idle_exit_s: Seconds = 1800.0
    """The daemon ends after so long without a job and without a word from a client."""
    queue_jobs: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    """Jobs that may wait or run; more are answered with Busy."""
    finished_jobs: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1000
    """Ended jobs the journal remembers."""
    max_attempts: Annotated[int, msgspec.Meta(ge=1, le=100)] = 3
    """A job whose worker died so often while it worked on it has failed."""
    cancel_grace_s: Seconds = 1.5
    """A worker that does not obey a cancel in this time is killed: it loads a library, or a model's file."""
    quit_grace_s: Seconds = 2.0
    """A worker that does not leave in this time when the daemon stops is killed."""
    start_timeout_s: Seconds = 120.0
    """A worker that is not ready after so long is killed."""
    beat_timeout_s: Seconds = 30.0
    """A worker whose process gives no sign of life for so long is killed."""
    hang_timeout_s: Seconds = 600.0
    """A worker whose job makes no progress for so long is killed."""
    cache_bytes: Annotated[int, msgspec.Meta(ge=0)] = 20 * 1024**3
    """Most bytes of patches and converted movies to keep."""
    min_free_bytes: Annotated[int, msgspec.Meta(ge=0)] = 1024**3
    """No job is begun while a disk that it writes to has less free; 0 does not look."""
    ballast_bytes: Annotated[int, msgspec.Meta(ge=0, le=1 << 40)] = 64 * 1024**2
    """Space that is kept for a full disk, so that the journal can note what happened; 0 keeps none."""
    roots: tuple[str, ...] = ()
    """Folders that jobs may name, after symbolic links are followed; none is everything, for local clients only."""
    tcp: str = ""
    """Listen here too, as `127.0.0.1:0`, always with CURVE; "" does not."""
    client_jobs: Annotated[int, msgspec.Meta(ge=0)] = 1000
    """Jobs a client over tcp may have waiting or running; 0 is no limit. The user's own clients have none."""
    client_pixels: Annotated[int, msgspec.Meta(ge=0)] = 200_000_000_000
    """Pixels a job of such a client may ask for, over all frames; 0 is no limit."""
    client_plate_bytes: Annotated[int, msgspec.Meta(ge=0)] = 2 * 1024**4
    """Bytes of plate files such a job may read; 0 is no limit."""
    client_run_s: Annotated[float, msgspec.Meta(ge=0, le=31_536_000)] = 86_400.0
    """A job of such a client fails after it ran so long; 0 is no limit."""
    log_bytes: Annotated[int, msgspec.Meta(ge=4096)] = 5 * 1024 * 1024
    """Size at which a log file is put aside."""
    log_files: Annotated[int, msgspec.Meta(ge=1, le=100)] = 5
    """Log files put aside at most."""
    models: str = ""
    """Folder of the records of installed models, as one that a farm shares; "" is `models` in the data folder."""
    metrics_file: str = ""
    """Write figures for Prometheus to this file; "" does not."""


def load_settings(file: Path, *, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the file (it may be absent) and the variables. Raises UsageError that names the key."""
    values: dict[str, object] = dict(_table(file))
    _check_names(values, file)
    for name in Settings.__struct_fields__:
        _check_value(name, values, file)
    values.update(_from_environment(os.environ if environment is None else environment))
    settings = msgspec.convert(values, Settings)
    for name in ("metrics_file", "models"):
        if (given := getattr(settings, name)) and not Path(given).is_absolute():
            raise UsageError(f"The setting '{name}' is no absolute path", remedy="Give the whole path", path=file)
    return settings


def models_folder(home: Home, settings: Settings) -> Path:
    """Where the records of installed models lie."""
    return Path(settings.models) if settings.models else home.data / "models"


def setting_sources(file: Path, *, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Where each setting comes from: `default`, `file`, or the name of its variable. Raises UsageError."""
    values, variables = _table(file), os.environ if environment is None else environment
    found = {}
    for name in Settings.__struct_fields__:
        variable = _PREFIX + name.upper()
        found[name] = variable if variable in variables else "file" if name in values else "default"
    return found


def _table(file: Path) -> dict[str, object]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The settings cannot be read ({error})", path=file) from error
    try:
        tables = msgspec.toml.decode(text)
    except msgspec.DecodeError as error:
        raise UsageError(f"The settings are no TOML ({error})", path=file) from error
    foreign = sorted(tables.keys() - {_TABLE})
    if foreign:
        raise UsageError(f"Unknown setting '{foreign[0]}'", remedy=f"All settings stand in [{_TABLE}]", path=file)
    table = tables.get(_TABLE, {})
    if not isinstance(table, dict):
        raise UsageError(f"'{_TABLE}' is not a table", remedy=f"Write [{_TABLE}]", path=file)
    return table


def _check_names(values: Mapping[str, object], file: Path) -> None:
    unknown = sorted(values.keys() - set(Settings.__struct_fields__))
    if unknown:
        raise UsageError(f"Unknown setting '{unknown[0]}'", remedy="See docs/daemon.md for their names", path=file)


def _check_value(name: str, values: Mapping[str, object], file: Path) -> None:
    if name not in values:
        return
    try:
        msgspec.convert({name: values[name]}, Settings)
    except msgspec.ValidationError as error:
        raise UsageError(f"The setting '{name}' cannot be used ({_reason(error)})", path=file) from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in Settings.__struct_fields__:
        variable = _PREFIX + name.upper()
        if variable in environment:
            found[name] = _parse(name, variable, environment[variable])
    return found


def _parse(name: str, variable: str, text: str) -> object:
    is_list = isinstance(getattr(Settings(), name), tuple)
    # A list is split as PATH is.
    value: object = [part for part in text.split(os.pathsep) if part] if is_list else text
    try:
        return getattr(msgspec.convert({name: value}, Settings, strict=False), name)
    except msgspec.ValidationError as error:
        raise UsageError(f"The variable {variable} cannot be used ({_reason(error)})") from error


def _reason(error: msgspec.ValidationError) -> str:
    return str(error).split(" - at ")[0]
