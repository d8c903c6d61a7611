"""Models on disk: told by content, whole or refused, never a pickle."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondtake.errors import BadInput, NotFound, UsageError
from secondtake_daemon.models import shelf
from secondtake_daemon.models.folder import read_folder
from secondtake_daemon.models.weights import check_weights


def weights(path: Path, **tensors: tuple[int, ...]) -> Path:
    """A safetensors file, written by the format's description."""
    head, at = {}, 0
    for name, shape in tensors.items():
        size = 4
        for side in shape:
            size *= side
        head[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    raw = json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + bytes(at))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "Some Model"
    for name in ("transformer", "scheduler"):
        (root / name).mkdir(parents=True)
    index = {
        "_class_name": "WanVACEPipeline",
        "_diffusers_version": "0.42.1",
        "boundary_ratio": None,
        "scheduler": ["diffusers", "UniPCMultistepScheduler"],
        "transformer": ["diffusers", "WanVACETransformer3DModel"],
        "transformer_2": [None, None],
    }
    (root / "model_index.json").write_text(json.dumps(index))
    (root / "scheduler" / "scheduler_config.json").write_text("{}")
    (root / "transformer" / "config.json").write_text("{}")
    weights(root / "transformer" / "diffusion_pytorch_model.safetensors", a=(3, 5), b=(7,))
    return root


def add(root: Path, folder: Path, name: str = "m", **values: Any) -> shelf.Model:
    given = {"licence": "free", "licence_accepted": True, "settings": {}, "step": lambda done, total: None}
    return shelf.add(root, folder, name=name, **{**given, **values})


def test_a_whole_folder(folder: Path) -> None:
    found = read_folder(folder)
    assert found.pipeline == "WanVACEPipeline"
    assert found.components == ("scheduler", "transformer")
    assert found.component_bytes == {"scheduler": 0, "transformer": 4 * (15 + 7)}
    assert len(found.files) == 4


@pytest.mark.parametrize("name", ["w.safetensors", "w.SafeTensors", "w.txt"])
def test_a_pickle_under_any_name(folder: Path, name: str) -> None:
    (folder / "transformer" / name).write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(BadInput, match=r"pickle|neither weights nor text"):
        read_folder(folder)


@pytest.mark.parametrize("name", ["w.bin", "w.pt", "modeling.py", "w.ckpt"])
def test_what_is_neither_weights_nor_text(folder: Path, name: str) -> None:
    (folder / "transformer" / name).write_bytes(b"x")
    with pytest.raises(BadInput, match="neither weights nor text"):
        read_folder(folder)


def test_code_of_its_own(folder: Path) -> None:
    (folder / "transformer" / "config.json").write_text('{"auto_map": {"AutoModel": "x.Y"}}')
    with pytest.raises(BadInput, match="code of its own"):
        read_folder(folder)


def test_incomplete(folder: Path, tmp_path: Path) -> None:
    shards = {"weight_map": {"a": "diffusion_pytorch_model.safetensors", "b": "gone.safetensors"}}
    index = folder / "transformer" / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps(shards))
    with pytest.raises(BadInput, match="1 of the model's 2 weight files are missing"):
        read_folder(folder)
    index.unlink()
    (folder / "scheduler" / "scheduler_config.json").unlink()
    (folder / "scheduler").rmdir()
    with pytest.raises(BadInput, match=r"'scheduler' is missing"):
        read_folder(folder)
    with pytest.raises(BadInput, match=r"no model_index\.json"):
        read_folder(tmp_path)


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 200), flip=st.integers(0, 400))
def test_weights_that_were_cut_or_lie(tmp_path_factory: pytest.TempPathFactory, cut: int, flip: int) -> None:
    path = weights(tmp_path_factory.mktemp("w") / "w.safetensors", a=(3, 5), b=(7,))
    whole = path.read_bytes()
    assert check_weights(path) == 88
    path.write_bytes(whole[: -1 - cut])
    with pytest.raises(BadInput):
        check_weights(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(BadInput, match=r"has .* bytes and should have"):
        check_weights(path)
    if flip < 8:
        raw = bytearray(whole)
        raw[flip] ^= 0x55
        path.write_bytes(raw)
        with pytest.raises(BadInput):
            check_weights(path)


def test_added_verified_accepted_removed(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "models"
    model = add(root, folder, licence_accepted=False)
    assert shelf.models(root) == (model,)
    assert shelf.find(root, "m") == model
    assert shelf.accept(root, model).licence_accepted
    assert shelf.find(root, "m").licence_accepted
    assert shelf.differing(model, step=lambda done, total: None) == []
    shelf.check_there(model)
    with pytest.raises(UsageError, match="already"):
        add(root, folder)
    raw = bytearray((folder / "transformer" / "diffusion_pytorch_model.safetensors").read_bytes())
    raw[-1] ^= 1
    (folder / "transformer" / "diffusion_pytorch_model.safetensors").write_bytes(raw)
    shelf.check_there(model)  # looks at sizes only
    assert shelf.differing(model, step=lambda done, total: None) == ["transformer/diffusion_pytorch_model.safetensors"]
    (folder / "transformer" / "config.json").write_text("{} ")
    with pytest.raises(BadInput, match="not the one that was added"):
        shelf.check_there(model)
    shelf.remove(root, model)
    assert shelf.models(root) == ()
    assert folder.is_dir()
    with pytest.raises(NotFound, match="no model 'm'"):
        shelf.find(root, "m")


@pytest.mark.parametrize("name", ["", "A", "../x", "a/b", "-x", "x" * 41])
def test_no_name(folder: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="no name"):
        add(tmp_path / "models", folder, name=name)


def test_a_damaged_record_hides_no_other(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "models"
    add(root, folder)
    (root / "broken.json").write_text("{")
    assert [model.name for model in shelf.models(root)] == ["m"]
