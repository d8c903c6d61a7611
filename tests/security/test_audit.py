"""The check of the dependencies notices each thing it is there for."""

from __future__ import annotations

import importlib.util
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
HASH = "--hash=sha256:" + "0a" * 32


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / "installers" / "audit.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


audit = load()
LOCK = (ROOT / "installers" / "requirements.lock").read_text(encoding="utf-8")


def test_the_lock_of_this_repository_is_whole() -> None:
    pins = audit.read_lock(LOCK)
    assert len(pins) >= 20 and all(len(pin.hashes) >= 1 for pin in pins)
    assert {"pyzmq", "openexr", "openimageio", "av", "numpy"} <= {pin.name for pin in pins}
    assert "://" not in LOCK, "a lock names no place to load from"


def test_the_lock_of_the_diffusion_extra_is_whole() -> None:
    text = (ROOT / "installers" / "diffusion.lock").read_text(encoding="utf-8")
    pins = audit.read_lock(text)
    names = {pin.name for pin in pins}
    assert {"diffusers", "transformers", "tokenizers", "safetensors", "accelerate", "huggingface-hub"} <= names
    assert all(len(pin.hashes) >= 1 for pin in pins)
    assert not names & {pin.name for pin in audit.read_lock(LOCK)}, "each package is pinned once"
    assert not [name for name in names if name.startswith(("torch", "nvidia", "cuda", "triton"))]
    assert "://" not in text, "a lock names no place to load from"


def test_torch_is_the_one_that_no_lock_pins() -> None:
    assert audit.locked(["torch>=2.6", "Torch", "diffusers>=0.42"]) == ["diffusers>=0.42"]
    (problem,) = audit.problems([], audit.locked(["torch", "diffusers"]))
    assert "diffusers is a dependency" in problem


def test_a_lock_that_is_right() -> None:
    pins = audit.read_lock(
        f"# a word\npyzmq=={version('pyzmq')} ; python_version > '3' \\\n    {HASH} \\\n    {HASH}\n"
    )
    assert list(audit.problems(pins, ["pyzmq>=2"])) == []
    assert list(audit.installed_problems(pins)) == []


@pytest.mark.parametrize(
    ("lock", "needs", "word"),
    [
        ("pyzmq==27.0.0", ["pyzmq"], "no SHA-256"),
        ("pyzmq==27.0.0 --hash=sha256:0a0a", ["pyzmq"], "no SHA-256"),
        ("pyzmq==27.0.0 --hash=md5:" + "0a" * 32, ["pyzmq"], "no SHA-256"),
        (f"pyzmq==27.0.0 {HASH}", ["pyzmq>=28"], "pyproject.toml wants"),
        (f"pyzmq==27.0.0 {HASH}", ["PyZMQ", "msgspec"], "msgspec is a dependency"),
    ],
)
def test_what_is_wrong_with_a_lock(lock: str, needs: list[str], word: str) -> None:
    (problem,) = audit.problems(audit.read_lock(lock), needs)
    assert word in problem


@pytest.mark.parametrize("line", ["pyzmq", "pyzmq>=27", "pyzmq==27.*", "pyzmq @ https://example.org/x.whl", "-e ."])
def test_a_line_that_pins_nothing(line: str) -> None:
    with pytest.raises(ValueError, match="the lock"):
        audit.read_lock(f"{line} {HASH}")


def test_another_version_is_noticed() -> None:
    pins = audit.read_lock(
        f"pyzmq==1.0 {HASH}\nnobody-has-this==1.0 {HASH}\nnor-this==1.0 ; sys_platform == 'os2' {HASH}"
    )
    first, second = audit.installed_problems(pins)
    assert "the lock has 1.0" in first and "not installed" in second


def test_a_database_that_cannot_be_reached_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = []
    for answer in ('{"dependencies": [{"name": "x", "skip_reason": "not found"}]}', "Traceback", ""):
        (tmp_path / "pip_audit.py").write_text(f"print({answer!r})")
        monkeypatch.setattr(audit.importlib.util, "find_spec", lambda name: name)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        said.append(audit._vulnerabilities())
    assert said == [([], "known vulnerabilities were not looked up (no database can be reached)")] * 3
    answer = '{"dependencies": [{"name": "x", "version": "1", "vulns": [{"id": "CVE-1"}]}]}'
    (tmp_path / "pip_audit.py").write_text(f"print({answer!r})")
    assert audit._vulnerabilities()[0] == ["x 1: CVE-1"]
    assert sys.executable
