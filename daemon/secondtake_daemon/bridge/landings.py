"""Which frames of an unfinished take are whole: read from its ledger, a line a frame."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from secondtake_daemon.bridge.answers import Landed
from secondtake_daemon.takes.leftovers import LEDGER_SUFFIX, LedgerHead

__all__ = ["LedgerTail"]


class _Line(msgspec.Struct, frozen=True):
    frame: int
    file: str
    digest: str


class LedgerTail:
    """Follows the ledger of one job's take."""

    def __init__(self, *, job: str, out: str) -> None:
        self._job = job
        self._folder = Path(out)
        self._ledger: Path | None = None
        self._offset = 0
        self._seen: dict[int, str] = {}
        """Digest by frame: a frame that is made again after a crash is told again."""

    def read(self) -> tuple[Landed, ...]:
        """Frames that came since the last time; none if the folder cannot be read just now."""
        try:
            ledger = self._ledger or self._find()
            if ledger is None:
                return ()
            with ledger.open("rb") as file:
                if file.seek(0, 2) < self._offset:  # it was mended after a crash
                    self._offset = 0
                file.seek(self._offset)
                text = file.read()
        except OSError:
            self._ledger, self._offset = None, 0
            return ()
        self._ledger = ledger
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        return tuple(found for line in whole.splitlines() if (found := self._landed(line)))

    def rest(self, frames: tuple[int, ...], folder: str, names: tuple[str, ...]) -> tuple[Landed, ...]:
        """Of a published take, the frames that were not told yet."""
        return tuple(
            Landed(frame=frame, path=str(Path(folder) / name))
            for frame, name in zip(frames, names, strict=True)
            if frame not in self._seen
        )

    def _find(self) -> Path | None:
        for path in self._folder.glob(f".*{LEDGER_SUFFIX}"):
            with suppress(msgspec.MsgspecError), path.open("rb") as file:
                if msgspec.json.decode(file.readline(), type=LedgerHead).job == self._job:
                    return path
        return None

    def _landed(self, line: bytes) -> Landed | None:
        """None for the head, for a line that a power cut spoiled, and for a frame that was told."""
        try:
            one = msgspec.json.decode(line, type=_Line)
        except msgspec.MsgspecError:
            return None
        if self._seen.get(one.frame) == one.digest:
            return None
        self._seen[one.frame] = one.digest
        return Landed(frame=one.frame, path=str(self._folder / one.file))
