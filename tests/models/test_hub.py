"""`models add --from-hub`, as a real command, against a hub on this machine."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("huggingface_hub", reason="no huggingface_hub: pip install 'secondtake[diffusion]'")

from small_hub import COMMIT, Hub, serving
from test_models import weights

NAME = "Some-One/tiny-vace"
WEIGHTS = "transformer/diffusion_pytorch_model.safetensors"
SLUG = f"Some-One--tiny-vace@{COMMIT[:12]}"
CHUNK = 10 << 20
"""What huggingface_hub writes at once."""

Fetch = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    index = {
        "_class_name": "WanVACEPipeline", "scheduler": ["diffusers", "X"], "transformer": ["diffusers", "X"],
        "vae": ["diffusers", "X"], "transformer_2": [None, None],
    }  # fmt: skip
    large = weights(tmp_path / "large", a=(6 << 20,)).read_bytes()  # 24 MiB
    small = weights(tmp_path / "small", a=(3, 5)).read_bytes()
    return {
        "README.md": b"---\nlicense: apache-2.0\n---\n# A model\n",
        "model_index.json": json.dumps(index).encode(),
        "scheduler/scheduler_config.json": b"{}",
        "transformer/config.json": b"{}",
        WEIGHTS: large,
        "transformer/diffusion_pytorch_model.fp16.safetensors": small,
        "transformer/pytorch_model.bin": pickle.dumps({"a": 1}),
        "transformer/modeling.py": b"print('run')",
        "vae/config.json": b"{}",
        "vae/diffusion_pytorch_model.safetensors": small,
        "whole_model.safetensors": small,
        "assets/picture.png": b"x",
    }


@pytest.fixture
def hub(files: dict[str, bytes]) -> Iterator[Hub]:
    with serving(Hub(NAME, files)) as hub:
        yield hub


@pytest.fixture
def command(home: Path, tmp_path: Path, hub: Hub) -> tuple[list[str], dict[str, str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    environment |= {"SECONDTAKE_HOME": str(home), "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")}
    return [sys.executable, "-P", "-m", "secondtake_daemon", "--json", "models"], environment


@pytest.fixture
def fetch(command: tuple[list[str], dict[str, str]]) -> Fetch:
    def run(*words: str, verb: str = "add", **variables: str) -> tuple[int, dict[str, Any], str]:
        words = ("--from-hub", NAME, *words) if verb == "add" and "--from-hub" not in words else words
        done = subprocess.run(
            [*command[0], verb, *words], env={**command[1], **variables}, capture_output=True, text=True, timeout=60
        )
        return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stderr

    return run


def folder(home: Path) -> Path:
    return home / "data" / "models" / "hub" / SLUG


def test_fetched_checked_and_an_engine(hub: Hub, fetch: Fetch, home: Path, files: dict[str, bytes]) -> None:
    status, answer, stderr = fetch("--name", "tiny", "--revision", "v1")
    assert status == 0, answer
    model = answer["model"]
    assert model["hub"] == f"{NAME}@{COMMIT}"
    assert model["licence"] == "Apache-2.0: free for any use"
    assert model["licence_accepted"]
    assert model["folder"] == str(folder(home))
    taken = {path.relative_to(folder(home)).as_posix() for path in folder(home).rglob("*") if path.is_file()}
    left_out = {
        name for name in files if "fp16" in name or name.endswith((".bin", ".py", ".png")) or name.startswith("whole")
    }
    assert taken == set(files) - left_out, "no pickle, no program, no second precision, nothing that is no part"
    assert all((folder(home) / name).read_bytes() == files[name] for name in taken)
    assert "fetch" in stderr
    assert fetch("tiny", verb="verify")[0] == 0
    (listed,) = fetch(verb="list")[1]["models"]
    assert listed["name"] == "tiny"


def test_a_broken_connection_is_gone_on_with(hub: Hub, fetch: Fetch, home: Path, files: dict[str, bytes]) -> None:
    hub.break_at[WEIGHTS] = [CHUNK + 1_000_000]
    status, answer, _ = fetch()
    assert status == 0, answer
    assert [asked for path, asked in hub.asked if path == WEIGHTS] == ["", f"bytes={CHUNK}-"]
    assert (folder(home) / WEIGHTS).read_bytes() == files[WEIGHTS]
    assert answer["model"]["name"] == "tiny-vace"


def test_a_cancel_leaves_no_model_and_the_next_try_goes_on(
    hub: Hub, fetch: Fetch, command: tuple[list[str], dict[str, str]], home: Path, files: dict[str, bytes]
) -> None:
    hub.pause = threading.Event()
    process = subprocess.Popen(
        [*command[0], "add", "--from-hub", NAME],
        env=command[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert hub.half_way.wait(30)
    part = folder(home).with_name(f".{SLUG}.part")
    half = part / f"{WEIGHTS}.half"
    while not half.exists() or half.stat().st_size < CHUNK:
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=10)
    assert process.returncode == 3, stdout
    assert json.loads(stdout)["error"]["code"] == "cancelled"
    _, listed, _ = fetch(verb="list")
    assert listed["models"] == []
    assert [each["hub"] for each in listed["unfinished"]] == [NAME]
    hub.pause.set()
    had, hub.asked[:] = half.stat().st_size, []
    assert fetch()[0] == 0
    assert [asked for path, asked in hub.asked if path == WEIGHTS] == [f"bytes={had}-"]
    assert [path for path, _ in hub.asked if path == "model_index.json"] == [], "what is there is not fetched again"
    assert (folder(home) / WEIGHTS).read_bytes() == files[WEIGHTS]
    assert not part.exists()


def test_what_is_not_what_the_hub_says(hub: Hub, fetch: Fetch, home: Path, files: dict[str, bytes]) -> None:
    hub.lies[WEIGHTS] = files[WEIGHTS][:-1] + b"\1"
    status, answer, _ = fetch()
    assert status == 12
    assert f"The file {WEIGHTS} of {NAME} is not what the hub says it is" in answer["error"]["message"]
    assert fetch(verb="list")[1]["models"] == []
    hub.lies.clear()
    hub.lies["vae/config.json"] = b"[]"
    assert fetch()[1]["error"]["message"].startswith("The file vae/config.json"), "small files too"
    hub.lies.clear()
    hub.asked.clear()
    assert fetch()[0] == 0
    assert "transformer/config.json" not in [path for path, _ in hub.asked]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--revision", "v9"), f"{NAME} has no revision 'v9'"),
        (("--from-hub", "No-One/nothing"), "There is no model No-One/nothing on the hub"),
        (("--from-hub", "../../etc"), "'../../etc' is no name on a hub"),
        (("--name", "Not A Name"), "'Not A Name' is no name for a model"),
    ],
)
def test_what_is_not_there(fetch: Fetch, hub: Hub, words: tuple[str, ...], message: str) -> None:
    status, answer, stderr = fetch(*words)
    assert status in (2, 12)
    assert answer["error"]["message"] == message
    assert answer["error"]["remedy"]
    assert "Traceback" not in stderr
    assert hub.asked == []


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "The hub cannot be reached (ConnectError)"),
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE forbids the use of the network"),
    ],
)
def test_no_network(fetch: Fetch, home: Path, variables: dict[str, str], message: str) -> None:
    status, answer, stderr = fetch(**variables)
    assert status == 12
    assert answer["error"]["message"] == message
    assert answer["error"]["remedy"]
    assert "Traceback" not in stderr
    assert not (home / "data" / "models" / "hub").exists()


def test_terms_and_licences(fetch: Fetch, hub: Hub) -> None:
    hub.is_gated = True
    assert fetch()[1]["error"]["message"] == f"{NAME} wants you to agree to its terms first"
    hub.is_gated, hub.licence = False, "cc-by-nc-4.0"
    status, answer, stderr = fetch()
    assert status == 0
    assert answer["model"]["licence"] == "cc-by-nc-4.0: not for commercial use"
    assert not answer["model"]["licence_accepted"]
    assert "It runs once you have accepted its licence: secondtake models accept tiny-vace" in stderr
    assert fetch(verb="list")[1]["states"][0]["state"].startswith("its licence is not accepted")


def test_a_repository_without_a_folder_of_diffusers(fetch: Fetch, hub: Hub) -> None:
    del hub.files["vae/diffusion_pytorch_model.safetensors"], hub.files["vae/config.json"]
    assert fetch()[1]["error"]["message"] == f"{NAME} lacks the part 'vae' as safetensors"
    del hub.files["model_index.json"]
    assert "it has no model_index.json" in fetch()[1]["error"]["message"]


def test_removed_with_what_was_fetched(fetch: Fetch, home: Path) -> None:
    assert fetch("--name", "tiny")[0] == 0
    status, answer, _ = fetch("tiny", verb="remove")
    assert status == 0
    assert answer["deleted"] == str(folder(home))
    assert list((home / "data" / "models" / "hub").iterdir()) == []
    assert fetch(verb="list")[1]["models"] == []
