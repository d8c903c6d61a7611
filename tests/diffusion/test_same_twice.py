"""The same request twice is the same take, out of the cache, whatever this machine learned in between."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="no torch: pip install 'secondtake[diffusion]'")

from pressure import GIB, Pressure
from studio import write_bright_shot
from test_ladder import SETTINGS, Place, content, take

from secondtake_daemon.engines.diffusion import pipes
from secondtake_daemon.engines.diffusion.memory import measured
from secondtake_daemon.models import shelf

HEAVY = measured.Step(tokens=9999, token_bytes=6e8, flops=1e12, vae_scale=19.0)
LIGHT = measured.Step(tokens=9999, token_bytes=2.0, flops=1e12, vae_scale=0.06)
TIGHT_GIB = 1.5 + 0.03
"""What is reserved, and too little for the decoder on the whole canvas."""


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("twice-shot")
    write_bright_shot(root)
    return root


def learn(place: Place, gpu: Pressure, step: measured.Step) -> None:
    """As if a large rendering had been measured here."""
    model = shelf.find(place.folders.models or Path(), "tiny")
    for storage in ("full", "fp8"):
        key = measured.key_for(gpu.now, digest=model.digest, storage=storage)
        assert measured.keep(place.folders.cache / "engines", key, step)


@pytest.mark.parametrize("gib", [12, TIGHT_GIB], ids=["room", "tight"])
@pytest.mark.parametrize("step", [HEAVY, LIGHT], ids=["heavier", "lighter"])
def test_what_was_measured_in_between_changes_no_key(
    tmp_path: Path, tiny_folder: Path, shot: Path, monkeypatch: pytest.MonkeyPatch, gib: float, step: measured.Step
) -> None:
    gpu, place = Pressure(monkeypatch, gib=gib), Place(tmp_path, tiny_folder, shot)
    first = place.run(place.request("first"))
    assert (" area_px=" in take(first).engine.version.replace(f"area_px={SETTINGS['area_px']}", "")) is (gib < 2)
    learn(place, gpu, step)
    gpu.now = replace(gpu.now, free_bytes=GIB // 8)
    runs = gpu.runs
    again = place.run(place.request("again"))
    assert gpu.runs == runs, "it was there"
    assert take(again).patches == take(first).patches
    assert take(again).engine == take(first).engine
    gpu.now = replace(gpu.now, free_bytes=gpu.now.memory_bytes)
    anew = place.run(place.request("anew", seed=1))
    assert take(anew).engine == take(first).engine, "a job that makes something does so in the same form"
    assert gpu.runs > runs
    assert content(again) == content(first)
    pipes.drop()
