"""The memory plan: what a model and a machine are, in bytes, → how the one is brought into the other. Pure.

Two questions are kept apart. What pixels depend on (canvas, window, tiles, form of the weights) is decided by the
memory that the machine has, so that the same request gives the same bytes whoever else uses the machine; how the
weights are moved (`Way`) is decided by what is free now, and changes no bit.

The figures are estimates until a step was measured (`measured.Measured`): activations and the decoder's bytes from
tracing every allocation of the real architectures with weightless tensors, seconds from counted operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import chain

from secondtake.boxes import Box
from secondtake.errors import GpuMemory
from secondtake_daemon.engines.diffusion.canvas import Canvas, canvas_for

__all__ = ["FULL", "Asked", "Machine", "Measured", "Pixels", "Plan", "Way", "Weights", "levels", "plan_memory"]

_GIB = 1 << 30
RESERVE_BYTES = 3 * _GIB // 2
"""Of a GPU's memory: its driver, the libraries' workspaces, a desktop."""
MARGIN_BYTES = _GIB // 2
"""Of what is free now."""
_RAM_SHARE = 0.75
"""Of a machine's memory that may hold weights, or on a machine without a GPU everything."""
_RESIDENT_CLIP_BYTES, _CODED_CLIP_BYTES = 12, 48
"""Of each sample of a clip that the pipeline holds while it denoises; while it encodes or decodes."""
_BLOCKS_SHARE = 0.08
"""Of a model that is streamed, how much is on the GPU at once: two blocks and what belongs to none."""
_LINK_BYTES_S = 20e9
_DISK_BYTES_S = 1.5e9
_VAE_FLOP_PX = 2 * 5.2e6 + 8.8e6
"""Of a pixel of a frame: encoded twice, decoded once."""
_VAE_SLOWER = 4.0
"""Times that a float32 convolution is slower than a 16-bit product of matrices."""
_MARGIN_OF_MEASURED = 1.1
_WINDOWS = (0.8, 0.6, 0.4)
_AREAS = (0.75, 0.5, 0.375, 0.25)
_TILES_PX = (512, 256)
FULL, FP8 = "full", "fp8"


