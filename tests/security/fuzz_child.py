"""Decodes the files named on stdin, behind the fence and the limits of a worker. One word for each on stdout.

Whatever is neither a picture nor a typed refusal ends this process, and the parent sees it.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from secondtake_daemon import sandbox

ROOM_BYTES = 3 << 30
CPU_S = 20


def outcome(path: Path) -> str:
    from secondtake.errors import BadImage
    from secondtake_daemon.images.exr_guard import inspect
    from secondtake_daemon.images.exr_read import read_planes

    try:
        file = inspect(path)
    except BadImage as error:
        assert error.remedy and str(error).isprintable(), repr(error)
        return "refused"
    words = set()
    for reader in (lambda: [read_planes(file, part=part.index) for part in file.parts], lambda: second(path)):
        try:
            reader()
            words.add("read")
        except BadImage as error:
            assert str(error).isprintable(), repr(error)
            words.add("damaged")
    return "damaged" if "damaged" in words else "read"


def second(path: Path) -> None:
    """The library `verify` reads with."""
    from secondtake_daemon.images.second import SecondImage

    with SecondImage(path) as image:
        for part in image.parts:
            image.read(part)


def main() -> None:
    sandbox.enter(roots=[Path(sys.argv[1])], own=[])
    from secondtake_daemon.images import exr_read

    assert exr_read.__file__
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + ROOM_BYTES, held + ROOM_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))  # for the small file in memory
    for line in sys.stdin:
        used_s = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(used_s) + CPU_S, hard))
        sys.stderr.write(f"outcome {outcome(Path(line.rstrip()))}\n")
        sys.stderr.flush()


if __name__ == "__main__":
    main()
