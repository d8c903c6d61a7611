"""Adapters in a model's weights: the same as weights changed by hand, whichever way they are moved, and off again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch: pip install 'secondtake[diffusion]'")

import runs
from runs import called, dressed, settled
from safetensors.torch import save_file
from studio import Studio, command, content
from tiny import ltx2 as tiny_ltx2
from tiny import save_ltx2, vace

from secondtake.errors import BadInput
from secondtake_daemon.engines.diffusion import adapters, fuse, pipes
from secondtake_daemon.engines.diffusion.families import ltx2, wan_vace
from secondtake_daemon.engines.diffusion.memory.placing import Layout
from secondtake_daemon.engines.diffusion.memory.plan import FP8, Way
from secondtake_daemon.engines.diffusion.run import Run
from secondtake_daemon.engines.diffusion.shaper import DISPLAY, LOGC3
from secondtake_daemon.models import shelf
from secondtake_daemon.models.adapter import check_fits, read_changes
from secondtake_daemon.models.shelf import Model
from secondtake_daemon.models.single import part_shapes

Layers = dict[str, tuple[int, int]]
VACE: Layers = {"blocks.0.attn1.to_q": (24, 24), "vace_blocks.1.ffn.net.0.proj": (32, 24), "proj_out": (64, 24)}
LTX: Layers = {"transformer_blocks.0.attn1.to_v": (16, 16), "transformer_blocks.1.ff.net.2": (16, 64)}
RANK = 3


def lora(path: Path, layers: Layers, *, seed: int = 0, names: Callable[[str], str] = str, **more: Any) -> Path:
    """A LoRA of these layers with random numbers."""
    tensors = {names(name): value for name, value in halves(layers, seed).items()}
    save_file({**tensors, **more}, str(path))
    return path


def halves(layers: Layers, seed: int) -> dict[str, Any]:
    generator, made = torch.Generator().manual_seed(seed), {}
    for layer, (out, into) in layers.items():
        made[f"transformer.{layer}.lora_A.weight"] = torch.randn(RANK, into, generator=generator)
        made[f"transformer.{layer}.lora_B.weight"] = torch.randn(out, RANK, generator=generator) * 0.3
    return made


def record(root: Path, folder: Path, name: str) -> Model:
    given: dict[str, Any] = {"licence": "free", "licence_accepted": True, "settings": {}}
    return shelf.add(root, folder, name=name, step=lambda done, total: None, **given)


def recorded(root: Path, base: Model, file: Path, **settings: str) -> Model:
    given: dict[str, Any] = {"licence": "free", "licence_accepted": True, "settings": settings}
    return shelf.add_adapter(root, file, on=base, name=file.stem, step=lambda done, total: None, **given)


def source(base: Model, family: Any, *worn: Model) -> pipes.Source:
    model = msgspec.structs.replace(base, adapters=worn)
    return pipes.Source(
        folder=Path(base.folder), name=family.runs or family.pipeline, digest=model.digest,
        denoisers=family.denoisers, adapters=worn, adapter_names=family.adapter_names,
    )  # fmt: skip


def by_hand(pipe: Any, layers: Layers, *, seed: int = 0, scale: float = 1.0) -> Any:
    """The same change, computed apart from the product's code."""
    given = halves(layers, seed)
    for layer in layers:
        down, up = (given[f"transformer.{layer}.lora_{half}.weight"].double() for half in "AB")
        weight = pipe.transformer.get_submodule(layer).weight
        weight.data = (weight.data.double() + scale * torch.einsum("or,ri->oi", up, down)).float()
    return pipe


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Model:
    return record(tmp_path_factory.mktemp("vace") / "models", tiny_folder, "vace")


@pytest.fixture(scope="module")
def ltx_base(tmp_path_factory: pytest.TempPathFactory) -> Model:
    root = tmp_path_factory.mktemp("ltx")
    return record(root / "models", save_ltx2(root / "folder"), "ltx")


@pytest.fixture(autouse=True)
def _dropped() -> Iterator[None]:
    yield
    pipes.drop()


def vace_run() -> Run:
    return settled(runs.a_run(frames=5, height=32, width=48), guidance=5.0)


def ltx_run(**changes: Any) -> Run:
    holes = np.zeros((9, 64, 64), bool)
    holes[1:, :, 32:] = True
    return runs.a_run(**{"frames": 9, "height": 64, "width": 64, "holes": holes, **changes})


def vace_frames(base: Model, *worn: Model, layout: Layout | None = None) -> Any:
    pipe = pipes.pipeline(source(base, wan_vace.FAMILY, *worn), layout or Layout())
    return runs.rendered(pipe, wan_vace.FAMILY, vace_run())


