"""The daemon's log: one JSON object a line, in files of limited size. Keys and requests never go in.

Written by hand on msgspec: the daemon must be ready in half a second, and a logging framework takes 0.2 s to import.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import traceback
from pathlib import Path

import msgspec

__all__ = ["Log", "rotate"]

Field = str | int | float | bool | None


class Log:
    """May be written to from any thread. A log that cannot be written is not worth dying for: the line is lost."""

    def __init__(self, file: Path, *, most_bytes: int, most_files: int, echo: bool = False) -> None:
        self._file = file
        self._most_bytes = most_bytes
        self._most_files = most_files
        self._echo = echo
        self._lock = threading.Lock()

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

    def _write(self, level: str, event: str, fields: dict[str, Field]) -> None:
        seconds = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03d}Z"
        line = msgspec.json.encode({"time": stamp, "level": level, "event": event, **fields}) + b"\n"
        with self._lock:
            if self._echo:
                sys.stderr.write(line.decode("utf-8"))
            with contextlib.suppress(OSError):
                rotate(self._file, most_bytes=self._most_bytes, most_files=self._most_files)
                with self._file.open("ab") as file:
                    file.write(line)


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
