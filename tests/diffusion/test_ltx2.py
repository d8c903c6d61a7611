"""LTX-2 with a hole: what is known stays clean, the noise is ours, and there is sound."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch: pip install 'secondtake[diffusion]'")

import runs
from runs import called, dressed, settled
from tiny import ltx2 as tiny_ltx2
from tiny import save_ltx2

sys.path.append(str(Path(__file__).resolve().parents[1] / "operations"))
from in_process import Studio, planes, write_plate

from secondtake.messages import FixRequest, Operation
from secondtake_daemon.engines.card import EngineColour
from secondtake_daemon.engines.diffusion import pipes, preview_fit
from secondtake_daemon.engines.diffusion.families import family_of, ltx2
from secondtake_daemon.engines.diffusion.families.ltx2_edit import LTX2Edit, hole_tokens, keyframes
from secondtake_daemon.engines.diffusion.memory.placing import Layout
from secondtake_daemon.engines.diffusion.run import Run
from secondtake_daemon.images.sound import read_wav
from secondtake_daemon.models import shelf
from secondtake_daemon.pipeline import Folders, render_fix
from secondtake_daemon.takes.manifest import load

FRAMES, HEIGHT, WIDTH = 17, 64, 96
TOKENS = 3 * 2 * 3
FAMILY = ltx2.LTX_2


@pytest.fixture(scope="module")
def pipe() -> Any:
    return dressed(tiny_ltx2(), FAMILY)


def a_run(**changes: Any) -> Run:
    """A hole over the right third, which is whole tokens; frames 0 to 8 are known."""
    holes = np.zeros((FRAMES, HEIGHT, WIDTH), bool)
    holes[9:, :, 64:] = True
    return runs.a_run(**{"frames": FRAMES, "height": HEIGHT, "width": WIDTH, "holes": holes, **changes})


def rendered(pipe: Any, run: Run) -> Any:
    return runs.rendered(pipe, FAMILY, run)


def base_tokens(call: dict[str, Any]) -> Any:
    return call["hidden_states"][0, :TOKENS]


@pytest.mark.parametrize("place", [(0, 0, 0), (0, 63, 95), (1, 0, 0), (8, 31, 32), (9, 32, 31), (16, 63, 95)])
def test_a_token_is_made_if_the_hole_touches_it(place: tuple[int, int, int]) -> None:
    mask = torch.zeros(1, FRAMES, 1, HEIGHT, WIDTH)
    frame, y, x = place
    mask[0, frame, 0, y, x] = 1
    free = hole_tokens(mask, every=8, scale=32).reshape(3, 2, 3)
    assert free.sum() == 1
    assert free[(frame + 7) // 8, y // 32, x // 32]


def test_it_loads_from_a_folder_of_the_plain_pipeline(tmp_path: Any) -> None:
    source = pipes.Source(folder=save_ltx2(tmp_path), name=FAMILY.runs, digest="d")
    loaded = pipes.pipeline(source, Layout())
    try:
        assert isinstance(loaded, LTX2Edit)
        assert rendered(loaded, a_run()).shape == (FRAMES, HEIGHT, WIDTH, 3)
    finally:
        pipes.drop()


def test_the_same_comes_again_whatever_was_drawn_before(pipe: Any) -> None:
    torch.manual_seed(1)
    first = rendered(pipe, a_run())
    assert first.shape == (FRAMES, HEIGHT, WIDTH, 3)
    assert first.dtype == np.float32
    torch.manual_seed(2)
    assert rendered(pipe, a_run()).tobytes() == first.tobytes()
    assert rendered(pipe, a_run(seed=4)).tobytes() != first.tobytes()
    assert rendered(pipe, a_run(first=16)).tobytes() != first.tobytes()
    assert rendered(pipe, a_run(prompt="a dog")).tobytes() != first.tobytes()


def test_it_begins_with_our_noise_in_the_hole_and_the_clean_plate_around_it(pipe: Any) -> None:
    run = a_run()
    given = FAMILY.arguments(run)
    with called(pipe.transformer) as calls, torch.no_grad():
        rendered(pipe, run)
        pixels = torch.from_numpy(run.codes).permute(3, 0, 1, 2)[None] * 2 - 1
        clean = pipe.vae.encode(pixels).latent_dist.mode()
        clean = pipe._pack_latents(pipe._normalize_latents(clean, pipe.vae.latents_mean, pipe.vae.latents_std))[0]
    noise, free = pipe._pack_latents(given["noise"])[0], hole_tokens(given["mask"], every=8, scale=32)[0]
    assert 0 < int(free.sum()) < TOKENS
    for call in calls:
        torch.testing.assert_close(base_tokens(call)[~free], clean[~free], atol=2e-5, rtol=1e-5)
        assert (call["timestep"][0][~free] == 0).all()
        assert (call["timestep"][0][free] > 0).all()
    torch.testing.assert_close(base_tokens(calls[0])[free], noise[free])


def test_what_is_known_at_the_head_and_around_the_hole_matters(pipe: Any) -> None:
    run = a_run()
    plain, head, aside = rendered(pipe, run), run.codes.copy(), run.codes.copy()
    head[:9], aside[:, :, :64] = 0.2, 0.2
    right = (slice(9, None), slice(None), slice(64, None))
    for changed in (head, aside):
        assert np.abs(rendered(pipe, replace(run, codes=changed))[right] - plain[right]).max() > 1e-3


@pytest.mark.parametrize(
    ("new", "places"),
    [
        (range(17), []),
        (range(1, 17), []),
        (range(9), []),
        ([*range(4), *range(5, 17)], [4]),
        (range(12, 17), [11]),
        (range(6), [6]),
        ([*range(1, 3), *range(6, 9), 12], [3, 5, 11, 13]),
    ],
)
def test_known_frames_that_no_latent_holds_are_keyframes(new: Any, places: list[int]) -> None:
    mask = torch.zeros(1, FRAMES, 1, HEIGHT, WIDTH)
    mask[:, list(new), :, 5, 7] = 1
    assert keyframes(mask, every=8) == places


@pytest.mark.parametrize("known", [0, 4, 8, 13, 16])
def test_one_known_frame_anywhere_is_seen_where_it_stands(pipe: Any, known: int) -> None:
    """The first, the last, and any between."""
    holes = np.ones((FRAMES, HEIGHT, WIDTH), bool)
    holes[known] = False
    run = a_run(holes=holes)
    with called(pipe.transformer) as calls:
        plain = rendered(pipe, run)
    clean = calls[0]["timestep"][0] == 0
    assert int(clean.sum()) == 2 * 3, "one picture's tokens"
    at_s = calls[0]["video_coords"][0, 0, clean, :]
    first = max(known, 0) / 24
    assert float(at_s.min()) == pytest.approx(first)
    assert float(at_s.max()) == pytest.approx(first + 1 / 24)
    other = run.codes.copy()
    other[known] = 0.2
    assert np.abs(rendered(pipe, replace(run, codes=other)) - plain).max() > 1e-3
    hidden = run.codes.copy()
    hidden[(known + 1) % FRAMES] = 0.2
    assert rendered(pipe, replace(run, codes=hidden)).tobytes() == plain.tobytes()


@pytest.mark.parametrize("known", [slice(0, 9), slice(9, 17)], ids=["forward", "backward"])
def test_it_goes_on_from_a_clip_in_both_directions(pipe: Any, known: slice) -> None:
    holes = np.ones((FRAMES, HEIGHT, WIDTH), bool)
    holes[known] = False
    with called(pipe.transformer) as calls:
        rendered(pipe, a_run(holes=holes))
    clean = (calls[0]["timestep"][0] == 0).reshape(3, 6).all(dim=1).tolist()
    assert clean == ([True, True, False] if known.start == 0 else [False, False, True])


def test_it_paints_beyond_the_edges_of_what_is_there(pipe: Any) -> None:
    """Out-painting is a hole at the frame's edge; the middle stays clean, and is seen."""
    holes = np.ones((FRAMES, HEIGHT, WIDTH), bool)
    holes[:, :, 32:64] = False
    run = a_run(holes=holes)
    with called(pipe.transformer) as calls:
        plain = rendered(pipe, run)
    clean = (calls[0]["timestep"][0] == 0).reshape(3, 2, 3)
    assert clean[:, :, 1].all()
    assert not clean[:, :, (0, 2)].any()
    other = run.codes.copy()
    other[:, :, 32:64] = 0.2
    assert np.abs(rendered(pipe, replace(run, codes=other)) - plain)[:, :, 64:].max() > 1e-3