def ltx_frames(base: Model, *worn: Model, run: Run | None = None) -> Any:
    family = adapters.dressed(ltx2.LTX_2, worn)
    return runs.rendered(pipes.pipeline(source(base, family, *worn), Layout()), family, run or ltx_run())


def test_it_changes_the_picture_as_weights_changed_by_hand_do(base: Model, tmp_path: Path) -> None:
    plain = vace_frames(base)
    worn = recorded(tmp_path, base, lora(tmp_path / "hat", VACE))
    with_it = vace_frames(base, worn)
    assert np.abs(with_it - plain).max() > 1e-2
    expected = runs.rendered(by_hand(runs.quiet(vace()), VACE), wan_vace.FAMILY, vace_run())
    assert np.abs(with_it - expected).max() < 2e-5
    assert vace_frames(base, worn).tobytes() == with_it.tobytes()
    pipes.drop()
    assert vace_frames(base, worn).tobytes() == with_it.tobytes(), "also loaded anew"
    assert vace_frames(base).tobytes() == plain.tobytes(), "and without it, as before"


def test_with_ltx_and_makers_names(ltx_base: Model, tmp_path: Path) -> None:
    plain = ltx_frames(ltx_base)
    file = lora(tmp_path / "hat", LTX, names=lambda name: name.replace("transformer.", "diffusion_model."))
    worn = recorded(tmp_path, ltx_base, file)
    with_it = ltx_frames(ltx_base, worn)
    hand = dressed(by_hand(tiny_ltx2(), LTX), ltx2.LTX_2)
    assert np.abs(with_it - plain).max() > 1e-3
    assert np.abs(with_it - runs.rendered(hand, ltx2.LTX_2, ltx_run())).max() < 2e-5
    assert ltx_frames(ltx_base).tobytes() == plain.tobytes()


def test_strength_rank_and_differences_count(base: Model, tmp_path: Path) -> None:
    half = recorded(tmp_path, base, lora(tmp_path / "half", VACE), scale="0.5")
    alphas = {f"transformer.{layer}.alpha": torch.tensor(RANK / 2) for layer in VACE}
    same = recorded(tmp_path, base, lora(tmp_path / "same", VACE, **alphas))
    first = vace_frames(base, half)
    np.testing.assert_allclose(vace_frames(base, same), first, atol=2e-5)
    expected = runs.rendered(by_hand(runs.quiet(vace()), VACE, scale=0.5), wan_vace.FAMILY, vace_run())
    np.testing.assert_allclose(first, expected, atol=2e-5)
    whole = {"blocks.0.attn1.to_q.diff": torch.ones(24, 24) * 0.1, "proj_out.diff_b": torch.ones(64) * 0.2}
    other = recorded(tmp_path, base, lora(tmp_path / "other", {}, **whole))
    pipe = runs.quiet(vace())
    pipe.transformer.blocks[0].attn1.to_q.weight.data += 0.1
    pipe.transformer.proj_out.bias.data += 0.2
    expected = runs.rendered(pipe, wan_vace.FAMILY, vace_run())
    np.testing.assert_allclose(vace_frames(base, other), expected, atol=2e-5)


def test_two_at_once_in_their_order(base: Model, tmp_path: Path) -> None:
    one = recorded(tmp_path, base, lora(tmp_path / "one", VACE))
    two = recorded(tmp_path, base, lora(tmp_path / "two", {"proj_out": (64, 24)}, seed=1))
    pipe = by_hand(by_hand(runs.quiet(vace()), VACE), {"proj_out": (64, 24)}, seed=1)
    np.testing.assert_allclose(vace_frames(base, one, two), runs.rendered(pipe, wan_vace.FAMILY, vace_run()), atol=2e-5)


@pytest.mark.parametrize("way", [Way.OFFLOAD, Way.STREAM], ids=lambda way: way.name.lower())
def test_however_weights_are_moved_the_bytes_are_the_same(base: Model, tmp_path: Path, way: Way) -> None:
    worn = recorded(tmp_path, base, lora(tmp_path / "hat", VACE))
    resident = vace_frames(base, worn)
    assert vace_frames(base, worn, layout=Layout(way=way)).tobytes() == resident.tobytes()


def test_stored_in_eight_bits_it_is_still_there(base: Model, tmp_path: Path) -> None:
    worn = recorded(tmp_path, base, lora(tmp_path / "hat", VACE))
    layout = Layout(storage=FP8)
    assert np.abs(vace_frames(base, worn, layout=layout) - vace_frames(base, layout=layout)).max() > 1e-2


