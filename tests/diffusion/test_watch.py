"""What a rendering says of itself, and that it can be ended anywhere without a trace."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="no torch: pip install 'secondtake[diffusion]'")

from secondtake.boxes import Box
from secondtake.errors import Cancelled
from secondtake.messages import Operation, Quality, Stage
from secondtake_daemon.engines.contract import Job, Window
from secondtake_daemon.engines.diffusion import pipes
from secondtake_daemon.engines.diffusion.engine import DiffusionEngine
from secondtake_daemon.engines.diffusion.watch import reading
from secondtake_daemon.engines.installed import installed
from secondtake_daemon.models import shelf

STEPS = 4
SETTINGS = {"longest": "9", "head": "4", "tail": "1", "steps": str(STEPS), "prompt_tokens": "16"}
CROP = Box(0, 0, 32, 32)


class Ramp:
    """A shot of 6 frames with a square hole."""

    frames = tuple(range(1001, 1007))
    bounds = CROP
    references: tuple[int, ...] = ()
    has_motion = False

    def plate(self, frame: int, box: Box) -> NDArray[np.float32]:
        rows, columns = np.mgrid[0:32, 0:32].astype(np.float32) / 40
        return np.stack([rows, columns, rows * 0 + (frame - 1000) / 10], axis=-1)

    def hole(self, frame: int, box: Box) -> NDArray[np.float32]:
        hole = np.zeros((32, 32), np.float32)
        hole[8:20, 10:22] = 1
        return hole


@dataclass
class Teller:
    """Keeps what was said; `stop` says at which word, or after how many signs of life in it, the job is cancelled."""

    stop: Callable[[Stage, int], bool] = lambda stage, alive: False
    said: list[Stage] = field(default_factory=list)
    alive: int = 0
    """Signs of life since the stage began."""
    stopped_at: float = 0.0

    def stage(self, stage: Stage) -> None:
        self.alive = 0 if not self.said or stage.name != self.said[-1].name else self.alive
        self.said.append(stage)

    def step(self) -> None:
        self.alive += 1
        if self.said and self.stop(self.said[-1], self.alive):
            self.stopped_at = time.monotonic()
            raise Cancelled("The job was cancelled")

    def names(self) -> list[str]:
        return [stage.name for stage, before in zip(self.said, [None, *self.said], strict=False) if
                before is None or stage.name != before.name]  # fmt: skip


@pytest.fixture(scope="module")
def models(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # tiny tensors: threads would only wait for each other
    root = tmp_path_factory.mktemp("records")
    given: dict[str, Any] = {"licence": "free", "licence_accepted": True, "settings": SETTINGS}
    shelf.add(root, tiny_folder, name="tiny", step=lambda done, total: None, **given)
    yield root
    torch.set_num_threads(threads)


def rendered(models: Path, folder: Path, teller: Teller) -> bytes:
    (card,) = installed(models)
    engine = DiffusionEngine(card)
    scratch = folder / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    job = Job(
        operation=Operation.MODIFY, instruction="a hat", quality=Quality.FINAL, seed=3, options={}, scratch=scratch,
        kept=models / "kept", step=teller.step, stage=teller.stage,
    )  # fmt: skip
    shot = Ramp()
    engine.survey(shot, CROP)
    engine.load(job)
    try:
        return engine.generate(Window(index=0, frames=shot.frames[:4], crop=CROP, shot=shot), job).pixels.tobytes()
    finally:
        engine.unload()


@pytest.fixture(scope="module")
def fresh(models: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    pipes.drop()
    return rendered(models, tmp_path_factory.mktemp("fresh"), Teller())


def test_it_says_what_it_does(models: Path, tmp_path: Path, fresh: bytes) -> None:
    teller = Teller()
    assert rendered(models, tmp_path, teller) == fresh
    assert teller.names() == ["load", "encode", "step", "decode", "write"]
    steps = [(stage.done, stage.total) for stage in teller.said if stage.name == "step"]
    assert steps == [(done, STEPS) for done in range(STEPS + 1)]
    assert {stage.frames for stage in teller.said[1:]} <= {"1001-1004", ""}
    assert teller.said[-1].frames == "1001-1004"
    assert {stage.total for stage in teller.said if stage.name not in ("step", "load")} == {0}


STOPS = {
    "load": lambda stage, alive: stage.name == "load",
    "encode": lambda stage, alive: stage.name == "encode" and alive == 3,
    "late in encode": lambda stage, alive: stage.name == "encode" and alive == 60,
    "before step 1": lambda stage, alive: stage.name == "step" and stage.done == 0 and alive == 2,
    "step 3": lambda stage, alive: stage.name == "step" and stage.done == 3,
    "inside step 4": lambda stage, alive: stage.name == "step" and stage.done == 3 and alive > 30,
    "decode": lambda stage, alive: stage.name == "decode",
    "a block of decode": lambda stage, alive: stage.name == "decode" and alive == 9,
    "write": lambda stage, alive: stage.name == "write",
}


@pytest.mark.parametrize("where", STOPS)
def test_after_a_cancel_the_next_run_is_a_fresh_one(models: Path, tmp_path: Path, fresh: bytes, where: str) -> None:
    if where == "load":
        pipes.drop()
    teller = Teller(STOPS[where])
    with pytest.raises(Cancelled):
        rendered(models, tmp_path, teller)
    assert time.monotonic() - teller.stopped_at < 1.0
    assert rendered(models, tmp_path, Teller()) == fresh


@pytest.mark.parametrize("where", ["encode", "inside step 4", "a block of decode"])
def test_after_an_error_too(models: Path, tmp_path: Path, fresh: bytes, where: str) -> None:
    class Failing(Teller):
        def step(self) -> None:
            try:
                super().step()
            except Cancelled:
                raise RuntimeError("CUDA error") from None

    with pytest.raises(RuntimeError, match="CUDA error"):
        rendered(models, tmp_path, Failing(STOPS[where]))
    assert rendered(models, tmp_path, Teller()) == fresh


def test_reading_weights_is_a_sign_of_life_and_waiting_is_none(tmp_path: Path) -> None:
    alive: list[float] = []

    def step() -> None:
        alive.append(time.monotonic())
        raise Cancelled("The job was cancelled")

    job: Any = SimpleNamespace(step=step)
    held, began = [], time.monotonic()
    with reading(job, look_s=0.05):
        while len(alive) < 3 and time.monotonic() - began < 5:
            held.append(np.ones(4 << 20, np.uint8))
            time.sleep(0.06)
    assert len(alive) >= 3, "and a cancel is not raised in a thread"
    alive.clear()
    with reading(job, look_s=0.05):
        time.sleep(0.5)
    assert len(alive) <= 1


def test_nothing_of_the_watch_stays(models: Path, tmp_path: Path, fresh: bytes) -> None:
    with pytest.raises(Cancelled):
        rendered(models, tmp_path, Teller(STOPS["step 3"]))
    pipe = pipes._HELD.pipe
    assert type(pipe.scheduler).__name__ == "UniPCMultistepScheduler"
    assert not type(pipe.scheduler).__mro__[1].__name__.startswith("_")
    assert "_observer" not in pipe.scheduler.__dict__
    parts = [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]
    assert not any(module._forward_pre_hooks for part in parts for module in part.modules())
