"""`secondtake models` as an artist uses it: what is listed, added, made of two, verified, accepted, removed."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import time
import uuid
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from places import SCRIPTED
from test_models import folder, weights

from secondtake import Client, FixRequest, Operation
from secondtake.home import Home
from secondtake_daemon.cli import app
from secondtake_daemon.cli.doctor_check import Health
from secondtake_daemon.cli.doctor_software import models as doctor_models
from secondtake_daemon.cli.doctor_software import torch as doctor_torch
from secondtake_daemon.models import known
from secondtake_daemon.models.folder import ModelFolder, read_folder

__all__ = ["folder"]

WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"
needs_torch = pytest.mark.skipif(importlib.util.find_spec("diffusers") is None, reason="no diffusers")


def models(*words: object) -> tuple[int, dict[str, Any], str]:
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        status = app.run([str(word) for word in ("--json", "models", *words)])
    return status, json.loads(out.getvalue().splitlines()[-1]), err.getvalue()


@pytest.fixture
def page(folder: Path) -> Path:
    """A folder that says its licence."""
    (folder / "README.md").write_text("---\nlicense: apache-2.0\ntags: [a]\n---\n# It\n")
    return folder


def test_listed_with_size_licence_and_state(home: Path, page: Path) -> None:
    assert models("list")[1]["models"] == []
    status, answer, _ = models("add", page, "--name", "m")
    assert status == 0
    assert answer["model"]["licence"] == "Apache-2.0: free for any use"
    (state,) = models("list")[1]["states"]
    assert state["name"] == "m"
    assert state["size_bytes"] == sum(file.stat().st_size for file in page.rglob("*.*") if file.name != "README.md")
    assert state["state"] == ("ready" if importlib.util.find_spec("diffusers") else state["state"])
    (page / "transformer" / "config.json").write_text("{} ")
    assert "is not the one that was added" in models("list")[1]["states"][0]["state"]
    (page / "transformer" / "config.json").unlink()
    assert "is gone" in models("list")[1]["states"][0]["state"]
    with redirect_stdout(io.StringIO()) as out:
        app.run(["models", "list"])
    assert "Apache-2.0: free for any use" in out.getvalue()


def test_a_licence_that_asks_for_more_is_off_until_accepted(home: Path, folder: Path) -> None:
    (folder / "README.md").write_text("---\nlicense: other\nlicense_name: some-non-commercial-license\n---\n")
    status, answer, said = models("add", folder, "--name", "m")
    assert status == 0
    assert answer["model"]["licence"] == "some-non-commercial-license: not for commercial use"
    assert "secondtake models accept m" in said
    check = next(doctor_models(Home.under(home)))
    assert check.health is Health.WARN
    assert "licence is not accepted" in check.found or "is not installed" in check.found
    assert models("accept", "m")[0] == 0
    assert "licence" not in models("list")[1]["states"][0]["state"]


@dataclass
class Checkpoint:
    hub: str
    billions: float
    licence: str
    is_free: bool


FREE = Checkpoint("Wan/VACE-1B-diffusers", 22e-9, "Apache-2.0: free for any use", is_free=True)
CAPPED = Checkpoint("L/LTX", 22e-9, "free below 10 million US dollars of yearly revenue", is_free=False)


@pytest.mark.parametrize(
    ("checkpoint", "said", "text", "is_free"),
    [
        (FREE, "", FREE.licence, True),
        (FREE, "apache-2.0", FREE.licence, True),
        (FREE, "cc-by-nc-sa-4.0", "cc-by-nc-sa-4.0: not for commercial use", False),
        (FREE, "openrail", "openrail: read what it asks for", False),
        (CAPPED, "", CAPPED.licence, False),
        (CAPPED, "apache-2.0", CAPPED.licence, False),
        (None, "mit", "MIT: free for any use", True),
        (None, "", "unknown: read what came with the model", False),
    ],
)
def test_of_two_licences_the_stricter_counts(
    folder: Path, checkpoint: Checkpoint | None, said: str, text: str, is_free: bool
) -> None:
    found = read_folder(folder)
    assert known.licence_of(found, checkpoint, page=said) == known.Licence(text, is_free)


def test_known_by_the_size_of_its_denoiser_or_by_its_page(folder: Path) -> None:
    found = read_folder(folder)  # 22 parameters
    other = Checkpoint("A/B", 30e-9, "", is_free=True)
    assert known.checkpoint_of(found, [other, FREE]) is FREE
    assert known.checkpoint_of(found, [other]) is None
    assert known.checkpoint_of(found, [FREE], hub="Me/my-own-training-of-it") is None, "a page tells more than a size"
    assert known.checkpoint_of(found, [other], hub="A/B") is other
    assert known.name_of(found, FREE) == "vace-1b"
    assert known.name_of(found, None) == "some-model"
    assert known.name_of(found, None, hub="Me/My_Own (2)") == "my-own-2"
    assert known.name_of(ModelFolder(Path("/"), "X", (), (), {}), None) == "model"


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        ("part", "The model's part 'scheduler' is missing"),
        ("pickle", "This file of the model holds pickled objects, which could run anything"),
        ("cut", "bytes and should have"),
        ("architecture", "This is a CogVideoXPipeline, which no engine runs"),
        ("index", "There is no model here: no model_index.json"),
        ("setting", "There is no setting 'size'"),
    ],
)
def test_bad_input_is_one_sentence_and_a_remedy(home: Path, folder: Path, harm: str, message: str) -> None:
    file = folder / WEIGHTS
    more: list[str] = []
    if harm == "part":
        (folder / "scheduler" / "scheduler_config.json").unlink()
        (folder / "scheduler").rmdir()
    elif harm == "pickle":
        file.write_bytes(pickle.dumps({"a": 1}))
    elif harm == "cut":
        file.write_bytes(file.read_bytes()[:-8])
    elif harm == "architecture":
        index = json.loads((folder / "model_index.json").read_text())
        (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": "CogVideoXPipeline"}))
    elif harm == "index":
        (folder / "model_index.json").unlink()
    else:
        more = ["--set", "size=9"]
    status, answer, said = models("add", folder, "--name", "m", *more)
    assert status in (2, 12)
    assert message in answer["error"]["message"]
    assert answer["error"]["remedy"]
    assert "Traceback" not in said
    assert models("list")[1]["models"] == []


@pytest.mark.parametrize(
    "words", [(), ("x", "--from-hub", "a/b"), ("x", "--revision", "v1"), ("--from-hub", "a/b", "--on", "m")]
)
def test_what_does_not_go_together(home: Path, words: tuple[str, ...]) -> None:
    status, answer, _ = models("add", *words)
    assert status == 2
    assert answer["error"]["remedy"]


def test_a_name_that_is_taken_is_refused_before_anything_is_read(home: Path, page: Path) -> None:
    assert models("add", page, "--name", "m")[0] == 0
    assert models("add", "/no/such/folder", "--name", "m")[1]["error"]["message"] == "There is a model 'm' already"


def test_half_added_is_not_listed(home: Path, page: Path) -> None:
    (page / WEIGHTS).unlink()
    weights(page / WEIGHTS, a=(64 << 20,))  # 256 MiB of nothing
    command = [sys.executable, "-P", "-m", "secondtake_daemon", "models", "add", str(page), "--name", "m"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)
    assert process.stderr is not None
    assert "hash" in process.stderr.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert models("list")[1]["models"] == []
    assert models("add", page, "--name", "m")[0] == 0
    (page / WEIGHTS).unlink()


def test_verified(home: Path, page: Path) -> None:
    assert models("add", page, "--name", "m")[0] == 0
    status, answer, _ = models("verify", "m")
    assert (status, answer["differing"]) == (0, [])
    raw = bytearray((page / WEIGHTS).read_bytes())
    raw[-1] ^= 1
    (page / WEIGHTS).write_bytes(raw)
    status, answer, said = models("verify", "m")
    assert status == 12
    assert WEIGHTS in said
    assert models("verify", "other")[1]["error"]["message"] == "There is no model 'other'"


def test_a_folder_of_yours_stays(home: Path, page: Path) -> None:
    assert models("add", page, "--name", "m")[0] == 0
    assert models("remove", "m")[1]["deleted"] == ""
    assert (page / WEIGHTS).exists()
    assert models("list")[1]["models"] == []


# --- one file ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tensors", "kind"),
    [
        (("blocks.0.attn1.to_q.lora_A.weight", "blocks.0.attn1.to_q.lora_B.weight"), "an adapter"),
        (("model.diffusion_model.blocks.0.self_attn.q.weight",), "under the names that their makers gave them"),
        (("blocks.0.self_attn.q.weight",), "under the names that their makers gave them"),
        (("a", "b"), "one part of a model"),
    ],
)
def test_one_file_says_what_it_is(home: Path, tmp_path: Path, tensors: tuple[str, ...], kind: str) -> None:
    file = weights(tmp_path / "some.bin", **dict.fromkeys(tensors, (2, 3)))
    status, answer, _ = models("add", file, "--name", "m")
    assert status == 12
    assert answer["error"]["message"].startswith(f"This file of {len(tensors)} tensors is ")
    assert kind in answer["error"]["message"]
    assert answer["error"]["remedy"]


def test_one_file_is_told_by_its_content(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(pickle.dumps({"a": 1}))
    assert "pickled objects" in models("add", file)[1]["error"]["message"]
    file.write_bytes(b"GGUF" + bytes(64))
    assert "is no safetensors" in models("add", file)[1]["error"]["message"]


def test_one_file_in_the_place_of_a_part(home: Path, page: Path, tmp_path: Path) -> None:
    assert models("add", page, "--name", "base")[0] == 0
    mine = weights(tmp_path / "mine.safetensors", a=(3, 5), b=(7,))
    raw = bytearray(mine.read_bytes())
    raw[-1] ^= 1
    mine.write_bytes(raw)
    assert models("add", mine, "--on", "base")[1]["error"]["remedy"] == "Give --name"
    status, answer, _ = models("add", mine, "--on", "base", "--name", "mine")
    assert status == 0, answer
    made = Path(answer["model"]["folder"])
    assert (made / WEIGHTS).resolve() == mine
    assert (made / "model_index.json").resolve() == page / "model_index.json"
    assert models("verify", "mine")[0] == 0
    assert models("list")[1]["states"][1]["name"] == "mine"
    assert "mine is made with files of base" in models("remove", "base")[1]["error"]["message"]
    assert models("remove", "mine")[1]["deleted"] == str(made)
    assert mine.exists()
    assert (page / WEIGHTS).exists()
    assert not made.exists()
    other = weights(tmp_path / "other.safetensors", a=(3, 5), b=(8,))
    answer = models("add", other, "--on", "base", "--name", "other")[1]
    assert answer["error"]["message"] == "No part of base has the tensors of this file"
    assert models("remove", "base")[0] == 0


# --- in use -----------------------------------------------------------------------------------------------------


@needs_torch
def test_not_while_a_job_uses_it(home: Path, page: Path, tmp_path: Path) -> None:
    assert models("add", page, "--name", "m")[0] == 0
    root = Home.under(home)
    root.create()
    root.settings_file.write_text(f"[daemon]\nworker_command = {SCRIPTED!r}\n")
    request = FixRequest(
        job=uuid.uuid4().hex, shot="sh", plate="/p/x.####.exr", matte="/m/x.exr", out=str(tmp_path / "out"),
        operation=Operation.MODIFY, instruction="frame_s=30", engine="m",
    )  # fmt: skip
    with Client.connect(home=home) as client:
        client.submit(request)
        status, answer, _ = models("remove", "m")
        assert status == 12
        assert f"The job {request.job[:8]} uses m just now" in answer["error"]["message"]
        client.cancel(request.job)
        list(client.watch(request.job))
        assert models("remove", "m")[0] == 0


def test_doctor_tells_of_torch_and_what_stands_beside_it(home: Path) -> None:
    found = {check.name: check for check in doctor_torch(Home.under(home))}
    if importlib.util.find_spec("torch") is None:
        assert found["torch"].found.startswith("not installed")
    else:
        assert "diffusers" in found["diffusers"].found
        assert found["diffusers"].health is Health.OK or found["diffusers"].remedy
    assert next(doctor_models(Home.under(home))).found.startswith("none is installed")


def test_a_worker_is_offline(home: Path) -> None:
    """The worker itself sees to it, whatever the daemon was started with."""
    code = (
        "import os, sys, threading; sys.argv[1:] = ['--cache', 'c', '--takes', 't', '--cache-bytes', '1']\n"
        "from secondtake_daemon import worker\n"
        "worker._die_with_parent = lambda: (print(*(os.environ[name] for name in worker._OFFLINE)), os._exit(0))\n"
        "worker.main()\n"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "0"}
    began = time.monotonic()
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.split()[:2] == ["1", "1"]
    assert time.monotonic() - began < 20
