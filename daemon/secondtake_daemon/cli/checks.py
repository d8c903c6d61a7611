"""What `secondtake doctor` looks at: one function a question. None of them needs a network, none changes anything that
stays."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from secondtake._version import __version__
from secondtake.client import Client
from secondtake.endpoint import find_daemon, read_runtime
from secondtake.errors import SecondTakeError
from secondtake.home import Home
from secondtake_daemon.settings import load_settings

__all__ = ["Check", "Health", "all_checks"]

_LIBRARIES = (
    # (distribution, module, least version, why that one)
    ("pyzmq", "zmq", "27.0", ""),
    ("msgspec", "msgspec", "0.19", ""),
    ("blake3", "blake3", "1.0", ""),
    ("numpy", "numpy", "2.1", ""),
    ("OpenEXR", "OpenEXR", "3.5.3", "older ones have known security holes"),
    ("OpenImageIO", "OpenImageIO", "3.1", ""),
    ("opencolorio", "PyOpenColorIO", "2.5", ""),
    ("opencv-python-headless", "cv2", "5.0", ""),
    ("av", "av", "15.0", ""),
)
_DECODERS = ("prores", "dnxhd", "h264", "hevc", "mjpeg")
_SOCKET_PATH_BYTES = 107
_LEAST_FREE_BYTES = 1 << 30
_GOOD_FREE_BYTES = 20 << 30
_LEAST_MEMORY_BYTES = 1 << 30
_GOOD_MEMORY_BYTES = 4 << 30
_DAEMON_S = 2.0


class Health(str, Enum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    """It works, but there is something to know."""
    FAIL = "fail"
    """Something will not work."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One question and its answer."""

    name: str
    health: Health
    found: str
    remedy: str = ""


def all_checks(home: Home) -> Iterator[Check]:
    """Ask everything, cheapest first. A check that fails itself is a failed check, never an exception."""
    asked: list[tuple[str, Callable[[Home], Iterator[Check]]]] = [
        ("python", _python),
        ("settings", _settings),
        ("folders", _folders),
        ("space", _space),
        ("memory", _memory),
        ("socket", _socket),
        ("daemon", _daemon),
        ("libraries", _libraries),
        ("colour", _colour),
        ("movies", _movies),
    ]
    for name, check in asked:
        try:
            yield from check(home)
        except SecondTakeError as error:
            yield Check(
                name=name, health=Health.FAIL, found=f"{error.message} {error.path}".strip(), remedy=error.remedy
            )
        except Exception as error:  # noqa: BLE001 — doctor must reach its end on a broken machine
            yield Check(name=name, health=Health.FAIL, found=f"{type(error).__name__}: {error}")


def _python(_home: Home) -> Iterator[Check]:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, Second Take {__version__}"
    good = sys.version_info >= (3, 11)
    yield Check(
        name="python",
        health=Health.OK if good else Health.FAIL,
        found=found,
        remedy="" if good else "Use 3.11 or newer",
    )


def _settings(home: Home) -> Iterator[Check]:
    load_settings(home.settings_file)
    there = "" if home.settings_file.exists() else " (none: all defaults)"
    yield Check(name="settings", health=Health.OK, found=f"{home.settings_file}{there}")


def _folders(home: Home) -> Iterator[Check]:
    home.create()
    for name in ("config", "run", "data", "cache", "logs"):
        folder: Path = getattr(home, name)
        try:
            _try_writing(folder)
        except OSError as error:
            remedy = "Change its rights, or set SECONDTAKE_HOME"
            found = f"{folder} cannot be written ({error.strerror})"
            yield Check(name=f"folder {name}", health=Health.FAIL, found=found, remedy=remedy)
        else:
            yield Check(name=f"folder {name}", health=Health.OK, found=f"{folder} takes write, fsync and rename")


def _try_writing(folder: Path) -> None:
    probe = folder / f".doctor-{uuid.uuid4().hex}"
    renamed = probe.with_suffix(".renamed")
    try:
        with probe.open("wb") as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
        probe.rename(renamed)
    finally:
        probe.unlink(missing_ok=True)
        renamed.unlink(missing_ok=True)


