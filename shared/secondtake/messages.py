"""What client and daemon say to each other, as frozen msgspec structs.

`docs/protocol.md` is authoritative; a test holds golden bytes against it. Rules for change (schema evolution):

1. A new field has a default. Unknown fields are ignored, so both sides may be one version apart.
2. The type and the meaning of a field never change; a name is never used again.
3. A field that is no longer needed stays, with its default.
4. Anything else is a new protocol version: raise PROTOCOL_MAX, keep PROTOCOL_MIN as long as it can be spoken.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from secondtake.errors import ErrorBody
from secondtake.figures import Figures

__all__ = [
    "PROTOCOL_MAX",
    "PROTOCOL_MIN",
    "Accepted",
    "Cancel",
    "ControlKind",
    "EngineCard",
    "Engines",
    "Event",
    "FixRequest",
    "FixResult",
    "Hello",
    "JobState",
    "JobView",
    "Jobs",
    "Knowledge",
    "ListEngines",
    "ListJobs",
    "Message",
    "Ok",
    "Operation",
    "Pair",
    "Phase",
    "Proof",
    "Quality",
    "Reference",
    "Refused",
    "Stage",
    "Status",
    "StatusReply",
    "Stop",
    "Submit",
    "Watch",
    "Welcome",
    "WorkerView",
]

PROTOCOL_MIN = 1
PROTOCOL_MAX = 1


class Operation(str, Enum):
    """What is done to the pixels inside the matte."""

    REMOVE = "remove"
    """Take the object away and show what is behind it."""
    REPLACE = "replace"
    """Put something else in its place."""
    MODIFY = "modify"
    """Keep it, change what the instruction says."""
    RESTYLE = "restyle"
    """Keep form and motion, change the look."""
    EXTEND = "extend"
    """Go on beyond the first or last frame."""
    GENERATE = "generate"
    """Make a shot without a plate."""


class ControlKind(str, Enum):
    """What is followed inside the matte, so that form and motion stay while the look changes."""

    NONE = "none"
    """Nothing: the engine is free."""
    DEPTH = "depth"
    """Distances from the camera: a depth pass, or pictures of it in which near is white."""
    SCRIBBLE = "scribble"
    """White lines on black; drawn after the plate's edges where no frames are given."""
    GREY = "grey"
    """Brightness without colour; the plate's where no frames are given."""
    POSE = "pose"
    """Coloured skeletons on black, as OpenPose draws them."""


class Quality(str, Enum):
    """How much time the engine may take."""

    DRAFT = "draft"
    FINAL = "final"


