"""Opens one file as a worker would, under a memory limit, and says what came of it and how much memory it took."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from secondtake.errors import BadImage
from secondtake_daemon.images import movies
from secondtake_daemon.images.coverage import open_matte
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.stills import read_still

ROOM_BYTES = 4 << 30


def look(path: Path) -> None:
    if "matte" in path.name:
        from secondtake.boxes import Box

        size = Box(0, 0, 64, 64)
        open_matte(str(path), frames=(1,), plate_display=size, plate_data=size, channel="").read(1)
    elif path.suffix == ".exr":
        inspect(path)
    elif movies.is_movie(path):
        movies.probe(path)
    else:
        read_still(path)


def main() -> None:
    before = _peak_kib()
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + ROOM_BYTES, held + ROOM_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        look(Path(sys.argv[1]))
    except BadImage as error:
        assert error.message and error.remedy and str(error).isprintable(), repr(error)
        print("refused", _peak_kib() - before, error.message)
    else:
        print("read", _peak_kib() - before)


def _peak_kib() -> int:
    """Of address space: what was asked for counts, also if it was never touched."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmPeak:")[1].split()[0])


if __name__ == "__main__":
    main()
