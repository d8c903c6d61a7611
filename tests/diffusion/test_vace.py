"""VACE under observation: the exact form it is given, the same bytes again, and a stop that leaves nothing behind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch: pip install 'secondtake[diffusion]'")

from tiny import vace as tiny_vace

from secondtake_daemon.engines.diffusion import vace
from secondtake_daemon.engines.diffusion.canvas import Canvas
from secondtake_daemon.engines.diffusion.family import Settings
from secondtake_daemon.engines.diffusion.run import Run
from secondtake_daemon.engines.diffusion.tap import observed

FRAMES, HEIGHT, WIDTH = 9, 48, 64


class Counting:
    """Counts, and raises when told."""

    def __init__(self, *, stop_at: int = 0, stop_in_step: int = 0) -> None:
        self.steps = self.blocks = 0
        self._stop_at, self._stop_in_step = stop_at, stop_in_step

    def step(self, velocity: Any, timestep: Any, sample: Any, scheduler: Any) -> None:
        self.steps += 1
        if self.steps == self._stop_in_step:
            raise RuntimeError("stopped")

    def alive(self) -> None:
        self.blocks += 1
        if self.blocks == self._stop_at:
            raise RuntimeError("stopped")


@pytest.fixture(scope="module")
def pipe() -> Any:
    return quiet(tiny_vace())


def quiet(made: Any) -> Any:
    made.set_progress_bar_config(disable=True)
    return made


def a_run(**changes: Any) -> Run:
    rng = np.random.default_rng(0)
    codes = rng.random((FRAMES, HEIGHT, WIDTH, 3), np.float32)
    holes = np.zeros((FRAMES, HEIGHT, WIDTH), bool)
    holes[:, 16:32, 16:48] = True
    run = Run(
        canvas=Canvas(WIDTH, HEIGHT, WIDTH, HEIGHT), codes=codes, holes=holes, control=None, looks=(),
        prompt="a hat", negative_prompt="", seed=3, first=8, settings=Settings(steps=2, guidance=5.0, prompt_tokens=64),
    )  # fmt: skip
    return replace(run, **changes)


def rendered(pipe: Any, run: Run, watch: Counting | None = None) -> Any:
    with torch.no_grad(), observed(pipe, watch or Counting()):
        return vace.frames(pipe(**vace.arguments(run)))


def test_what_it_is_given_is_exact() -> None:
    given = vace.arguments(a_run(looks=(np.ones((20, 30, 3), np.float32),)))
    video, mask, noise = given["video"], given["mask"], given["latents"]
    assert tuple(video.shape) == (1, FRAMES, 3, HEIGHT, WIDTH)
    assert tuple(mask.shape) == (1, FRAMES, 1, HEIGHT, WIDTH)
    assert tuple(noise.shape) == (1, 16, 1 + 3, HEIGHT // 8, WIDTH // 8)
    assert (video.dtype, mask.dtype, noise.dtype) == (torch.float32,) * 3
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert float(video[mask.expand_as(video) == 1].unique()) == 0.5
    assert (given["num_frames"], given["height"], given["width"]) == (FRAMES, HEIGHT, WIDTH)


def test_steps_are_seen_and_the_same_comes_again(pipe: Any) -> None:
    watch = Counting()
    first = rendered(pipe, a_run(), watch)
    assert first.shape == (FRAMES, HEIGHT, WIDTH, 3)
    assert first.dtype == np.float32
    assert watch.steps == 2
    assert watch.blocks > 10
    assert rendered(pipe, a_run()).tobytes() == first.tobytes()
    assert rendered(pipe, a_run(seed=4)).tobytes() != first.tobytes()
    assert rendered(pipe, a_run(first=12)).tobytes() != first.tobytes()


@pytest.mark.parametrize("stop", [{"stop_at": 3}, {"stop_at": 60}, {"stop_in_step": 2}], ids=str)
def test_after_a_stop_the_next_run_is_a_fresh_one(pipe: Any, stop: dict[str, int]) -> None:
    fresh = rendered(pipe, a_run())
    with pytest.raises(RuntimeError, match="stopped"):
        rendered(pipe, a_run(seed=9), Counting(**stop))
    assert not hasattr(pipe.scheduler, "_observer")
    assert rendered(pipe, a_run()).tobytes() == fresh.tobytes()


def test_a_stop_in_the_decoder(pipe: Any) -> None:
    whole = Counting()
    rendered(pipe, a_run(), whole)
    late = Counting(stop_at=whole.blocks)  # the last block that runs is the decoder's
    with pytest.raises(RuntimeError, match="stopped"):
        rendered(pipe, a_run(), late)
    assert late.steps == 2


def test_the_prompt_and_a_look_matter(pipe: Any) -> None:
    plain = rendered(pipe, a_run())
    look = np.random.default_rng(1).random((40, 40, 3), np.float32)
    assert rendered(pipe, a_run(prompt="a dog")).tobytes() != plain.tobytes()
    assert rendered(pipe, a_run(looks=(look,))).shape == plain.shape
    assert rendered(pipe, a_run(looks=(look,))).tobytes() != plain.tobytes()


def test_two_stages() -> None:
    pipe, watch = quiet(tiny_vace(stages=2)), Counting()
    settings = Settings(steps=4, guidance=5.0, second_guidance=3.0, prompt_tokens=64)
    first = rendered(pipe, a_run(settings=settings), watch)
    assert watch.steps == 4
    changed = replace(settings, second_guidance=1.5)
    assert rendered(pipe, a_run(settings=changed)).tobytes() != first.tobytes()