class Way(IntEnum):
    """How weights come to the device; each takes less of its memory and more time than the one before."""

    RESIDENT = 0
    """All that is needed after the text was read stays there."""
    OFFLOAD = 1
    """One model at a time."""
    STREAM = 2
    """One block at a time, the next one on its way."""

    @property
    def words(self) -> str:
        """For people."""
        return ("all of the model in memory", "one part of the model at a time", "block by block")[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What there is. On a machine without a GPU `memory` is its RAM."""

    name: str
    driver: str = ""
    has_gpu: bool
    memory_bytes: int
    free_bytes: int
    """With what our own pipeline holds."""
    ram_bytes: int
    flops: float
    """Effective operations a second, as far as the name tells."""
    coded_s_px: float = 0.0
    """Seconds of the VAE for each pixel of a frame, where that was measured."""

    @property
    def most_bytes(self) -> int:
        """What a plan may ever take."""
        if self.has_gpu:
            return max(self.memory_bytes - RESERVE_BYTES, 0)
        return int(self.memory_bytes * _RAM_SHARE)

    @property
    def now_bytes(self) -> int:
        """What it may take now."""
        return min(self.most_bytes, max(self.free_bytes - MARGIN_BYTES, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """A model: its parts as they are loaded, in bytes, and what it works with. From its folder and its family."""

    denoisers: tuple[int, ...]
    rest: int
    """VAE and whatever else stays to the end."""
    text: int
    """What is used first and dropped."""
    width_bytes: int
    """Of a number in a denoiser: 2 on a GPU, 4 without."""
    parameters: int
    """Of the denoiser that runs in a step."""
    attention: int
    """Layers · width: what a pair of tokens costs, in multiplications."""
    token_bytes: int
    """Of a token while a denoiser runs, weights aside."""
    vae_px_bytes: int
    """Of a pixel of the canvas, or of a tile, while the VAE runs."""
    vae_frame_bytes: int = 0
    """More for each frame of it, for a VAE that takes the whole clip at once."""
    token_px: int
    every: int
    stride_px: int
    head: int
    tail: int
    tiles: bool = True
    """False for a VAE that has no tiles of a given size."""
    can_fp8: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """What pixels depend on."""

    area_px: int
    """Of the canvas, at most."""
    longest: int
    """Frames of a rendering, with handles."""
    tile_px: int = 0
    """Side of the VAE's tiles; 0 is the canvas whole."""
    storage: str = FULL
    """Of the denoisers' numbers, as they lie in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be rendered."""

    crop: Box
    frames: int
    """Of the shot."""
    forwards: int
    """Runs of a denoiser for a window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Of one step of this model on this machine, or of more that are alike."""

    token_bytes: float
    flops: float
    """Operations a second."""
    vae_scale: float = 1.0
    """What the VAE took, of what was estimated."""
    coded_s_px: float = 0.0
    """Seconds of encoding and decoding, for each pixel of a frame; 0 was not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How it will be made."""

    pixels: Pixels
    level: int
    """0 is as the model likes it; each further one asks for less."""
    way: Way
    width: int
    height: int
    length: int
    """Frames of a rendering."""
    windows: int
    memory_bytes: int
    """Of the GPU, or of RAM on a machine without one: the predicted peak."""
    working_bytes: int
    """The same without reading the text, which goes through the GPU in blocks where it must."""
    ram_bytes: int
    """Weights that wait in RAM."""
    seconds: float
    """For the shot; before anything was measured, from counted operations."""
    waits: bool
    """True if it fits into the machine, but not into what is free now."""
    is_measured: bool


def plan_memory(
    weights: Weights,
    asked: Asked,
    machine: Machine,
    *,
    best: Pixels,
    fixed: Pixels | None = None,
    measured: Measured | None = None,
    after_level: int = -1,
    after_way: Way | None = None,
) -> Plan:
    """The best level that the machine has memory for, in the fastest way that fits into what is free.

    best: what the model likes, and the user allows. fixed: a level that is decided already, for a job that goes on.
    after_level, after_way: only what asks for less than these, because they ran out of memory. If no way fits into
    what is free, the plan has the one that takes least, and `waits`. Raises GpuMemory if nothing fits into the machine.
    """
    if measured is not None:
        weights = _as_measured(weights, measured)
        machine = replace(machine, flops=measured.flops, coded_s_px=measured.coded_s_px)
    known = levels(best, weights)
    chosen = [(known.index(fixed) if fixed in known else 0, fixed)] if fixed is not None else list(enumerate(known))
    most = machine.most_bytes
    for level, pixels in chosen:
        plans = list(_plans(weights, asked, machine, pixels, level=level, is_measured=measured is not None))
        if level <= after_level:  # what needs no less than this would run out of memory again
            most = min([most, *(plan.working_bytes - 1 for plan in plans)])
            continue
        plans = [
            plan
            for plan in plans
            if plan.working_bytes <= most
            and plan.memory_bytes <= machine.most_bytes
            and (after_way is None or plan.way > after_way)
        ]
        if plans:
            fits = [plan for plan in plans if plan.memory_bytes <= machine.now_bytes]
            return fits[0] if fits else replace(min(plans, key=lambda plan: plan.memory_bytes), waits=True)
    raise _too_small(weights, asked, machine, [pixels for _, pixels in chosen])


def levels(best: Pixels, weights: Weights) -> tuple[Pixels, ...]:
    """From what the model likes down: first the VAE in tiles, then shorter windows, then a smaller canvas; then all of
    it with the denoisers' numbers in eight bits, which is the last because it changes the model itself."""
    found = list(_sizes(best, weights))
    if best.storage == FULL and weights.can_fp8:
        found += [replace(pixels, storage=FP8) for pixels in found]
    return tuple(dict.fromkeys(found))


def _sizes(best: Pixels, weights: Weights) -> Iterator[Pixels]:
    yield best
    small = best
    for tile_px in _TILES_PX if weights.tiles else ():
        if not best.tile_px or tile_px < best.tile_px:
            small = replace(best, tile_px=tile_px)
            yield small
    for share in _WINDOWS:
        longest = int((best.longest - 1) * share) // weights.every * weights.every + 1
        if longest - weights.head - weights.tail >= 2 * weights.every:
            small = replace(small, longest=longest)
            yield small
    for share in _AREAS:
        yield replace(small, area_px=int(best.area_px * share))


def _plans(
    weights: Weights, asked: Asked, machine: Machine, pixels: Pixels, *, level: int, is_measured: bool
) -> Iterator[Plan]:
    """One for each way that the machine has, fastest first."""
    canvas = canvas_for(asked.crop, area_px=pixels.area_px, stride_px=weights.stride_px)
    windows = -(-asked.frames // (pixels.longest - weights.head - weights.tail))
    run = replace(pixels, longest=_length(weights, asked, pixels))
    ram = _ram_bytes(weights, pixels)
    for way in Way if machine.has_gpu else (Way.RESIDENT,):
        if way is not Way.RESIDENT and ram > machine.ram_bytes * _RAM_SHARE:
            continue
        working = _peak_bytes(weights, canvas, run, way)
        yield Plan(
            pixels=pixels,
            level=level,
            way=way,
            width=canvas.width,
            height=canvas.height,
            length=run.longest,
            windows=windows,
            memory_bytes=max(working, _text_bytes(weights, machine)),
            working_bytes=working,
            ram_bytes=0 if way is Way.RESIDENT else ram,
            seconds=_seconds(weights, machine, canvas, run, way, windows=windows, forwards=asked.forwards),
            waits=False,
            is_measured=is_measured,
        )


def _text_bytes(weights: Weights, machine: Machine) -> int:
    """While the text is read, before the rest is there: the encoder goes through the GPU in blocks where it must."""
    fits = weights.text <= machine.now_bytes or not machine.has_gpu
    return weights.text if fits else int(weights.text * _BLOCKS_SHARE)


def _peak_bytes(weights: Weights, canvas: Canvas, pixels: Pixels, way: Way) -> int:
    """Of denoising and of the VAE, the larger."""
    area = canvas.width * canvas.height
    denoising, coding = held_bytes(weights, pixels, way, frames_px=area * pixels.longest)
    return max(
        denoising + _tokens(weights, canvas, pixels) * weights.token_bytes,
        coding + vae_bytes(weights, pixels, area_px=area),
    )


def held_bytes(weights: Weights, pixels: Pixels, way: Way, *, frames_px: int) -> tuple[int, int]:
    """What is on the device besides activations, while it denoises and while the VAE works: weights and the clip.

    frames_px: pixels of all frames of a rendering.
    """
    denoisers = [_stored(each, weights, pixels) for each in weights.denoisers]
    denoising, coding = {
        Way.RESIDENT: (sum(denoisers) + weights.rest,) * 2,
        Way.OFFLOAD: (max(denoisers), weights.rest),
        Way.STREAM: (int(max(denoisers) * _BLOCKS_SHARE) + weights.rest, weights.rest),
    }[way]
    return denoising + frames_px * _RESIDENT_CLIP_BYTES, coding + frames_px * _CODED_CLIP_BYTES


def _ram_bytes(weights: Weights, pixels: Pixels) -> int:
    return sum(_stored(each, weights, pixels) for each in weights.denoisers) + weights.rest


def _stored(denoiser: int, weights: Weights, pixels: Pixels) -> int:
    return denoiser // weights.width_bytes if pixels.storage == FP8 else denoiser


def _tokens(weights: Weights, canvas: Canvas, pixels: Pixels) -> int:
    each = (canvas.width // weights.token_px) * (canvas.height // weights.token_px)
    return max(each, 1) * ((pixels.longest - 1) // weights.every + 1)


def _length(weights: Weights, asked: Asked, pixels: Pixels) -> int:
    """Frames of a rendering: a shot that is shorter than a window makes it shorter too, by whole latents."""
    whole = weights.head + asked.frames + weights.tail
    return min(pixels.longest, whole + -(whole - 1) % weights.every)


def _seconds(
    weights: Weights, machine: Machine, canvas: Canvas, pixels: Pixels, way: Way, *, windows: int, forwards: int
) -> float:
    moved = sum(_stored(each, weights, pixels) for each in weights.denoisers)
    forward_s = step_flop(weights, _tokens(weights, canvas, pixels)) / machine.flops
    if way is Way.STREAM:
        forward_s = max(forward_s, max(_stored(each, weights, pixels) for each in weights.denoisers) / _LINK_BYTES_S)
    coded_s_px = machine.coded_s_px or _VAE_FLOP_PX * _VAE_SLOWER / machine.flops
    coded_s = canvas.width * canvas.height * pixels.longest * coded_s_px
    swap_s = (moved + weights.rest) / _LINK_BYTES_S if way is Way.OFFLOAD else 0.0
    load_s = (moved + weights.rest + weights.text) / _DISK_BYTES_S
    return load_s + windows * (forwards * forward_s + coded_s + swap_s)


def vae_bytes(weights: Weights, pixels: Pixels, *, area_px: int) -> int:
    """Activations of the VAE while it runs, on a canvas of so many pixels."""
    seen_px = min(area_px, pixels.tile_px**2) if pixels.tile_px else area_px
    return seen_px * (weights.vae_px_bytes + pixels.longest * weights.vae_frame_bytes)


def step_flop(weights: Weights, tokens: int) -> float:
    """Operations of one run of a denoiser: two a parameter and token, four a pair of tokens and unit of its width."""
    return 2.0 * weights.parameters * tokens + 4.0 * weights.attention * tokens * tokens


def tokens_of(weights: Weights, *, width: int, height: int, length: int) -> int:
    """Of a rendering."""
    canvas = Canvas(width, height, width, height)
    return _tokens(weights, canvas, Pixels(area_px=width * height, longest=length))


def _as_measured(weights: Weights, measured: Measured) -> Weights:
    return replace(
        weights,
        token_bytes=max(int(measured.token_bytes * _MARGIN_OF_MEASURED), 1),
        vae_px_bytes=int(weights.vae_px_bytes * measured.vae_scale * _MARGIN_OF_MEASURED),
        vae_frame_bytes=int(weights.vae_frame_bytes * measured.vae_scale * _MARGIN_OF_MEASURED),
    )


def _too_small(weights: Weights, asked: Asked, machine: Machine, tried: list[Pixels]) -> GpuMemory:
    sizes = (
        plan.memory_bytes
        for plan in chain.from_iterable(
            _plans(weights, asked, replace(machine, ram_bytes=1 << 62), pixels, level=0, is_measured=False)
            for pixels in tried
        )
    )
    need = min(sizes) / _GIB
    where = f"The {machine.name} has" if machine.has_gpu else "This machine has"
    return GpuMemory(
        f"{where} {machine.memory_bytes / _GIB:.1f} GiB of memory, and this model needs {need:.1f} GiB in its smallest "
        "form",
        remedy="Use a smaller model, a smaller matte, or a machine with more memory",
    )
