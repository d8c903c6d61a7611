"""What pipelines of diffusers 0.42 do without a word, and that it does not happen to us.

Each test shows the pitfall where it can be shown, and then what we hand over or refuse; it fails if the guard goes.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="no torch: pip install 'secondtake[diffusion]'")

import runs
from runs import called, dressed, quiet, settled
from tiny import klein as tiny_klein
from tiny import ltx2 as tiny_ltx2
from tiny import vace as tiny_vace

from secondtake.errors import EngineFault
from secondtake_daemon.engines import installed
from secondtake_daemon.engines.diffusion.canvas import Canvas
from secondtake_daemon.engines.diffusion.families import flux2_klein, ltx2, wan_vace
from secondtake_daemon.engines.diffusion.family import Family, Settings
from secondtake_daemon.engines.diffusion.render import _refuse_misfit
from secondtake_daemon.engines.diffusion.run import Run

VACE, LTX, KLEIN = wan_vace.FAMILY, ltx2.LTX_2, flux2_klein.FAMILY
BOTH = pytest.mark.parametrize("kind", ["vace", "ltx"])


@pytest.fixture(scope="module")
def vace() -> Any:
    return quiet(tiny_vace())


@pytest.fixture(scope="module")
def ltx() -> Any:
    return dressed(tiny_ltx2(), LTX)


@pytest.fixture(scope="module")
def klein() -> Any:
    return dressed(tiny_klein(), KLEIN)


@pytest.fixture
def both(vace: Any, ltx: Any) -> dict[str, tuple[Any, Family, Run]]:
    return {"vace": (vace, VACE, wan_run()), "ltx": (ltx, LTX, ltx_run())}


def wan_run(**changes: Any) -> Run:
    return runs.a_run(**{"frames": 9, "height": 32, "width": 48, **changes})


def ltx_run(**changes: Any) -> Run:
    """The hole is the right third, which is whole tokens."""
    frames = changes.get("frames", 17)
    holes = np.zeros((frames, 64, 96), bool)
    holes[:, :, 64:] = True
    return runs.a_run(**{"frames": frames, "height": 64, "width": 96, "holes": holes, **changes})


def far_from(one: Any, other: Any) -> float:
    return float(np.abs(one - other).mean())


@BOTH
def test_one_negative_sample_does_not_shift_a_clip(both: dict[str, tuple[Any, Family, Run]], kind: str) -> None:
    """image_processor.py: a negative value is taken to mean "normalised already"."""
    pipe, family, run = both[kind]
    plain, codes = runs.rendered(pipe, family, run), run.codes.copy()
    codes[0, 0, 0] = 0.0
    legal = runs.rendered(pipe, family, replace(run, codes=codes))
    codes[0, 0, 0] = -0.1
    assert runs.rendered(pipe, family, replace(run, codes=codes)).tobytes() == legal.tobytes()
    assert legal.shape == plain.shape


def test_a_negative_sample_would_shift_it(vace: Any) -> None:
    run = wan_run()
    video = VACE.arguments(run)["video"].clone()
    with called(vace, "prepare_video_latents") as calls:
        runs.rendered(vace, VACE, run)
        video[0, 0, 0, 0, 0] = -0.01
        with pytest.warns(FutureWarning, match="value range"):
            runs.rendered(vace, VACE, run, video=video)
    before, after = (float(call[""][0].mean()) for call in calls)
    assert abs(before) < 0.1
    assert after == pytest.approx(0.5, abs=0.1), "diffusers has mended this: the clamp may go"


@pytest.mark.parametrize("sample", [np.nan, np.inf, -np.inf, 7.0])
def test_nothing_but_0_to_1_is_handed_over(sample: float) -> None:
    codes = wan_run().codes.copy()
    codes[2, 3, 4] = sample
    for video in (wan_run(codes=codes).video(grey=0.5), wan_run(codes=codes).video()):
        assert 0 <= float(video.min()) <= float(video.max()) <= 1


def test_a_clip_of_another_size_is_refused(vace: Any) -> None:
    """pipeline_wan_vace.py refits it to an aspect of its own and goes on with conditioning that lies elsewhere."""
    run = wan_run()
    larger = torch.nn.functional.interpolate(run.video(grey=0.5)[0], scale_factor=2)[None]
    larger_mask = torch.nn.functional.interpolate(run.mask()[0], scale_factor=2)[None]
    changed = runs.rendered(vace, VACE, run, video=larger[..., :64], mask=larger_mask[..., :64])
    assert changed.shape == (9, 32, 48, 3), "it returns frames as if nothing were wrong"
    with pytest.raises(EngineFault, match=r"codes .* canvas 64 x 32"):
        replace(run, canvas=Canvas(64, 32, 64, 32))
    with pytest.raises(EngineFault, match="holes"):
        replace(run, holes=run.holes[:-1])


@pytest.mark.parametrize(("frames", "floored"), [(16, 9), (24, 17)])
def test_another_length_than_asked_is_refused(ltx: Any, frames: int, floored: int) -> None:
    """pipeline_ltx2.py floors the pictures to its grid, and makes sound for what was asked."""
    run = ltx_run(frames=frames)
    with torch.no_grad():
        plain = {name: value for name, value in LTX.arguments(run).items() if name not in OURS}
        output = ltx_pipeline(ltx)(**plain)
    made = LTX.frames(output)
    assert len(made) == floored
    samples, rate = LTX.sound(output, ltx) or (None, 1)
    assert samples.shape[1] / rate > floored / 24 + 0.1
    with pytest.raises(EngineFault, match=f"{floored} frames .* asked for {frames} frames"):
        _refuse_misfit(made, run.codes, LTX)


OURS = ("plate", "mask", "noise", "sound_noise", "reference", "shows_green", "strength")


def ltx_pipeline(ltx: Any) -> Any:
    from diffusers import LTX2InContextPipeline

    return quiet(LTX2InContextPipeline.from_pipe(ltx))


def test_a_legal_length_has_sound_of_its_length(ltx: Any) -> None:
    output = runs.returned(ltx, LTX, ltx_run(frames=17))
    samples, rate = LTX.sound(output, ltx) or (None, 1)
    assert LTX.frames(output).shape[0] == 17
    assert samples.shape[1] / rate == pytest.approx(17 / 24, abs=0.05)


@BOTH
def test_always_five_dimensions(both: dict[str, tuple[Any, Family, Run]], kind: str) -> None:
    _, family, run = both[kind]
    given = family.arguments(run)
    clips = [value for value in given.values() if isinstance(value, torch.Tensor)]
    assert len(clips) == 3
    assert all(clip.ndim == 5 for clip in clips)


def test_four_dimensions_would_be_misread(vace: Any) -> None:
    run = wan_run()
    with pytest.raises(Exception, match=r".+"):
        runs.rendered(vace, VACE, run, video=run.video(grey=0.5)[0], mask=run.mask()[0])


def test_frames_of_references_are_not_returned(vace: Any) -> None:
    run = wan_run(looks=(np.full((20, 20, 3), 0.4, np.float32),))
    assert runs.returned(vace, VACE, run, output_type="latent").frames.shape[2] == 4
    assert runs.rendered(vace, VACE, run).shape[0] == 9


def test_references_have_noise_of_their_own_and_leave_the_rest_alone() -> None:
    look = np.full((20, 20, 3), 0.4, np.float32)
    none, two = VACE.arguments(wan_run())["latents"], VACE.arguments(wan_run(looks=(look, look)))["latents"]
    assert torch.equal(two[:, :, 2:], none)
    assert not torch.equal(two[:, :, 0], two[:, :, 1])


@pytest.mark.parametrize("kind", ["vace", "ltx", "klein"])
def test_not_eight_bits(vace: Any, ltx: Any, klein: Any, kind: str) -> None:
    """`output_type="pil"` is what most pipelines return if nothing is said."""
    pipe, family, run = {
        "vace": (vace, VACE, wan_run()), "ltx": (ltx, LTX, ltx_run()), "klein": (klein, KLEIN, wan_run(frames=1))
    }[kind]  # fmt: skip
    made = runs.rendered(pipe, family, run)
    assert made.dtype == np.float32
    inside = made[(made > 0.01) & (made < 0.99)] * 255
    assert float(np.abs(inside - np.rint(inside)).mean()) > 0.1


def test_conditions_of_ltx_are_0_to_255(ltx: Any) -> None:
    """pipeline_ltx2_condition.py: also float ones, while references in the same call are 0 … 1."""
    run = ltx_run()
    with called(ltx.vae, "encode") as calls:
        runs.rendered(ltx, LTX, run)
    seen = calls[0][""][0][0].permute(1, 2, 3, 0).numpy()
    np.testing.assert_allclose(seen, run.codes * 2 - 1, atol=1e-5)


def test_a_single_known_frame_is_not_put_through_h264(ltx: Any) -> None:
    """pipeline_ltx2_condition.py: `crf` is 33 or 18 unless it is said to be 0."""
    run = ltx_run(frames=1)
    with called(ltx.vae, "encode") as calls:
        assert runs.rendered(ltx, LTX, run).shape == (1, 64, 96, 3)
    np.testing.assert_allclose(calls[0][""][0][0, :, 0].permute(1, 2, 0).numpy(), run.codes[0] * 2 - 1, atol=1e-5)


def test_known_frames_of_ltx_stand_at_their_place_and_add_no_token(ltx: Any) -> None:
    """An index counts latents, and one above 0 appends tokens instead of standing in the clip."""
    run = ltx_run()
    with called(ltx.transformer) as calls:
        runs.rendered(ltx, LTX, run)
    assert {call["hidden_states"].shape[1] for call in calls} == {3 * 2 * 3}


@pytest.mark.parametrize(("guidance", "batch"), [(1.0, 1), (3.0, 2)])
def test_one_pass_a_step(ltx: Any, guidance: float, batch: int) -> None:
    """The defaults run three, and `audio_stg_scale=0` means "as the picture's"."""
    run = settled(ltx_run(), guidance=guidance, second_guidance=7.0, steps=3)
    with called(ltx.transformer) as calls:
        runs.rendered(ltx, LTX, run)
    assert [len(call["hidden_states"]) for call in calls] == [batch] * 3


def test_three_passes_if_the_pictures_scale_were_left(ltx: Any) -> None:
    run = settled(ltx_run(), steps=2)
    with called(ltx.transformer) as calls:
        runs.rendered(ltx, LTX, run, stg_scale=1.0, spatio_temporal_guidance_blocks=[1])
    assert len(calls) == 4, "0 for the sound was read as the picture's 1"


@pytest.mark.parametrize("modulated", [False, True], ids=["2.0", "2.3"])
def test_sound_and_picture_see_each_others_noise_level_as_they_learned_it(modulated: bool) -> None:
    """`use_cross_timestep` is true unless it is said, which is wrong for 2.0; no folder's index tells the version."""
    pipe = dressed(tiny_ltx2(modulated=modulated), LTX)
    with called(pipe.transformer) as calls:
        runs.rendered(pipe, LTX, settled(ltx_run(), steps=1))
    assert [call["use_cross_timestep"] for call in calls] == [modulated]


