"""Runs checks inside real Blenders, each in a child process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))
try:
    import environments
    import movies
    import small_disks
finally:
    sys.path.remove(str(FOLDER))

Check = Callable[..., str]


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    """Forty frames at 24 a second, in a file with a name that is not ASCII."""
    path = tmp_path / "plate é.mp4"
    movies.write_movie(path, frames=40, rate=24)
    return path


@pytest.fixture(params=list(environments.VERSIONS))
def blender(request: pytest.FixtureRequest, tmp_path: Path) -> Check:
    """`blender("module", "check_name", *arguments)` runs the function in each Blender; its standard output."""
    if not environments.python_of(request.param).exists():
        pytest.skip(f"Blender {request.param} is not in {environments.HOME.name}: python tests/blender/environments.py")
    return _runner(request.param, tmp_path)


@pytest.fixture
def one_blender(tmp_path: Path) -> Check:
    """As `blender`, in whichever version is there: for what is long."""
    there = [version for version in environments.VERSIONS if environments.python_of(version).exists()]
    if not there:
        pytest.skip(f"No Blender is in {environments.HOME.name}: python tests/blender/environments.py")
    return _runner("4.5" if "4.5" in there else there[0], tmp_path)


@pytest.fixture
def addon(blender: Check, tmp_path: Path, secondtake: Callable[..., object]) -> Check:
    """As `blender`, with the extension installed as it is packaged, and the launcher file where it looks."""
    assert secondtake("bridge", "--install").status == 0
    installed = tmp_path / "user" / "extensions" / "user_default"
    installed.mkdir(parents=True)
    _packaging().stage(installed)
    return blender


def _packaging() -> ModuleType:
    spec = importlib.util.spec_from_file_location("packaging_blender", FOLDER.parents[1] / "installers" / "blender.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _runner(version: str, tmp_path: Path) -> Check:
    def run(module: str, check: str, *arguments: str, timeout_s: float = 200, small_disk: Path | None = None) -> str:
        __tracebackhide__ = True
        user = tmp_path / "user"
        user.mkdir(exist_ok=True)
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("BLENDER_", "OCIO"))}
        environment.update(BLENDER_USER_RESOURCES=str(user), PYTHONDONTWRITEBYTECODE="1", PYTHONFAULTHANDLER="1")
        command = [
            *(small_disks.with_small_disk(small_disk) if small_disk is not None else ()),
            environments.python_of(version),
            "-W",
            "error",
            FOLDER / "inside" / "session.py",
            module,
            check,
            tmp_path,
        ]
        done = subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=timeout_s, check=False, env=environment,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode:
            pytest.fail(f"Blender {version}\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}", pytrace=False)
        return done.stdout

    return run


@pytest.fixture(params=list(environments.VERSIONS))
def blender_config(request: pytest.FixtureRequest) -> Path:
    """Blender's own OCIO configuration."""
    found = sorted((environments.HOME / request.param).rglob("datafiles/colormanagement/config.ocio"))
    if not found:
        pytest.skip(f"Blender {request.param} is not in {environments.HOME.name}: python tests/blender/environments.py")
    return found[0]
