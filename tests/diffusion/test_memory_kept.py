"""What is kept of prompts and steps, how a model is laid out, and that none of it changes what comes out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch: pip install 'secondtake[diffusion]'")

import tiny
from diffusers import FirstBlockCacheConfig
from pressure import GIB, Pressure
from runs import Counting, a_run, quiet, rendered

from secondtake_daemon.engines.diffusion import pipes
from secondtake_daemon.engines.diffusion.families import wan_vace
from secondtake_daemon.engines.diffusion.family import Settings
from secondtake_daemon.engines.diffusion.memory import device, measured
from secondtake_daemon.engines.diffusion.memory.metering import Meter
from secondtake_daemon.engines.diffusion.memory.placing import Layout, cut_in_tiles, lay_out
from secondtake_daemon.engines.diffusion.memory.plan import FP8, Machine, Way
from secondtake_daemon.engines.diffusion.memory.prompts import Prompt, Prompts
from secondtake_daemon.engines.diffusion.memory.reading import read_weights
from secondtake_daemon.models import shelf
from secondtake_daemon.models.shelf import Model

PROMPT = Prompt(encoder="e", pipeline="P", machine="m", dtype="float32", words="a red hat", tokens=32)
MACHINE = Machine(
    name="GPU", driver="1", has_gpu=True, memory_bytes=24 * GIB, free_bytes=24 * GIB, ram_bytes=64 * GIB, flops=1e14
)
STEP = measured.Step(tokens=32_760, token_bytes=140_000.0, flops=1.2e14)


class Encoder:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> dict[str, Any]:
        self.asked += 1
        torch.manual_seed(1)
        return {"prompt_embeds": torch.randn(1, 32, 8).bfloat16(), "mask": torch.arange(32)[None]}


def same(one: Any, other: Any) -> bool:
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and torch.equal(one[name], other[name]) for name in one
    )


def test_a_prompt_is_read_once(tmp_path: Path) -> None:
    encoder, prompts = Encoder(), Prompts(tmp_path)
    first = prompts.read(PROMPT, encoder)
    assert same(prompts.read(PROMPT, encoder), first)
    assert same(Prompts(tmp_path).read(PROMPT, encoder), first), "by another process too, bit for bit"
    assert encoder.asked == 1
    for changed in ({"words": "a red Hat"}, {"tokens": 64}, {"encoder": "f"}, {"machine": "n"}, {"dtype": "bfloat16"}):
        fields = {name: getattr(PROMPT, name) for name in PROMPT.__struct_fields__}
        assert prompts.find(Prompt(**{**fields, **changed})) is None
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("spoil", ["a bit", "half", "nothing", "another's"])
def test_a_spoiled_file_is_made_again(tmp_path: Path, spoil: str) -> None:
    encoder = Encoder()
    first = Prompts(tmp_path).read(PROMPT, encoder)
    (file,) = tmp_path.rglob("*.safetensors")
    raw = bytearray(file.read_bytes())
    if spoil == "a bit":
        raw[-3] ^= 1
    elif spoil == "another's":
        from safetensors.torch import save

        raw = bytearray(save({"prompt_embeds": torch.zeros(1, 32, 8)}, metadata={"blake3": "0" * 64}))
    file.write_bytes(raw[: {"half": len(raw) // 2, "nothing": 0}.get(spoil, len(raw))])
    assert same(Prompts(tmp_path).read(PROMPT, encoder), first)
    assert encoder.asked == 2
    assert same(Prompts(tmp_path).read(PROMPT, encoder), first)
    assert encoder.asked == 2, "it is whole again"


def test_without_a_folder_and_where_none_can_be_written(tmp_path: Path) -> None:
    encoder, prompts = Encoder(), Prompts(None)
    assert same(prompts.read(PROMPT, encoder), prompts.read(PROMPT, encoder))
    assert encoder.asked == 1
    (tmp_path / "prompts").write_text("in the way")
    assert Prompts(tmp_path).read(PROMPT, encoder)


def test_a_step_is_kept_by_all_it_hangs_on(tmp_path: Path) -> None:
    key = measured.key_for(MACHINE, digest="d", storage="full")
    assert measured.known(tmp_path, key) is None
    assert measured.keep(tmp_path, key, STEP)
    assert measured.known(tmp_path, key) == STEP.measured()
    for other in (
        measured.key_for(replace(MACHINE, name="other"), digest="d", storage="full"),
        measured.key_for(replace(MACHINE, driver="2"), digest="d", storage="full"),
        measured.key_for(MACHINE, digest="e", storage="full"),
        measured.key_for(MACHINE, digest="d", storage="fp8"),
    ):
        assert measured.known(tmp_path, other) is None
    assert measured.key_for(replace(MACHINE, free_bytes=0), digest="d", storage="full") == key


def test_threads_are_part_of_what_the_last_bits_hang_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured with a tiny model: one frame of 24 differs between one thread and two."""
    kinds = set()
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        assert device.kind_of(MACHINE) == "GPU", "there they do not count"
        kinds.add(device.kind_of(replace(MACHINE, has_gpu=False)))
    assert len(kinds) == 2


