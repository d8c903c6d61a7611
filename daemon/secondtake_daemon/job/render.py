"""The two halves of rendering: windows to patches (or out of the store), and patches to written, proved frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadImage, EngineFault, ProofFailed
from secondtake.figures import FrameFigures
from secondtake_daemon.composite.figures import NO_FIGURES
from secondtake_daemon.composite.matte import FrameMattes, Stitch
from secondtake_daemon.composite.stitch import check_samples, stitch
from secondtake_daemon.engines.anchoring import ANCHOR
from secondtake_daemon.engines.contract import Anchor, Engine, FloatImage, Job, Patch, Sound, Window
from secondtake_daemon.heap import give_back
from secondtake_daemon.images.exr_layers import CONFIDENCE
from secondtake_daemon.images.exr_proof import Counts, measure
from secondtake_daemon.images.exr_write import Edit, Written, write_edited
from secondtake_daemon.job.confidence import KnownSamples, LayerPlanes, check_known, count_known, layer_planes
from secondtake_daemon.job.levels import Levels, room_of
from secondtake_daemon.job.machine import hardware
from secondtake_daemon.job.recent import Recent
from secondtake_daemon.job.shot import FrameFacts, PlateShot
from secondtake_daemon.plan.fix import FixPlan
from secondtake_daemon.store.cache import Cache
from secondtake_daemon.store.io import replace_file
from secondtake_daemon.store.keys import FileDigests, key_of
from secondtake_daemon.store.patches import StoredPatch, StoredSound
from secondtake_daemon.takes.manifest import TakeFrame
from secondtake_daemon.takes.publish import libraries

__all__ = ["FrameWriter", "PatchMaker", "Samples"]

_PATCHES_BYTES = 256 << 20
"""Patches kept at hand: the next window may need the one before."""
_GIVE_BACK_S = 1.0
"""Memory is given back so often at most: pages that are needed again cost more than they are worth."""

Samples = NDArray[np.float32]
"""(n, 3) in the engine's encoding: the pixels inside the generation matte, in row order."""


