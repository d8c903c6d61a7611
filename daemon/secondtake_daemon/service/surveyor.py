"""Measures free space, each time in a thread of its own: a file server that is gone may never answer."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import zmq

__all__ = ["Survey", "Surveyor", "free_bytes"]

_INBOX = "inproc://surveyor"


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """What was found."""

    key: str
    free_bytes: Mapping[str, int]
    """By folder; those that cannot be measured are not in it."""


class Surveyor:
    """`inbox` becomes readable when something was measured."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self._context = context
        self._asked: set[str] = set()
        self.inbox = context.socket(zmq.PULL)
        self.inbox.bind(_INBOX)

    def measure(self, key: str, folders: Sequence[str]) -> None:
        """Begin; returns at once. A key that is being measured is not measured twice at the same time."""
        if key not in self._asked:
            self._asked.add(key)
            threading.Thread(target=self._work, args=(key, folders), daemon=True, name="surveyor").start()

    def receive(self) -> Survey | None:
        """What was measured next, or None."""
        try:
            survey = msgspec.json.decode(self.inbox.recv(flags=zmq.NOBLOCK), type=Survey)
        except zmq.Again:
            return None
        self._asked.discard(survey.key)
        return survey

    def close(self) -> None:
        """Hang up; a thread that still waits for a file server dies with the process."""
        self.inbox.close(linger=0)

    def _work(self, key: str, folders: Sequence[str]) -> None:
        found = {folder: free for folder in folders if (free := free_bytes(Path(folder))) is not None}
        with suppress(zmq.ZMQError), self._context.socket(zmq.PUSH) as inbox:  # the daemon may have ended meanwhile
            inbox.linger = 0
            inbox.connect(_INBOX)
            inbox.send(msgspec.json.encode(Survey(key=key, free_bytes=found)))


def free_bytes(folder: Path) -> int | None:
    """Bytes this user may still write on the disk of a folder, which need not exist yet.

    None if nobody knows, or if the disk is read-only: then space is not what it lacks.
    """
    for existing in (folder, *folder.parents):
        try:
            free = shutil.disk_usage(existing).free
            return None if _is_read_only(existing) else free
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError):
            return None
    return None


def _is_read_only(folder: Path) -> bool:
    return sys.platform != "win32" and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
