"""A folder that is a small disk of its own, for one process and all that it starts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["may_mount", "with_small_disk"]

_SIZE = "96k"
_SCRIPT = 'mount -t tmpfs -o "size=$1,mode=700" none "$2" && shift 2 && exec "$@"'


def may_mount() -> bool:
    """True if this machine lets a test mount something in a namespace of its own."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return False
    tried = subprocess.run([*_unshare(), "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    return tried.returncode == 0


def with_small_disk(folder: Path) -> list[str]:
    """What to put before a command."""
    folder.mkdir(parents=True, exist_ok=True)
    return [*_unshare(), "sh", "-c", _SCRIPT, "sh", _SIZE, str(folder)]


def _unshare() -> list[str]:
    return ["unshare", "--mount", "--propagation", "private", *([] if os.geteuid() == 0 else ["--map-root-user"])]
