"""The ledger of an unfinished take: `.<take>.ledger` in the output folder.

Its first line says whose it is and which folders the job made; each further line is a finished frame, added only after
the frame's bytes are on disk. After a crash the take goes on with the frames whose lines are whole and whose digests
agree; a line that a power cut lost costs writing that frame again. take.json ends the ledger.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from threading import Lock

import msgspec

from secondtake import disk
from secondtake.errors import BadOutput
from secondtake_daemon.store.io import append_line, create_bytes, disk_errors, make_folders, replace_bytes
from secondtake_daemon.store.keys import FileDigests
from secondtake_daemon.takes.leftovers import LEDGER_SUFFIX, LedgerHead, end_ledger, ledger_path, sweep
from secondtake_daemon.takes.manifest import MANIFEST_NAME, TakeFrame, load

__all__ = ["Ledger", "claim"]


class Ledger:
    """The open ledger of one take. Frames may be added from several threads."""

    def __init__(self, folder: Path, head: LedgerHead, finished: dict[int, TakeFrame]) -> None:
        self.folder = folder
        self.head = head
        self.finished = finished
        self._lock = Lock()

    def add(self, record: TakeFrame) -> None:
        """Note a frame that is written."""
        with self._lock:
            append_line(ledger_path(self.folder, self.head.take), msgspec.json.encode(record))
            self.finished[record.frame] = record

    def end(self) -> None:
        """The take is published: the ledger goes, and whatever an earlier attempt left beside it."""
        end_ledger(self.folder, take=self.head.take)

    def discard(self) -> None:
        """The job failed or was cancelled: remove everything it wrote."""
        sweep(self.folder, shot=self.head.shot, take=self.head.take)


def claim(folder: Path, *, job: str, take: str, shot: str, plate: Path, digests: FileDigests) -> Ledger:
    """Make the output folder this job's, or go on where an earlier attempt of the same job stopped.

    plate: the plate's folder. Raises BadOutput if the folder can't be written, is the plate's own, holds a take, or
    another job writes there.
    """
    if folder.exists() and folder.resolve() == plate.resolve():
        raise BadOutput("The output folder is the plate's own", remedy="Give --out another folder", path=folder)
    path = ledger_path(folder, take)
    if path.exists():
        return _reopen(folder, path, job, digests)
    _refuse_occupied(folder, job)
    head = LedgerHead(job=job, take=take, shot=shot, made_folders=tuple(map(str, make_folders(folder))))
    try:
        create_bytes(path, msgspec.json.encode(head) + b"\n")
    except BaseException:
        with suppress(OSError):  # somebody put something there
            for made in map(Path, head.made_folders):
                disk.remove_folder(made)
        raise
    ledger = Ledger(folder, head, {})
    if min(folder.glob(f".*{LEDGER_SUFFIX}")) != path:  # two jobs came at once: the first by name stays
        ledger.discard()
        raise _taken(folder)
    return ledger


def _refuse_occupied(folder: Path, job: str) -> None:
    if folder.exists() and not folder.is_dir():
        raise BadOutput("The output is a file, not a folder", remedy="Give --out a folder", path=folder)
    with disk_errors(folder):
        if (folder / MANIFEST_NAME).exists() and load(folder).request.job != job:
            raise BadOutput("The output folder already holds a take", remedy="Give --out another folder", path=folder)
        others = list(folder.glob(f".*{LEDGER_SUFFIX}")) if folder.exists() else []
    if others:
        raise _taken(others[0])


def _taken(path: Path) -> BadOutput:
    return BadOutput(
        "Another job writes to this output folder",
        remedy="Wait for it, give --out another folder, or remove the ledger it left",
        path=path,
    )


def _reopen(folder: Path, path: Path, job: str, digests: FileDigests) -> Ledger:
    with disk_errors(path):
        lines = path.read_bytes().split(b"\n")
    try:
        head = msgspec.json.decode(lines[0], type=LedgerHead)
    except msgspec.MsgspecError:
        raise BadOutput(
            "The ledger of an unfinished take is damaged", remedy="Give --out another folder, or remove it", path=path
        ) from None
    if head.job != job:
        raise _taken(path)
    finished = {}
    for line in lines[1:-1]:  # what follows the last newline is empty, or torn by a crash
        record = _record(line)
        if record is not None and _is_whole(folder / record.file, record, digests):
            finished[record.frame] = record
    if lines[-1]:
        replace_bytes(path, b"\n".join(lines[:-1]) + b"\n")
    return Ledger(folder, head, finished)


def _record(line: bytes) -> TakeFrame | None:
    """None for a line that a power cut spoiled: lines are not synced."""
    try:
        return msgspec.json.decode(line, type=TakeFrame)
    except msgspec.MsgspecError:
        return None


def _is_whole(written: Path, record: TakeFrame, digests: FileDigests) -> bool:
    with disk_errors(written):
        return written.exists() and digests.of(written) == record.digest
