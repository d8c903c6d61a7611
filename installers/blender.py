"""Build the Blender extension: `python installers/blender.py`; `make package` does it too.

The extension is plugins/blender/secondtake_blender with shared/secondtake/host.py in it, and nothing else: no wheel,
nothing compiled. Where a Blender is there as a Python module (tests/blender/environments.py), Blender's own program
builds and validates it; else this does, after the same rules.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["build", "main", "problems", "stage"]

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
SOURCE = ROOT / "plugins" / "blender" / "secondtake_blender"
HOST = ROOT / "shared" / "secondtake" / "host.py"
VERSION = ROOT / "shared" / "secondtake" / "_version.py"
BLENDERS = Path(os.environ.get("SECONDTAKE_BPY") or ROOT / ".bpy")
_REQUIRED = (
    "schema_version", "id", "version", "name", "tagline", "maintainer", "type", "license", "blender_version_min",
)  # fmt: skip
_PERMISSIONS = frozenset({"files", "network", "clipboard", "camera", "microphone"})
_THREADS = frozenset({"threading", "_thread", "concurrent", "multiprocessing", "asyncio"})
_LONGEST = 64
_WHEN = (1980, 1, 1, 0, 0, 0)
"""Of every file in the archive: the same source makes the same bytes."""


def main() -> int:
    """Build and validate; the exit status."""
    path = build(DIST)
    sys.stdout.write(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1e3:.0f} kB\n")
    validators = list(_validators())
    for name, command in validators:
        ran = subprocess.run([*command, "validate", str(path)], capture_output=True, text=True, check=False)
        if ran.returncode:
            sys.stderr.write(f"{name} refuses {path.name}:\n{ran.stdout}{ran.stderr}")
            return 1
    said = (
        f"valid for {', '.join(name for name, _ in validators)}" if validators else "checked here, no Blender is there"
    )
    sys.stdout.write(f"{path.name}: {said}\n")
    return 0


def build(folder: Path) -> Path:
    """The extension as an archive in `folder`. Raises SystemExit if it would not be valid."""
    with tempfile.TemporaryDirectory() as scratch:
        staged = stage(Path(scratch))
        wrong = list(problems(staged))
        if wrong:
            raise SystemExit("\n".join(f"Blender extension: {line}" for line in wrong))
        manifest = tomllib.loads((staged / "blender_manifest.toml").read_text(encoding="utf-8"))
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{manifest['id']}-{manifest['version']}.zip"
        half_made = path.with_suffix(".part")
        with zipfile.ZipFile(half_made, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(each for each in staged.rglob("*") if each.is_file()):
                entry = zipfile.ZipInfo(file.relative_to(staged).as_posix(), _WHEN)
                entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                archive.writestr(entry, file.read_bytes())
        half_made.replace(path)
    return path


def stage(folder: Path) -> Path:
    """The extension's folder as it will be installed, made in `folder`."""
    staged = folder / SOURCE.name
    shutil.copytree(SOURCE, staged, ignore=shutil.ignore_patterns("__pycache__", "*.pyi", "*.pyc"))
    shutil.copy(HOST, staged / HOST.name)
    shutil.copy(SOURCE.parent / "LICENSE", staged / "LICENSE")
    return staged


def problems(staged: Path) -> Iterator[str]:
    """What Blender's extension platform, or our own rules, would refuse."""
    manifest = tomllib.loads((staged / "blender_manifest.toml").read_text(encoding="utf-8"))
    yield from (f"the manifest lacks {name}" for name in _REQUIRED if not manifest.get(name))
    if manifest.get("wheels"):
        yield "it ships wheels, which do not fit all Blenders"
    texts = {"tagline": manifest.get("tagline", ""), **manifest.get("permissions", {})}
    for name, text in texts.items():
        if len(text) > _LONGEST or not re.search(r"[\w)\]}]$", text):
            yield f"the text of {name} has more than {_LONGEST} characters or ends with a mark"
    yield from (
        f"there is no permission {name}" for name in manifest.get("permissions", {}) if name not in _PERMISSIONS
    )
    found = re.search(r'"(\d+\.\d+\.\d+)', VERSION.read_text(encoding="utf-8"))
    if found is None or manifest.get("version") != found[1]:
        yield f"the manifest has version {manifest.get('version')}, the product {found[1] if found else 'none'}"
    for path in staged.rglob("*.py"):
        imported = re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        for name in imported:
            if name.startswith("secondtake"):
                yield f"{path.name} imports {name} by name; an extension imports its own parts relatively"
            if name in _THREADS:
                yield f"{path.name} imports {name}; Blender's Python is not made for threads"


def _validators() -> Iterator[tuple[str, list[str]]]:
    """Blender's own program, of each Blender that is there. Its Python is enough, no Blender is started."""
    for python in sorted(BLENDERS.glob("*/bin/python")):
        for program in python.parents[1].glob(
            "lib/python*/site-packages/bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py"
        ):
            yield f"Blender {python.parents[1].name}", [str(python), str(program)]


if __name__ == "__main__":
    sys.exit(main())
