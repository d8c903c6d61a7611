"""take.json: the recipe of a take, its files and their proof. Versioned; the rules of `secondtake.messages` hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
from blake3 import blake3

from secondtake.boxes import Box
from secondtake.errors import DiskError, Incompatible, NotFound
from secondtake.figures import Figures, FrameFigures
from secondtake.messages import ControlKind, FixRequest, Knowledge, Proof

__all__ = [
    "MANIFEST_NAME",
    "SCHEMA_VERSION",
    "ControlUsed",
    "EngineUsed",
    "Manifest",
    "MatteUsed",
    "ModelUsed",
    "MotionUsed",
    "PlateUsed",
    "ReferenceUsed",
    "SoundUsed",
    "SupportsUsed",
    "TakeFrame",
    "joint_digest",
    "load",
]

MANIFEST_NAME = "take.json"
SCHEMA_VERSION = 1


class _Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    pass


class ModelUsed(_Record, frozen=True, kw_only=True):
    """Weights that an engine worked with."""

    name: str
    licence: str
    hub: str = ""
    """owner/name@commit, if it was fetched from a hub."""
    files: dict[str, str]
    """SHA-256 of each file, by its path in the model's folder."""


class EngineUsed(_Record, frozen=True, kw_only=True):
    """Which engine made the patches."""

    name: str
    version: str
    models: tuple[ModelUsed, ...] = ()
    """More than one for a recipe, none for an engine without weights."""


class PlateUsed(_Record, frozen=True, kw_only=True):
    """What the take was made from."""

    name: str
    """Sequence name of the EXR frames that were read (for a movie: of its converted frames)."""
    colourspace: str
    """OCIO name."""
    colourspace_assumed: bool
    """True if the file had no tag and the request named none."""
    channels: tuple[str, ...]
    """The edited channels, as they stand in the file."""
    part: int
    """Index of the edited part."""
    source: str = ""
    """The movie the frames came from, if any."""
    added: str = ""
    """Frames that the plate does not have, as a frame set: the take's first of their number, made whole."""


class MatteUsed(_Record, frozen=True, kw_only=True):
    """Where the change was allowed."""

    name: str
    """"" if there was none, and some frames were made whole."""
    channel: str
    grow_px: int
    feather_px: int
    whole: str = ""
    """Frames in which everything may change, as a frame set, where there is no matte; the others are the plate's."""


class ReferenceUsed(_Record, frozen=True, kw_only=True):
    """An image that guided the engine."""

    name: str
    """Absolute path."""
    frame: int | None
    """The frame of the shot that it is, painted; None for a look."""
    digest: str
    """BLAKE3 of the file, hex."""
    colourspace: str
    """OCIO name."""
    colourspace_assumed: bool
    """True if the file had no tag and the request named none."""


class MotionUsed(_Record, frozen=True, kw_only=True):
    """The motion vectors that the engine was given."""

    name: str
    """Sequence name."""
    digest: str
    """BLAKE3, hex, of lines "frame digest" joined by line feeds: each frame's number and the digest of its file."""


class ControlUsed(_Record, frozen=True, kw_only=True):
    """The frames that the engine followed inside the matte."""

    name: str
    """Sequence name, or that of one image."""
    kind: ControlKind
    digest: str
    """As of `MotionUsed`."""


class TakeFrame(_Record, frozen=True, kw_only=True):
    """One written frame. Digests are BLAKE3, hex."""

    frame: int
    file: str
    """Name inside the take's folder."""
    digest: str
    plate: str
    """Absolute path of the plate's frame."""
    plate_digest: str
    matte_digest: str
    """Of the stitch matte's support: data window and one bit a pixel (`composite.matte.support_digest`)."""
    way: str
    """How it was written: copy, splice, transplant or layer (docs/exactness.md)."""
    outside_changed: int
    outside_samples: int
    inside_samples: int
    known: Knowledge | None = None
    """Of the pixels where the stitch matte is above 0 (docs/confidence.md); None if the engine does not say."""
    hole_digest: str = ""
    """Of the generation matte: its box and coverage. It tells a matte with other values but the same outline."""
    figures: FrameFigures | None = None
    """None in takes of older versions."""
    root: str = ""
    """Absolute path of the frame of the plate that the line begins with; "" if that is `plate`."""
    root_digest: str = ""
    """Of that frame."""
    added: bool = False
    """True if the plate has no such frame: then `plate` is an empty one of its kind, and nothing lies outside."""


