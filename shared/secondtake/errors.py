"""Everything that can go wrong, as one tree.

SecondTakeError                 code                   exit
├── UsageError                  usage                  2
├── Cancelled                   cancelled              3
├── Incompatible                incompatible           5
├── DaemonLost                  daemon_lost            10
│   └── Busy                    busy                   10
├── WorkerCrashed               worker_crashed         11
│   └── EngineFault             engine_fault           11
├── BadInput                    bad_input              12
│   ├── BadImage                bad_image              12
│   ├── MissingFrames           missing_frames         12
│   ├── BadMatte                bad_matte              12
│   ├── UnknownColour           unknown_colour         12
│   ├── BadOutput               bad_output             12
│   ├── NoSuchEngine            no_such_engine         12
│   ├── NotFound                not_found              12
│   └── TooLarge                too_large              12
├── DiskError                   disk                   13
├── GpuMemory                   gpu_memory             14
└── ProofFailed                 proof_failed           20

The code is stable and travels on the wire; the exit status is what the command line ends with.
The text of an error is one sentence that says what is wrong, one that says what to do, and the path last.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

__all__ = [
    "BadImage",
    "BadInput",
    "BadMatte",
    "BadOutput",
    "Busy",
    "Cancelled",
    "DaemonLost",
    "DiskError",
    "EngineFault",
    "ErrorBody",
    "GpuMemory",
    "Incompatible",
    "MissingFrames",
    "NoSuchEngine",
    "NotFound",
    "ProofFailed",
    "SecondTakeError",
    "TooLarge",
    "UnknownColour",
    "UsageError",
    "WorkerCrashed",
    "error_from_body",
]


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """An error as it travels: a stable code, one sentence, a remedy, and the path it is about (or "")."""

    code: str
    message: str
    remedy: str = ""
    path: str = ""


class SecondTakeError(Exception):
    """Base of the tree. message: what is wrong; remedy: what to do about it; path: the file or folder, or ""."""

    code: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 11

    def __init__(self, message: str, *, remedy: str = "", path: object = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.path = str(path)

    def __str__(self) -> str:
        """The whole text on one line: what is wrong, what to do, the path last."""
        parts = [_sentence(part) for part in (self.message, self.remedy) if part]
        return " ".join([*parts, self.path] if self.path else parts)

    def body(self) -> ErrorBody:
        """The same error, ready for the wire."""
        return ErrorBody(code=self.code, message=self.message, remedy=self.remedy, path=self.path)


class UsageError(SecondTakeError):
    """The command or the call itself is wrong."""

    code = "usage"
    exit_status = 2


class Cancelled(SecondTakeError):
    """Somebody asked for the job to be stopped."""

    code = "cancelled"
    exit_status = 3


class Incompatible(SecondTakeError):
    """The two sides do not share a protocol version, or a stored file comes from a newer version."""

    code = "incompatible"
    exit_status = 5


class DaemonLost(SecondTakeError):
    """The daemon cannot be reached, or did not answer in time."""

    code = "daemon_lost"
    exit_status = 10


class Busy(DaemonLost):
    """The daemon's queue, or this client's share of it, is full; try again later."""

    code = "busy"


class WorkerCrashed(SecondTakeError):
    """A worker process died or hung while it worked on the job."""

    code = "worker_crashed"
    exit_status = 11


class EngineFault(WorkerCrashed):
    """An engine broke its contract: NaN, a wrong size, or an error of its own."""

    code = "engine_fault"


class BadInput(SecondTakeError):
    """Something the artist handed in cannot be used as it is."""

    code = "bad_input"
    exit_status = 12


class BadImage(BadInput):
    """A file is not an image we can read: foreign, truncated, corrupt, or over a limit."""

    code = "bad_image"


class MissingFrames(BadInput):
    """Frames inside the asked range are not on disk."""

    code = "missing_frames"


class BadMatte(BadInput):
    """The matte does not fit the plate, is empty, or holds NaN."""

    code = "bad_matte"


class UnknownColour(BadInput):
    """The colour space is not known to the OCIO configuration."""

    code = "unknown_colour"


class BadOutput(BadInput):
    """The output folder cannot be used: not writable, the plate's own, or already holding a take."""

    code = "bad_output"


class NoSuchEngine(BadInput):
    """No engine of that name, or it cannot do the operation."""

    code = "no_such_engine"


class NotFound(BadInput):
    """No job, take or shot of that name."""

    code = "not_found"


class TooLarge(BadInput):
    """A message is over the size limit, or a job over what its client may have."""

    code = "too_large"


class DiskError(SecondTakeError):
    """The disk is full or failed."""

    code = "disk"
    exit_status = 13


class GpuMemory(SecondTakeError):
    """Not enough GPU memory, after every smaller plan was tried."""

    code = "gpu_memory"
    exit_status = 14


class ProofFailed(SecondTakeError):
    """A sample outside the matte differs, or a file is not the one the take recorded."""

    code = "proof_failed"
    exit_status = 20


def error_from_body(body: ErrorBody) -> SecondTakeError:
    """Make the typed error of a wire code again; an unknown code gives the base class."""
    kind = _BY_CODE.get(body.code, SecondTakeError)
    return kind(body.message, remedy=body.remedy, path=body.path)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else text + "."


def _tree(kind: type[SecondTakeError]) -> list[type[SecondTakeError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in _tree(child))]


_BY_CODE = {kind.code: kind for kind in _tree(SecondTakeError)}