def test_it_begins_at_full_noise(ltx: Any) -> None:
    """`noise_scale`: 0 in one pipeline, inferred in another."""
    run = settled(ltx_run(holes=np.ones((17, 64, 96), bool)), sigmas=(1.0, 0.5))
    with called(ltx.transformer) as calls:
        runs.rendered(ltx, LTX, run)
    noise = ltx._pack_latents(LTX.arguments(run)["noise"])
    torch.testing.assert_close(calls[0]["hidden_states"], noise)


@BOTH
def test_a_stop_returns_nothing(both: dict[str, tuple[Any, Family, Run]], kind: str) -> None:
    """`_interrupt` skips the steps that are left, and then decodes the noise."""
    pipe, family, run = both[kind]

    def interrupt(inner: Any, step: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        inner._interrupt = True
        return values

    run = settled(run, steps=3)
    whole = runs.rendered(pipe, family, run)
    noise = runs.rendered(pipe, family, run, callback_on_step_end=interrupt)
    assert noise.shape == whole.shape
    assert far_from(noise, whole) > 0
    with called(pipe.vae, "decode") as decoded, pytest.raises(RuntimeError, match="stopped"):
        runs.rendered(pipe, family, run, runs.Counting(stop_in_step=2))
    assert not decoded


def test_without_ftfy_wan_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """pipeline_wan_vace.py raises NameError in the middle of a job."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ftfy" else find(name))
    assert "ftfy is not installed" in installed._why_not(a_model())


def a_model() -> Any:
    from secondtake_daemon.models.shelf import Model

    return Model(
        name="m", folder="/m", pipeline="WanVACEPipeline", added="", licence="free", licence_accepted=True, files=(),
        component_bytes={},
    )  # fmt: skip


def test_klein_starts_from_the_given_noise(klein: Any) -> None:
    """Below strength 1 it would take it for the noised picture and begin in the middle."""
    run = wan_run(frames=1, settings=Settings(steps=10, guidance=1.0, prompt_tokens=32))
    with called(klein.transformer) as calls:
        runs.rendered(klein, KLEIN, run)
    assert len(calls) == 10
    noise = klein._pack_latents(KLEIN.arguments(run)["latents"])
    torch.testing.assert_close(calls[0]["hidden_states"][:, : noise.shape[1]], noise)
    assert float(calls[0]["timestep"]) == pytest.approx(1.0)
