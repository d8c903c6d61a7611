"""Takes out of a text what is nobody else's business: who and where somebody is, keys, paths. What stays is what a
fault can be found with."""

from __future__ import annotations

import getpass
import os
import re
import socket
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from secondtake.home import Home

__all__ = ["LINE_FIELDS", "Redactor"]

LINE_FIELDS = frozenset(
    (
        *("version", "job", "worker", "pid", "host", "take", "attempts", "state", "code", "phase", "total", "found"),
        *("window", "first", "last", "seconds", "jobs", "drain", "successor", "dropped", "logger", "reason"),
    )
)
"""What of a log line goes into a bundle. Not the shot, nor texts that an artist or a library wrote."""
_LONGEST_KEY = 40
_Z85 = re.compile(r"(?<![0-9A-Za-z])[0-9A-Za-z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}(?![0-9A-Za-z])")
_HEX = re.compile(r"\b[0-9a-f]{64,}\b")
_PATH = re.compile(r"(?<![\w.<>])(?:/|~/|[A-Za-z]:[\\/]|\\\\).*", re.DOTALL)
"""To the end: a path may hold anything, and what we say has its path last."""
_URL_USER = re.compile(r"(?<=://)[^/@\s]+@")
_FEWEST_CHARACTERS = 2


class Redactor:
    """Knows the secrets of this home and this user."""

    def __init__(self, home: Home) -> None:
        self._literal = [(secret, "<key>") for secret in _keys(home)]
        folders = {name: str(getattr(home, name)) for name in ("config", "run", "data", "cache", "logs")}
        self._literal += [(path, f"<{name}>") for name, path in folders.items()]
        if home.root is not None:
            self._literal.append((str(home.root), "<home>"))
        self._literal += [(str(Path.home()), "<user>"), (sys.prefix, "<python>"), (sys.base_prefix, "<python>")]
        self._literal.sort(key=lambda pair: -len(pair[0]))
        names = [(name, "<user>") for name in _user_names()] + [(name, "<machine>") for name in _machine_names()]
        self._names = [
            (re.compile(rf"(?<![0-9A-Za-z]){re.escape(name)}(?![0-9A-Za-z])", re.IGNORECASE), mark)
            for name, mark in sorted(names, key=lambda pair: -len(pair[0]))
            if len(name) >= _FEWEST_CHARACTERS
        ]

    def text(self, text: str) -> str:
        """The text without what is private."""
        for secret, mark in self._literal:
            text = text.replace(secret, mark)
        text = _URL_USER.sub("<user>@", text)
        text = _PATH.sub("<path>", text)
        text = _HEX.sub("<digest>", _Z85.sub("<key>", text))
        for name, mark in self._names:
            text = name.sub(mark, text)
        return text

    def value(self, value: object) -> object:
        """The same for all texts in lists and tables, their keys too."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each) for each in value]
        return value


def _keys(home: Home) -> Iterable[str]:
    """Every word of every key file."""
    for folder in ("keys", "clients", "pairing"):
        for file in (home.config / folder).glob("*"):
            with suppress(OSError, UnicodeDecodeError):
                yield from (word for word in file.read_text(encoding="utf-8").split() if len(word) >= _LONGEST_KEY)


def _user_names() -> set[str]:
    names = {os.environ.get(name, "") for name in ("USER", "LOGNAME", "USERNAME", "SUDO_USER")}
    with suppress(OSError, KeyError, ImportError):
        names.add(getpass.getuser())
    return {*names, Path.home().name} - {""}


def _machine_names() -> set[str]:
    name = socket.gethostname()
    return {name, name.partition(".")[0]} - {""}
