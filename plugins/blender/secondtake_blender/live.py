"""One job while it is under way, as plain data. Nothing of Blender: it outlives undo, and a file that is opened."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from .background import Background
from .chores import Chore
from .matte import MatteChoice
from .orders import Order
from .painting import Painting
from .place import Place
from .plate import PlateChoice
from .previz_way import PrevizUse
from .take import Take
from .words import STEP_WORDS, job_words

__all__ = ["FINAL", "LiveJob", "Step", "numbered_as", "pattern_of_file", "take_of"]

FINAL = ("done", "failed", "cancelled", "unknown")
_NUMBER = re.compile(r"^(.*\.)(\d+)(\.[^.]+)$", re.DOTALL)
_TOKEN = re.compile(r"%0(\d+)d(?=\.[^.]+$)")


class Step(Enum):
    """What a job waits for on this side; DAEMON is where the daemon has it."""

    RENDER = "render"
    ASKED = "asked"
    DAEMON = "daemon"
    OVER = "over"


@dataclass(slots=True, kw_only=True, eq=False)
class LiveJob:
    """A job that was sent, or is about to be. Changed by the pump only, on the main thread."""

    job: str
    place: Place
    """The plate, and where the take lands."""
    folder: str
    """Absolute: where the take will lie."""
    params: dict[str, Any] = field(default_factory=dict)
    """Of the bridge's `fix`, as far as they are known."""
    orders: list[tuple[str, Order | Painting]] = field(default_factory=list)
    """What has to be rendered or written first, and what it is."""
    previz: PrevizUse = field(default_factory=PrevizUse)
    """If the scene's passes are rendered first: what of them is sent."""
    background: Background | None = None
    chore: Chore[MatteChoice] | None = None
    rendering: str = ""
    """What `background` or `chore` makes: plate, matte or previz."""
    step: Step = Step.ASKED
    state: str = "queued"
    words: str = ""
    done: int = 0
    total: int = 0
    problem: str = ""
    """Why it failed, in one line."""
    is_ours: bool = True
    """False while another .blend is open: it goes on, and nothing of it lands here."""
    marked: bool = False
    """True if the plate got its id for this job."""
    before: str = ""
    """Job of the take that its strip showed before."""
    take: str = ""
    pattern: str = ""
    is_shown: bool = False
    shown_files: str = ""
    """Folder and pattern that were shown."""
    arrived: set[int] = field(default_factory=set)
    unread: set[int] = field(default_factory=set)
    """Of those: what Blender has not been told of."""
    is_settled: bool = False
    """What it left in the .blend is in order."""
    is_cancelled: bool = False
    """The artist asked for its end."""

    @property
    def is_final(self) -> bool:
        """True once nothing more will come."""
        return self.state in FINAL

    @property
    def is_being_made(self) -> bool:
        """True while something is rendered or written for it."""
        return self.background is not None or self.chore is not None

    @property
    def line(self) -> str:
        """How it is, in words."""
        if self.is_cancelled and not self.is_final:
            return "Cancelling"
        if self.problem:
            return self.problem
        if self.step is Step.RENDER and self.total:
            return f"{STEP_WORDS['render']}, {self.done} of {self.total}"
        return self.words or STEP_WORDS.get(self.step.value, "")

    @property
    def factor(self) -> float:
        """How far this phase is, 0 … 1."""
        return min(self.done / self.total, 1.0) if self.total else 0.0

    def hear(self, job: Mapping[str, Any], landed: list[Mapping[str, Any]]) -> None:
        """Take over what the bridge says of it."""
        self.step = Step.OVER if job["state"] in FINAL else Step.DAEMON
        self.state, self.words = str(job["state"]), job_words(job)
        self.done, self.total = int(job["done"] or 0), int(job["total"] or 0)
        for each in landed:
            self._arrive({int(each["frame"])})
            if not self.pattern:
                self.folder, name = os.path.split(str(each["path"]))
                self.pattern = pattern_of_file(name)
        result = job.get("result")
        if result:
            self.take, self.pattern, self.folder = str(result["take"]), str(result["pattern"]), str(result["folder"])
            self._arrive(result["frames"])

    def _arrive(self, numbers: Iterable[int]) -> None:
        fresh = set(numbers) - self.arrived
        self.arrived |= fresh
        self.unread |= fresh

    @property
    def names(self) -> frozenset[str]:
        """What its take may be called where it is shown: by the job until it is whole."""
        return frozenset({self.job, self.take} - {""})

    def as_take(self) -> Take:
        """The take as it is known so far: all its files, there or to come."""
        return take_of(self.take or self.job, self.folder, self.final_pattern, self.place.choice)

    @property
    def final_pattern(self) -> str:
        """The pattern, or the file's own name for a plate that is one image: its number is the daemon's affair."""
        alone = self.place.choice.stands_alone and self.arrived
        return numbered_as(self.pattern, min(self.arrived)) if alone else self.pattern

    @property
    def work_folder(self) -> Path:
        """Where a background Blender works for it: beside the take, which needs the rendered plate later."""
        return Path(f"{self.folder}.render")


def pattern_of_file(name: str) -> str:
    """`sh010.t3k.%04d.exr` from the name of one frame."""
    match = _NUMBER.match(name)
    if match is None:
        return name
    before, digits, suffix = match.groups()
    return f"{before}%0{len(digits)}d{suffix}"


def numbered_as(pattern: str, number: int) -> str:
    """The name of one frame; a pattern without a number is the file."""
    return _TOKEN.sub(lambda token: f"{number:0{int(token[1])}d}", pattern)


def take_of(name: str, folder: str, pattern: str, choice: PlateChoice) -> Take:
    """All files of a take, from its pattern and the plate's frame numbers."""
    numbers = sorted({pair.number for pair in choice.pairs})
    names = {number: numbered_as(pattern, number) for number in numbers}
    return Take(take=name, folder=folder, names=names)
