"""The two halves of rendering: windows to patches (or out of the store), and patches to written, proved frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadImage, EngineFault, ProofFailed
from secondtake.messages import FixRequest
from secondtake_daemon.composite.matte import FrameMattes
from secondtake_daemon.composite.stitch import check_samples, stitch
from secondtake_daemon.engines.contract import Engine, Job, Patch, Window
from secondtake_daemon.images.exr_proof import Counts, measure
from secondtake_daemon.images.exr_write import Edit, Written, write_edited
from secondtake_daemon.job.shot import FrameFacts, PlateShot
from secondtake_daemon.store.io import replace_file
from secondtake_daemon.store.keys import FileDigests, key_of
from secondtake_daemon.store.patches import PatchStore, StoredPatch
from secondtake_daemon.takes.manifest import TakeFrame

__all__ = ["FrameWriter", "PatchMaker", "Samples"]

Samples = NDArray[np.float32]
"""(n, 3) in the engine's encoding: the pixels inside the generation matte, in row order."""


class _PatchKey(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a patch depends on. Two requests with equal keys get the same bytes, so the second is not computed."""

    engine: str
    engine_version: str
    operation: str
    instruction: str
    quality: str
    seed: int
    options: dict[str, str]
    colour: str
    crop: Box
    window: tuple[int, ...]
    frames: tuple[tuple[int, str, str], ...]
    """Number, plate digest and generation-matte digest of every frame the engine may look at."""
    references: tuple[tuple[str, int | None], ...]


class PatchMaker:
    """Makes the patch of a window, or finds it in the store. Leaving its `with` block unloads the engine."""

    def __init__(
        self,
        engine: Engine,
        job: Job,
        *,
        request: FixRequest,
        shot: PlateShot,
        crop: Box,
        store: PatchStore,
        digests: FileDigests,
    ) -> None:
        self._engine = engine
        self._job = job
        self._request = request
        self._shot = shot
        self._crop = crop
        self._store = store
        self._digests = digests
        self._loaded = False

    def __enter__(self) -> PatchMaker:
        return self

    def __exit__(self, *_: object) -> None:
        if self._loaded:
            self._engine.unload()

    def load(self) -> None:
        """Load the engine, once."""
        if not self._loaded:
            self._engine.load(self._job)
            self._loaded = True

    def needs_engine(self, windows: Iterable[tuple[int, ...]]) -> bool:
        """False if every patch is known already."""
        return not all(self._is_empty(window) or self._store.has(self.key(window)) for window in windows)

    def patch(self, index: int, window: tuple[int, ...], threads: Executor) -> StoredPatch:
        """The window's patch. Raises EngineFault if the engine breaks its contract."""
        if self._is_empty(window):
            return StoredPatch(tuple(np.zeros((0, 3), np.float32) for _ in window))
        key = self.key(window)
        known = self._store.get(key, counts=self._counts(window))
        return known or self._make(key, Window(index=index, frames=window, crop=self._crop, shot=self._shot), threads)

    def key(self, window: tuple[int, ...]) -> str:
        """The content key of a window's patch, from the digests of all that the engine may look at."""
        request, card = self._request, self._engine.card
        seen = self._shot.frames if card.sees_shot else window
        return key_of(
            _PatchKey(
                engine=card.name,
                engine_version=card.version,
                operation=request.operation.value,
                instruction=request.instruction,
                quality=request.quality.value,
                seed=request.seed,
                options=request.engine_options,
                colour=self._shot.colour_key,
                crop=self._crop,
                window=window,
                frames=tuple((frame, *self._frame_digests(frame)) for frame in seen),
                references=tuple((self._digests.of(Path(ref.path)), ref.frame) for ref in request.references),
            )
        )

    def _make(self, key: str, window: Window, threads: Executor) -> StoredPatch:
        self.load()
        list(threads.map(lambda frame: self._shot.planes(frame, self._crop), window.frames))
        patch = self._engine.generate(window, self._job)
        self._check_size(patch, window)
        samples = tuple(self._cut(patch, at, frame) for at, frame in enumerate(window.frames))
        stored = StoredPatch(samples, patch.notes)
        self._store.put(key, stored)
        return stored

    def _cut(self, patch: Patch, at: int, frame: int) -> Samples:
        """Only the pixels inside the generation matte, in row order."""
        inside = np.flatnonzero(self._shot.hole(frame, self._crop))
        samples = np.take(patch.pixels[at].reshape(-1, 3), inside, axis=0).astype(np.float32, copy=False)
        check_samples(samples, frame=frame, engine=self._engine.card.name)
        return samples

    def _check_size(self, patch: Patch, window: Window) -> None:
        wanted = (len(window.frames), self._crop.height, self._crop.width, 3)
        if patch.pixels.shape != wanted or patch.frames != window.frames or patch.box != window.crop:
            raise EngineFault(
                f"The engine '{self._engine.card.name}' returned a patch of size {patch.pixels.shape}, not {wanted}",
                remedy="Nothing was written; try another engine",
            )

    def _counts(self, window: Sequence[int]) -> tuple[int, ...]:
        return tuple(self._shot.facts[frame].hole_count for frame in window)

    def _is_empty(self, window: tuple[int, ...]) -> bool:
        return not any(self._counts(window))

    def _frame_digests(self, frame: int) -> tuple[str, str]:
        facts = self._shot.facts[frame]
        return facts.plate_digest, facts.hole_digest


@dataclass(frozen=True, kw_only=True)
class FrameWriter:
    """Writes one frame of the take: patch over plate inside the stitch matte, all else bit-identical, measured."""

    shot: PlateShot
    folder: Path
    names: Mapping[int, str]
    digests: FileDigests

    def write(self, frame: int, samples: Samples) -> TakeFrame:
        """samples: (n, 3) float32 in the engine's encoding, the pixels inside the generation matte. Thread-safe."""
        facts = self.shot.facts[frame]
        edit = self._edit(frame, samples, self.shot.mattes(frame))
        target = self.folder / self.names[frame]

        def write_and_measure(part: Path) -> tuple[Written, Counts]:
            self._refuse_changed_plate(facts)
            file = self.shot.file(frame)
            written = write_edited(file, part, edit)
            counts = measure(file, part, edit, written)
            _refuse_changed(counts, target)
            return written, counts

        written, counts = replace_file(target, write_and_measure, sync_name=False)
        return TakeFrame(
            frame=frame,
            file=target.name,
            digest=self.digests.of(target),
            plate=str(facts.path),
            plate_digest=facts.plate_digest,
            matte_digest=facts.support_digest,
            way=written.way,
            outside_changed=counts.outside_changed,
            outside_samples=counts.outside_samples,
            inside_samples=counts.inside_samples,
        )

    def _refuse_changed_plate(self, facts: FrameFacts) -> None:
        if self.digests.of(facts.path) != facts.plate_digest:
            raise BadImage("The plate changed on disk while the job ran", remedy="Run the job again", path=facts.path)

    def _edit(self, frame: int, samples: Samples, mattes: FrameMattes) -> Edit | None:
        matte, hole = mattes.stitch, mattes.hole
        where = matte.alpha > 0
        if not where.any():
            return None
        if matte is not hole:  # the hole is larger: take the samples that may be written
            inside_hole = hole.alpha > 0
            changes = np.zeros(inside_hole.shape, bool)
            changes[matte.box.within(hole.box)] = where
            samples = samples[changes[inside_hole]]
        patch = self.shot.transform.to_plate(samples)
        band = self.shot.planes(frame, matte.box)
        cut = {name: band.planes[name][matte.box.within(band.box)] for name in self.shot.channels}
        mixed = stitch(plate=cut, samples=patch, matte=matte, channels=self.shot.channels)
        return Edit(part=self.shot.part, box=matte.box, planes=mixed, where=where, band=band)


def _refuse_changed(counts: Counts, target: Path) -> None:
    if counts.outside_changed:
        raise ProofFailed(
            f"{counts.outside_changed} samples outside the matte would have changed",
            remedy="Nothing was kept; please report this, with the plate's header",
            path=target,
        )
