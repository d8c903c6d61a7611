"""What a host may ask: the parameters of each method. Unknown ones are refused: nothing asked is passed over."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from secondtake.errors import UsageError
from secondtake.messages import ControlKind, Operation, Quality, Reference
from secondtake_daemon.bridge.lines import Question

__all__ = [
    "KINDS",
    "Accept",
    "Cancel",
    "Compare",
    "Delete",
    "Engines",
    "Fix",
    "Hello",
    "Jobs",
    "Params",
    "Rename",
    "Show",
    "Star",
    "Start",
    "Status",
    "Survey",
    "Takes",
    "Thumbnail",
    "Verify",
    "Watch",
    "params_of",
]

_REMEDY = "See docs/bridge.md"


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all parameters."""


class Hello(Params, frozen=True, kw_only=True):
    """First word of a host."""

    protocol_min: int
    protocol_max: int
    name: str
    """As `blender/5.2.3`."""
    version: str = ""
    """The plugin, as `secondtake_blender/0.1.0`."""
    autostart: bool = True
    """False: only `start` starts a daemon."""


class Status(Params, frozen=True, kw_only=True):
    """How the daemon is."""


class Start(Params, frozen=True, kw_only=True):
    """Start the daemon if none runs."""


class Engines(Params, frozen=True, kw_only=True):
    """The cards of the engines."""


class Survey(Params, frozen=True, kw_only=True):
    """What `fix` would send. Paths are absolute; None is not given."""

    plate: str = ""
    on: str = ""
    """Make an edit on top of this take."""
    revise: str = ""
    """Say this take's own edit again."""
    matte: str | None = None
    shapes: msgspec.Raw = msgspec.Raw(b"null")
    """Keyed shapes, as in docs/mattes.md, instead of a file; null is none."""
    operation: Operation | None = None
    instruction: str | None = None
    references: tuple[Reference, ...] | None = None
    motion: str | None = None
    control: str | None = None
    """Pictures to follow; `control_kind` says what they show."""
    control_kind: ControlKind | None = None
    frames: str = ""
    handles: tuple[int, int] = (0, 0)
    """So many frames before and after `frames`, as far as there are any."""
    extend: tuple[int, int] = (0, 0)
    """So many new frames before and after those of the plate."""
    size: tuple[int, int] | None = None
    """Width and height of what `generate` makes, in pixels."""
    fps: float | None = None
    """Frames a second of it."""
    colourspace: str = ""
    ocio: str | None = None
    """None is the bridge's own $OCIO."""
    engine: str | None = None
    engine_options: dict[str, str] | None = None
    quality: Quality | None = None
    seed: int | None = None
    aovs: tuple[str, ...] | None = None
    shot: str = ""
    grow_px: int | None = None
    feather_px: int | None = None
    matte_channel: str | None = None
    job: str = ""
    out: str = ""


class Fix(Survey, frozen=True, kw_only=True):
    """Queue a fix and watch it. `job` and `out` must be there."""


class Watch(Params, frozen=True, kw_only=True):
    """Send events of these jobs."""

    jobs: tuple[str, ...]


class Cancel(Params, frozen=True, kw_only=True):
    """Stop a job."""

    job: str


class Jobs(Params, frozen=True, kw_only=True):
    """Jobs of all hosts, newest first."""

    limit: int = 100


class Takes(Params, frozen=True, kw_only=True):
    """The takes of a shot, or all."""

    shot: str = ""


class Show(Params, frozen=True, kw_only=True):
    """One take."""

    take: str


class Star(Params, frozen=True, kw_only=True):
    """Mark a take, or take the mark away."""

    take: str
    starred: bool = True


class Accept(Params, frozen=True, kw_only=True):
    """Mark a take as the good one."""

    take: str


class Rename(Params, frozen=True, kw_only=True):
    """Name a take."""

    take: str
    name: str
    note: str | None = None


class Delete(Params, frozen=True, kw_only=True):
    """Delete a take's files."""

    take: str
    with_children: bool = False


class Compare(Params, frozen=True, kw_only=True):
    """Where two takes differ."""

    a: str
    b: str
    out: str = ""


class Verify(Params, frozen=True, kw_only=True):
    """Prove a take again."""

    take: str


class Thumbnail(Params, frozen=True, kw_only=True):
    """A picture of one frame of a take."""

    take: str
    frame: int | None = None
    width_px: int = 256


def _kinds() -> tuple[type[Params], ...]:
    return (*Params.__subclasses__(), Fix)


KINDS: dict[str, type[Params]] = {kind.__name__.lower(): kind for kind in _kinds()}
"""By method."""

_Kind = TypeVar("_Kind", bound=Params)


def params_of(question: Question) -> Params:
    """What is asked. Raises UsageError for an unknown method, and for parameters that do not fit it."""
    kind = KINDS.get(question.method)
    if kind is None:
        raise UsageError(f"There is no method '{question.method[:80]}'", remedy=_REMEDY)
    try:
        return msgspec.json.decode(question.params, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"The parameters of '{question.method}' do not fit ({error})", remedy=_REMEDY) from error
