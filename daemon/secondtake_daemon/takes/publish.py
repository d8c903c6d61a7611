"""The last step of a job: seal the written frames with take.json and note the take in the registry."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from secondtake._version import __version__
from secondtake.errors import BadOutput, ProofFailed
from secondtake.messages import FixResult, Knowledge, Proof
from secondtake_daemon.store.io import create_bytes, sync_folder
from secondtake_daemon.takes.ledger import Ledger
from secondtake_daemon.takes.leftovers import end_ledger
from secondtake_daemon.takes.manifest import MANIFEST_NAME, Manifest, TakeFrame, load
from secondtake_daemon.takes.registry import register

__all__ = ["knowledge_of", "libraries", "now", "proof_of", "publish", "published", "result_of", "software"]

_PIXEL_LIBRARIES = ("numpy", "OpenEXR", "opencv-python-headless", "opencolorio", "isal")


def publish(manifest: Manifest, *, ledger: Ledger, registry: Path) -> FixResult:
    """Write take.json, which makes the take exist; then end the ledger. Raises ProofFailed rather than a false take."""
    if manifest.proof.outside_changed:
        raise ProofFailed(
            f"{manifest.proof.outside_changed} samples outside the matte would have changed",
            remedy="Nothing was kept; please report this, with the plate's header",
        )
    if manifest.line_proof is not None and manifest.line_proof.outside_changed:
        raise ProofFailed(
            f"{manifest.line_proof.outside_changed} samples outside all mattes of the line would differ from its plate",
            remedy="Nothing was kept; verify the take it was made on",
        )
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    sync_folder(ledger.folder)  # the frames' names first: a manifest must never outlive a file it names
    try:
        create_bytes(ledger.folder / MANIFEST_NAME, text + b"\n")
    except FileExistsError:
        raise BadOutput(
            "The output folder got another take meanwhile", remedy="Give --out another folder", path=ledger.folder
        ) from None
    register(registry, manifest, ledger.folder)
    ledger.end()
    return result_of(manifest, ledger.folder)


def published(folder: Path, *, job: str, registry: Path) -> FixResult | None:
    """The take this job has published already, before a crash kept it from saying so; else None.

    What the crash left of the publishing is done, or done again.
    """
    if not (folder / MANIFEST_NAME).exists():
        return None
    manifest = load(folder)
    if manifest.request.job != job:
        return None
    sync_folder(folder)  # take.json is seen, but that does not say that its name survives a power cut
    register(registry, manifest, folder)
    end_ledger(folder, take=manifest.take)
    return result_of(manifest, folder)


def result_of(manifest: Manifest, folder: Path) -> FixResult:
    """What the client is told of a take."""
    return FixResult(
        take=manifest.take,
        shot=manifest.shot,
        frames=tuple(record.frame for record in manifest.frames),
        files=tuple(str(folder / record.file) for record in manifest.frames),
        manifest=str(folder / MANIFEST_NAME),
        engine=manifest.engine.name,
        seconds=manifest.seconds,
        proof=manifest.proof,
        notes=manifest.notes,
        knowledge=manifest.knowledge,
        figures=manifest.figures,
        parent=manifest.parent,
        line_proof=manifest.line_proof if manifest.parent else None,
    )


def proof_of(records: tuple[TakeFrame, ...]) -> Proof:
    """The sums over all frames."""
    return Proof(
        outside_changed=sum(record.outside_changed for record in records),
        outside_samples=sum(record.outside_samples for record in records),
        inside_samples=sum(record.inside_samples for record in records),
    )


def knowledge_of(records: tuple[TakeFrame, ...]) -> Knowledge | None:
    """The sums over all frames; None unless all of them say how their pixels are known."""
    known = [record.known for record in records if record.known is not None]
    if len(known) < len(records):
        return None
    return Knowledge(
        seen=sum(frame.seen for frame in known),
        carried=sum(frame.carried for frame in known),
        invented=sum(frame.invented for frame in known),
    )


def libraries() -> dict[str, str]:
    """Versions of what touches pixels, of those that are installed."""
    found = {}
    for name in _PIXEL_LIBRARIES:
        with suppress(PackageNotFoundError):  # isal has no wheel for every platform
            found[name] = version(name)
    return found


def software() -> str:
    """Our name and version."""
    return f"secondtake/{__version__}"


def now() -> str:
    """UTC, ISO 8601, to the millisecond: takes made one after the other stand in that order."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
