"""Work that opens pictures, done in processes of their own: the command line's verbs, the surveyor, thumbnails."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import TypeVar

import msgspec

from secondtake.errors import DaemonLost, ErrorBody, WorkerCrashed, error_from_body

__all__ = ["Children"]

_Kind = TypeVar("_Kind", bound=msgspec.Struct)
_MOST_BYTES = 64 * 1024 * 1024
_LAST_CHARACTERS = 500


class _Failure(msgspec.Struct, frozen=True):
    error: ErrorBody | None = None


class Children:
    """Starts them, and ends those that still run when the host hangs up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._is_over = False

    def verb(self, *arguments: str, kind: type[_Kind], timeout_s: float = 600.0) -> _Kind:
        """A verb of the command line; its JSON, as far as `kind` asks for it. Raises the error it says."""
        return self.run(["secondtake_daemon", "--json", *arguments], kind=kind, timeout_s=timeout_s)

    def run(
        self, module_and_arguments: Sequence[str], *, kind: type[_Kind], said: bytes = b"", timeout_s: float
    ) -> _Kind:
        """A module of ours; `said` is its stdin, the last line of its stdout the answer. Raises the error it says,
        DaemonLost if it does not come to an end, WorkerCrashed if it says nothing."""
        child = self._start([sys.executable, "-P", "-m", *module_and_arguments])
        try:
            out, err = child.communicate(said, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            raise DaemonLost(
                f"There was no answer within {timeout_s:g} s", remedy="Look at the disks it is on"
            ) from None
        finally:
            with self._lock:
                self._running.discard(child)
        line = out.rstrip().rpartition(b"\n")[2]
        with suppress(msgspec.MsgspecError):
            failure = msgspec.json.decode(line, type=_Failure).error
            if failure is None or _has_answer(line, kind):
                return msgspec.json.decode(line, type=kind)
            raise error_from_body(failure)
        words = err.decode("utf-8", "replace").strip()[-_LAST_CHARACTERS:].replace("\n", " ")
        raise WorkerCrashed(f"The work ended with status {child.returncode}: {words}", remedy="Please report it")

    def end(self) -> None:
        """End all, and let none begin."""
        with self._lock:
            self._is_over = True
            for child in self._running:
                with suppress(OSError):
                    child.terminate()

    def _start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._is_over:
                raise DaemonLost("The bridge is ending")
            # Windows: CREATE_NO_WINDOW
            child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                creationflags=0x0800_0000 if sys.platform == "win32" else 0,
            )
            self._running.add(child)
        return child


def _has_answer(line: bytes, kind: type[msgspec.Struct]) -> bool:
    """`verify` says what it found also when that is an error."""
    try:
        msgspec.json.decode(line, type=kind)
    except msgspec.MsgspecError:
        return False
    return True