@pytest.mark.parametrize(("spoil", "says"), [("a bit", "is not the one that was added"), ("gone", "is not the one")])
def test_a_file_that_changed_since(base: Model, tmp_path: Path, spoil: str, says: str) -> None:
    file = lora(tmp_path / "hat", VACE)
    worn = recorded(tmp_path, base, file)
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    if spoil == "gone":
        file.unlink()
    with pytest.raises(BadInput, match=says) as caught:
        vace_frames(base, worn)
    assert caught.value.remedy
    pipes.drop()
    assert np.isfinite(vace_frames(base)).all()


def test_numbers_that_are_none_and_another_model(base: Model, ltx_base: Model, tmp_path: Path) -> None:
    file = lora(tmp_path / "nan", VACE, **{"transformer.proj_out.diff_b": torch.full((64,), torch.nan)})
    with pytest.raises(BadInput, match="numbers that are none, in proj_out"):
        vace_frames(base, recorded(tmp_path, base, file))
    other = recorded(tmp_path, ltx_base, lora(tmp_path / "other", LTX))
    with pytest.raises(BadInput, match="2 of them 'ltx' does not have"):
        fuse.fuse(vace(), [other], names=ltx2.LTX_2.adapter_names)
    parts = part_shapes(ltx_base)
    changes = read_changes(lora(tmp_path / "v", VACE), names=(), parts=parts, part="transformer")
    with pytest.raises(BadInput, match="3 layers, and 2 of them 'ltx' does not have"):
        check_fits(tmp_path / "v", changes, parts=parts, model="ltx")


def test_one_for_high_dynamic_range_sees_the_screen_and_works_in_log(ltx_base: Model, tmp_path: Path) -> None:
    worn = recorded(tmp_path, ltx_base, lora(tmp_path / "bright", LTX), use="hdr")
    family = adapters.dressed(ltx2.LTX_2, [worn])
    assert family.shaper == "logc3"
    light = np.geomspace(0.01, 40, 9 * 64 * 64 * 3, dtype=np.float32).reshape(9, 64, 64, 3)
    run = ltx_run(codes=LOGC3.encode(light), shaper="logc3", settings=replace(family.final, steps=1, guidance=1.0))
    np.testing.assert_allclose(run.screen()[0].permute(0, 2, 3, 1).numpy(), DISPLAY.encode(light), atol=2e-5)
    pipe = dressed(tiny_ltx2(), family)
    with called(pipe.transformer) as calls, called(pipe.vae, "encode") as encoded:
        runs.rendered(pipe, family, run)
    tokens = 2 * 2 * 2
    assert calls[0]["hidden_states"].shape[1] == 2 * tokens
    shown = encoded[-1][""][0][0].permute(1, 2, 3, 0).numpy()
    np.testing.assert_allclose(shown, DISPLAY.encode(light) * 2 - 1, atol=2e-5)
    both = replace(run, settings=replace(run.settings, adapter="inpaint"))
    with called(pipe.vae, "encode") as encoded:
        runs.rendered(pipe, family, both)
    green = encoded[-1][""][0][0].permute(1, 2, 3, 0).numpy()
    np.testing.assert_allclose(green[run.holes], np.broadcast_to([-0.2, 1, -1], green[run.holes].shape), atol=1e-5)


@pytest.mark.timeout(300)  # a worker that loads torch takes ten seconds, or forty on a busy machine
def test_through_the_daemon_to_the_take(studio: Studio, tmp_path: Path) -> None:
    """Worn, named in the take, another content key; taken off, the same bytes as before."""
    before = studio.fix("plain")
    assert before.status == 0, before.err
    file = lora(tmp_path / "hat", VACE)
    ran = command("models", "add", file, "--on", "tiny", "--accept-licence", "--json")
    assert ran.status == 0, ran.err
    worn = studio.fix("worn", "--engine-option", "adapter=hat:0.9")
    assert worn.status == 0, worn.err
    assert studio.outside_of(worn.json["files"]) == []
    take = msgspec.json.decode((studio.root / "worn" / "take.json").read_bytes())
    assert [each["name"] for each in take["engine"]["models"]] == ["tiny", "hat"]
    assert take["engine"]["models"][1]["files"] == {"hat": ran.json["model"]["files"][0]["sha256"]}
    assert "hat(scale=0.9)" in take["engine"]["version"]
    assert np.abs(studio.inside_of(worn.json["files"]) - studio.inside_of(before.json["files"])).max() > 1e-3
    refused = studio.fix("none", "--engine-option", "adapter=cap")
    assert (refused.status, refused.json["error"]["code"]) == (2, "usage")
    assert command("models", "remove", "hat").status == 0
    assert content(studio.fix("after").json["files"]) == content(before.json["files"])
