"""A real worker that SIGKILLs itself, or the daemon, at a named point: `killed_worker.py POINT MARKER …`.

Once only: the marker file says that it happened.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from secondtake_daemon import pipeline, worker
from secondtake_daemon.job import render
from secondtake_daemon.pipe import JobDone
from secondtake_daemon.store.cache import Cache
from secondtake_daemon.takes import publish
from secondtake_daemon.takes.ledger import Ledger
from secondtake_daemon.takes.manifest import TakeFrame


def main() -> None:
    """Arm the point, then be a worker."""
    point, marker = sys.argv[1], Path(sys.argv[2])
    del sys.argv[1:3]

    def kill(*, daemon: bool = False) -> None:
        try:
            marker.touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getppid() if daemon else os.getpid(), signal.SIGKILL)
        time.sleep(60)

    POINTS[point](kill)
    worker.main()


def _around(owner: object, name: str, kill: Callable[[], None], *, before: bool, when: Callable[..., bool]) -> None:
    inner = getattr(owner, name)

    def around(*args: object, **options: object) -> object:
        if before and when(*args):
            kill()
        result = inner(*args, **options)
        if not before and when(*args):
            kill()
        return result

    setattr(owner, name, around)


def _always(*_: object) -> bool:
    return True


def _is_frame(target: object, *_: object) -> bool:
    return ".1006." in str(target)


def _is_record(_: object, record: TakeFrame) -> bool:
    return record.frame == 1006


def _is_done(_: object, message: object) -> bool:
    return isinstance(message, JobDone)


POINTS: dict[str, Callable[[Any], None]] = {
    "before the first patch": lambda kill: _around(Cache, "put", kill, before=True, when=_always),
    "after the first patch": lambda kill: _around(Cache, "put", kill, before=False, when=_always),
    "before a frame": lambda kill: _around(render, "replace_file", kill, before=True, when=_is_frame),
    "after a frame": lambda kill: _around(render, "replace_file", kill, before=False, when=_is_frame),
    "after its line": lambda kill: _around(Ledger, "add", kill, before=False, when=_is_record),
    "before take.json": lambda kill: _around(publish, "create_bytes", kill, before=True, when=_always),
    "after take.json": lambda kill: _around(publish, "create_bytes", kill, before=False, when=_always),
    "after the registry": lambda kill: _around(publish, "register", kill, before=False, when=_always),
    "after the ledger": lambda kill: _around(Ledger, "end", kill, before=False, when=_always),
    "after publishing": lambda kill: _around(pipeline, "publish", kill, before=False, when=_always),
    "before the word": lambda kill: _around(worker.Line, "send", kill, before=True, when=_is_done),
    "the daemon before the word": lambda kill: _around(
        worker.Line, "send", lambda: kill(daemon=True), before=True, when=_is_done
    ),
    "the daemon after the word": lambda kill: _around(
        worker.Line, "send", lambda: kill(daemon=True), before=False, when=_is_done
    ),
}

if __name__ == "__main__":
    main()
