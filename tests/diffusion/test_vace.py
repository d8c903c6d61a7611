"""VACE under observation: the exact form it is given, the same bytes again, and a stop that leaves nothing behind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch: pip install 'secondtake[diffusion]'")

import runs
from runs import Counting, called, quiet, settled
from tiny import vace as tiny_vace

from secondtake_daemon.engines.diffusion.families import family_of, wan_vace
from secondtake_daemon.engines.diffusion.family import Settings
from secondtake_daemon.engines.diffusion.run import Run

FRAMES, HEIGHT, WIDTH = 9, 48, 64
FAMILY = wan_vace.FAMILY


@pytest.fixture(scope="module")
def pipe() -> Any:
    return quiet(tiny_vace())


@pytest.fixture(scope="module")
def two_stages() -> Any:
    return quiet(tiny_vace(stages=2))


def a_run(**changes: Any) -> Run:
    settings = Settings(steps=2, guidance=5.0, prompt_tokens=64)
    return runs.a_run(**{"frames": FRAMES, "height": HEIGHT, "width": WIDTH, "settings": settings, **changes})


def rendered(pipe: Any, run: Run, watch: Counting | None = None, **changes: Any) -> Any:
    return runs.rendered(pipe, FAMILY, run, watch, **changes)


def test_what_it_is_given_is_exact() -> None:
    given = FAMILY.arguments(a_run(looks=(np.ones((20, 30, 3), np.float32),)))
    video, mask, noise = given["video"], given["mask"], given["latents"]
    assert tuple(video.shape) == (1, FRAMES, 3, HEIGHT, WIDTH)
    assert tuple(mask.shape) == (1, FRAMES, 1, HEIGHT, WIDTH)
    assert tuple(noise.shape) == (1, 16, 1 + 3, HEIGHT // 8, WIDTH // 8)
    assert (video.dtype, mask.dtype, noise.dtype) == (torch.float32,) * 3
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert float(video[mask.expand_as(video) == 1].unique()) == 0.5
    assert (given["num_frames"], given["height"], given["width"]) == (FRAMES, HEIGHT, WIDTH)


def test_control_stands_in_the_hole_and_the_plate_around_it() -> None:
    control = np.random.default_rng(7).random((FRAMES, HEIGHT, WIDTH, 3), np.float32)
    run = a_run(control=control)
    video = FAMILY.arguments(run)["video"][0].permute(0, 2, 3, 1).numpy()
    assert np.array_equal(video[run.holes], control[run.holes])
    assert np.array_equal(video[~run.holes], run.codes[~run.holes])


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


@pytest.mark.parametrize("looks", [0, 2])
def test_the_given_noise_is_the_only_one(pipe: Any, looks: int) -> None:
    run = a_run(looks=(np.full((40, 40, 3), 0.3, np.float32),) * looks)
    one, two = (rendered(pipe, run, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    assert one.tobytes() == two.tobytes()
    torch.manual_seed(99)
    assert rendered(pipe, run).tobytes() == one.tobytes()


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


def test_the_prompt_a_look_and_control_matter(pipe: Any) -> None:
    plain = rendered(pipe, a_run())
    look = np.random.default_rng(1).random((40, 40, 3), np.float32)
    control = np.random.default_rng(7).random((FRAMES, HEIGHT, WIDTH, 3), np.float32)
    for changed in ({"prompt": "a dog"}, {"looks": (look,)}, {"looks": (look, look)}, {"control": control}):
        other = rendered(pipe, a_run(**changed))
        assert other.shape == plain.shape
        assert other.tobytes() != plain.tobytes()


def test_what_is_known_matters_and_the_hole_does_not(pipe: Any) -> None:
    run = a_run()
    plain, inside, head, tail = rendered(pipe, run), run.codes.copy(), run.codes.copy(), run.codes.copy()
    inside[run.holes] = 0.9
    head[0, :4], tail[-1, :4] = 0.9, 0.9
    assert rendered(pipe, replace(run, codes=inside)).tobytes() == plain.tobytes()
    assert rendered(pipe, replace(run, codes=head)).tobytes() != plain.tobytes()
    assert rendered(pipe, replace(run, codes=tail)).tobytes() != plain.tobytes()


def test_without_guidance_one_pass_a_step_and_no_negative_prompt(pipe: Any) -> None:
    plain = settled(a_run(), guidance=1.0)
    with called(pipe.transformer) as calls:
        first = rendered(pipe, plain)
    assert len(calls) == 2
    assert rendered(pipe, replace(plain, negative_prompt="fog")).tobytes() == first.tobytes()
    with called(pipe.transformer) as calls:
        guided = rendered(pipe, a_run())
    assert len(calls) == 4
    assert rendered(pipe, a_run(negative_prompt="fog")).tobytes() != guided.tobytes()


def test_each_expert_does_its_steps(two_stages: Any) -> None:
    """The first while the timestep is at least 0.875 of a thousand, the second for the rest."""
    run = settled(a_run(), steps=6, guidance=1.0)
    with called(two_stages.transformer) as noisy, called(two_stages.transformer_2) as fine:
        rendered(two_stages, run)
    assert noisy
    assert fine
    assert len(noisy) + len(fine) == 6
    assert all(float(call["timestep"]) >= 875 for call in noisy)
    assert all(float(call["timestep"]) < 875 for call in fine)


def test_the_second_stage_has_its_own_guidance(two_stages: Any) -> None:
    run, watch = settled(a_run(), steps=4, guidance=5.0, second_guidance=3.0), Counting()
    first = rendered(two_stages, run, watch)
    assert watch.steps == 4
    assert rendered(two_stages, settled(run, second_guidance=1.5)).tobytes() != first.tobytes()


def test_a_folder_with_two_experts_is_the_other_family() -> None:
    one, two = ("transformer", "vae"), ("transformer", "transformer_2", "vae")
    names = [family.name for family in (family_of("WanVACEPipeline", one), family_of("WanVACEPipeline", two)) if family]
    assert names == ["wan-vace", "wan-vace-fun"]
    assert family_of("NoPipeline", one) is None
