"""The public client of Second Take.

with secondtake.Client.connect() as client:
    result = client.run(secondtake.FixRequest(job=uuid4().hex, shot="sh010", ...))
"""

from __future__ import annotations

from secondtake._version import __version__
from secondtake.boxes import Box
from secondtake.client import Client
from secondtake.endpoint import Endpoint
from secondtake.errors import (
    BadImage,
    BadInput,
    BadMatte,
    BadOutput,
    Busy,
    Cancelled,
    DaemonLost,
    DiskError,
    EngineFault,
    ErrorBody,
    GpuMemory,
    Incompatible,
    MissingFrames,
    NoSuchEngine,
    NotFound,
    ProofFailed,
    SecondTakeError,
    TooLarge,
    UnknownColour,
    UsageError,
    WorkerCrashed,
)
from secondtake.frames import FrameRange, FrameSet
from secondtake.home import Home
from secondtake.keys import KeyPair
from secondtake.launch import ensure_daemon
from secondtake.messages import (
    EngineCard,
    FixRequest,
    FixResult,
    JobState,
    JobView,
    Operation,
    Phase,
    Proof,
    Quality,
    Reference,
    StatusReply,
    WorkerView,
)

__all__ = [
    "BadImage",
    "BadInput",
    "BadMatte",
    "BadOutput",
    "Box",
    "Busy",
    "Cancelled",
    "Client",
    "DaemonLost",
    "DiskError",
    "Endpoint",
    "EngineCard",
    "EngineFault",
    "ErrorBody",
    "FixRequest",
    "FixResult",
    "FrameRange",
    "FrameSet",
    "GpuMemory",
    "Home",
    "Incompatible",
    "JobState",
    "JobView",
    "KeyPair",
    "MissingFrames",
    "NoSuchEngine",
    "NotFound",
    "Operation",
    "Phase",
    "Proof",
    "ProofFailed",
    "Quality",
    "Reference",
    "SecondTakeError",
    "StatusReply",
    "TooLarge",
    "UnknownColour",
    "UsageError",
    "WorkerCrashed",
    "WorkerView",
    "__version__",
    "ensure_daemon",
]