def test_nothing_known_is_plain_generation(pipe: Any) -> None:
    everywhere = np.ones((FRAMES, HEIGHT, WIDTH), bool)
    run = a_run(holes=everywhere)
    with called(pipe.vae, "encode") as encoded:
        first = rendered(pipe, run)
    assert not encoded
    assert rendered(pipe, replace(run, codes=np.zeros_like(run.codes))).tobytes() == first.tobytes()


def test_it_makes_sound_as_long_as_the_picture(pipe: Any) -> None:
    samples, rate = FAMILY.sound(runs.returned(pipe, FAMILY, a_run()), pipe) or (None, 0)
    assert samples.dtype == np.float32
    assert samples.ndim == 2
    assert rate == 16000
    assert samples.shape[1] / rate == pytest.approx(FRAMES / 24, abs=0.05)


def test_sound_hangs_on_the_seed_and_is_the_same_again(pipe: Any) -> None:
    def sound(run: Run) -> bytes:
        samples, _ = FAMILY.sound(runs.returned(pipe, FAMILY, run), pipe) or (np.zeros(0), 0)
        return bytes(samples.tobytes())

    assert sound(a_run()) == sound(a_run())
    assert sound(a_run()) != sound(a_run(seed=4))
    with called(pipe.transformer) as calls:
        sound(a_run())
    begun = calls[0]["audio_hidden_states"]
    assert torch.equal(begun, a_run().sound_noise(*begun.shape[1:]))


