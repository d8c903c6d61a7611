"""Install the Resolve plugin: `python installers/resolve.py [--all-users] [--uninstall] [--manual] [--dry-run]`.

The menu scripts go where Resolve looks for them, the library, with shared/secondtake/host.py beside it, elsewhere:
every .py file below `Scripts` would become a menu entry. Only files of ours are ever replaced or removed. Standard
library only, so that any Python 3.9 or newer installs it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Places", "install", "main", "places", "uninstall"]

ROOT = Path(__file__).resolve().parents[1]
PLUGIN = ROOT / "plugins" / "resolve"
LIBRARY = "secondtake_resolve"
HOST = ROOT / "shared" / "secondtake" / "host.py"
MENU = "Second Take"
_LUA = "Bring back takes (manual).lua"
_NEXT = "secondtake bridge --install, once; then Workspace, Scripts, Second Take in Resolve"
_BY_HAND = "docs/resolve.md, By hand"
_PLACEHOLDER = '"@LIBRARY@"'


@dataclass(frozen=True)
class Places:
    """Where things go."""

    scripts: Path
    """The folder that is the menu *Scripts, Second Take*."""
    library: Path
    """The folder that holds the package."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Install or uninstall; the exit status."""
    parser = argparse.ArgumentParser(description="Install Second Take for DaVinci Resolve.")
    parser.add_argument("--all-users", action="store_true", help="for everybody on this machine; needs the rights")
    parser.add_argument("--uninstall", action="store_true", help="remove what was installed")
    parser.add_argument("--manual", action="store_true", help="only the Lua script, for the free edition from 21.1 on")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    asked = parser.parse_args(arguments)
    where = places(sys.platform, os.environ, Path.home(), all_users=asked.all_users)
    try:
        done = (
            uninstall(where, dry_run=asked.dry_run)
            if asked.uninstall
            else install(where, manual=asked.manual, dry_run=asked.dry_run)
        )
    except OSError as error:
        sys.stderr.write(f"Not installed: {error.strerror}. Look at the rights of the folder. {error.filename}\n")
        return 1
    for line in done:
        sys.stdout.write(line + "\n")
    if not asked.uninstall and not asked.dry_run:
        sys.stdout.write(f"Next: {_BY_HAND if asked.manual else _NEXT}\n")
    return 0


def places(platform: str, environment: Mapping[str, str], user: Path, *, all_users: bool) -> Places:
    """Resolve's folder for scripts on this system (Resolve's own documentation of scripting), and ours."""
    if platform == "darwin":
        base = (Path("/") if all_users else user) / "Library" / "Application Support"
        return _in(base / "Blackmagic Design" / "DaVinci Resolve" / "Fusion", base / "secondtake" / "resolve")
    if platform == "win32":
        if all_users:
            base = Path(environment.get("PROGRAMDATA", "C:/ProgramData"))
            return _in(base / "Blackmagic Design" / "DaVinci Resolve" / "Fusion", base / "secondtake" / "resolve")
        base = Path(environment.get("APPDATA", str(user / "AppData" / "Roaming")))
        local = Path(environment.get("LOCALAPPDATA", str(user / "AppData" / "Local")))
        fusion = base / "Blackmagic Design" / "DaVinci Resolve" / "Support" / "Fusion"
        return _in(fusion, local / "secondtake" / "resolve")
    if all_users:
        return _in(Path("/opt/resolve/Fusion"), Path("/opt/secondtake/resolve"))
    data = user / ".local" / "share"
    return _in(data / "DaVinciResolve" / "Fusion", data / "secondtake" / "resolve")


def install(where: Places, *, manual: bool = False, dry_run: bool = False) -> list[str]:
    """Copy everything, in place of what an earlier version left; a line for each thing done."""
    done = uninstall(where, dry_run=dry_run)
    if manual:
        return [*done, _write(where.scripts / _LUA, (PLUGIN / "Lua" / _LUA).read_text(encoding="utf-8"), dry_run)]
    package = where.library / LIBRARY
    done.append(f"{'would copy' if dry_run else 'copied'} {package}")
    if not dry_run:
        where.library.mkdir(parents=True, exist_ok=True)
        shutil.copytree(PLUGIN / LIBRARY, package, ignore=shutil.ignore_patterns("__pycache__", "*.pyi"))
        shutil.copy(HOST, package / HOST.name)
    for script in sorted((PLUGIN / "Scripts" / MENU).glob("*.py")):
        text = script.read_text(encoding="utf-8").replace(_PLACEHOLDER, repr(str(where.library)))
        done.append(_write(where.scripts / script.name, text, dry_run))
    return done


def uninstall(where: Places, *, dry_run: bool = False) -> list[str]:
    """Remove what is ours, and folders that are empty then; a line for each thing done."""
    ours = [where.scripts / script.name for script in sorted((PLUGIN / "Scripts" / MENU).glob("*.py"))]
    there = [path for path in (*ours, where.scripts / _LUA) if path.is_file()]
    package = where.library / LIBRARY
    done = [f"{'would remove' if dry_run else 'removed'} {path}" for path in (*there, package) if path.exists()]
    if dry_run:
        return done
    for path in there:
        path.unlink()
    if package.exists():
        shutil.rmtree(package)
    for folder in (where.scripts, where.library):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    return done


def _in(fusion: Path, library: Path) -> Places:
    return Places(scripts=fusion / "Scripts" / "Utility" / MENU, library=library)


def _write(path: Path, text: str, dry_run: bool) -> str:
    if not dry_run:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return f"{'would write' if dry_run else 'wrote'} {path}"


if __name__ == "__main__":
    sys.exit(main())
