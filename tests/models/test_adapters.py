"""Adapters on disk: on which model they belong, what is refused, listed, verified, accepted, removed."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path
from typing import Any

import msgspec
import pytest
from test_models import folder, weights
from test_verbs import WEIGHTS, models, page

from secondtake.errors import NoSuchEngine, UsageError
from secondtake.home import Home
from secondtake.messages import FixRequest, Operation, Reference
from secondtake_daemon.engines.catalogue import Catalogue
from secondtake_daemon.engines.diffusion.adapters import check_adapter, dressed, picked
from secondtake_daemon.engines.diffusion.families import ltx2, wan_vace, wan_vace_fun
from secondtake_daemon.engines.installed import worn
from secondtake_daemon.job.engine_used import engine_used
from secondtake_daemon.models.adapter import read_changes
from secondtake_daemon.models.shelf import Model

__all__ = ["folder", "page"]

LAYERS = {"blocks.0.attn1.to_q": (6, 4), "blocks.0.attn2.to_out.0": (6, 6), "blocks.0.ffn.net.0.proj": (8, 6)}
REQUEST = FixRequest(
    job="a" * 32, shot="s", plate="/p.####.exr", matte="/m.exr", out="/o", operation=Operation.REPLACE,
    instruction="a hat", engine="base",
)  # fmt: skip


def pairs(layers: dict[str, tuple[int, int]], *, rank: int = 2, ends: tuple[str, str] = ("lora_A", "lora_B")) -> Any:
    """Shapes of a LoRA of these layers."""
    made = {}
    for name, (out, into) in layers.items():
        made[f"{name}.{ends[0]}.weight"], made[f"{name}.{ends[1]}.weight"] = (rank, into), (out, rank)
    return made


def adapter(path: Path, tensors: Any = None, **header: str) -> Path:
    weights(path, **(tensors or pairs(LAYERS)))
    if header:
        raw = path.read_bytes()
        (length,) = struct.unpack("<Q", raw[:8])
        head = json.dumps({"__metadata__": header, **json.loads(raw[8 : 8 + length])}).encode()
        path.write_bytes(struct.pack("<Q", len(head)) + head + raw[8 + length :])
    return path


@pytest.fixture
def base(home: Path, page: Path) -> Path:
    """A model of three layers, as the engine `base`."""
    (page / WEIGHTS).unlink()
    tensors = {f"{name}.weight": shape for name, shape in LAYERS.items()}
    weights(page / WEIGHTS, **tensors, **{f"{name}.bias": shape[:1] for name, shape in LAYERS.items()})
    assert models("add", page, "--name", "base")[0] == 0
    return page


def card(name: str = "base") -> Any:
    return Catalogue(Home.find().data / "models").card_for(name)


def test_added_listed_verified_accepted_removed(base: Path, tmp_path: Path) -> None:
    file = adapter(tmp_path / "My Hat.bin")
    status, answer, said = models("add", file)
    assert status == 0, answer
    assert (answer["model"]["name"], answer["model"]["on"]) == ("my-hat", "base")
    assert "secondtake models accept my-hat" in said
    states = {each["name"]: each["state"] for each in models("list")[1]["states"]}
    assert "not accepted" in states["my-hat"]
    assert models("accept", "my-hat")[0] == 0
    states = {each["name"]: each["state"] for each in models("list")[1]["states"]}
    assert states["my-hat"] == "ready"
    assert [each.name for each in Catalogue(Home.find().data / "models").cards if "hat" in each.name] == []
    assert models("verify", "my-hat")[1]["differing"] == []
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)
    assert models("verify", "my-hat")[0] == 12
    assert "my-hat is an adapter of base" in models("remove", "base")[1]["error"]["message"]
    assert models("remove", "my-hat")[1]["deleted"] == ""
    assert file.exists()
    assert models("remove", "base")[0] == 0


@pytest.mark.parametrize("ends", [("lora_A", "lora_B"), ("lora_down", "lora_up"), ("lora_A.default", "lora_B.default")])
@pytest.mark.parametrize("prefix", ["", "transformer.", "diffusion_model.", "base_model.model."])
def test_under_the_names_that_programs_write(base: Path, tmp_path: Path, prefix: str, ends: tuple[str, str]) -> None:
    named = {prefix + name: shape for name, shape in LAYERS.items()}
    file = adapter(tmp_path / "a", {**pairs(named, ends=ends), f"{prefix}blocks.0.attn1.to_q.alpha": ()})
    assert models("add", file, "--name", "a")[0] == 0


def test_under_the_names_that_its_makers_gave_it(base: Path, tmp_path: Path) -> None:
    makers = dict(zip(("self_attn.q", "cross_attn.o", "ffn.0"), LAYERS.values(), strict=True))
    tensors = pairs({f"diffusion_model.blocks.0.{name}": shape for name, shape in makers.items()})
    tensors["diffusion_model.blocks.0.self_attn.q.diff_b"] = (6,)
    assert models("add", adapter(tmp_path / "a", tensors), "--name", "a")[0] == 0


@pytest.mark.parametrize(
    ("family", "theirs", "ours"),
    [
        (ltx2.LTX_2, "diffusion_model.patchify_proj", ("transformer", "proj_in")),
        (ltx2.LTX_2, "diffusion_model.audio_patchify_proj", ("transformer", "audio_proj_in")),
        (ltx2.LTX_2, "diffusion_model.adaln_single.linear", ("transformer", "time_embed.linear")),
        (ltx2.LTX_2, "diffusion_model.audio_adaln_single.linear", ("transformer", "audio_time_embed.linear")),
        (ltx2.LTX_2, "diffusion_model.prompt_adaln_single.linear", ("transformer", "prompt_adaln.linear")),
        (ltx2.LTX_2, "text_embedding_projection.aggregate_embed", ("connectors", "text_proj_in")),
        (ltx2.LTX_2, "transformer.transformer_blocks.1.attn1.to_q", ("transformer", "transformer_blocks.1.attn1.to_q")),
        (wan_vace.FAMILY, "vace_blocks.3.before_proj", ("transformer", "vace_blocks.3.proj_in")),
        (wan_vace.FAMILY, "diffusion_model.head.head", ("transformer", "proj_out")),
        (wan_vace.FAMILY, "transformer_2.blocks.0.attn1.to_q", ("transformer_2", "blocks.0.attn1.to_q")),
        (wan_vace.FAMILY, "time_embedding.0", ("transformer", "condition_embedder.time_embedder.linear_1")),
    ],
)
def test_names_of_layers(tmp_path: Path, family: Any, theirs: str, ours: tuple[str, str]) -> None:
    parts = ("transformer", "transformer_2", "connectors", "vae")
    file = adapter(tmp_path / "a", pairs({theirs: (3, 4)}))
    (change,) = read_changes(file, names=family.adapter_names, parts=parts, part="transformer")
    assert (change.part, change.layer) == ours


MORE = {"blocks.0.attn1.to_q.lora_A.weight": (2, 4), "blocks.0.attn1.to_q.lora_B.weight": (6, 2)}


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (pairs({"single.0.q": (6, 4), "double.0.k": (6, 4)}), "changes 2 layers, and 2 of them 'base' does not have"),
        (pairs({"blocks.0.attn1.to_q": (12, 8)}), "changes layers of 12 × 8, where 'base' has 6 × 4"),
        ({**MORE, "blocks.0.attn1.to_q.lora_B.weight": (6, 3)}, "Two halves of this adapter do not fit"),
        ({"blocks.0.attn1.to_q.lora_A.weight": (2, 4)}, "one half only of 1 of its 1 changes"),
        ({**MORE, "blocks.0.attn1.to_q.dora_scale": (6,)}, "a tensor of a kind that is not used"),
        ({**MORE, "blocks.0.attn1.to_q.diff_b": (5,)}, "does not fit 'base' in blocks.0.attn1.to_q"),
        ({**MORE, "blocks.0.attn1.to_q.alpha": (2,)}, "does not fit 'base' in blocks.0.attn1.to_q"),
    ],
)
@pytest.mark.parametrize("on", [(), ("--on", "base")])
def test_what_does_not_fit(base: Path, tmp_path: Path, tensors: Any, message: str, on: tuple[str, ...]) -> None:
    file = adapter(tmp_path / "a", tensors)
    status, answer, said = models("add", file, "--name", "a", *on)
    assert status == 12
    assert message in answer["error"]["message"]
    assert answer["error"]["remedy"]
    assert "Traceback" not in said
    assert [each["name"] for each in models("list")[1]["models"]] == ["base"]


def test_a_pickle_and_a_file_that_was_cut(base: Path, tmp_path: Path) -> None:
    file = tmp_path / "lora.safetensors"
    file.write_bytes(pickle.dumps(MORE))
    assert "pickled objects" in models("add", file, "--on", "base", "--name", "a")[1]["error"]["message"]
    adapter(file).write_bytes(file.read_bytes()[:-4])
    assert "bytes and should have" in models("add", file, "--on", "base", "--name", "a")[1]["error"]["message"]


def test_one_that_fits_two_models_is_asked_about(base: Path, tmp_path: Path) -> None:
    assert models("add", base, "--name", "other")[0] == 0
    file = adapter(tmp_path / "a")
    assert "fits 2 models: base, other" in models("add", file)[1]["error"]["message"]
    assert models("add", file, "--on", "other", "--name", "a")[1]["model"]["on"] == "other"
    assert "takes adapters" in models("add", file, "--on", "a", "--name", "b")[1]["error"]["message"]


@pytest.mark.parametrize("given", ["use=hdr", "use=inpaint", "scale=0", "scale=x", "part=vae", "longest=9", "steps=no"])
def test_settings_that_are_none(base: Path, tmp_path: Path, given: str) -> None:
    status, answer, _ = models("add", adapter(tmp_path / "a"), "--on", "base", "--set", given)
    assert status == 2
    assert answer["error"]["remedy"]


@pytest.mark.parametrize(
    ("header", "page_says", "text", "is_accepted"),
    [
        ({}, "", "unknown: read what came with the model", False),
        ({"modelspec.license": "apache-2.0"}, "", "Apache-2.0: free for any use", True),
        ({"license": "cc-by-nc-4.0"}, "mit", "cc-by-nc-4.0: not for commercial use", False),
        ({}, "mit", "MIT: free for any use", True),
    ],
)
def test_its_licence(
    base: Path, tmp_path: Path, header: dict[str, str], page_says: str, text: str, is_accepted: bool
) -> None:
    (tmp_path / "loras").mkdir()
    if page_says:
        (tmp_path / "loras" / "README.md").write_text(f"---\nlicense: {page_says}\n---\n")
    model = models("add", adapter(tmp_path / "loras" / "a", **header), "--name", "a")[1]["model"]
    assert (model["licence"], model["licence_accepted"]) == (text, is_accepted)


def test_a_job_names_what_it_wears(base: Path, tmp_path: Path) -> None:
    for name in ("hat", "coat"):
        models("add", adapter(tmp_path / name, license="mit"), "--set", "scale=0.5")
    models("add", adapter(tmp_path / "shoe", pairs({"blocks.0.attn1.to_q": (6, 4)})))
    plain = worn(card(), operation=Operation.REPLACE, options={})
    assert plain == card()
    one, two, strong, other = (
        worn(card(), operation=Operation.REPLACE, options={"adapter": text})
        for text in ("hat", "coat,hat", "hat:0.8", "hat,coat")
    )
    assert one.model is not None
    assert len({plain.version, one.version, two.version, strong.version, other.version}) == 5
    assert "hat(scale=0.5)" in one.version
    assert worn(two, operation=Operation.REPLACE, options={"adapter": "none"}).version == plain.version
    used = engine_used(two)
    assert [each.name for each in used.models] == ["base", "coat", "hat"]
    assert list(used.models[1].files) == ["coat"]
    assert used.models[1].files["coat"] == next(each for each in card().adapters if each.name == "coat").files[0].sha256
    with pytest.raises(NoSuchEngine, match="licence of the adapter 'shoe' is not accepted"):
        worn(card(), operation=Operation.REPLACE, options={"adapter": "shoe"})


@pytest.mark.parametrize("text", ["cap", "", "hat,hat", "hat:0", "hat:9", "hat:x", "hat,"])
def test_an_adapter_that_is_none_is_refused_before_it_is_queued(base: Path, tmp_path: Path, text: str) -> None:
    models("add", adapter(tmp_path / "hat", license="mit"))
    request = msgspec.structs.replace(REQUEST, engine_options={"adapter": text})
    runs = msgspec.structs.replace(request, engine_options={"adapter": "hat:0.7"})
    catalogue = Catalogue(Home.find().data / "models")
    if card().why_not:
        pytest.skip(card().why_not)
    assert catalogue.check_request(runs).name == "base"
    with pytest.raises(UsageError) as caught:
        catalogue.check_request(request)
    assert caught.value.remedy
    recipe = msgspec.structs.replace(
        request, engine="temporal", engine_options={}, references=(Reference(path="/r.exr", frame=1),)
    )
    assert catalogue.check_request(recipe).name == "temporal"


def a_model(name: str, **settings: str) -> Model:
    return Model(
        name=name, folder="/m", pipeline="LTX2Pipeline", added="", licence="free", licence_accepted=True, files=(),
        component_bytes={}, settings=settings,
    )  # fmt: skip


def test_one_for_in_painting_is_worn_where_a_matte_is_filled() -> None:
    model, there = a_model("ltx"), [a_model("few", steps="8"), a_model("fill", use="inpaint")]
    for operation in Operation:
        fills = operation in (Operation.REMOVE, Operation.REPLACE, Operation.MODIFY)
        assert [each.name for each in picked(model, there, operation=operation, text=None)] == ["fill"] * fills
        assert [each.name for each in picked(model, there, operation=operation, text="few")] == ["few"]
        assert picked(model, there, operation=operation, text="none") == ()
    off = msgspec.structs.replace(there[1], licence_accepted=False)
    assert picked(model, [off], operation=Operation.REPLACE, text=None) == ()


def test_what_it_was_trained_for_changes_what_the_model_is_shown() -> None:
    plain = ltx2.LTX_2
    few = dressed(plain, [a_model("few", steps="8", guidance="1", sigmas="1,0.5")])
    assert (few.final.steps, few.draft.guidance, few.final.step_count, few.shaper) == (8, 1.0, 2, "display")
    fill = dressed(plain, [a_model("fill", use="inpaint")])
    assert (fill.final.adapter, fill.draft.adapter, fill.shaper) == ("inpaint", "inpaint", "display")
    bright = dressed(plain, [a_model("bright", use="hdr"), a_model("fill", use="inpaint")])
    assert (bright.shaper, bright.final.shows_screen, bright.final.adapter) == ("logc3", True, "inpaint")
    for family, use in ((ltx2.LTX_2_5, "hdr"), (ltx2.LTX_2_5, "inpaint"), (wan_vace.FAMILY, "hdr")):
        with pytest.raises(UsageError, match=f"no use '{use}'"):
            check_adapter(family, {"use": use})
    check_adapter(plain, {"use": "hdr", "scale": "0.9", "steps": "8"})
    check_adapter(wan_vace_fun.FAMILY, {"part": "transformer_2"})