def test_the_largest_rendering_says_most(tmp_path: Path) -> None:
    small = measured.Step(tokens=measured.LEAST_TOKENS, token_bytes=2.0, flops=1.0)
    assert not measured.keep(tmp_path, "k", measured.Step(tokens=measured.LEAST_TOKENS - 1, token_bytes=1, flops=1))
    assert not measured.keep(tmp_path, "k", measured.Step(tokens=9999, token_bytes=float("nan"), flops=1))
    assert not measured.keep(None, "k", STEP)
    assert measured.keep(tmp_path, "k", small)
    assert measured.keep(tmp_path, "k", STEP)
    assert not measured.keep(tmp_path, "k", small)
    assert measured.known(tmp_path, "k") == STEP.measured()


SENSELESS = b'{"steps":{"k":{"tokens":0,"token_bytes":1,"flops":1}}}'
SPOILED = {"empty": b"", "torn": b"{", "foreign": b'{"steps": 3}', "binary": b"\xff\xfe", "senseless": SENSELESS}


@pytest.mark.parametrize("raw", [*SPOILED.values(), b" " * (2 << 20)], ids=[*SPOILED, "huge"])
def test_an_unreadable_file_is_as_none(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / measured.FILE).write_bytes(raw)
    assert measured.known(tmp_path, "k") is None
    assert measured.keep(tmp_path, "k", STEP)
    assert measured.known(tmp_path, "k") == STEP.measured()


def test_the_file_is_bounded(tmp_path: Path) -> None:
    for at in range(70):
        assert measured.keep(tmp_path, f"k{at}", STEP)
    assert measured.known(tmp_path, "k5") is None
    assert measured.known(tmp_path, "k6") == measured.known(tmp_path, "k69") == STEP.measured()
    assert [file.name for file in tmp_path.iterdir()] == [measured.FILE]


class Slow(device.Cpu):
    """Holds what it is told."""

    held = 100

    def used_bytes(self) -> int:
        return self.held

    def peak_bytes(self) -> int:
        return self.held


def test_the_meter_tells_steps_from_the_vae() -> None:
    at, gauge = [0.0], Slow()
    meter = Meter(Counting(), gauge, clock=lambda: at[0])
    for stage, held, seconds in (
        ("encode", 180, 1.0), ("step", 400, 2.0), ("step", 460, 2.0), ("step", 460, 2.0), ("decode", 150, 1.0),
    ):  # fmt: skip
        meter.alive(stage)
        gauge.held, at[0] = held, at[0] + seconds
        if stage == "step":
            meter.step(None, None, None, None)
    found = meter.found(forwards=6)
    assert found is not None
    assert (found.before_bytes, found.step_bytes, found.vae_bytes, found.forward_s) == (100, 460, 180, 1.0)
    assert found.coded_s == 2.0
    assert Meter(Counting(), gauge).found(forwards=2) is None


@pytest.fixture(scope="module")
def pipe() -> Any:
    return quiet(tiny.vace())


def codes(pipe: Any, **changes: Any) -> Any:
    return rendered(pipe, wan_vace.FAMILY, a_run(frames=9, height=48, width=64, **changes))


@pytest.fixture(scope="module")
def plain(pipe: Any) -> Any:
    return codes(pipe)


@pytest.mark.parametrize("way", [Way.OFFLOAD, Way.STREAM])
def test_how_weights_are_moved_changes_no_bit(way: Way, plain: Any) -> None:
    moved = quiet(tiny.vace())
    lay_out(moved, Layout(way=way), denoisers=("transformer",))
    assert codes(moved).tobytes() == plain.tobytes()
    assert codes(moved).tobytes() == plain.tobytes(), "and again"


def test_eight_bits_change_the_model_and_little_else(plain: Any) -> None:
    small = quiet(tiny.vace())
    before = sum(each.nbytes for each in small.transformer.blocks.parameters())
    lay_out(small, Layout(storage=FP8), denoisers=("transformer",))
    assert sum(each.nbytes for each in small.transformer.blocks.parameters()) < 0.4 * before
    made = codes(small)
    assert made.tobytes() != plain.tobytes()
    assert np.abs(made - plain).mean() < 0.02


