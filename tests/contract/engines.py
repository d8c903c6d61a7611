"""Every engine on the bench: its card out of the catalogue, and one small shot that all of them can do.

An engine of a model joins with one line in TINY.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.messages import Operation, Quality
from secondtake_daemon.engines.card import Card
from secondtake_daemon.engines.catalogue import Catalogue, factory
from secondtake_daemon.engines.contract import Engine, FloatImage, Job, Patch, Window
from secondtake_daemon.models import shelf
from secondtake_daemon.plan.fix import plan_fix

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "quality"), str(TESTS / "diffusion")]

from array_shots import ArrayShot  # noqa: E402
from scenes import Size, make  # noqa: E402

SIZE = Size(width=96, height=64, frames=12, subframes=1, over=1)

WINDOWS = 3
"""Of the shot that are tried."""


@dataclass(frozen=True)
class Tiny:
    """A model with random weights."""

    save: str
    """Function of tests/diffusion/tiny.py that writes its folder."""
    settings: dict[str, str]
    """As `models add --set`: small enough for a test."""


SMALL = {"steps": "2", "prompt_tokens": "32"}
BUILT_IN = {"temporal": {"grain": "none"}, "standin": {"mode": "noise"}}
"""Engines that need no model, and the options they are tried with."""
TINY = {
    "vace": Tiny("save_vace", {**SMALL, "longest": "17", "head": "4", "tail": "5"}),
    "klein": Tiny("save_klein", SMALL),
    "qwen": Tiny("save_qwen", {**SMALL, "guidance": "1"}),
    "ltx2": Tiny("save_ltx2", {**SMALL, "longest": "33", "head": "8", "tail": "17"}),
}
ENGINES = (*BUILT_IN, *TINY)


def install(root: Path, name: str) -> None:
    """Build a tiny model and add it to the models under root, once."""
    if (root / f"{name}.json").exists():
        return
    import tiny

    folder = getattr(tiny, TINY[name].save)(root.parent / "folders" / name)
    shelf.add(
        root,
        folder,
        name=name,
        licence="free",
        licence_accepted=True,
        settings=TINY[name].settings,
        step=lambda done, total: None,
    )


class WatchedShot(ArrayShot):
    """Remembers what was looked at."""

    def __init__(self, plates: NDArray[np.float32], holes: NDArray[np.float32]) -> None:
        super().__init__(plates, holes)
        self.seen: set[int] = set()
        self.asked: set[str] = set()

    def plate(self, frame: int, box: Box) -> FloatImage:
        assert self.bounds.contains(box), "an engine reads inside the plate's bounds"
        self.seen.add(frame)
        return super().plate(frame, box)

    def hole(self, frame: int, box: Box) -> FloatImage:
        self.seen.add(frame)
        return super().hole(frame, box)

    @property
    def references(self) -> tuple[int, ...]:
        self.asked.add("references")
        return super().references

    @property
    def has_motion(self) -> bool:
        self.asked.add("motion")
        return super().has_motion


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One engine's card, and the windows of the shot as the plan cuts them for it."""

    card: Card
    catalogue: Catalogue
    shot: WatchedShot
    windows: tuple[Window, ...]
    handles: tuple[tuple[int, ...], ...]
    options: dict[str, str]

    def engine(self) -> Engine:
        """A new one, which has seen the shot as the pipeline shows it."""
        made: Engine = factory(self.card)(self.card)
        made.survey(self.shot, self.windows[0].crop)
        return made

    def job(self, scratch: Path, **changes: Any) -> Job:
        """What the request says, if nothing else is said."""
        scratch.mkdir(parents=True, exist_ok=True)
        job = Job(
            operation=Operation.REMOVE,
            instruction="a grey stone wall",
            quality=Quality.FINAL,
            seed=7,
            options=self.options,
            scratch=scratch,
            step=lambda: None,
        )
        return replace(job, **changes)

    def inside(self, patch: Patch) -> list[NDArray[np.float32]]:
        """The pixels of each frame inside the hole: what of a patch is ever used."""
        return [
            pixels[self.shot.hole(frame, patch.box) > 0]
            for frame, pixels in zip(patch.frames, patch.pixels, strict=True)
        ]

    def bytes_of(self, patch: Patch) -> bytes:
        """Of all that is kept."""
        known = b"" if patch.known is None else patch.known.tobytes()
        return b"".join(pixels.tobytes() for pixels in self.inside(patch)) + known


def bench(name: str, catalogue: Catalogue) -> Bench:
    """The engine of that name, ready to be tried."""
    card = catalogue.card_for(name)
    made = make("pan", seed=5, size=SIZE)
    shot = WatchedShot(made.plates, made.holes)
    plan = plan_fix(
        mattes={frame: _box(shot, frame) for frame in shot.frames},
        bounds=shot.bounds,
        window_frames=card.window_frames,
        context_px=card.context_px,
        context_ratio=card.context_ratio,
        stride_px=card.stride_px,
        steady_crop=card.steady_crop,
        head_frames=card.head_frames,
        tail_frames=card.tail_frames,
    )

    def window(index: int) -> Window:
        near = {frame for other in plan.needs[index] for frame in plan.windows[other]}
        crop = plan.crops[index]
        accepted = {frame: shot.plate(frame, crop) for frame in plan.handles[index] if frame in near}
        return Window(index=index, frames=plan.windows[index], crop=crop, shot=shot, accepted=accepted)

    options = BUILT_IN.get(name, {})
    windows = tuple(map(window, range(min(len(plan.windows), WINDOWS))))
    return Bench(card=card, catalogue=catalogue, shot=shot, windows=windows, handles=plan.handles, options=options)


def _box(shot: ArrayShot, frame: int) -> Box:
    rows, columns = np.nonzero(shot.hole(frame, shot.bounds) > 0)
    return Box(int(columns.min()), int(rows.min()), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
