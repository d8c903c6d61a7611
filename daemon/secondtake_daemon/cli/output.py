"""Everything the command line says, through one door.

People read lines on stdout, messages and progress on stderr. With `--json` the last line of stdout is one JSON object
and nothing else is printed there. Whatever is printed is escaped first: file names come from anywhere, and a line that
begins with `openjd_` would be an order to a render farm that reads our output.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Sequence
from typing import TextIO

import msgspec

from secondtake.errors import ErrorBody, SecondTakeError

__all__ = ["SCHEMA_VERSION", "Answer", "Output", "clean", "give_up_pipe"]

SCHEMA_VERSION = 1

# Control characters, lone surrogates of undecodable file names, and the marks that turn the direction of text.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_FARM_ORDER = re.compile(r"\s*openjd_", re.IGNORECASE)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every JSON answer. The rules of `secondtake.messages` for change hold here too."""

    schema_version: int = SCHEMA_VERSION


class _Failure(Answer, frozen=True, kw_only=True):
    error: ErrorBody
    exit_status: int


class Output:
    """Where a command's words go."""

    def __init__(
        self, *, as_json: bool, debug: bool, stdout: TextIO | None = None, stderr: TextIO | None = None
    ) -> None:
        self.as_json = as_json
        self.debug = debug
        self._stdout = stdout or sys.stdout
        self.stderr = stderr or sys.stderr
        self._has_answered = False

    def line(self, text: str = "") -> None:
        """A line of the result, for people; nothing with --json."""
        if not self.as_json:
            _print(text, self._stdout)

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Columns for people, as wide as what stands in them."""
        cells = [[clean(str(cell)) for cell in row] for row in (header, *rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
        for row in cells:
            self.line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def message(self, text: str) -> None:
        """A word on the way, on stderr."""
        _print(text, self.stderr)

    def answer(self, answer: Answer) -> None:
        """The one JSON object, with --json; nothing without."""
        if self.as_json:
            self._has_answered = True
            _write(_json_escaped(msgspec.json.encode(answer).decode("utf-8")), self._stdout)

    def failure(self, error: SecondTakeError) -> None:
        """An error: one line on stderr, the traceback only with --debug, and JSON if nothing was answered yet."""
        if self.debug:
            for text in traceback.format_exception(error):
                for line in text.rstrip("\n").split("\n"):
                    _print(line, self.stderr)
        _print(f"secondtake: {error}", self.stderr)
        if not self._has_answered:
            self.answer(_Failure(error=_printable(error.body()), exit_status=error.exit_status))


def clean(text: str) -> str:
    """Text that can do no harm on a terminal or in a farm's log: one line, no control characters, no orders."""
    text = _UNPRINTABLE.sub(_escaped, text)
    return f"› {text}" if _FARM_ORDER.match(text) else text


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _json_escaped(text: str) -> str:
    """The same for JSON, where the only unprintable characters that are left stand inside strings."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _printable(body: ErrorBody) -> ErrorBody:
    """JSON is UTF-8; a file name with other bytes is shown escaped."""
    return ErrorBody(code=body.code, message=_utf8(body.message), remedy=_utf8(body.remedy), path=_utf8(body.path))


def _utf8(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _print(text: str, stream: TextIO) -> None:
    _write(clean(text), stream)


def _write(text: str, stream: TextIO) -> None:
    encoding = stream.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def give_up_pipe() -> None:
    """The reader of our stdout left: let the interpreter end without a second complaint."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
