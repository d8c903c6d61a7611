"""Which files jobs may name: only those under the allowed roots, after symbolic links are followed.

What is checked can be another file by the time it is opened. So a worker also sets a fence once, against which every
file is checked when it is open (`check_opened`), and where the kernel can, it holds the whole process to the same
folders (`sandbox`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from secondtake.errors import BadInput

__all__ = ["check_opened", "fence", "refuse_strange", "require_inside"]

_SEPARATORS = re.compile(r"[/\\]")
_ELSEWHERE = re.compile(r"[/\\]{2}|[/\\]\?\?[/\\]")
"""`\\\\server\\share`, `//server/share`, `\\\\.\\device`, `\\\\?\\…`: another machine, or no file."""
_DEVICES = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?:[ .:].*)?", re.IGNORECASE)
_KERNEL = ("/dev", "/proc", "/sys")
_DRIVE = re.compile(r"[A-Za-z]:(?=[/\\])")
_MEMORY = Path("/dev/shm")  # files, though they lie under /dev

_fence: list[Path] = []


def refuse_strange(path: str, *, is_bound: bool) -> None:
    """Raise BadInput for a path that names no file of this machine, before anything looks at it.

    Network shares (asking for one hands out the user's credentials on Windows) and devices are refused for everyone.
    is_bound: also `..` and alternate streams (`file:stream`), for clients that may only name files under roots.
    """
    if _ELSEWHERE.match(path):
        raise BadInput("The path names another machine or a device", remedy="Mount it, and name a file", path=path)
    names = _SEPARATORS.split(_DRIVE.sub("", path, count=1))
    if any(_DEVICES.fullmatch(name) for name in names) or _is_of_kernel(Path(path)):
        raise BadInput("The path names a device", remedy="Give a file or a folder", path=path)
    if (is_bound or sys.platform == "win32") and any(":" in name for name in names):
        raise BadInput("The path names a stream inside a file", remedy="Leave out the ':'", path=path)
    if is_bound and ".." in names:
        raise BadInput("The path climbs out of its folder", remedy="Give it without '..'", path=path)


def require_inside(path: Path, roots: Sequence[Path]) -> None:
    """Raise BadInput if the path leads outside of all roots, or to a device. roots: resolved; none allows everything.

    Without roots the disk is not touched: a file server that hangs must not hang who asks.
    """
    if not roots:
        return
    real = _real(path)
    if _is_of_kernel(real):
        raise BadInput("The path leads to a device", remedy="Give a file or a folder", path=path)
    if not any(real.is_relative_to(root) for root in roots):
        raise BadInput("The path lies outside the daemon's roots", remedy="Change 'roots' in its settings", path=path)


def fence(roots: Sequence[Path], *, own: Sequence[Path]) -> None:
    """From now on this process opens only files below these; no roots: all files. own: folders of the program."""
    _fence[:] = [*roots, *(folder.resolve() for folder in own)] if roots else []


def check_opened(handle: BinaryIO, path: Path) -> None:
    """Raise BadInput if what was really opened under this name lies outside the fence.

    Asks the kernel where the open file is (Linux); elsewhere follows the name again, which leaves a gap.
    """
    if not _fence:
        return
    link = Path(f"/proc/self/fd/{handle.fileno()}")
    real = link.readlink() if sys.platform == "linux" else _real(path)
    if not any(real.is_relative_to(folder) for folder in _fence):
        raise BadInput("The path leads outside of the daemon's roots by now", remedy="Run the job again", path=path)


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # a loop of links
        raise BadInput("The path cannot be followed to its end", remedy="Check its links", path=path) from error


def _is_of_kernel(path: Path) -> bool:
    inside = any(path.is_relative_to(folder) for folder in _KERNEL)
    return inside and not path.is_relative_to(_MEMORY)
