"""The memory plan, by its rules: never over what there is, never worse for more of it, always the same."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from secondtake.boxes import Box
from secondtake.errors import GpuMemory, UsageError
from secondtake_daemon.engines.diffusion.families import wan_vace
from secondtake_daemon.engines.diffusion.memory.placing import strides
from secondtake_daemon.engines.diffusion.memory.plan import (
    FP8,
    Asked,
    Machine,
    Measured,
    Pixels,
    Plan,
    Way,
    Weights,
    levels,
    plan_memory,
    step_flop,
)
from secondtake_daemon.engines.diffusion.memory.reading import vace_token_bytes
from secondtake_daemon.engines.diffusion.settings import adapted

GIB = 1 << 30
BEST = Pixels(area_px=832 * 480, longest=81)
HD = Pixels(area_px=1280 * 720, longest=81)
CROP = Box(0, 0, 1920, 1088)


def vace(billions: float, *, width: int, ffn: int, layers: int, hints: int, experts: int = 1) -> Weights:
    """A model of Wan's kind on a GPU, with UMT5-XXL and its VAE."""
    return Weights(
        denoisers=(int(billions * 2e9),) * experts, rest=508_000_000, text=13_460_000_000, width_bytes=2,
        parameters=int(billions * 1e9), attention=(layers + hints) * width,
        token_bytes=vace_token_bytes(width=width, ffn=ffn, hints=hints),
        vae_px_bytes=21_000, token_px=16, every=4, stride_px=16, head=8, tail=9,
    )  # fmt: skip


SMALL = vace(2.15, width=1536, ffn=8960, layers=30, hints=15)
LARGE = vace(17.34, width=5120, ffn=13824, layers=40, hints=8)
TWO = vace(17.34, width=5120, ffn=13824, layers=40, hints=8, experts=2)


def gpu(gib: float, *, free_gib: float | None = None, ram_gib: float = 128, tflops: float = 120) -> Machine:
    return Machine(
        name="GPU", driver="CUDA 13.0", has_gpu=True, memory_bytes=int(gib * GIB),
        free_bytes=int((gib if free_gib is None else free_gib) * GIB), ram_bytes=int(ram_gib * GIB),
        flops=tflops * 1e12,
    )  # fmt: skip


def asked(*, crop: Box = CROP, frames: int = 64) -> Asked:
    return Asked(crop=crop, frames=frames, forwards=60)


@pytest.mark.parametrize(
    ("model", "best", "gib", "level", "way"),
    [
        (SMALL, BEST, 12, 0, Way.OFFLOAD), (SMALL, BEST, 16, 0, Way.RESIDENT), (LARGE, BEST, 24, 0, Way.STREAM),
        (LARGE, HD, 24, 0, Way.STREAM), (LARGE, BEST, 48, 0, Way.RESIDENT), (TWO, BEST, 48, 0, Way.OFFLOAD),
        (TWO, BEST, 80, 0, Way.RESIDENT), (TWO, HD, 80, 0, Way.OFFLOAD), (TWO, HD, 141, 0, Way.RESIDENT),
    ],
)  # fmt: skip
def test_the_cards_that_people_have(model: Weights, best: Pixels, gib: float, level: int, way: Way) -> None:
    plan = plan_memory(model, asked(), gpu(gib), best=best)
    assert (plan.level, plan.way, plan.waits) == (level, way, False), plan


def test_eight_gigabytes_are_enough_for_the_small_one() -> None:
    plan = plan_memory(SMALL, asked(), gpu(8, ram_gib=32), best=BEST)
    assert (plan.width, plan.height) == (832, 464)
    assert plan.length >= 33
    assert plan.pixels.storage == "full"


def test_too_little_ram_to_stream_from_takes_eight_bits_last() -> None:
    plan = plan_memory(LARGE, asked(), gpu(24, ram_gib=40), best=BEST)
    assert plan.pixels.storage == FP8
    assert plan.level > max(level for level, pixels in enumerate(levels(BEST, LARGE)) if pixels.storage != FP8)