def test_tiles_are_near_the_whole_and_not_the_same() -> None:
    """Measured with random weights: 0.16 of the range at worst, 0.001 on average (the range is -1 … 1)."""
    pipe = quiet(tiny.vace())
    torch.manual_seed(3)
    latents = torch.randn(1, 16, 2, 12, 40)
    with torch.no_grad():
        whole = pipe.vae.decode(latents, return_dict=False)[0]
        cut_in_tiles(pipe, 128, width=320, height=96)
        tiled = pipe.vae.decode(latents, return_dict=False)[0]
        cut_in_tiles(pipe, 0, width=320, height=96)
        again = pipe.vae.decode(latents, return_dict=False)[0]
    assert whole.dtype == torch.float32
    assert torch.equal(whole, again)
    assert whole.shape == tiled.shape
    off = (whole - tiled).abs()
    assert 0 < float(off.max()) < 0.4
    assert float(off.mean()) < 0.004


def test_the_vae_is_loaded_in_float32(monkeypatch: pytest.MonkeyPatch, tiny_folder: Path) -> None:
    Pressure(monkeypatch)
    source = pipes.Source(folder=tiny_folder, name="WanVACEPipeline", digest="x", denoisers=("transformer",))
    assert {each.dtype for each in pipes.pipeline(source, Layout()).vae.parameters()} == {torch.float32}
    pipes.drop()


def test_first_block_cache_is_wrong_with_vace(pipe: Any) -> None:
    """Why it is refused: the same input twice gives two outputs. Should this fail, diffusers has mended it."""
    torch.manual_seed(0)
    model = tiny.vace().transformer
    given = {
        "hidden_states": torch.randn(1, 16, 3, 6, 8), "timestep": torch.tensor([500]),
        "encoder_hidden_states": torch.randn(1, 8, 32), "control_hidden_states": torch.randn(1, 96, 3, 6, 8),
        "return_dict": False,
    }  # fmt: skip
    model.enable_cache(FirstBlockCacheConfig(threshold=0.1))
    with torch.no_grad(), model.cache_context("cond"):
        first, *_, last = (model(**given)[0] for _ in range(4))
    assert (first - last).abs().max() > 0.1


@pytest.fixture
def model(tmp_path: Path, tiny_folder: Path) -> Iterator[Model]:
    yield shelf.add(
        tmp_path, tiny_folder, name="tiny", licence="free", licence_accepted=True, settings={},
        step=lambda done, total: None,
    )  # fmt: skip


def test_what_it_weighs_is_read_from_headers(model: Model) -> None:
    built = tiny.vace()
    count = {name: sum(each.numel() for each in part.parameters()) for name, part in (
        ("transformer", built.transformer), ("vae", built.vae), ("text", built.text_encoder))}  # fmt: skip
    on_gpu, without = (read_weights(model, wan_vace.FAMILY, has_gpu=has_gpu) for has_gpu in (True, False))
    assert on_gpu.denoisers == (2 * count["transformer"],)
    assert without.denoisers == (4 * count["transformer"],)
    assert on_gpu.rest == without.rest == 4 * count["vae"]
    assert on_gpu.parameters == count["transformer"]
    assert 0.5 < on_gpu.text / (2 * count["text"]) <= 1.5
    assert on_gpu.attention == (3 + 2) * 24
    assert on_gpu.token_bytes == 2 * (24 * (2 + 8) + 2 * 32)
    assert without.token_bytes == 2 * on_gpu.token_bytes


def test_embeddings_stand_for_the_prompt(plain: Any, pipe: Any) -> None:
    """The same bytes with the text encoder inside and with what it read."""
    text = wan_vace.FAMILY.text
    assert text is not None
    run = a_run(frames=9, height=48, width=64)
    with torch.no_grad():
        read = {name: tensor.cpu() for name, tensor in text.read(pipe, run.prompt, 32, "cpu").items()}
    bare = quiet(tiny.vace())
    bare.register_modules(text_encoder=None, tokenizer=None)
    arguments = {**wan_vace.FAMILY.arguments(run), "prompt": None, "negative_prompt": None, **read}
    with torch.no_grad():
        made = wan_vace.FAMILY.frames(bare(**arguments))
    assert made.tobytes() == plain.tobytes()
    assert run.settings == Settings(steps=2, guidance=1.0, prompt_tokens=32)