class SupportsUsed(_Record, frozen=True, kw_only=True):
    """Where the samples that may change are kept, of this take and of its whole line (`takes.supports`)."""

    file: str
    """Name inside the take's folder."""
    digest: str
    """BLAKE3 of the file, hex."""


class SoundUsed(_Record, frozen=True, kw_only=True):
    """What the take sounds like, beside its frames: from the beginning of the first to the end of the last."""

    file: str
    """Name inside the take's folder: a WAV file of float32 samples."""
    digest: str
    """BLAKE3 of the file, hex."""
    rate_hz: int
    channels: int
    made: str = ""
    """Frames whose sound the engine made, as a frame set; the others' is the plate's."""


class Manifest(_Record, frozen=True, kw_only=True):
    """A take, whole. `verify` needs nothing else but the plate and the matte."""

    schema: int = SCHEMA_VERSION
    take: str
    shot: str
    parent: str = ""
    """Id of the take it was made on; "" is the plate."""
    made: str
    """UTC, ISO 8601; for display only."""
    software: str
    """`secondtake/0.1.0`."""
    libraries: dict[str, str]
    """Versions of the libraries that touched pixels."""
    request: FixRequest
    """The recipe; replay starts here."""
    engine: EngineUsed
    plate: PlateUsed
    matte: MatteUsed
    crop: Box
    windows: tuple[tuple[int, ...], ...]
    """Frames of each window, as the plan fixed them."""
    frames: tuple[TakeFrame, ...]
    proof: Proof
    seconds: float
    notes: tuple[str, ...] = ()
    knowledge: Knowledge | None = None
    """The sum over all frames."""
    references: tuple[ReferenceUsed, ...] = ()
    motion: MotionUsed | None = None
    control: ControlUsed | None = None
    """None also if what was followed was made of the plate; `request.control_kind` says what."""
    anchor: int | None = None
    """The frame that was made first and shown to the windows that did not see it; None if there was none."""
    patches: tuple[str, ...] = ()
    """Content key of each window's patch, as in `windows`; "" for a window without matte."""
    hardware: str = ""
    """Kind of machine that made it."""
    configuration: str = ""
    """What the names of colour spaces meant: name of the OCIO configuration, and for a file its BLAKE3."""
    figures: Figures | None = None
    """Quality figures (docs/quality.md)."""
    revises: str = ""
    """Id of the take that this says again with more words; both have the same parent."""
    instructions: tuple[str, ...] = ()
    """All that was said, oldest first, also in the takes that this revises."""
    line: tuple[str, ...] = ()
    """Ids of the takes it stands on, from the one on the plate to the parent."""
    root_plate: str = ""
    """Sequence name (or movie) of the plate that the line begins with; "" if that is `plate`."""
    supports: SupportsUsed | None = None
    """None in takes of older versions."""
    sound: SoundUsed | None = None
    """None if there is none to be heard."""
    line_proof: Proof | None = None
    """Measured against the plate that the line begins with, outside all mattes of the line; for a take on the plate it
    is `proof`. None in takes of older versions."""

    @property
    def root_name(self) -> str:
        """The plate that the line begins with, as a person knows it: a sequence name or a movie."""
        return self.root_plate or self.plate.source or self.plate.name


def joint_digest(known: Mapping[int, str]) -> str:
    """BLAKE3, hex, of many files by frame: of lines "frame digest" joined by line feeds."""
    return blake3("\n".join(f"{frame} {digest}" for frame, digest in known.items()).encode()).hexdigest()


def load(folder_or_file: Path) -> Manifest:
    """Read a take.json (or the one in a folder).

    Raises NotFound, Incompatible for a newer or damaged one, DiskError if it is there but cannot be read.
    """
    path = folder_or_file / MANIFEST_NAME if folder_or_file.is_dir() else folder_or_file
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound("There is no take here", remedy="Give the folder that holds take.json", path=path) from error
    except OSError as error:  # never taken for a take that is not there: somebody may want to clear up after it
        raise DiskError(f"The take cannot be read ({error.strerror})", path=path) from error
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except msgspec.MsgspecError as error:
        raise Incompatible(f"The take's manifest is damaged or foreign ({error})", path=path) from error
    if manifest.schema > SCHEMA_VERSION:
        raise Incompatible(
            f"The take was written by a newer version (schema {manifest.schema})",
            remedy="Update Second Take",
            path=path,
        )
    return manifest
