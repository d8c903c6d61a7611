"""What running jobs hold in the cache, so that nobody removes it: one small file in each job's scratch folder.

The scratch folder outlives a worker and ends with the job, and so does its lease: what a job has made stays while it
waits for another attempt. A lease whose process is dead counts for a day more, for a job that never comes back.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from secondtake.process import is_same_process, process_start
from secondtake_daemon.store.io import disk_errors, swap_file

__all__ = ["GRACE_S", "Lease", "leases"]

GRACE_S = 86_400.0
_NAME = "lease.json"


class _Lease(msgspec.Struct, frozen=True):
    pid: int
    start: str
    names: tuple[str, ...]


class Lease:
    """One job's. At the end of its `with` block the job needs the cache no longer.

    Names are paths inside the cache, as `patches/ab/<key>`; a folder holds all that is in it.
    """

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self._path = scratch / _NAME
        self.earlier: tuple[str, ...] = ()
        """What an earlier attempt of the job held."""
        with suppress(OSError, msgspec.MsgspecError):
            self.earlier = msgspec.json.decode(self._path.read_bytes(), type=_Lease).names

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def hold(self, *names: str) -> None:
        """Hold these, and no longer what was held before. Raises DiskError or BadOutput."""
        lease = _Lease(os.getpid(), process_start(os.getpid()), names)
        with disk_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            swap_file(self._path, lambda part: part.write_bytes(msgspec.json.encode(lease)))


def leases(jobs: Path) -> dict[str, tuple[str, ...]]:
    """What each job holds, by the name of its scratch folder. jobs: the folder of those."""
    held = {}
    for path in jobs.glob(f"*/{_NAME}"):
        with suppress(OSError, msgspec.MsgspecError):
            lease = msgspec.json.decode(path.read_bytes(), type=_Lease)
            if time.time() - path.stat().st_mtime < GRACE_S or is_same_process(lease.pid, lease.start):
                held[path.parent.name] = lease.names
    return held
