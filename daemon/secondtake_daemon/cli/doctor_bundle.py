"""`secondtake doctor --bundle`: report and logs in one zip, to hand to somebody who does not know the show.

The journal, requests, takes and keys stay out. Of log lines only known fields go in (`redact.LINE_FIELDS`), of what
libraries printed only the kinds of exceptions: instructions could stand in the rest.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from secondtake.errors import BadOutput
from secondtake.home import Home
from secondtake_daemon.cli.log_files import NAMES, LogLine, last_lines
from secondtake_daemon.cli.redact import LINE_FIELDS, Redactor

__all__ = ["write_bundle"]

_MOST_LINES = 20_000
_DAEMONS_OWN = re.compile(r"[a-z][a-z :-]{0,60}")
_WORKERS_OWN = ("printed", "window made")
_EXCEPTION = re.compile(r"^(?:[\w.]+\.)?(\w*(?:Error|Exception|Warning|Fault))\b")
_FRAME = re.compile(r'File "[^"]*?([\w.-]+\.py)", line (\d+)')


def write_bundle(file: Path, *, home: Home, report: Mapping[str, object]) -> None:
    """Write the zip, over an older one. Raises BadOutput."""
    redactor = Redactor(home)
    try:
        with zipfile.ZipFile(file, "w", compression=zipfile.ZIP_DEFLATED) as bundle:
            bundle.writestr("report.json", msgspec.json.format(msgspec.json.encode(redactor.value(report)), indent=2))
            lines = last_lines(home.logs, most=_MOST_LINES)
            for name in NAMES:
                mine = [line for line in lines if f"{line.source}.log" == name]
                bundle.writestr(name, b"".join(_lines(mine, redactor)))
    except OSError as error:
        raise BadOutput(f"The bundle cannot be written ({error.strerror})", path=file) from error


def _lines(lines: list[LogLine], redactor: Redactor) -> Iterator[bytes]:
    for line in lines:
        fields = {name: redactor.value(value) for name, value in line.fields.items() if name in LINE_FIELDS}
        seen = _faults("\n".join(str(line.fields.get(name, "")) for name in ("text", "traceback")))
        if seen:
            fields["faults"] = seen
        is_ours = _DAEMONS_OWN.fullmatch(line.event) if line.source == "daemon" else line.event in _WORKERS_OWN
        event = line.event if is_ours else "<text>"
        kept = {"time": redactor.text(line.time), "level": redactor.text(line.level), "event": redactor.text(event)}
        yield msgspec.json.encode({**kept, **fields}) + b"\n"


def _faults(text: str) -> list[str]:
    """Kinds of exceptions, and where in which file, without their messages."""
    found = [f"{name}:{number}" for name, number in _FRAME.findall(text)]
    return found + [match[1] for each in text.splitlines() if (match := _EXCEPTION.match(each.strip()))]
