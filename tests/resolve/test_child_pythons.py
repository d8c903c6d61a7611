"""The installed plugin in the Pythons that Resolve may have: real menu scripts, the real bridge, the real daemon.

Resolve is the stand-in. The artist is a program in the place of the editor, which fills in the text file.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ARTIST = """#!{python}
import os, sys
path = sys.argv[1]
text = open(path, encoding="utf-8").read()
with open({log!r}, "a", encoding="utf-8") as log:
    log.write(text + "\\n----\\n")
if text.rstrip().endswith("send ="):
    answers = {answers!r}
    lines = text.splitlines()
    for at, line in enumerate(lines):
        key = line.partition(" = ")[0].strip(" =")
        if key in answers and not line.startswith("#"):
            lines[at] = key + " = " + answers[key]
        elif key == "send":
            lines[at] = "send = " + ("yes" if any(each.startswith("operation") for each in lines) else "1")
    open(path, "w", encoding="utf-8").write("\\n".join(lines))
"""
SHAPES = {
    "version": 1,
    "size": [64, 36],
    "shapes": [{"kind": "polygon", "keys": [{"frame": 1001, "points": [[10, 10], [30, 10], [30, 25]]}]}],
}


def python_of(minor: int) -> str | None:
    """A CPython of this version: on the path, or where pyenv and uv keep theirs."""
    kept = (Path.home() / ".pyenv" / "versions", Path.home() / ".local" / "share" / "uv" / "python")
    name = f"python3.{minor}"
    for path in (*(str(one) for root in kept for one in sorted(root.glob(f"*/bin/{name}"))), shutil.which(name)):
        if path is None:
            continue
        code = "import sys; print(*sys.version_info[:2])"
        done = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False, timeout=20)
        if done.stdout.split() == ["3", str(minor)]:
            return path
    return None


def installer() -> object:
    spec = importlib.util.spec_from_file_location("install_resolve", ROOT / "installers" / "resolve.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("route", ["source", "render"])
@pytest.mark.parametrize("minor", [9, 10, 11, 12, 13, 14])
def test_fix_and_accept_in_every_python(
    minor: int, route: str, shared_home: Path, tmp_path: Path, footage: Path, stub_file: Path
) -> None:
    python = python_of(minor)
    if python is None:
        pytest.skip(f"there is no CPython 3.{minor} here")
    user = tmp_path / "user é x"
    module = installer()
    where = module.places("linux", {}, user, all_users=False)  # type: ignore[attr-defined]
    module.install(where)  # type: ignore[attr-defined]
    (tmp_path / "roto.json").write_text(json.dumps(SHAPES))
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    answers = {"engine": "standin", "matte_path": str(tmp_path / "roto.json"), "handles": "2", "instruction": "gone"}
    if route == "render":
        answers |= {"route": "What the timeline shows, with the grade", "colourspace": "ACEScg"}
    editor = bin_folder / "xdg-open"
    editor.write_text(ARTIST.format(python=sys.executable, log=str(tmp_path / "said.txt"), answers=answers))
    editor.chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    environment |= {
        "PATH": f"{bin_folder}:{environment['PATH']}",
        "PYTHONPATH": "/of/the/host",
        "SECONDTAKE_RESOLVE_FOLDER": str(user / "Second Take"),
        "SECONDTAKE_HOME": str(shared_home),
    }
    child = str(Path(__file__).parent / "child.py")
    done = subprocess.run(
        [python, "-W", "error", "-B", child, str(stub_file), str(footage), where.scripts],
        capture_output=True, text=True, check=False, timeout=100, env=environment,
    )  # fmt: skip
    log = (tmp_path / "said.txt").read_text() if (tmp_path / "said.txt").exists() else ""
    assert done.returncode == 0, done.stderr + log
    said = json.loads(done.stdout)
    assert said["python"] == [3, minor]
    assert said["placed"][:2] == [0, 4]
    first = 1005 if route == "source" else 86448
    assert f"[{first}-{first + 3}].exr" in said["placed"][2]
    assert said["changed"] == []
    if route == "source":
        assert (len(said["takes"]), said["selected"], said["tracks"]) == (2, 2, ["Video 1"])
    else:  # with the grade in it, it stays above
        assert (said["takes"], said["tracks"]) == ([], ["Video 1", "FIX"])
    assert done.stderr == ""
