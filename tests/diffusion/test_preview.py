"""The picture of what is being denoised."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="no torch: pip install 'secondtake[diffusion]'")

from tiny import vace as tiny_vace

from secondtake.messages import Operation, Quality, Stage
from secondtake_daemon.engines.contract import Job
from secondtake_daemon.engines.diffusion import preview as preview_module
from secondtake_daemon.engines.diffusion.families import FAMILIES
from secondtake_daemon.engines.diffusion.families.ltx2 import LTX_2
from secondtake_daemon.engines.diffusion.families.wan_vace import FAMILY as WAN
from secondtake_daemon.engines.diffusion.preview import Projection, Strip, drawn, fit_projection, picks
from secondtake_daemon.engines.diffusion.preview_fit import kept_projection, normalised, projection_of
from secondtake_daemon.engines.diffusion.shaper import ACESCCT, DISPLAY
from secondtake_daemon.engines.diffusion.watch import Watch

RNG = np.random.default_rng(0)


def test_a_linear_map_is_found_again() -> None:
    truth = RNG.normal(0, 0.2, (17, 3))
    latents = RNG.normal(1, 2, (4000, 16)).astype(np.float32)
    codes = (latents @ truth[:-1] + truth[-1] + RNG.normal(0, 0.01, (4000, 3))).astype(np.float32)
    found = fit_projection(latents, codes)
    assert found.matrix.shape == (17, 3)
    assert found.matrix.dtype == np.float32
    assert np.abs(found.matrix - truth).max() < 0.01


def test_a_channel_that_says_nothing_gets_no_weight() -> None:
    latents = RNG.normal(0, 1, (500, 4)).astype(np.float32)
    latents[:, 2] = 7.0
    found = fit_projection(latents, latents[:, :3] * np.float32([1, 1, 0]))
    assert np.abs(found.matrix[2]).max() < 1e-6


@pytest.mark.parametrize(
    ("count", "wanted"), [(1, [0]), (3, [0, 1, 2]), (5, [0, 1, 2, 3, 4]), (21, [0, 5, 10, 15, 20])]
)
def test_the_middle_and_four_others(count: int, wanted: list[int]) -> None:
    assert picks(count) == wanted


@pytest.mark.parametrize(("shaper", "code"), [(DISPLAY, 0.461), (ACESCCT, 0.4135)])
def test_it_looks_right_whatever_the_model_sees(shaper: Any, code: float) -> None:
    picture = drawn(np.full((3, 5, 8, 3), code, np.float32), shaper)
    assert picture.dtype == np.uint8
    assert picture.shape == (160, 3 * 256 + 2 * 4, 3)
    assert abs(int(picture[80, 100, 0]) - 118) <= 1, "grey of 0.18"
    assert drawn(np.full((1, 5, 8, 3), np.nan, np.float32), shaper).max() == 0


class SoftVae:
    """A VAE whose latents are a known affine map of its averaged pixels; 8 px, 4 frames."""

    device, dtype = torch.device("cpu"), torch.float32
    config: dict[str, Any]

    def __init__(self) -> None:
        torch.manual_seed(0)
        self._mix = torch.randn(16, 3)
        self.config = {"latents_mean": [0.5] * 16, "latents_std": [2.0] * 16}

    def named_buffers(self, recurse: bool = True) -> list[Any]:
        return []

    def encode(self, clip: Any) -> Any:
        small = torch.nn.functional.avg_pool3d(clip, (1, 8, 8))[:, :, ::4]
        mode = torch.einsum("cr,brthw->bcthw", self._mix, small)
        return SimpleNamespace(latent_dist=SimpleNamespace(mode=lambda: mode))


def test_the_map_of_a_vae_shows_its_pictures() -> None:
    vae = SoftVae()
    found = projection_of(vae, every=4, cell_px=8)
    picture = RNG.random((3, 4), np.float32)[..., None] * np.float32([1.0, 0.5, 0.2])
    clip = torch.from_numpy(np.kron(picture, np.ones((8, 8, 1), np.float32))).permute(2, 0, 1)[None, :, None]
    latents = normalised(vae, vae.encode(clip.repeat(1, 1, 5, 1, 1) * 2 - 1).latent_dist.mode())[0].numpy()
    shown = found.codes(latents)
    assert shown.shape == (2, 3, 4, 3)
    assert np.abs(shown - picture).max() < 0.01


def test_it_is_found_once_and_kept(tmp_path: Path) -> None:
    vae = tiny_vace().vae
    given = {"name": "v", "every": 4, "cell_px": 8, "kept": tmp_path / "kept"}
    first = kept_projection(vae, **given)
    assert first.matrix.shape == (17, 3)
    (file,) = (tmp_path / "kept").iterdir()
    assert kept_projection(None, **given).matrix.tobytes() == first.matrix.tobytes(), "the VAE is not asked again"
    file.write_bytes(b"\x93NUMPY broken")
    assert kept_projection(vae, **given).matrix.tobytes() == first.matrix.tobytes(), "a damaged one is found anew"
    assert np.load(file, allow_pickle=False).shape == (17, 3)
    (tmp_path / "no folder").write_text("")
    assert kept_projection(vae, **{**given, "kept": tmp_path / "no folder"}).matrix.shape == (17, 3)


def test_latents_of_each_family() -> None:
    run: Any = SimpleNamespace(length=9, width=64, height=96, settings=None)
    video = torch.randn(1, 16, 3, 12, 8)
    with_pictures = torch.cat([torch.zeros(1, 16, 2, 12, 8), video], dim=2)
    assert WAN.latents is not None
    assert torch.equal(WAN.latents(with_pictures, run), video[0])
    video = torch.randn(1, 128, 2, 3, 2)
    tokens = video.permute(0, 2, 3, 4, 1).flatten(1, 3)
    with_conditions = torch.cat([tokens, torch.zeros(1, 5, 128)], dim=1)
    assert LTX_2.latents is not None
    assert torch.equal(LTX_2.latents(with_conditions, run), video[0])
    assert all(family.latents is not None for family in FAMILIES if family.longest > 1), "each video model shows itself"


def strip(file: Path, **changes: Any) -> Strip:
    matrix = np.zeros((5, 3), np.float32)
    matrix[:3] = np.eye(3)
    given = {"projection": Projection(matrix), "shaper": DISPLAY, "planes": lambda latents: latents[0]}
    return Strip(file, **{**given, **changes})


def read(file: Path) -> NDArray[np.uint8]:
    picture = cv2.imread(str(file))
    assert picture is not None
    return np.asarray(picture[..., ::-1], np.uint8)


def test_it_shows_what_the_step_leads_to(tmp_path: Path) -> None:
    x0 = torch.zeros(1, 4, 9, 6, 8)
    x0[:, 0] = torch.linspace(0.1, 0.9, 9)[:, None, None]
    noise = torch.randn(x0.shape)
    sigma = 0.75
    shown = strip(tmp_path / "preview.jpg")
    assert shown.path == ""
    shown.offer(noise - x0, (1 - sigma) * x0 + sigma * noise, sigma)
    shown.close()
    assert shown.path == str(tmp_path / "preview.jpg")
    picture = read(tmp_path / "preview.jpg")
    middles = [int(picture[80, (213 + 4) * at + 100, 0]) for at in range(5)]
    assert middles == sorted(middles)
    wanted = DISPLAY.decode(np.linspace(0.1, 0.9, 9, dtype=np.float32)[::2]).clip(0, 1) ** (1 / 2.4) * 1.055 - 0.055
    assert np.abs(np.array(middles) / 255 - wanted).max() < 0.02
    assert list(tmp_path.iterdir()) == [tmp_path / "preview.jpg"]


def test_sampling_waits_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go, drew = threading.Event(), []

    def slow(codes: Any, shaper: Any) -> NDArray[np.uint8]:
        go.wait(10)
        drew.append(codes)
        return np.zeros((4, 4, 3), np.uint8)

    monkeypatch.setattr(preview_module, "drawn", slow)
    shown, latents = strip(tmp_path / "preview.jpg"), torch.zeros(1, 4, 5, 6, 8)
    began = time.monotonic()
    for _ in range(20):
        shown.offer(latents, latents, 1.0)
    assert time.monotonic() - began < 0.5
    go.set()
    shown.close()
    assert len(drew) == 1, "what could not be drawn in time is left out"


def test_a_full_disk_ends_no_job(tmp_path: Path) -> None:
    shown, latents = strip(tmp_path / "gone" / "preview.jpg"), torch.zeros(1, 4, 5, 6, 8)
    shown.offer(latents, latents, 1.0)
    shown.close()
    assert shown.path == ""


def test_twice_a_second_and_said_where() -> None:
    now, offered, said = [0.0], [], []
    seen = SimpleNamespace(path="", offer=lambda velocity, sample, sigma: offered.append((now[0], sigma)))
    job = Job(
        operation=Operation.MODIFY, instruction="", quality=Quality.FINAL, seed=0, options={}, scratch=Path(),
        step=lambda: None, stage=said.append,
    )  # fmt: skip
    watch = Watch(job, frames=(1, 2), steps=40, clock=lambda: now[0])
    watch.show(seen)
    scheduler = SimpleNamespace(
        timesteps=torch.zeros(40), sigmas=torch.linspace(1, 0, 41), begin_index=None, step_index=None
    )
    for step in range(40):
        now[0] = step * 0.1
        scheduler.step_index = step or None
        watch.step(None, None, None, scheduler)
        seen.path = "/c/preview.jpg"
    assert len(offered) == 8
    assert min(after[0] - before[0] for before, after in pairwise(offered)) >= 0.5 - 1e-9
    assert [sigma for _, sigma in offered] == pytest.approx([1 - step / 40 for step in range(0, 40, 5)])
    assert [stage.preview for stage in said] == ["", *["/c/preview.jpg"] * 39]
    assert said[-1] == Stage(name="step", done=40, total=40, frames="1-2", preview="/c/preview.jpg")
