"""Opens files as a worker would, under a memory limit. Prints one word a file; dies of anything unexpected."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import psutil

from secondtake.errors import BadImage
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.exr_read import read_planes


def outcome(path: Path) -> str:
    try:
        file = inspect(path)
    except BadImage as error:
        assert error.message and str(error).isprintable()
        return "refused"
    try:
        for part in file.parts:
            read_planes(file, part=part.index)
    except BadImage as error:
        assert error.message
        return "damaged"
    return "read"


def main() -> None:
    limit = psutil.Process().memory_info().vms + (1 << 30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for path in sorted(Path(sys.argv[1]).iterdir()):
        print("outcome", path.name, outcome(path), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
