"""The plugin against the repaired stub: clean, and faults that are planted are found."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "plugins" / "resolve" / "secondtake_resolve"
PLANTED = {
    "an unknown call": "host._resolve.Explode()",
    "a marker's colour on a clip": 'host._item("1").SetClipColor("Cyan")',
    "None not looked for": "host._resolve.GetProjectManager().GetCurrentProject()",
    "a text as an index": 'host._timeline().GetTrackName("video", "1")',
    "a frame of another kind": "_: Range[AbsoluteFrame] = source_range(first=SourceFrame(1), offset=0, count=2)",
    "an unknown render setting": 'host._project().SetRenderSettings({"Quality": 1})',
}


def mypy(stubs: Path, *paths: Path) -> str:
    found = os.pathsep.join(map(str, (stubs, ROOT / "plugins" / "resolve", ROOT / "shared")))
    command = [
        sys.executable, "-m", "mypy", "--strict", "--explicit-package-bases", "--python-version", "3.11",
        "--config-file", os.devnull, "--cache-dir", str(ROOT / ".mypy_cache" / "resolve"), *map(str, paths),
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=110, env={**os.environ, "MYPYPATH": found}
    )
    return done.stdout + done.stderr


def test_stub_and_plugin_are_clean_and_planted_faults_are_found(stub_file: Path, tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    lines = [
        "from secondtake_resolve.calls import Host",
        "from secondtake_resolve.ranges import AbsoluteFrame, Range, SourceFrame, source_range",
        "def plant(host: Host) -> None:", *(f"    {code}  # {what}" for what, code in PLANTED.items()),
    ]  # fmt: skip
    planted.write_text("\n".join(lines) + "\n")
    said = mypy(stub_file.parent, stub_file, PACKAGE, planted).splitlines()
    errors = [line for line in said if ": error:" in line]
    assert [line for line in errors if "planted.py" not in line] == []
    found = {int(line.split(":")[1]) for line in errors}
    assert found == set(range(4, 4 + len(PLANTED))), said


def test_pyright_finds_nothing(stub_file: Path, tmp_path: Path) -> None:
    pyright = shutil.which("basedpyright", path=str(Path(sys.executable).parent)) or shutil.which("basedpyright")
    if pyright is None:
        pytest.skip("basedpyright, which brings its own node, is not installed")
    settings = {
        "typeCheckingMode": "standard",
        "reportMissingModuleSource": False,
        "include": [str(PACKAGE), str(stub_file)],
        "extraPaths": [str(stub_file.parent), str(ROOT / "plugins" / "resolve"), str(ROOT / "shared")],
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [pyright, "--project", str(tmp_path)], capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, done.stdout[-3000:]