def test_what_does_not_fit_is_refused_in_words() -> None:
    with pytest.raises(GpuMemory, match=r"The GPU has 2\.0 GiB of memory, and this model needs \d+\.\d GiB"):
        plan_memory(LARGE, asked(), gpu(2), best=BEST)
    little = replace(gpu(8), has_gpu=False, name="x86_64")
    with pytest.raises(GpuMemory, match="This machine has"):
        plan_memory(replace(LARGE, width_bytes=4), asked(), little, best=BEST)


def test_a_small_matte_has_the_best_level_on_a_small_card() -> None:
    crop = Box(0, 0, 256, 256)
    plan = plan_memory(SMALL, asked(crop=crop), gpu(6, ram_gib=32), best=BEST)
    assert (plan.level, plan.width, plan.height) == (0, 256, 256)


models = st.sampled_from([SMALL, LARGE, TWO, replace(SMALL, vae_px_bytes=0, vae_frame_bytes=190, every=8, head=16)])
crops = st.builds(lambda w, h: Box(0, 0, w * 16, h * 16), st.integers(1, 240), st.integers(1, 140))
bests = st.sampled_from([BEST, HD, Pixels(area_px=1024 * 1024, longest=81, tile_px=512)])
gibs = st.floats(1, 160)


def tried(model: Weights, want: Asked, machine: Machine, best: Pixels, measured: Measured | None = None) -> Plan | None:
    try:
        return plan_memory(model, want, machine, best=best, measured=measured)
    except GpuMemory:
        return None


@given(models, crops, bests, gibs, gibs, st.floats(4, 256), st.integers(1, 500), st.booleans())
def test_never_over_what_there_is(
    model: Weights, crop: Box, best: Pixels, gib: float, free: float, ram: float, frames: int, has_gpu: bool
) -> None:
    machine = replace(gpu(gib, free_gib=min(free, gib), ram_gib=ram if has_gpu else gib), has_gpu=has_gpu)
    plan = tried(model, asked(crop=crop, frames=frames), machine, best)
    assume(plan is not None)
    assert plan is not None
    assert plan.memory_bytes <= machine.most_bytes < machine.memory_bytes
    assert plan.waits == (plan.memory_bytes > machine.now_bytes)
    assert plan.waits or plan.memory_bytes <= machine.free_bytes
    assert plan.ram_bytes <= machine.ram_bytes
    assert has_gpu or plan.way is Way.RESIDENT
    assert (plan.length - 1) % model.every == 0
    assert plan.windows * (plan.length - model.head - model.tail) >= frames
    assert plan.width * plan.height <= max(best.area_px, 16 * max(crop.width, crop.height))


@given(models, crops, bests, gibs, st.floats(0, 80), st.floats(4, 256))
def test_more_memory_is_never_worse(
    model: Weights, crop: Box, best: Pixels, gib: float, more: float, ram: float
) -> None:
    want = asked(crop=crop)
    less, much = (tried(model, want, gpu(size, ram_gib=ram), best) for size in (gib, gib + more))
    if less is None:
        return
    assert much is not None
    assert much.level <= less.level
    if much.level == less.level:
        assert much.way <= less.way
        assert much.way < less.way or much.seconds == less.seconds


@given(models, crops, gibs, gibs, gibs)
def test_what_others_hold_changes_no_pixel(model: Weights, crop: Box, gib: float, free: float, other: float) -> None:
    plans = [
        tried(model, asked(crop=crop), gpu(gib, free_gib=min(part, gib)), BEST) for part in (free, other, gib)
    ]  # fmt: skip
    assert len({plan and (plan.pixels, plan.level, plan.width, plan.height) for plan in plans}) == 1


steps = st.builds(Measured, token_bytes=st.floats(1, 1e6), flops=st.floats(1e10, 1e15), vae_scale=st.floats(0.1, 4))


@given(models, crops, bests, gibs, st.none() | steps)
def test_it_is_always_the_same(model: Weights, crop: Box, best: Pixels, gib: float, measured: Measured | None) -> None:
    first, second = (tried(model, asked(crop=crop), gpu(gib), best, measured) for _ in range(2))
    assert first == second
    assert first is None or first.is_measured == (measured is not None)