class JobState(str, Enum):
    """The states a client can tell apart. The last three are final."""

    QUEUED = "queued"
    """Journaled, waits for a worker (again, after a crash)."""
    RUNNING = "running"
    """A worker said that it started."""
    DONE = "done"
    """The take is published."""
    FAILED = "failed"
    """It ended with a typed reason; nothing half-written stays."""
    CANCELLED = "cancelled"
    """Somebody cancelled it; nothing half-written stays."""

    @property
    def is_final(self) -> bool:
        """True if nothing can happen to the job any more."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


class Phase(str, Enum):
    """What a running job does just now."""

    PREPARE = "prepare"
    """Check and measure plate and matte."""
    LOAD = "load"
    """Load the engine."""
    RENDER = "render"
    """Make patches and write frames."""
    PUBLISH = "publish"
    """Prove the frames and write take.json."""


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """Base of values inside messages."""


class Reference(Value, frozen=True, kw_only=True):
    """An image that guides the edit. With a frame number it is an edited frame of this shot, without one a look."""

    path: str
    frame: int | None = None
    colourspace: str = ""
    """OCIO name or alias; "" is the file's own tag, else the plate's for float images and sRGB for integer ones."""


class Stage(Value, frozen=True, kw_only=True):
    """What an engine does just now, inside the phases `load` and `render`, where it says so."""

    name: str
    """`load`, `encode`, `step`, `decode` or `write`; later versions may say others."""
    done: int = 0
    """Parts loaded, or steps taken; 0 of 0 where nothing is counted."""
    total: int = 0
    frames: str = ""
    """Frame set that it works on."""
    left_s: int | None = None
    """Seconds until the last frame of the job is made, from what this job measured so far; None is not known yet."""
    preview: str = ""
    """Absolute path of a picture of the frames as they are just now; written anew while it runs, gone with the job."""


class FixRequest(Value, frozen=True, kw_only=True):
    """Everything that defines one fix. The host makes the job id; sending it twice is one job."""

    job: str
    """32 hex digits, made by the host (uuid4)."""
    shot: str
    """Name of the shot, also the first part of the written file names."""
    plate: str
    """Absolute path: a sequence name (`sh010.####.exr`), one frame, or a movie; "" for `generate`, which has none."""
    matte: str
    """Absolute path: a sequence name, one image held over the range, or keyed shapes (.json). "" is the whole frame for
    `restyle`; for `extend` and `generate`, which make whole frames, it is always ""."""
    out: str
    """Absolute path of the folder for the frames and take.json."""
    operation: Operation
    instruction: str = ""
    references: tuple[Reference, ...] = ()
    motion: str = ""
    """Absolute path of a sequence with the plate's motion vectors, as Blender's Vector pass; "" has them estimated."""
    frames: str = ""
    """Frame set as in `secondtake.frames`; "" is all frames from the plate's first to its last. For `extend` it goes on
    beyond those; for `generate` it says which frames to make."""
    colourspace: str = ""
    """OCIO name or alias of the plate, for `generate` of the new frames; "" is the file's own tag, else linear Rec.709
    for EXR."""
    ocio: str = ""
    """The sender's $OCIO, so that a name means the same in the worker; "" is the built-in configuration."""
    matte_channel: str = ""
    """Channel of the matte that holds coverage; "" chooses (see docs/mattes.md)."""
    grow_px: int = 0
    """Enlarge the matte by so many pixels (negative: shrink). The enlarged matte is the matte."""
    feather_px: int = 0
    """Soften the edge over so many pixels, inward."""
    engine: str = "temporal"
    engine_options: dict[str, str] = {}
    """Switches of the engine, as text; an unknown one is refused."""
    quality: Quality = Quality.FINAL
    seed: int = 0
    aovs: tuple[str, ...] = ()
    """Extra layers to write into the take's frames: "confidence" (docs/confidence.md)."""
    parent: str = ""
    """Id of the take this is made on: then `plate` names that take's written frames. "" is a fix on the plate."""
    revises: str = ""
    """Id of the take that this says again with more words; both have the same plate and parent."""
    instructions: tuple[str, ...] = ()
    """What was said before `instruction` in this line of revisions, oldest first."""
    control: str = ""
    """Absolute path of pictures to follow inside the matte: a sequence name, or one image held over the range; "" has
    them made of the plate, where `control_kind` can be."""
    control_kind: ControlKind = ControlKind.NONE
    width_px: int = 0
    """Of the frames that `generate` makes; else 0."""
    height_px: int = 0
    fps: float = 0.0
    """Frames a second of what `generate` makes; else 0."""

    @property
    def said(self) -> str:
        """What the engine reads: all instructions, oldest first, one a line."""
        return "\n".join(filter(None, (*self.instructions, self.instruction)))


class Proof(Value, frozen=True, kw_only=True):
    """What was measured on the written files. Samples are counted over all channels of all parts."""

    outside_changed: int
    """Samples whose bits differ from the plate's where the stitch matte is 0. A published take has 0."""
    outside_samples: int
    inside_samples: int
    """Samples of the edited channels where the stitch matte is above 0."""


class Knowledge(Value, frozen=True, kw_only=True):
    """How the engine knows the pixels it made: how many of each kind, over all frames (docs/confidence.md)."""

    seen: int
    """Other frames show them, and agree."""
    carried: int
    """Brought from a painted reference, or along a motion that only the surroundings support."""
    invented: int
    """No frame shows them."""


class FixResult(Value, frozen=True, kw_only=True):
    """A published take."""

    take: str
    shot: str
    frames: tuple[int, ...]
    files: tuple[str, ...]
    """Absolute paths in frame order."""
    manifest: str
    """Absolute path of take.json."""
    engine: str
    seconds: float
    """From the worker's start of the job to the published take; only the last attempt."""
    proof: Proof
    notes: tuple[str, ...] = ()
    """What was assumed or is worth a look, one sentence each."""
    knowledge: Knowledge | None = None
    """None if the engine does not say."""
    figures: Figures | None = None
    """Quality figures; None in takes of older versions."""
    parent: str = ""
    """Id of the take it was made on; "" is the plate."""
    line_proof: Proof | None = None
    """Of a take on a take: the same against the plate the line begins with, outside all mattes of the line."""


class JobView(Value, frozen=True, kw_only=True):
    """A job as a client sees it."""

    job: str
    shot: str
    state: JobState
    operation: Operation
    engine: str
    out: str
    submitted: float
    """Seconds since the epoch, for display."""
    host: str = ""
    """Who sent it: program and process, from the HELLO."""
    phase: Phase | None = None
    frame: int | None = None
    """The frame just finished, if any."""
    done: int = 0
    """Frames finished in this phase."""
    total: int = 0
    """Frames of this phase; 0 is unknown."""
    figures: Figures | None = None
    """While it runs: quality of the frames finished so far (docs/quality.md), at most twice a second."""
    stage: Stage | None = None
    attempts: int = 0
    result: FixResult | None = None
    error: ErrorBody | None = None
    parent: str = ""
    """Id of the take it works on; "" is the plate."""
    waits: str = ""
    """While it is queued: what it waits for besides its turn, in one sentence; "" is nothing."""


