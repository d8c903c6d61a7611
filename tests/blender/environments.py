"""Make an environment for each Blender that the extension is tested on: `python tests/blender/environments.py [4.5 …]`.

Blender as a Python module comes from the package index; about 0.9 GB on disk each. The folder is `.bpy/` in the
repository, or $SECONDTAKE_BPY. A version whose Python is not on this machine is left out, with a line, and so is one
that does not start here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
VERSIONS = {"4.2": "3.11", "4.5": "3.11", "5.0": "3.11", "5.2": "3.13"}
"""Blender → the Python that its module is built for."""
OTHERS = ("numpy", "OpenEXR>=3.3")
HOME = Path(os.environ.get("SECONDTAKE_BPY") or ROOT / ".bpy")


def python_of(version: str) -> Path:
    """The Python with this Blender, whether it is there or not."""
    folder = HOME / version
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"


def make(version: str) -> bool:
    """Make one environment; True if it is there in the end."""
    if python_of(version).exists():
        return True
    python = _find_python(VERSIONS[version])
    if python is None:
        print(f"Blender {version} is left out: there is no Python {VERSIONS[version]}")
        return False
    started = time.monotonic()
    half_made = HOME / f"{version}.part"
    shutil.rmtree(half_made, ignore_errors=True)
    subprocess.run([python, "-m", "venv", half_made], check=True)
    own = half_made / python_of(version).relative_to(HOME / version)
    pip = [own, "-m", "pip", "-qq", "--disable-pip-version-check", "install"]
    for step in ([*pip, f"bpy=={version}.*", *OTHERS], [own, "-c", "import bpy"]):
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
            print(f"Blender {version} is left out: {said[-1]}")
            shutil.rmtree(half_made)
            return False
    half_made.rename(HOME / version)
    print(f"Blender {version} is ready ({time.monotonic() - started:.0f} s)")
    return True


def _find_python(version: str) -> str | None:
    """A Python of exactly this version, tried out: a launcher in front of it may know of none."""
    for name in (sys.executable, f"python{version}", "python3"):
        path = shutil.which(name)
        if path is None:
            continue
        code = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
        answer = subprocess.run([path, "-c", code], capture_output=True, text=True, timeout=60, check=False)
        if answer.returncode == 0 and answer.stdout.strip() == version:
            return path
    return None


if __name__ == "__main__":
    made = [make(version) for version in sys.argv[1:] or VERSIONS]
    sys.exit(not all(made))
