"""What `secondtake doctor` looks at in this installation: Python, libraries, graphics card, fences, hosts."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from secondtake._version import __version__
from secondtake.home import Home
from secondtake_daemon.cli.doctor_check import Check, Health, amount, numbers
from secondtake_daemon.cli.doctor_home import settings_or_defaults
from secondtake_daemon.settings import models_folder

__all__ = ["colour", "hosts", "libraries", "memory", "models", "movies", "python", "sandbox", "torch"]

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
_LIBZMQ = "4.3.4"
_DECODERS = ("prores", "dnxhd", "h264", "hevc", "mjpeg")
_LEAST_MEMORY_BYTES = 1 << 30
_GOOD_MEMORY_BYTES = 4 << 30
_NVIDIA = Path("/proc/driver/nvidia")
_BESIDE_TORCH = ("diffusers", "transformers", "accelerate", "ftfy", "safetensors")
_HOSTS = {
    "Blender": (
        "/Applications/Blender.app/Contents/MacOS/Blender",
        r"C:\Program Files\Blender Foundation\Blender *\blender.exe",
    ),
    "DaVinci Resolve": (
        "/opt/resolve/bin/resolve",
        "/Applications/DaVinci Resolve/DaVinci Resolve.app/Contents/MacOS/Resolve",
        r"C:\Program Files\Blackmagic Design\DaVinci Resolve\Resolve.exe",
    ),
}


def python(_home: Home) -> Iterator[Check]:
    """Is it new enough?"""
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, Second Take {__version__}"
    good = sys.version_info >= (3, 11)
    yield Check(
        name="python",
        health=Health.OK if good else Health.FAIL,
        found=found,
        remedy="" if good else "Use 3.11 or newer",
    )


def memory(_home: Home) -> Iterator[Check]:
    """Is there enough for a worker?"""
    import psutil

    found = psutil.virtual_memory()
    text = f"{found.available / (1 << 30):.1f} of {found.total / (1 << 30):.1f} GiB available"
    remedy = "Close other programs, or set `workers` to 1"
    yield amount(
        "memory", found.available, least=_LEAST_MEMORY_BYTES, good=_GOOD_MEMORY_BYTES, text=text, remedy=remedy
    )


def libraries(_home: Home) -> Iterator[Check]:
    """Do they load, and are they new enough?"""
    for distribution, module, least, why in _LIBRARIES:
        remedy = f"Install {distribution} {least} or newer" + (f": {why}" if why else "")
        try:
            importlib.import_module(module)
            found = version(distribution)
        except (ImportError, PackageNotFoundError) as error:
            yield Check(name=distribution, health=Health.FAIL, found=f"cannot be loaded ({error})", remedy=remedy)
            continue
        yield _version_check(distribution, found, least, remedy)
    import zmq

    remedy = "Install pyzmq from its own wheel"
    yield _version_check("libzmq", zmq.zmq_version(), _LIBZMQ, remedy)
    missing = [name for name in ("curve", "ipc") if not zmq.has(name)]
    if missing and sys.platform != "win32":
        found = f"it was built without {' and '.join(missing)}"
        yield Check(name="libzmq options", health=Health.WARN, found=found, remedy=remedy)


def torch(_home: Home) -> Iterator[Check]:
    """Is it there, and a driver for it? It is never loaded here: that takes seconds and graphics memory."""
    try:
        found = version("torch")
    except PackageNotFoundError:
        yield Check(name="torch", health=Health.OK, found="not installed; the built-in engine needs none")
        return
    driver = _driver()
    wants_driver = "+cu" in found or (sys.platform == "linux" and "+cpu" not in found)
    if wants_driver and not driver:
        remedy = "Install the NVIDIA driver, or the build of torch for this machine"
        yield Check(name="torch", health=Health.WARN, found=f"{found}, but no NVIDIA driver was found", remedy=remedy)
    else:
        yield Check(name="torch", health=Health.OK, found="; ".join([found, *filter(None, [driver]), *_cards()]))
    yield _beside_torch()


def models(home: Home) -> Iterator[Check]:
    """Which ones are installed, and can they run?"""
    from secondtake_daemon.cli.models import state_of
    from secondtake_daemon.models.shelf import models as installed

    found = installed(models_folder(home, settings_or_defaults(home)))
    if not found:
        yield Check(name="models", health=Health.OK, found="none is installed; the built-in engine needs none")
    for model in found:
        state = state_of(model)
        is_ready = state == "ready"
        yield Check(
            name=f"model {model.name}",
            health=Health.OK if is_ready else Health.WARN,
            found=f"{state}; {model.licence}",
            remedy="" if is_ready else "Do that, or take it off the list: secondtake models remove",
        )


def sandbox(_home: Home) -> Iterator[Check]:
    """What keeps a worker in if a file takes it over?"""
    from secondtake_daemon.sandbox import state

    found = state()
    remedy = "" if found.is_whole else "Use a newer kernel, or open only files you trust"
    yield Check(
        name="sandbox", health=Health.OK if found.is_whole else Health.WARN, found=f"workers: {found}", remedy=remedy
    )


def hosts(_home: Home) -> Iterator[Check]:
    """Which programs are installed where they usually are?"""
    for name, places in _HOSTS.items():
        there = shutil.which(name.lower()) or next((str(path) for path in map(_first, places) if path), "")
        found = there or "not found where it usually is; its plugin does not mind"
        yield Check(name=name, health=Health.OK, found=found)


def colour(_home: Home) -> Iterator[Check]:
    """Does the colour configuration load?"""
    from secondtake_daemon.images.colour import configuration_name, resolve

    resolve("lin_rec709_scene")
    yield Check(name="colour", health=Health.OK, found=f"OCIO configuration {configuration_name()}")


def movies(_home: Home) -> Iterator[Check]:
    """Which codecs are there?"""
    import av

    there = av.codec.codecs_available
    missing = [name for name in _DECODERS if name not in there]
    found = f"FFmpeg reads {', '.join(name for name in _DECODERS if name in there)}"
    if missing:
        remedy = "Install PyAV from its own wheels, or convert such movies to EXR frames"
        yield Check(name="movies", health=Health.WARN, found=f"{found}; not {', '.join(missing)}", remedy=remedy)
    else:
        yield Check(name="movies", health=Health.OK, found=found)


def _version_check(name: str, found: str, least: str, remedy: str) -> Check:
    good = numbers(found) >= numbers(least)
    health = Health.OK if good else Health.FAIL
    return Check(name=name, health=health, found=f"{found} (at least {least})", remedy="" if good else remedy)


def _beside_torch() -> Check:
    """What models need besides torch."""
    there, missing = [], []
    for name in _BESIDE_TORCH:
        try:
            there.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        found, remedy = f"{', '.join(missing)} not installed, so no model runs", "pip install 'secondtake[diffusion]'"
        return Check(name="diffusers", health=Health.WARN, found=found, remedy=remedy)
    return Check(name="diffusers", health=Health.OK, found=", ".join(there))


def _cards() -> Iterator[str]:
    """Names of the graphics cards, as their driver tells them (Linux)."""
    for path in sorted(_NVIDIA.glob("gpus/*/information")):
        try:
            lines = dict(line.partition(":")[::2] for line in path.read_text(encoding="utf-8").splitlines())
        except OSError:
            continue
        yield lines.get("Model", "").strip()


def _driver() -> str:
    try:
        return (_NVIDIA / "version").read_text(encoding="utf-8").splitlines()[0].removeprefix("NVRM version: ")
    except (OSError, IndexError):
        return "an NVIDIA driver is there" if shutil.which("nvidia-smi") else ""


def _first(pattern: str) -> Path | None:
    path = Path(pattern)
    if not path.is_absolute():  # of another system
        return None
    if "*" not in pattern:
        return path if os.access(path, os.X_OK) else None
    return max(path.parent.parent.glob(f"{path.parent.name}/{path.name}"), default=None)
