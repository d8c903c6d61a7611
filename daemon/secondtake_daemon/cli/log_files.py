"""The log files of a home, read as lines: the last ones, and those that come, across rotation. No process is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

__all__ = ["NAMES", "Follower", "LogLine", "last_lines"]

NAMES = ("daemon.log", "worker.log")
_MOST_READ_BYTES = 64 << 20
_ESSENTIAL = ("time", "level", "event")


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a log."""

    source: str
    """daemon or worker."""
    time: str
    """UTC, ISO 8601."""
    level: str
    event: str
    fields: dict[str, object]
    """What else was said; `job` is the id that the host made."""

    @property
    def text(self) -> str:
        """For people. It may hold anything: print it through `cli.output`."""
        rest = " ".join(f"{name}={value}" for name, value in self.fields.items())
        return f"{self.time} {self.level:<7} {self.source:<6} {self.event}  {rest}".rstrip()

    def is_about(self, job: str) -> bool:
        """True if it names a job whose id begins so; any line if job is ""."""
        return not job or str(self.fields.get("job", "")).startswith(job)


def last_lines(logs: Path, *, most: int, job: str = "") -> list[LogLine]:
    """The last lines of all logs (about one job), in order of time."""
    found: list[LogLine] = []
    for name in NAMES:
        mine: list[LogLine] = []
        for file in rotated(logs / name):  # the newest first
            lines = _read(file, name)
            mine = [line for line in lines if line.is_about(job)] + mine
            if len(mine) >= most:
                break
        found += mine[-most:]
    return sorted(found, key=lambda line: line.time)[-most:]


def rotated(file: Path) -> list[Path]:
    """A log and what was put aside of it, the newest first."""
    aside = []
    for path in file.parent.glob(f"{file.name}.*"):
        number = path.name.removeprefix(f"{file.name}.")
        if number.isdecimal():
            aside.append((int(number), path))
    return [file, *(path for _, path in sorted(aside))]


class Follower:
    """Lines as they come. A file is opened anew for each look: one that is held open could not be put aside on
    Windows."""

    def __init__(self, logs: Path) -> None:
        self._places = {name: _Place(logs / name) for name in NAMES}

    def new_lines(self) -> list[LogLine]:
        """What was written since the last call."""
        found = [line for name, place in self._places.items() for line in _parsed(place.new_bytes(), name)]
        return sorted(found, key=lambda line: line.time)


class _Place:
    """How far one log has been read."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._identity, self._offset = _identity(file), _size(file)

    def new_bytes(self) -> bytes:
        """Whole lines only. Begins with the rest of a file that was put aside meanwhile, then those after it."""
        if _identity(self._file) == self._identity:
            return self._more(self._file)
        chain = rotated(self._file)
        known = [index for index, path in enumerate(chain) if _identity(path) == self._identity]
        raw = b""
        if self._identity is not None and known:
            raw = self._more(chain[known[0]])
            chain = chain[: known[0]]
        for path in reversed(chain if self._identity is not None else chain[:1]):
            self._identity, self._offset = _identity(path), 0
            raw += self._more(path)
        return raw

    def _more(self, path: Path) -> bytes:
        if _size(path) < self._offset:  # emptied, or another file with the same number
            self._offset = 0
        with suppress(OSError), path.open("rb") as file:
            file.seek(self._offset)
            raw = file.read(_MOST_READ_BYTES)
            whole = raw[: raw.rfind(b"\n") + 1]
            self._offset += len(whole)
            return whole
        return b""


def _read(file: Path, name: str) -> list[LogLine]:
    with suppress(OSError):
        return list(_parsed(file.read_bytes(), name))
    return []


def _parsed(raw: bytes, name: str) -> Iterator[LogLine]:
    """A line that is no JSON object of ours, because it was torn or written by hand, is shown as it is."""
    source = name.partition(".")[0]
    for line in raw.splitlines():
        try:
            values = msgspec.json.decode(line, type=dict[str, object])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            text = line.decode("utf-8", "replace")
            yield LogLine(source=source, time="", level="", event=text, fields={})
            continue
        time, level, event = (str(values.pop(key, "")) for key in _ESSENTIAL)
        yield LogLine(source=source, time=time, level=level, event=event, fields=values)


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
