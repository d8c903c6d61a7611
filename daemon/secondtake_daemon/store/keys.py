"""Content keys: BLAKE3 everywhere, hex."""

from __future__ import annotations

from pathlib import Path
from threading import Lock

import msgspec
from blake3 import blake3

from secondtake.errors import BadImage

__all__ = ["FileDigests", "key_of"]


def key_of(value: msgspec.Struct) -> str:
    """The key of a value: the digest of its canonical JSON."""
    return blake3(msgspec.json.encode(value, order="deterministic")).hexdigest()


class FileDigests:
    """Digests of files, each file hashed once as long as its size, time and inode stay the same. Thread-safe."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int, int], str] = {}
        self._lock = Lock()

    def of(self, path: Path) -> str:
        """BLAKE3 of the file's bytes. Raises BadImage if it can't be read."""
        try:
            stat = path.stat()
            identity = (str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino)
            with self._lock:
                known = self._known.get(identity)
            if known is None:
                known = blake3().update_mmap(path).hexdigest()
        except OSError as error:
            raise BadImage(f"A file can't be read ({error.strerror})", remedy="Check its rights", path=path) from error
        with self._lock:
            self._known[identity] = known
        return known