class WorkerView(Value, frozen=True, kw_only=True):
    """A worker process as `status` shows it."""

    pid: int
    state: str
    """starting, idle, busy or stopping."""
    job: str = ""


class EngineCard(Value, frozen=True, kw_only=True):
    """What an engine can do and needs, in words and numbers a host can show."""

    name: str
    version: str
    summary: str
    operations: tuple[Operation, ...]
    licence: str
    deterministic: bool
    window_frames: int
    available: bool = True
    why_not: str = ""
    controls: tuple[ControlKind, ...] = ()
    """What it can follow."""
    whole_frames: bool = False
    """True if it can make whole frames, without a matte."""
    reads_motion: bool = False
    """True if it makes use of motion vectors; else a request that names some is refused."""
    looks: int = 0
    """So many references without a frame, at most."""
    needs_words: tuple[Operation, ...] = ()
    """Operations that it can do only if an instruction, or a reference, says what to make."""
    needs_painted: tuple[Operation, ...] = ()
    """Operations that it can do only with a painted frame of the shot."""


# --- messages ---------------------------------------------------------------------------------------------------


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag=str.lower):
    """Base of everything that travels as a message of its own; `kind` is the class name in lower case."""


class Hello(Message, frozen=True, kw_only=True):
    """First word of a client."""

    protocol_min: int
    protocol_max: int
    client: str
    """Program and version, as `secondtake-cli/0.1.0`."""
    pid: int = 0


class Welcome(Message, frozen=True, kw_only=True):
    """The daemon's answer to HELLO: the version both speak (the highest common one) and its limits."""

    protocol: int
    version: str
    instance: str
    """Changes with every start of the daemon."""
    pid: int
    message_bytes: int
    """Largest body the daemon takes."""
    queue_jobs: int
    """Jobs that may wait at once."""


class Submit(Message, frozen=True, kw_only=True):
    """Queue a fix. Answer: Accepted (also if it was known already) or Refused."""

    request: FixRequest


class Accepted(Message, frozen=True, kw_only=True):
    """The job is in the journal."""

    view: JobView


class Refused(Message, frozen=True, kw_only=True):
    """The typed answer to anything that cannot be done."""

    error: ErrorBody
    retry_after_s: float = 0.0


class Watch(Message, frozen=True, kw_only=True):
    """Send events of the job from now on, beginning with its present state."""

    job: str


class Event(Message, frozen=True, kw_only=True):
    """The job's state after a change. `seq` grows by at least one; events between may be merged, the last is sent."""

    seq: int
    view: JobView


class Cancel(Message, frozen=True, kw_only=True):
    """Stop the job, in whatever phase it is. Answer: Accepted with the present state."""

    job: str


class ListJobs(Message, frozen=True, kw_only=True):
    """Ask for jobs, newest first."""

    limit: int = 100
    job: str = ""
    """Only this one (also a unique beginning of its id)."""


class Jobs(Message, frozen=True, kw_only=True):
    """Answer to ListJobs."""

    views: tuple[JobView, ...]


class ListEngines(Message, frozen=True, kw_only=True):
    """Ask for the cards of all engines."""


class Engines(Message, frozen=True, kw_only=True):
    """Answer to ListEngines."""

    cards: tuple[EngineCard, ...]


class Status(Message, frozen=True, kw_only=True):
    """Ask how the daemon is; also the ping."""


class StatusReply(Message, frozen=True, kw_only=True):
    """Answer to Status."""

    version: str
    instance: str
    pid: int
    home: str
    uptime_s: float
    queued: int
    running: int
    finished: int
    clients: int
    rss_bytes: int
    workers: tuple[WorkerView, ...]
    endpoints: tuple[str, ...]
    condition: str = ""
    """"" is well; else what holds it up, as `paused: disk`."""


class Stop(Message, frozen=True, kw_only=True):
    """End the daemon. Running jobs go back to the queue, unless `drain` waits for them. Answer: Ok."""

    drain: bool = False
    successor: bool = False
    """Another daemon takes over at once: who watches a job shall look for it."""


class Pair(Message, frozen=True, kw_only=True):
    """Enter this client's own key, over a connection made with a one-time code (`secondtake.pairing`). Answer: Ok."""

    public: str
    """Public CURVE key, z85."""


class Ok(Message, frozen=True, kw_only=True):
    """Done."""
