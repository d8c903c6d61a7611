"""take.json: the recipe of a take, its files and their proof. Versioned; the rules of `secondtake.messages` hold."""

from __future__ import annotations

from pathlib import Path

import msgspec

from secondtake.boxes import Box
from secondtake.errors import Incompatible, NotFound
from secondtake.messages import FixRequest, Proof

__all__ = ["MANIFEST_NAME", "SCHEMA_VERSION", "EngineUsed", "Manifest", "MatteUsed", "PlateUsed", "TakeFrame", "load"]

MANIFEST_NAME = "take.json"
SCHEMA_VERSION = 1


class _Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    pass


class EngineUsed(_Record, frozen=True, kw_only=True):
    """Which engine made the patches."""

    name: str
    version: str


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


class MatteUsed(_Record, frozen=True, kw_only=True):
    """Where the change was allowed."""

    name: str
    channel: str
    grow_px: int
    feather_px: int


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
    """How it was written: copy, splice or transplant (docs/exactness.md)."""
    outside_changed: int
    outside_samples: int
    inside_samples: int


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


def load(folder_or_file: Path) -> Manifest:
    """Read a take.json (or the one in a folder). Raises NotFound, or Incompatible for a newer or damaged one."""
    path = folder_or_file / MANIFEST_NAME if folder_or_file.is_dir() else folder_or_file
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise NotFound("There is no take here", remedy="Give the folder that holds take.json", path=path) from error
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
