"""A window on its way to a model and back, with models whose answer is known."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

sys.path.append(str(Path(__file__).resolve().parents[1] / "quality"))
from array_shots import ArrayShot

from secondtake.boxes import Box
from secondtake.errors import EngineFault
from secondtake.messages import ControlKind, Operation, Quality
from secondtake_daemon.engines.contract import Anchor, Control, Job, Window
from secondtake_daemon.engines.diffusion.families import ltx2, wan_vace
from secondtake_daemon.engines.diffusion.render import Look, render
from secondtake_daemon.engines.diffusion.run import Heard, Made, Run
from secondtake_daemon.engines.diffusion.shaper import SHAPERS

HEIGHT, WIDTH, COUNT = 96, 128, 30
SMALL = replace(wan_vace.FAMILY, longest=25, head=4, tail=5, area_px=WIDTH * HEIGHT)
"""Windows of 16 frames."""
CROP = Box(0, 0, WIDTH, HEIGHT)
FIRST = 1008


class Recorder:
    """A model that answers with what it is told to, and keeps the run."""

    def __init__(self, answer: Callable[[Run], NDArray[np.float32]] = lambda run: run.codes) -> None:
        self.answer = answer
        self.run: Run = None  # type: ignore[assignment]

    def __call__(self, run: Run) -> Made:
        self.run = run
        return Made(codes=self.answer(run))


def a_shot(*, bright: float = 1.0, count: int = COUNT) -> ArrayShot:
    rng = np.random.default_rng(0)
    wall = cv2.GaussianBlur(rng.random((HEIGHT, WIDTH, 3), np.float32), (0, 0), 3)
    wall = (wall - wall.min()) / (wall.max() - wall.min()) * np.float32(bright) + np.float32(0.01)
    holes = np.zeros((count, HEIGHT, WIDTH), np.float32)
    holes[:, 36:60, 48:80] = 1
    return ArrayShot(np.stack([wall * np.float32(1 + at / 100) for at in range(count)]), holes, first=FIRST)


def a_window(shot: ArrayShot, *, first: int = 1008, last: int = 1023, **changes: Any) -> Window:
    return Window(index=0, frames=tuple(range(first, last + 1)), crop=CROP, shot=shot, **changes)


def a_job(**changes: Any) -> Job:
    return replace(
        Job(operation=Operation.REPLACE, instruction="a door", quality=Quality.FINAL, seed=3, options={},
            scratch=Path("/nowhere"), step=lambda: None),
        **changes,
    )  # fmt: skip


def a_look(**changes: Any) -> Look:
    return Look(**{"family": SMALL, "settings": SMALL.final, "gain": 1.0, "shape": "tight", **changes})


def own(shot: ArrayShot, window: Window) -> NDArray[np.float32]:
    return np.stack([shot.plate(frame, CROP) for frame in window.frames])


@pytest.mark.parametrize("gain", [1.0, 0.25])
def test_light_of_50_comes_back_from_the_hole(gain: float) -> None:
    shot = a_shot(bright=50.0)
    window = a_window(shot)
    patch = render(window, a_job(), look=a_look(gain=gain), model=Recorder())
    np.testing.assert_allclose(patch.pixels, own(shot, window), rtol=1e-3)


def test_light_of_10000_around_the_hole_harms_nothing() -> None:
    shot = a_shot()
    shot.plates[:, :20] = 1e4
    window = a_window(shot)
    patch = render(window, a_job(), look=a_look(), model=Recorder())
    np.testing.assert_allclose(patch.pixels[:, 24:], own(shot, window)[:, 24:], rtol=1e-3)


@pytest.mark.parametrize("area", [256 * 160, 300 * 200])
def test_a_smaller_canvas_moves_nothing(area: int) -> None:
    wall = cv2.GaussianBlur(np.random.default_rng(1).random((304, 400, 3), np.float32), (0, 0), 6)
    shot = ArrayShot(wall[None], np.ones((1, 304, 400), np.float32), first=FIRST)
    window, recorder = Window(index=0, frames=(FIRST,), crop=shot.bounds, shot=shot), Recorder()
    family = replace(SMALL, longest=9, head=4, tail=1, area_px=area)
    (made,) = render(window, a_job(), look=a_look(family=family), model=recorder).pixels
    assert recorder.run.width < 400
    weight = cv2.createHanningWindow((400, 304), cv2.CV_64F)
    shift, _ = cv2.phaseCorrelate(wall[..., 1].astype(float), made[..., 1].astype(float), weight)
    assert np.hypot(*shift) < 0.01


def test_a_tint_is_taken_back_by_the_ring() -> None:
    shot = a_shot()
    window = a_window(shot)
    tint = Recorder(lambda run: run.codes * np.float32([1.05, 0.96, 1.0]) + np.float32([0.0, 0.02, -0.03]))
    patch = render(window, a_job(), look=a_look(shape="box"), model=tint)
    np.testing.assert_allclose(patch.pixels, own(shot, window), rtol=0.01)


def test_drift_in_a_window_is_taken_back_at_both_seams() -> None:
    """Nothing of the plate is to be seen, so only the neighbours say what is right: both of them."""
    shot = a_shot()
    shot.holes[:] = 1
    window = a_window(shot, first=1016, last=1023)
    accepted = {frame: shot.plate(frame, CROP) for frame in (*range(1012, 1016), *range(1024, 1029))}
    drifting = Recorder(lambda run: run.codes + np.linspace(0.0, 0.06, len(run.codes))[:, None, None, None])
    patch = render(replace(window, accepted=accepted), a_job(), look=a_look(), model=drifting)
    truth, shaper = own(shot, window), SHAPERS["display"]
    errors = np.abs(shaper.encode(patch.pixels) - shaper.encode(truth)).mean(axis=(1, 2, 3))
    assert errors[[0, -1]].max() < 0.006, "no seam shows"
    assert errors.max() < 0.012


def test_a_lock_is_never_more_than_a_tenth() -> None:
    shot = a_shot()
    window = a_window(shot)
    wrong = Recorder(lambda run: np.zeros_like(run.codes))
    patch = render(window, a_job(), look=a_look(shape="box"), model=wrong)
    assert SHAPERS["display"].encode(patch.pixels).max() <= 0.1 + 1e-6


def test_accepted_frames_are_known_and_in_the_hole_of_the_others() -> None:
    shot = a_shot()
    accepted = {frame: np.full((HEIGHT, WIDTH, 3), 0.3, np.float32) for frame in range(1012, 1016)}
    recorder = Recorder()
    render(a_window(shot, first=1016, last=1023, accepted=accepted), a_job(), look=a_look(), model=recorder)
    run = recorder.run
    assert not run.holes[:4].any()
    np.testing.assert_allclose(run.codes[:4], SHAPERS["display"].encode(np.float32([0.3]))[0], rtol=1e-6)
    assert run.holes[4:12, 36:60, 48:80].all(), "what may change is made"
    assert not run.holes[:, :20].any()


def test_a_painted_frame_is_known_and_stays_as_it_was_painted() -> None:
    shot = a_shot()
    picture = shot.plate(1010, CROP).copy()
    picture[36:60, 48:80] = (0.9, 0.1, 0.1)
    shot.painted[1010] = picture
    recorder = Recorder(lambda run: run.codes * np.float32(0.5))
    patch = render(a_window(shot), a_job(), look=a_look(), model=recorder)
    at = recorder.run.codes.shape[0] - 25 + 4 + 2  # head of 4, and the third of the window
    assert not recorder.run.holes[at].any()
    assert recorder.run.codes[at, 48, 64] == pytest.approx(SHAPERS["display"].encode(np.float32([0.9, 0.1, 0.1])))
    assert np.array_equal(patch.pixels[2], picture)
    assert recorder.run.looks == ()


def test_a_painted_frame_of_elsewhere_is_a_look() -> None:
    shot = a_shot(count=80)
    for frame in (1010, 1070):
        shot.painted[frame] = np.full((HEIGHT, WIDTH, 3), frame / 2000, np.float32)
    recorder = Recorder()
    render(a_window(shot, first=1040, last=1055), a_job(), look=a_look(), model=recorder)
    (look,) = recorder.run.looks
    np.testing.assert_allclose(look, SHAPERS["display"].encode(np.float32([1010 / 2000]))[0], rtol=1e-6)


def test_looks_are_as_many_as_the_family_takes() -> None:
    pictures = tuple(np.full((10, 20, 3), 0.1 * at, np.float32) for at in range(1, 6))
    recorder = Recorder()
    render(a_window(a_shot()), a_job(looks=pictures), look=a_look(), model=recorder)
    assert len(recorder.run.looks) == SMALL.looks == 3
    assert recorder.run.looks[1] == pytest.approx(SHAPERS["display"].encode(pictures[1]))


@pytest.mark.parametrize("kind", [ControlKind.GREY, ControlKind.SCRIBBLE])
def test_the_plates_own_form_can_be_followed(kind: ControlKind) -> None:
    recorder = Recorder()
    render(a_window(a_shot()), a_job(control=Control(kind=kind)), look=a_look(), model=recorder)
    control = recorder.run.control
    assert control is not None
    assert control.shape == recorder.run.codes.shape
    assert np.ptp(control, axis=-1).max() < 1e-6
    assert control.std() > 0.03


def test_pictures_to_follow_stand_where_they_are() -> None:
    def depth(frame: int, box: Box) -> NDArray[np.float32]:
        assert box == CROP
        return np.full((HEIGHT, WIDTH, 3), (frame - 1000) / 100, np.float32)

    recorder, asked = Recorder(), Control(kind=ControlKind.DEPTH, read=depth)
    render(a_window(a_shot()), a_job(control=asked), look=a_look(), model=recorder)
    assert recorder.run.control is not None
    assert recorder.run.control[4:6, 0, 0, 0] == pytest.approx([0.08, 0.09])


def test_to_follow_what_nobody_gave_is_refused() -> None:
    asked = Control(kind=ControlKind.POSE)
    with pytest.raises(EngineFault, match="pose"):
        render(a_window(a_shot()), a_job(control=asked), look=a_look(), model=Recorder())


def test_beyond_the_plates_edge_it_is_made_and_not_taken_for_black() -> None:
    shot = a_shot()
    recorder = Recorder()
    window = replace(a_window(shot), crop=Box(0, 0, WIDTH, HEIGHT + 16))

    def tinted(run: Run) -> NDArray[np.float32]:
        codes = run.codes * np.float32(1.04)
        codes[:, HEIGHT:] = 0.7
        return codes

    patch = render(window, a_job(), look=a_look(family=replace(SMALL, area_px=1 << 20)), model=recorder)
    assert recorder.run.holes[:, HEIGHT:].all()
    assert not recorder.run.holes[:, 72 : HEIGHT - 1].any()
    assert patch.pixels.shape == (16, HEIGHT + 16, WIDTH, 3)
    locked = render(
        window, a_job(), look=a_look(family=replace(SMALL, area_px=1 << 20), shape="box"), model=Recorder(tinted)
    )
    np.testing.assert_allclose(locked.pixels[:, :HEIGHT], own(shot, window), rtol=0.01)  # the edge is no ring


@pytest.mark.parametrize(
    ("operation", "said", "prompt"),
    [
        (Operation.REMOVE, "", SMALL.removal_prompt), (Operation.REMOVE, "a lawn", "a lawn"),
        (Operation.REPLACE, "a door", "a door"),
    ],
)  # fmt: skip
def test_to_remove_needs_no_words(operation: Operation, said: str, prompt: str) -> None:
    recorder = Recorder()
    job = a_job(operation=operation, instruction=said)
    render(a_window(a_shot()), job, look=a_look(negative_prompt="fog"), model=recorder)
    assert (recorder.run.prompt, recorder.run.negative_prompt) == (prompt, "fog")


def test_a_plate_of_nothing_is_made_whole() -> None:
    shot = a_shot()
    shot.plates[:], shot.holes[:] = 0, 1
    recorder = Recorder(lambda run: np.full_like(run.codes, 0.5))
    patch = render(a_window(shot), a_job(operation=Operation.GENERATE, fps=25.0), look=a_look(), model=recorder)
    assert recorder.run.holes.all()
    assert recorder.run.fps == 25.0
    np.testing.assert_allclose(patch.pixels, SHAPERS["display"].decode(np.float32([0.5]))[0], rtol=1e-6)


@pytest.mark.parametrize("wrong", [(slice(1, None),), (slice(None), slice(8, None))], ids=["frames", "size"])
def test_a_clip_that_was_not_asked_for_is_refused(wrong: tuple[slice, ...]) -> None:
    with pytest.raises(EngineFault, match="was asked for"):
        render(a_window(a_shot()), a_job(), look=a_look(), model=Recorder(lambda run: run.codes[wrong]))


def test_sound_is_that_of_the_windows_own_frames() -> None:
    """A ramp in time: its value says which second it is of the span, which begins 16 frames before the window."""
    family = replace(ltx2.LTX_2, longest=41, head=16, tail=9, area_px=WIDTH * HEIGHT)

    def model(run: Run) -> Made:
        seconds = np.arange(round(len(run.codes) / run.fps * 8000), dtype=np.float32) / 8000
        return Made(codes=run.codes, sound=Heard(samples=np.stack([seconds, -seconds]), rate_hz=8000))

    patch = render(a_window(a_shot(), last=1023), a_job(), look=a_look(family=family), model=model)
    sound = patch.sound
    assert sound is not None
    assert (sound.before, sound.after) == (800, 800)
    mine = sound.samples[0, sound.before : -sound.after]
    assert mine[0] == pytest.approx(16 / 24, abs=2e-4)
    assert mine[-1] == pytest.approx(32 / 24, abs=2e-4)
    assert len(mine) == pytest.approx(16 / 24 * 8000, abs=1)


def an_anchor(shot: ArrayShot, *, light: float, frame: int = 1070) -> Anchor:
    """A frame of elsewhere, with something new in its hole."""
    picture = shot.plate(frame, CROP).copy()
    picture[shot.hole(frame, CROP) > 0] = light
    return Anchor(frame=frame, picture=picture)


def test_what_was_made_first_is_shown_without_what_lies_around_it() -> None:
    shot, recorder = a_shot(count=80), Recorder()
    window = a_window(shot, first=1008, last=1023, anchor=an_anchor(shot, light=0.8))
    render(window, a_job(), look=a_look(gain=0.5), model=recorder)
    (look,) = recorder.run.looks
    assert look.shape == (32, 32, 3), "rows 36-60 and columns 48-80, in squares of 16"
    inside = SHAPERS["display"].encode(np.float32([0.4]))[0]
    np.testing.assert_allclose(look[4:28, :], inside, rtol=1e-6)
    assert not np.allclose(look[:4], inside)


def test_what_was_made_first_of_whole_frames_is_shown_whole() -> None:
    shot, recorder = a_shot(count=80), Recorder()
    shot.holes[:] = 1
    anchor = an_anchor(shot, light=0.8)
    anchor.picture[0, 0] = np.nan
    render(a_window(shot, anchor=anchor), a_job(), look=a_look(), model=recorder)
    (look,) = recorder.run.looks
    assert look.shape == (HEIGHT, WIDTH, 3)
    assert np.isfinite(look).all()


def test_what_the_artist_shows_comes_before_it() -> None:
    shot, recorder = a_shot(count=80), Recorder()
    pictures = tuple(np.full((10, 20, 3), 0.1 * at, np.float32) for at in range(1, 4))
    window = a_window(shot, anchor=an_anchor(shot, light=0.8))
    render(window, a_job(looks=pictures[:2]), look=a_look(), model=recorder)
    assert [look.shape[0] for look in recorder.run.looks] == [10, 10, 32]
    render(window, a_job(looks=pictures), look=a_look(), model=recorder)
    assert [look.shape[0] for look in recorder.run.looks] == [10, 10, 10], "a model takes no more than it takes"
