"""A file that takes up space while there is plenty, and gives it back when the disk is full: enough for the journal to
note what happened, and for running jobs to end."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

__all__ = ["Ballast"]

_BLOCK_BYTES = 1 << 20


class Ballast:
    """size_bytes 0 is none. Making it is left to a thread: some file systems write every byte of it."""

    def __init__(self, file: Path, *, size_bytes: int) -> None:
        self._file = file
        self._size_bytes = size_bytes
        self._thread: threading.Thread | None = None
        if not self.is_there:  # of another size, or half made when the daemon was killed
            self.release()

    @property
    def is_there(self) -> bool:
        """True if there is something to release."""
        try:
            return bool(self._size_bytes) and self._file.stat().st_size == self._size_bytes
        except OSError:
            return False

    def make(self, *, free_bytes: int, spare_bytes: int) -> None:
        """Begin to make it if it is not there and leaves at least spare_bytes of the disk's free_bytes."""
        is_making = self._thread is not None and self._thread.is_alive()
        if self.is_there or is_making or not self._size_bytes or free_bytes < self._size_bytes + spare_bytes:
            return
        self._thread = threading.Thread(target=self._fill, daemon=True, name="ballast")
        self._thread.start()

    def release(self) -> bool:
        """Give the space back. True if there was any."""
        was_there = self.is_there
        with suppress(OSError):
            self._file.unlink(missing_ok=True)
        return was_there

    def _fill(self) -> None:
        try:
            _allocate(self._file, self._size_bytes)
        except OSError:  # no room after all; the next look at the disk decides anew
            self.release()


def _allocate(file: Path, size_bytes: int) -> None:
    """Blocks of its own for every byte. Raises OSError."""
    with file.open("wb") as opened:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(opened.fileno(), 0, size_bytes)
            return
        block = os.urandom(_BLOCK_BYTES)  # zeros would take no room on a file system that compresses
        for start in range(0, size_bytes, _BLOCK_BYTES):
            opened.write(block[: size_bytes - start])
