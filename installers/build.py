"""Build what can be installed, into dist/: `python installers/build.py` (or `make package`).

That is the wheel and the source archive of the daemon with its command line and client, and the Blender extension
(`blender.py`). The Resolve plugin is copied, not built: `resolve.py`.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
PACKAGES = {"secondtake", "secondtake_daemon"}


def main() -> int:
    """Build everything there is; the exit status."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(DIST), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        sys.stderr.write(built.stdout + built.stderr)
        return built.returncode
    made = sorted(DIST.glob("secondtake-*"))
    for path in made:
        sys.stdout.write(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1e6:.1f} MB\n")
    for wheel in (path for path in made if path.suffix == ".whl"):
        _check_wheel(wheel)
    extension = subprocess.run([sys.executable, str(ROOT / "installers" / "blender.py")], check=False)
    if extension.returncode:
        return extension.returncode
    return 0


def _check_wheel(wheel: Path) -> None:
    """A wheel that holds another top-level package would shadow somebody else's."""
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    foreign = {top for top in tops if top not in PACKAGES and not top.endswith(".dist-info")}
    if foreign or not tops >= PACKAGES:
        raise SystemExit(f"{wheel.name} holds {sorted(tops)}, not just {sorted(PACKAGES)}")


if __name__ == "__main__":
    sys.exit(main())
