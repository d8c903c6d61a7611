"""FLUX.2 klein: one frame edited, and the recipes that carry it through the shot."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch: pip install 'secondtake[diffusion]'")

import runs
from runs import called, dressed
from tiny import klein as tiny_klein
from tiny import save_klein

sys.path.append(str(Path(__file__).resolve().parents[1] / "quality"))
from array_shots import ArrayShot

from secondtake.boxes import Box
from secondtake.errors import BadInput, NoSuchEngine, UsageError
from secondtake.messages import FixRequest, Operation, Quality, Reference
from secondtake_daemon.engines.catalogue import Catalogue, factory
from secondtake_daemon.engines.contract import Job, Window
from secondtake_daemon.engines.diffusion import pipes, preview_fit
from secondtake_daemon.engines.diffusion.canvas import canvas_for
from secondtake_daemon.engines.diffusion.families import flux2_klein
from secondtake_daemon.engines.diffusion.run import Run
from secondtake_daemon.models import shelf

HEIGHT, WIDTH = 64, 96
FAMILY = flux2_klein.FAMILY
WALK = 5
"""Frames of the shot for the recipes."""


@pytest.fixture(scope="module")
def pipe() -> Any:
    return dressed(tiny_klein(), FAMILY)


def a_run(**changes: Any) -> Run:
    return runs.a_run(**{"frames": 1, "height": HEIGHT, "width": WIDTH, **changes})


def rendered(pipe: Any, run: Run, **changes: Any) -> Any:
    return runs.rendered(pipe, FAMILY, run, **changes)


def test_what_it_is_given_is_exact() -> None:
    given = FAMILY.arguments(a_run())
    assert tuple(given["image"].shape) == (1, 3, HEIGHT, WIDTH)
    assert tuple(given["mask_image"].shape) == (1, 1, HEIGHT, WIDTH)
    assert tuple(given["latents"].shape) == (1, 128, HEIGHT // 16, WIDTH // 16)


def test_the_same_comes_again(pipe: Any) -> None:
    torch.manual_seed(1)
    first = rendered(pipe, a_run())
    assert first.shape == (1, HEIGHT, WIDTH, 3)
    assert first.dtype == np.float32
    torch.manual_seed(2)
    assert rendered(pipe, a_run(), generator=torch.Generator().manual_seed(5)).tobytes() == first.tobytes()
    assert rendered(pipe, a_run(seed=4)).tobytes() != first.tobytes()
    assert rendered(pipe, a_run(prompt="a dog")).tobytes() != first.tobytes()
    look = np.random.default_rng(1).random((48, 80, 3), np.float32)
    assert rendered(pipe, a_run(looks=(look,))).tobytes() != first.tobytes()


def test_every_frame_of_a_shot_has_the_same_noise() -> None:
    """It makes one at a time: what differs from frame to frame should be the plate alone."""
    one, two = (FAMILY.arguments(a_run(first=first))["latents"] for first in (1001, 1002))
    assert torch.equal(one, two)


def test_a_hole_of_one_pixel_is_a_whole_token(pipe: Any) -> None:
    """The pipeline looks at the mask once in 16 pixels."""
    holes = np.zeros((1, HEIGHT, WIDTH), bool)
    holes[0, 17, 33] = True
    run = a_run(holes=holes)
    mask = FAMILY.arguments(run)["mask_image"]
    assert int(mask.sum()) == 16 * 16
    with called(pipe, "prepare_mask_latents") as calls:
        rendered(pipe, run)
    assert int(pipe.prepare_mask_latents(*calls[0][""]).sum()) == 1


def test_latents_outside_the_hole_are_the_pictures_own(pipe: Any) -> None:
    run = a_run()
    made = runs.returned(pipe, FAMILY, run, output_type="latent").images
    with torch.no_grad():
        own = pipe.vae.encode(FAMILY.arguments(run)["image"] * 2 - 1).latent_dist.mode()
    kept = torch.nn.functional.max_pool2d(FAMILY.arguments(run)["mask_image"], 8) == 0
    difference = (made - own).abs().amax(dim=1, keepdim=True)
    assert float(difference[kept].max()) < 1e-4
    assert float(difference[~kept].max()) > 1e-2


def test_no_canvas_is_so_large_that_the_pipeline_would_shrink_it() -> None:
    for width, height in ((4096, 2160), (1920, 1080), (1030, 1030), (8000, 400)):
        canvas = canvas_for(Box(0, 0, width, height), area_px=FAMILY.area_px, stride_px=FAMILY.stride_px)
        assert canvas.width * canvas.height <= 1024 * 1024


@pytest.fixture(autouse=True)
def _small_preview(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview_fit, "_CELLS", 1)  # what is previewed is of no matter here


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Any:
    root = tmp_path_factory.mktemp("records")
    given: dict[str, Any] = {"licence": "free", "licence_accepted": True, "step": lambda done, total: None}
    small = {"steps": "2", "prompt_tokens": "32"}
    shelf.add(root, save_klein(tmp_path_factory.mktemp("m") / "k"), name="klein", settings=small, **given)
    shelf.add(root, tiny_folder, name="vace", settings={**small, "longest": "9", "head": "4", "tail": "1"}, **given)
    yield Catalogue(root)
    pipes.drop()


@pytest.fixture
def shot() -> ArrayShot:
    rng = np.random.default_rng(3)
    wall = rng.random((HEIGHT, WIDTH, 3), np.float32)
    holes = np.zeros((WALK, HEIGHT, WIDTH), np.float32)
    for at in range(WALK):
        holes[at, 20:36, 20 + at : 40 + at + (6 if at == 3 else 0)] = 1
    return ArrayShot(np.stack([wall] * WALK), holes)


def job(scratch: Path, **changes: Any) -> Job:
    return replace(
        Job(operation=Operation.MODIFY, instruction="make it red", quality=Quality.FINAL, seed=3, options={},
            scratch=scratch, kept=scratch, step=lambda: None),
        **changes,
    )  # fmt: skip


def made(catalogue: Catalogue, name: str, shot: ArrayShot, asked: Job) -> tuple[Any, str]:
    engine = factory(catalogue.card_for(name))(catalogue.card_for(name))
    said = engine.survey(shot, shot.bounds)
    engine.load(asked)
    try:
        return engine.generate(Window(index=0, frames=shot.frames, crop=shot.bounds, shot=shot), asked).pixels, said
    finally:
        engine.unload()


def test_every_pair_is_an_engine_of_its_own(catalogue: Catalogue) -> None:
    names = {card.name for card in catalogue.cards}
    assert {"klein", "vace", "klein+temporal", "klein+vace"} <= names
    assert not [name for name in names if name.endswith("+klein") or name.startswith("vace+")]
    card = catalogue.card_for("klein+temporal")
    assert Operation.MODIFY in card.operations
    assert Operation.GENERATE not in card.operations
    assert card.sees_shot


def test_the_daemon_takes_words_alone_from_a_recipe(catalogue: Catalogue, tmp_path: Path) -> None:
    request = FixRequest(
        job="0" * 32, shot="s", plate=str(tmp_path / "s.####.exr"), matte="m", out="o", operation=Operation.MODIFY,
        instruction="make it red", engine="klein+temporal",
    )  # fmt: skip
    assert catalogue.check_request(request).name == "klein+temporal"
    with pytest.raises(NoSuchEngine, match="without a painted frame"):
        catalogue.check_request(replace_request(request, engine="temporal"))
    with pytest.raises(UsageError, match="no option"):
        catalogue.check_request(replace_request(request, engine_options={"steps": "4"}))
    painted = (Reference(path=str(tmp_path / "p.png"), frame=1001),)
    assert catalogue.check_request(replace_request(request, references=painted))


def replace_request(request: FixRequest, **changes: Any) -> FixRequest:
    from msgspec.structs import replace as replaced

    return replaced(request, **changes)


def edited_alone(catalogue: Catalogue, shot: ArrayShot, frame: int, asked: Job) -> Any:
    engine = factory(catalogue.card_for("klein"))(catalogue.card_for("klein"))
    engine.survey(shot, shot.bounds)
    engine.load(asked)
    return engine.generate(Window(index=0, frames=(frame,), crop=shot.bounds, shot=shot), asked).pixels[0]


def test_the_fullest_frame_is_edited_and_carried_by_motion(
    catalogue: Catalogue, shot: ArrayShot, tmp_path: Path
) -> None:
    pixels, said = made(catalogue, "klein+temporal", shot, job(tmp_path, options={"carry.grain": "none"}))
    assert said.startswith("1004; ")
    assert pixels.shape == (WALK, HEIGHT, WIDTH, 3)
    edited = edited_alone(catalogue, shot, 1004, job(tmp_path))
    middle = (slice(24, 32), slice(28, 40))
    plate = shot.plates[0][middle]
    assert np.abs(edited[middle] - plate).mean() > 0.05, "the edit changes something"
    for at in (2, 3, 4):
        inside = pixels[at][middle]
        assert np.abs(inside - edited[middle]).mean() < 0.5 * np.abs(plate - edited[middle]).mean()


def test_or_by_a_model_in_which_it_is_a_known_frame(catalogue: Catalogue, shot: ArrayShot, tmp_path: Path) -> None:
    options = {"frame": "1002", "edit.steps": "1", "carry.steps": "1"}
    pixels, _ = made(catalogue, "klein+vace", shot, job(tmp_path, options=options))
    assert pixels.shape == (WALK, HEIGHT, WIDTH, 3)
    assert np.isfinite(pixels).all()
    edited = edited_alone(catalogue, shot, 1002, job(tmp_path, options={"steps": "1"}))
    inside = shot.holes[1] > 0
    assert np.array_equal(pixels[1][inside], edited[inside]), "it stays as it was edited"
    assert not np.array_equal(pixels[2][inside], edited[inside])


@pytest.mark.parametrize(("frame", "error"), [("1044", BadInput), ("first", UsageError)])
def test_a_frame_that_is_none(
    catalogue: Catalogue, shot: ArrayShot, tmp_path: Path, frame: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        made(catalogue, "klein+temporal", shot, job(tmp_path, options={"frame": frame}))
