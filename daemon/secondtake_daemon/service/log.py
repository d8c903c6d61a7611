"""The logs of the daemon and its workers: one JSON object a line, in files of limited size. Keys and what an artist
wrote never go in. A line about a job has the job's id, which the host made: it leads from the host to the worker.

Written by hand on msgspec: the daemon must be ready in half a second, and a logging framework takes 0.2 s to import.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path

import msgspec

__all__ = ["Field", "Log", "rotate"]

Field = str | int | float | bool | None


class Log:
    """May be written to from any thread. A log that cannot be written is not worth dying for: the line is lost.

    echo: on stderr too. always: what stands in each line.
    """

    def __init__(
        self,
        file: Path,
        *,
        most_bytes: int,
        most_files: int,
        echo: bool = False,
        always: Mapping[str, Field] | None = None,
    ) -> None:
        self._always = dict(always or {})
        self._file = file
        self._most_bytes = most_bytes
        self._most_files = most_files
        self._echo = echo
        self._lock = threading.Lock()

    def line(self, level: str, event: str, fields: Mapping[str, Field]) -> None:
        """A line as another process said it; what stands in each line cannot be said otherwise."""
        reserved = {"time", "level", "event", *self._always}
        self._write(level, event, {name: value for name, value in fields.items() if name not in reserved})

    def info(self, event: str, **fields: Field) -> None:
        """Something happened as it should."""
        self._write("info", event, fields)

    def warning(self, event: str, **fields: Field) -> None:
        """Something went wrong outside, and was dealt with."""
        self._write("warning", event, fields)

    def error(self, event: str, error: BaseException, **fields: Field) -> None:
        """A fault of our own, with its traceback."""
        text = "".join(traceback.format_exception(error))
        self._write("error", event, {**fields, "traceback": text})

    def _write(self, level: str, event: str, fields: Mapping[str, Field]) -> None:
        line = _encoded({"time": _stamp(time.time()), "level": level, "event": event, **self._always, **fields})
        with self._lock:
            if self._echo:
                sys.stderr.write(line.decode("utf-8"))
            with contextlib.suppress(OSError):  # another program may hold it open (Windows)
                rotate(self._file, most_bytes=self._most_bytes, most_files=self._most_files)
            with contextlib.suppress(OSError), self._file.open("ab") as file:
                file.write(line)


def _stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03d}Z"


def _encoded(line: Mapping[str, Field]) -> bytes:
    try:
        return msgspec.json.encode(line) + b"\n"
    except UnicodeEncodeError:  # a file name that is no UTF-8
        safe = {
            name: value.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(value, str) else value
            for name, value in line.items()
        }
        return msgspec.json.encode(safe) + b"\n"


def rotate(file: Path, *, most_bytes: int, most_files: int) -> None:
    """Put a full file aside as `name.1`, the older ones as `.2` …; the oldest is deleted. Raises OSError."""
    try:
        if file.stat().st_size < most_bytes:
            return
    except FileNotFoundError:
        return
    for number in range(most_files - 1, 0, -1):
        older = file.with_name(f"{file.name}.{number}")
        if older.exists():
            older.replace(file.with_name(f"{file.name}.{number + 1}"))
    file.replace(file.with_name(f"{file.name}.1"))
