"""The extension as an archive: what is in it, what is refused, and that Blender installs it."""

from __future__ import annotations

import importlib.util
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def packaging() -> ModuleType:
    spec = importlib.util.spec_from_file_location("packaging_blender", _ROOT / "installers" / "blender.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_archive_is_whole_small_and_the_same_twice(packaging: ModuleType, tmp_path: Path) -> None:
    first, second = packaging.build(tmp_path / "a"), packaging.build(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        names = set(archive.namelist())
    assert {"blender_manifest.toml", "__init__.py", "host.py", "LICENSE", "operators/fixing.py"} <= names
    assert not [name for name in names if name.endswith((".pyi", ".pyc", ".whl", ".so"))]
    assert first.stat().st_size < 300_000


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("blender_manifest.toml", 'version = "0.1.0"', 'version = "9.9.9"', "has version 9.9.9"),
        ("blender_manifest.toml", "Keep the shot, change one thing", "Keep the shot.", "ends with a mark"),
        ("blender_manifest.toml", "[permissions]", "[permissions]\nprocesses = 'Start one'", "no permission processes"),
        ("blender_manifest.toml", "tags =", 'wheels = ["./a.whl"]\ntags =', "ships wheels"),
        ("words.py", "import annotations", "import annotations\nimport secondtake", "imports secondtake by name"),
        ("pump.py", "import time", "from threading import Thread", "not made for threads"),
    ],
)  # fmt: skip
def test_what_blender_would_refuse_is_not_built(
    packaging: ModuleType, tmp_path: Path, file: str, old: str, new: str, said: str
) -> None:
    staged = packaging.stage(tmp_path)
    assert not list(packaging.problems(staged))
    text = (staged / file).read_text(encoding="utf-8")
    assert old in text
    (staged / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    assert any(said in line for line in packaging.problems(staged)), list(packaging.problems(staged))


def test_blender_installs_enables_and_uninstalls_it(
    packaging: ModuleType, blender: Callable[..., str], tmp_path: Path
) -> None:
    blender("addon_package", "check_install", str(packaging.build(tmp_path / "dist")))