def test_noise_of_the_sound_is_keyed_to_time() -> None:
    """Two spans 24 frames apart, a second at 24 frames each: what both hear has the same noise."""
    early = a_run(first=0, codes=np.zeros((49, HEIGHT, WIDTH, 3), np.float32), holes=np.ones((49, HEIGHT, WIDTH), bool))
    late = replace(early, first=24)
    one, two = early.sound_noise(51, 4)[0].numpy(), late.sound_noise(51, 4)[0].numpy()
    assert np.array_equal(one[25:], two[:-25])
    assert abs(float(one.mean())) < 0.3
    assert float(one.std()) == pytest.approx(1, abs=0.2)


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The tiny model as the engine `ltx`, with windows of eight frames."""
    monkeypatch.setattr(preview_fit, "_CELLS", 1)  # what is previewed is of no matter here
    settings = {"longest": "17", "head": "8", "tail": "1", "steps": "1", "guidance": "1", "prompt_tokens": "32"}
    shelf.add(
        tmp_path / "models", save_ltx2(tmp_path / "folder"), name="ltx", licence="free", licence_accepted=True,
        settings=settings, step=lambda done, total: None,
    )  # fmt: skip
    yield tmp_path / "models"
    pipes.drop()


def test_a_shot_goes_on_before_and_after_with_sound_for_what_is_new(models: Path, tmp_path: Path) -> None:
    plate = write_plate(tmp_path / "plate", range(1010, 1014))
    studio = Studio(tmp_path, models=models)
    made = studio.make(
        Operation.EXTEND, plate=plate, frames="1004-1020", engine="ltx", instruction="rain",
        engine_options={"grain": "none"},
    )  # fmt: skip
    manifest = load(Path(made.manifest))
    assert len(manifest.frames) == 17
    assert [record.frame for record in manifest.frames if not record.added] == [1010, 1011, 1012, 1013]
    for file in made.files:
        found = planes(file)
        assert all(np.isfinite(found[name].astype(np.float32)).all() for name in "RGB")
        if 1010 <= int(Path(file).name.split(".")[-2]) <= 1013:
            before = planes(Path(plate).with_name(f"sh010.{Path(file).name.split('.')[-2]}.exr"))
            assert all(np.array_equal(found[name], before[name], equal_nan=True) for name in before)
    assert manifest.sound is not None
    assert manifest.sound.made == "1004-1020", "the plate is silent"
    track = read_wav(Path(made.manifest).with_name(manifest.sound.file))
    assert track.seconds == pytest.approx(17 / 24, abs=0.05)


def test_a_generated_shot_has_the_sound_of_its_windows(models: Path, tmp_path: Path) -> None:
    """From words alone to EXR frames and a WAV file, over two windows."""
    request = FixRequest(
        job=uuid.uuid4().hex, shot="sh", plate="", matte="", out=str(tmp_path / "out"), operation=Operation.GENERATE,
        instruction="rain on a tin roof", engine="ltx", frames="1008-1023", width_px=64, height_px=64, fps=24.0,
    )  # fmt: skip
    places = Folders(cache=tmp_path / "cache", takes=tmp_path / "takes", cache_bytes=1 << 30, models=models)
    render_fix(request, take="t00000001", folders=places, report=Silent())
    manifest = load(tmp_path / "out")
    assert len(manifest.windows) == 2
    assert len(manifest.frames) == 16
    assert manifest.sound is not None
    assert manifest.sound.made == "1008-1023"
    track = read_wav(tmp_path / "out" / manifest.sound.file)
    assert track.seconds == pytest.approx(16 / 24, abs=0.05)
    assert float(np.abs(track.samples).max()) > 0


class Silent:
    """A report that nobody reads."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None


def test_the_adapter_is_shown_the_hole_in_green_besides(pipe: Any) -> None:
    run = settled(a_run(), adapter="inpaint")
    with called(pipe.transformer) as calls, called(pipe.vae, "encode") as encoded:
        rendered(pipe, run)
    assert calls[0]["hidden_states"].shape[1] == 2 * TOKENS
    green = encoded[-1][""][0][0].permute(1, 2, 3, 0).numpy()
    np.testing.assert_allclose(green[run.holes], np.broadcast_to([-0.2, 1, -1], green[run.holes].shape), atol=1e-5)
    np.testing.assert_allclose(green[~run.holes], run.codes[~run.holes] * 2 - 1, atol=1e-5)


def test_distilled_noise_levels_are_the_steps(pipe: Any) -> None:
    run = settled(a_run(), sigmas=(1.0, 0.9, 0.4))
    watch = runs.Counting()
    runs.rendered(pipe, FAMILY, run, watch)
    assert watch.steps == run.settings.step_count == 3


def test_from_2_5_on_it_works_in_acescct() -> None:
    parts = ("transformer", "vae", "vocoder")
    older, newer = family_of("LTX2Pipeline", parts), family_of("LTX2Pipeline", (*parts, "duration_head"))
    assert older is not None
    assert newer is not None
    assert (older.shaper, older.colour) == ("display", EngineColour.LINEAR_REC709)
    assert (newer.shaper, newer.colour) == ("acescct", EngineColour.LINEAR_AP1)