def _space(home: Home) -> Iterator[Check]:
    for name, folder in (("data", home.data), ("cache", home.cache)):
        free = shutil.disk_usage(folder).free
        found = f"{free / (1 << 30):.1f} GiB free in {folder}"
        yield _amount(f"space {name}", free, found, _LEAST_FREE_BYTES, _GOOD_FREE_BYTES, "Make room on that disk")


def _memory(_home: Home) -> Iterator[Check]:
    import psutil

    memory = psutil.virtual_memory()
    found = f"{memory.available / (1 << 30):.1f} of {memory.total / (1 << 30):.1f} GiB available"
    remedy = "Close other programs, or set `workers` to 1"
    yield _amount("memory", memory.available, found, _LEAST_MEMORY_BYTES, _GOOD_MEMORY_BYTES, remedy)


def _amount(name: str, amount: int, found: str, least: int, good: int, remedy: str) -> Check:
    health = Health.OK if amount >= good else Health.WARN if amount >= least else Health.FAIL
    return Check(name=name, health=health, found=found, remedy="" if health is Health.OK else remedy)


def _socket(home: Home) -> Iterator[Check]:
    length = len(os.fsencode(home.run / "control.ipc"))
    if length <= _SOCKET_PATH_BYTES:
        yield Check(name="socket", health=Health.OK, found=f"its path has {length} of {_SOCKET_PATH_BYTES} bytes")
        return
    found = f"its path has {length} bytes, over the system's {_SOCKET_PATH_BYTES}: the daemon uses a temporary folder"
    yield Check(name="socket", health=Health.WARN, found=found, remedy="Set SECONDTAKE_HOME to a shorter path")


def _daemon(home: Home) -> Iterator[Check]:
    runtime = find_daemon(home)
    if runtime is None:
        left = read_runtime(home)
        if left is None:
            yield Check(name="daemon", health=Health.OK, found="none runs; it starts when it is needed")
            return
        found = f"none runs; pid {left.pid} on {left.machine} left its runtime file, which is not used"
        yield Check(name="daemon", health=Health.OK, found=found)
        return
    with Client.connect(autostart=False, timeout_s=_DAEMON_S, client=f"secondtake-doctor/{__version__}") as client:
        status = client.status()
    found = f"{status.version}, pid {status.pid}, {status.queued} queued, {status.running} running"
    if status.condition:
        yield Check(name="daemon", health=Health.WARN, found=f"{found}; {status.condition}")
    elif status.version != __version__:
        remedy = "Run `secondtake daemon stop`; the next command starts the new one"
        yield Check(name="daemon", health=Health.WARN, found=f"{found}: another version than this one", remedy=remedy)
    else:
        yield Check(name="daemon", health=Health.OK, found=found)


def _libraries(_home: Home) -> Iterator[Check]:
    for distribution, module, least, why in _LIBRARIES:
        remedy = f"Install {distribution} {least} or newer" + (f": {why}" if why else "")
        try:
            importlib.import_module(module)
            found = version(distribution)
        except (ImportError, PackageNotFoundError) as error:
            yield Check(name=distribution, health=Health.FAIL, found=f"cannot be loaded ({error})", remedy=remedy)
            continue
        good = _numbers(found) >= _numbers(least)
        health = Health.OK if good else Health.FAIL
        yield Check(
            name=distribution, health=health, found=f"{found} (at least {least})", remedy="" if good else remedy
        )


def _numbers(text: str) -> tuple[int, ...]:
    numbers = []
    for piece in text.split("."):
        if not piece.isdigit():
            break
        numbers.append(int(piece))
    return tuple(numbers)


def _colour(_home: Home) -> Iterator[Check]:
    from secondtake_daemon.images.colour import configuration_name, resolve

    resolve("lin_rec709_scene")
    yield Check(name="colour", health=Health.OK, found=f"OCIO configuration {configuration_name()}")


def _movies(_home: Home) -> Iterator[Check]:
    import av

    there = av.codec.codecs_available
    missing = [name for name in _DECODERS if name not in there]
    found = f"FFmpeg reads {', '.join(name for name in _DECODERS if name in there)}"
    if missing:
        remedy = "Install PyAV from its own wheels, or convert such movies to EXR frames"
        yield Check(name="movies", health=Health.WARN, found=f"{found}; not {', '.join(missing)}", remedy=remedy)
    else:
        yield Check(name="movies", health=Health.OK, found=found)
