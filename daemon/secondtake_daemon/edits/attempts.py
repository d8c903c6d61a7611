"""How often each shot was begun anew: a small file beside the takes, written whole or not at all.

It is a memory, not the truth: without it a run finds its way by asking the daemon for one attempt after the other.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from secondtake.errors import BadInput
from secondtake_daemon.store.io import disk_errors, replace_bytes

__all__ = ["Attempts"]


class _State(msgspec.Struct, frozen=True):
    schema: int = 1
    attempts: dict[str, int] = {}
    """Key of a shot → number of its last attempt, where that is not 0."""


class Attempts:
    """The counters of one edit."""

    def __init__(self, file: Path) -> None:
        """Read them. Raises BadInput for a file that is not ours."""
        self._file = file
        self._numbers = dict(_read(file).attempts)

    def of(self, key: str) -> int:
        """The attempt that counts for this content."""
        return self._numbers.get(key, 0)

    def raise_to(self, key: str, number: int) -> None:
        """Note that a further attempt begins. Raises DiskError or BadOutput."""
        self._numbers[key] = number
        with disk_errors(self._file):
            self._file.parent.mkdir(parents=True, exist_ok=True)
        replace_bytes(self._file, msgspec.json.encode(_State(attempts=self._numbers), order="sorted"))


def _read(file: Path) -> _State:
    try:
        return msgspec.json.decode(file.read_bytes(), type=_State)
    except FileNotFoundError:
        return _State()
    except (OSError, msgspec.MsgspecError) as error:
        remedy = "Remove it; only how often shots were tried again is lost"
        raise BadInput("The run's own notes cannot be read", remedy=remedy, path=file) from error