class _PatchKey(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a patch depends on. Two requests with equal keys get the same bytes, so the second is not computed."""

    engine: str
    engine_version: str
    machine: str
    """Libraries and hardware that the last bits may depend on."""
    operation: str
    instruction: str
    """Only if the engine reads it."""
    quality: str
    seed: int
    options: dict[str, str]
    colour: str
    crop: Box
    window: tuple[int, ...]
    frames: tuple[tuple[int, str, str], ...]
    """Number, plate digest and generation-matte digest of every frame the engine may look at."""
    guides: tuple[str, ...]
    """Of what else it may look at: painted frames, motion vectors, the anchor."""
    survey: str
    """What the engine found out about the shot as a whole."""
    needs: tuple[str, ...]
    """Keys of the patches it was made after."""


class PatchMaker:
    """Makes the patch of a window, or finds it in the cache. Leaving its `with` block unloads the engine."""

    def __init__(self, engine: Engine, job: Job, *, shot: PlateShot, plan: FixPlan, cache: Cache) -> None:
        self._engine = engine
        self._job = job
        self._shot = shot
        self._plan = plan
        self._cache = cache
        self._loaded = False
        self._machine = f"{hardware()} {libraries()}"
        self.card = engine.card
        self._survey = engine.survey(shot, plan.crop)
        self._looked_at = {*chain.from_iterable(plan.needs), *([plan.anchor.window] if plan.anchor else [])}
        """Windows that others are made from."""
        self._recent: Recent[int, StoredPatch] = Recent(_PATCHES_BYTES)
        self.keys = self._all_keys()
        """The content key of each window's patch; "" for a window without matte, which has none."""
        self.made = 0
        """Windows that the engine had to make."""

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

    @property
    def needs_engine(self) -> bool:
        """False if every patch is known already."""
        return not all(self._cache.has(key) for key in self.keys if key)

    def patch(self, index: int, threads: Executor) -> StoredPatch:
        """The patch of a window. Raises EngineFault if the engine breaks its contract."""
        known = self._recent.get(index)
        if known is None:
            known = self._patch(index, threads)
            if index in self._looked_at:
                self._recent.put(index, known, sum(each.nbytes for each in known.samples))
        return known

    def _patch(self, index: int, threads: Executor) -> StoredPatch:
        window, key = self._plan.windows[index], self.keys[index]
        if not key:
            known = tuple(np.zeros(0, np.uint8) for _ in window) if self._engine.card.says_how else None
            return StoredPatch(tuple(np.zeros((0, 3), np.float32) for _ in window), known=known)
        stored = self._cache.get(key, counts=self._counts(window))
        return stored or self._make(key, self._window(index, threads), threads)

    def _window(self, index: int, threads: Executor) -> Window:
        return Window(
            index=index,
            frames=self._plan.windows[index],
            crop=self._plan.crops[index],
            shot=self._shot,
            accepted=self._accepted(index, threads),
            anchor=self._anchor(index, threads),
        )

    def _accepted(self, index: int, threads: Executor) -> dict[int, FloatImage]:
        """The handles' frames as the neighbours made them: their samples inside the hole, the plate around it."""
        crop, handles = self._plan.crops[index], set(self._plan.handles[index])
        found: dict[int, FloatImage] = {}
        for near in self._plan.needs[index]:
            patch = self.patch(near, threads)
            for frame, samples in zip(self._plan.windows[near], patch.samples, strict=True):
                if frame in handles:
                    found[frame] = self._picture(frame, crop, samples)
        return found

    def _anchor(self, index: int, threads: Executor) -> Anchor | None:
        """The frame that was made first, for those who are shown it."""
        anchor, crop = self._plan.anchor, self._plan.crops[index]
        if anchor is None or index not in self._plan.shown:
            return None
        samples = self.patch(anchor.window, threads).samples[self._plan.windows[anchor.window].index(anchor.frame)]
        return Anchor(frame=anchor.frame, picture=self._picture(anchor.frame, crop, samples))

    def _picture(self, frame: int, crop: Box, samples: Samples) -> FloatImage:
        """The plate, and in its hole the samples."""
        picture = self._shot.plate(frame, crop).copy()
        picture[self._shot.hole(frame, crop) > 0] = samples
        return picture

    def _all_keys(self) -> tuple[str, ...]:
        """Of each window; those that are made first come first, because the others' keys hold theirs."""
        keys = [""] * len(self._plan.windows)
        for index in self._plan.needed_first:
            if not self._is_empty(self._plan.windows[index]):
                keys[index] = self._key(index, needs=tuple(keys[near] for near in self._plan.needs[index]))
        return tuple(keys)

    def _key(self, index: int, *, needs: tuple[str, ...]) -> str:
        """From the digests of all that the engine may look at."""
        job, card, window = self._job, self._engine.card, self._plan.windows[index]
        anchor = self._plan.anchor if index in self._plan.shown else None
        looked_at = {*window, *self._plan.handles[index], *([anchor.frame] if anchor else [])}
        seen = self._shot.frames if card.sees_shot else sorted(looked_at)
        return key_of(
            _PatchKey(
                engine=card.name,
                engine_version=card.version,
                machine=self._machine,
                operation=job.operation.value,
                instruction=job.instruction if card.reads_instruction else "",
                quality=job.quality.value,
                seed=job.seed,
                options={name: text for name, text in job.options.items() if name != ANCHOR},
                colour=self._shot.colour_key,
                crop=self._plan.crops[index],
                window=window,
                frames=tuple((frame, *self._frame_digests(frame)) for frame in seen),
                guides=(*self._shot.guides_key, *([f"anchor {anchor.frame}"] if anchor else [])),
                survey=self._survey,
                needs=needs,
            )
        )

    def _make(self, key: str, window: Window, threads: Executor) -> StoredPatch:
        self.load()
        list(threads.map(lambda frame: self._shot.planes(frame, window.crop), window.frames))
        patch = self._engine.generate(window, self._job)
        give_back(most_often_s=_GIVE_BACK_S)
        self.made += 1
        self._check_size(patch, window)
        inside = [np.flatnonzero(self._shot.hole(frame, window.crop)) for frame in window.frames]
        samples = tuple(self._samples(patch, at, pixels) for at, pixels in enumerate(inside))
        known = None
        if self._engine.card.says_how:
            known = tuple(self._known(patch, at, pixels) for at, pixels in enumerate(inside))
        stored = StoredPatch(samples, patch.notes, known, _stored(patch.sound))
        self._cache.put(key, stored)
        return stored

    def _samples(self, patch: Patch, at: int, inside: NDArray[np.intp]) -> Samples:
        """Only the pixels inside the generation matte, in row order."""
        samples = np.take(patch.pixels[at].reshape(-1, 3), inside, axis=0).astype(np.float32, copy=False)
        check_samples(samples, frame=patch.frames[at], engine=self._engine.card.name)
        return samples

    def _known(self, patch: Patch, at: int, inside: NDArray[np.intp]) -> KnownSamples:
        """How each of these pixels is known."""
        name = self._engine.card.name
        if patch.known is None or patch.known.shape != patch.pixels.shape[:3]:
            raise EngineFault(
                f"The engine '{name}' does not say how it knows its pixels, as its card promises",
                remedy="Nothing was written; try another engine",
            )
        known = np.take(patch.known[at], inside).astype(np.uint8, copy=False)
        check_known(known, frame=patch.frames[at], engine=name)
        return known

    def _check_size(self, patch: Patch, window: Window) -> None:
        wanted = (len(window.frames), window.crop.height, window.crop.width, 3)
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
    levels: Levels
    aovs: tuple[str, ...] = ()
    """Layers to write beside the picture (`images.exr_layers`)."""

    def write(self, frame: int, samples: Samples, known: KnownSamples | None) -> TakeFrame:
        """One frame. Thread-safe.

        samples: (n, 3) float32 in the engine's encoding, the pixels inside the generation matte. known: how each of
        them is known, or None if the engine does not say. Raises BadImage, ProofFailed, and EngineFault if a layer is
        wanted of which the engine knows nothing.
        """
        facts, mattes = self.shot.facts[frame], self.shot.mattes(frame)
        if mattes.stitch is not mattes.hole:  # the hole is larger: take the samples that may be written
            may_change = _may_change(mattes)
            samples, known = samples[may_change], None if known is None else known[may_change]
        edit = self._edit(frame, samples, known, mattes.stitch)
        figures = self._figures(edit, mattes.stitch)
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
            outside_samples=0 if facts.is_added else counts.outside_samples,
            inside_samples=counts.inside_samples,
            known=None if known is None else count_known(known),
            hole_digest=facts.hole_digest,
            figures=figures,
            added=facts.is_added,
        )

    def _refuse_changed_plate(self, facts: FrameFacts) -> None:
        if self.digests.of(facts.path) != facts.plate_digest:
            raise BadImage("The plate changed on disk while the job ran", remedy="Run the job again", path=facts.path)

    def _edit(self, frame: int, samples: Samples, known: KnownSamples | None, matte: Stitch) -> Edit:
        """samples, known: the pixels where the stitch matte is above 0."""
        layer = self._layer(frame, known, matte)
        mixed, band = {}, None
        if not matte.box.is_empty:
            band = self.shot.planes(frame, room_of(matte.box, self.shot.facts[frame].window))
            cut = {name: band.planes[name][matte.box.within(band.box)] for name in self.shot.channels}
            patch = self.shot.transform.to_plate(samples)
            mixed = stitch(plate=cut, samples=patch, matte=matte, channels=self.shot.channels)
        return Edit(
            part=self.shot.part,
            box=matte.box,
            planes={**mixed, **layer.edited},
            where=matte.alpha > 0,
            added=layer.added,
            band=band,
        )

    def _figures(self, edit: Edit, matte: Stitch) -> FrameFigures:
        return self.levels.measure(edit.band, edit.planes, matte) if edit.band is not None else NO_FIGURES

    def _layer(self, frame: int, known: KnownSamples | None, matte: Stitch) -> LayerPlanes:
        """What the request wants beside the picture; a frame without a matte gets it too, all 0."""
        if CONFIDENCE.name not in self.aovs:
            return LayerPlanes({}, {})
        if known is None:
            raise EngineFault("The engine does not say how it knows its pixels", remedy="Leave out --aov confidence")
        return layer_planes(known, stitch=matte, file=self.shot.file(frame), part=self.shot.part)


def _stored(sound: Sound | None) -> StoredSound | None:
    if sound is None:
        return None
    return StoredSound(sound.samples, sound.rate_hz, sound.before, sound.after)


def _may_change(mattes: FrameMattes) -> NDArray[np.bool_]:
    """Which pixels of the generation matte are in the stitch matte; both in row order."""
    inside_hole = mattes.hole.alpha > 0
    changes = np.zeros(inside_hole.shape, bool)
    if not mattes.stitch.box.is_empty:
        changes[mattes.stitch.box.within(mattes.hole.box)] = mattes.stitch.alpha > 0
    chosen: NDArray[np.bool_] = changes[inside_hole]
    return chosen


def _refuse_changed(counts: Counts, target: Path) -> None:
    if counts.outside_changed:
        raise ProofFailed(
            f"{counts.outside_changed} samples outside the matte would have changed",
            remedy="Nothing was kept; please report this, with the plate's header",
            path=target,
        )