@given(models, bests)
def test_levels_ask_for_less_and_less(model: Weights, best: Pixels) -> None:
    known = levels(best, model)
    assert known[0] == best
    assert len(set(known)) == len(known)
    full = [each for each in known if each.storage != FP8]
    assert known[: len(full)] == tuple(full)
    for before, after in pairwise(full):
        assert after.area_px <= before.area_px
        assert after.longest <= before.longest
        assert (after.longest - 1) % model.every == 0
        assert after.longest - model.head - model.tail >= model.every
        assert not before.tile_px or 0 < after.tile_px <= before.tile_px


def test_below_a_level_and_below_a_way() -> None:
    machine, want = gpu(80), asked()
    first = plan_memory(LARGE, want, machine, best=BEST)
    assert first.way is Way.RESIDENT
    ways = [plan_memory(LARGE, want, machine, best=BEST, fixed=BEST, after_way=way).way for way in list(Way)[:2]]
    assert ways == [Way.OFFLOAD, Way.STREAM]
    with pytest.raises(GpuMemory):
        plan_memory(LARGE, want, machine, best=BEST, fixed=BEST, after_way=Way.STREAM)
    lower = plan_memory(LARGE, want, machine, best=BEST, after_level=first.level)
    least = plan_memory(LARGE, want, machine, best=BEST, fixed=BEST, after_way=Way.OFFLOAD)
    assert lower.level > first.level
    assert lower.working_bytes < least.working_bytes, "what needs as much would run out again"
    with pytest.raises(GpuMemory):
        plan_memory(LARGE, want, machine, best=BEST, after_level=len(levels(BEST, LARGE)))


def test_a_measured_step_moves_the_plan() -> None:
    want, machine = asked(), gpu(32)
    guessed = plan_memory(LARGE, want, machine, best=HD)
    heavy = Measured(token_bytes=4 * LARGE.token_bytes, flops=60e12)
    seen = plan_memory(LARGE, want, machine, best=HD, measured=heavy)
    assert seen.is_measured
    assert seen.level > guessed.level
    slow = plan_memory(LARGE, want, machine, best=HD, measured=replace(heavy, token_bytes=LARGE.token_bytes / 2))
    assert slow.pixels == guessed.pixels
    assert slow.seconds == pytest.approx(2 * guessed.seconds, rel=0.2)


def test_seconds_are_of_the_size_that_is_published() -> None:
    """VACE-14B on a 4090: 18 s a forward at 480p81 (and 69 s at 720p81), within a factor of two."""
    for tokens, seconds in ((32_760, 18), (75_600, 69)):
        assert 0.5 < step_flop(LARGE, tokens) / 120e12 / seconds < 2


@given(st.integers(1, 200), st.sampled_from([(512, 8), (256, 8), (512, 32), (256, 16), (256, 32)]))
def test_tiles_overlap_and_none_is_a_sliver(latents: int, tile: tuple[int, int]) -> None:
    tile_px, unit = tile
    stride = strides(latents * unit, tile_px, unit)
    assert stride % unit == 0
    assert unit <= stride < tile_px
    begins = range(0, latents, stride // unit)
    if latents * unit > tile_px and stride > unit:
        assert latents - begins[-1] > 1


def test_caches_that_make_wrong_pictures_are_refused() -> None:
    with pytest.raises(
        UsageError, match="FirstBlockCache makes wrong pictures with VACE: it adds the control hints twice"
    ):
        adapted(wan_vace.FAMILY, {"cache": "first_block"})
    with pytest.raises(UsageError, match="MagCache makes wrong pictures"):
        adapted(wan_vace.FAMILY, {"cache": "mag"})
    with pytest.raises(UsageError, match="There is no cache 'taylor'"):
        adapted(wan_vace.FAMILY, {"cache": "taylor"})
    with pytest.raises(UsageError, match="'fp4' is no storage"):
        adapted(wan_vace.FAMILY, {"storage": "fp4"})
    assert adapted(wan_vace.FAMILY, {"storage": "fp8", "tile_px": "256"}).tile_px == 256
