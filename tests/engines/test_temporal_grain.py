"""The grain that averaging removed comes back: as strong, as coarse, new in each frame; and a clean plate gets none."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadInput
from secondtake.messages import Quality
from secondtake_daemon.engines.grain import Grain, Pair, measure_grain, regrain, wants_grain

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "quality"))

from array_shots import ArrayShot, removed
from scenes import Size, grain, make

SMALL = Size(width=240, height=136, frames=10, subframes=1, over=1)
LONG = replace(SMALL, frames=20)
FULL = np.ones((192, 256), bool)


def ramp(seed: int, *, share: float = 1.0) -> NDArray[np.float32]:
    """A picture from dark to bright with grain."""
    plain = np.tile(np.linspace(0.02, 0.9, 256, dtype=np.float32)[None, :, None], (192, 1, 3))
    return plain + share * grain(plain, np.random.default_rng(seed))


def fine(field: NDArray[np.float32]) -> NDArray[np.float32]:
    """What lies above a blur of two pixels."""
    return np.asarray(field - cv2.GaussianBlur(field, (0, 0), 2.0), np.float32)


@pytest.mark.parametrize("share", [0.5, 1.0, 3.0])
def test_sigma_is_found_within_a_tenth(share: float) -> None:
    pairs = [Pair(ramp(2 * n, share=share), ramp(2 * n + 1, share=share), FULL) for n in range(3)]
    found = measure_grain(pairs=pairs)
    for x in (0.1, 0.3, 0.8):
        true = share * np.sqrt(6e-4 * x + 1.5e-5)
        assert found.sigma(np.full((1, 1, 3), x, np.float32))[0, 0] == pytest.approx([true] * 3, rel=0.1)


def test_spectrum_is_the_plates() -> None:
    pairs = [Pair(ramp(2 * n), ramp(2 * n + 1), FULL) for n in range(3)]
    flat = np.full((192, 256, 3), 0.4, np.float32)
    ours = regrain(pixels=flat, kept=np.zeros(FULL.shape, np.float32), grain=measure_grain(pairs=pairs), frame=7,
                   box=Box(0, 0, 256, 192)) - flat  # fmt: skip
    true = grain(flat, np.random.default_rng(9))
    assert ours.std() == pytest.approx(true.std(), rel=0.1)
    assert fine(ours).std() == pytest.approx(fine(true).std(), rel=0.1)
    for lag in (1, 2):
        one, two = (float((part[:, lag:] * part[:, :-lag]).mean() / part.var()) for part in (ours, true))
        assert one == pytest.approx(two, abs=0.06)


def test_no_grain_is_found_in_clean_or_uneven_pictures() -> None:
    clean, texture = ramp(0, share=0.0), np.random.default_rng(0).uniform(0, 1, (192, 256, 3)).astype(np.float32)
    soft = np.asarray(cv2.GaussianBlur(texture, (0, 0), 4.0), np.float32)
    shifted = np.roll(soft, 1, axis=1)
    for one, other in ((clean, clean), (clean, clean * 1.01), (soft, soft)):
        assert measure_grain(pairs=[Pair(one, other, FULL)]).is_none
    assert measure_grain(pairs=[]).is_none
    assert measure_grain(pairs=[Pair(soft, shifted, FULL)]).is_none  # misaligned texture is no grain
    same = np.full((4, 4, 3), 0.5, np.float32)
    kept = np.zeros((4, 4), np.float32)
    assert regrain(pixels=same, kept=kept, grain=Grain.none(), frame=1, box=Box(0, 0, 4, 4)) is same


def test_grain_of_a_frame_does_not_depend_on_the_box() -> None:
    found = measure_grain(pairs=[Pair(ramp(2 * n), ramp(2 * n + 1), FULL) for n in range(3)])
    flat = np.full((150, 200, 3), 0.4, np.float32)
    kept = np.zeros((150, 200), np.float32)
    whole = regrain(pixels=flat, kept=kept, grain=found, frame=1001, box=Box(0, 0, 200, 150))
    part = regrain(
        pixels=flat[30:90, 50:170], kept=kept[30:90, 50:170], grain=found, frame=1001, box=Box(50, 30, 120, 60)
    )
    assert np.abs(part - whole[30:90, 50:170]).max() < 1e-6
    other = regrain(pixels=flat, kept=kept, grain=found, frame=1002, box=Box(0, 0, 200, 150))
    assert abs(float(np.corrcoef((whole - flat).ravel(), (other - flat).ravel())[0, 1])) < 0.03


@pytest.fixture(scope="module", params=["pan", "static"])
def grained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[ArrayShot, list[NDArray[np.float32]]]:
    """A shot, and for each frame the fine part of (result - truth) in sigmas of the plate's grain."""
    shot = make(request.param, seed=4, size=LONG)
    assert shot.clean is not None
    result = removed(shot, tmp_path_factory.mktemp("grained"))
    sigma = np.sqrt(6e-4 * np.maximum(shot.clean, 0) + 1.5e-5)
    return shot, [fine(one) for one in (result - shot.clean) / sigma]


def test_delivered_grain_is_as_strong_as_the_plates(grained: tuple[ArrayShot, list[NDArray[np.float32]]]) -> None:
    shot, errors = grained
    flat = np.full((136, 240, 3), 0.4, np.float32)
    true = fine(grain(flat, np.random.default_rng(1)) / np.sqrt(6e-4 * 0.4 + 1.5e-5)).std()
    spread = []
    for hole, error in zip(shot.holes, errors, strict=True):
        inner = cv2.erode((hole > 0).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
        values = error[inner]
        spread.append(1.4826 * float(np.median(np.abs(values - np.median(values)))))
    assert np.mean(spread) == pytest.approx(true, rel=0.1)


def test_delivered_grain_is_new_in_each_frame(grained: tuple[ArrayShot, list[NDArray[np.float32]]]) -> None:
    shot, errors = grained
    found = []
    for now in range(1, len(errors)):
        both = (shot.holes[now] > 0) & (shot.holes[now - 1] > 0)
        one, two = np.clip(errors[now][both], -4, 4), np.clip(errors[now - 1][both], -4, 4)
        found.append(float(np.corrcoef(one.ravel(), two.ravel())[0, 1]))
    assert abs(np.mean(found)) < 0.07  # with 32 frames to average below 0.05


def test_delivered_grain_is_the_plates_in_the_dark_and_in_the_light(
    grained: tuple[ArrayShot, list[NDArray[np.float32]]],
) -> None:
    """Strength by brightness, and how alike neighbouring pixels are, beside grain made as the plate's was."""
    shot, errors = grained
    assert shot.clean is not None
    made = grain(np.full((136, 240, 3), 0.4, np.float32), np.random.default_rng(1)) / np.sqrt(6e-4 * 0.4 + 1.5e-5)
    true = fine(made)
    brightness = shot.clean.mean(axis=-1)
    inner = np.stack([cv2.erode((hole > 0).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0 for hole in shot.holes])
    bumps = np.stack([np.abs(fine(one)).max(axis=-1) for one in shot.clean])  # beside an edge other errors count too
    inner &= bumps <= np.quantile(bumps[inner], 0.5)
    stacked = np.stack(errors)
    edges = np.quantile(brightness[inner], (0, 0.25, 0.75, 1))
    for low, high in pairwise(edges.tolist()):
        values = stacked[inner & (brightness >= low) & (brightness <= high)]
        assert 1.4826 * float(np.median(np.abs(values))) == pytest.approx(float(true.std()), rel=0.1)
    beside = inner[:, :, 1:] & inner[:, :, :-1]
    one, two = np.clip(stacked[:, :, 1:][beside], -4, 4), np.clip(stacked[:, :, :-1][beside], -4, 4)
    alike = float(np.corrcoef(one.ravel(), two.ravel())[0, 1])
    assert alike == pytest.approx(float(np.corrcoef(true[:, 1:].ravel(), true[:, :-1].ravel())[0, 1]), abs=0.1)


def test_a_final_has_grain_and_a_draft_has_none_unless_asked() -> None:
    assert wants_grain(options={}, quality=Quality.FINAL) and not wants_grain(options={}, quality=Quality.DRAFT)
    for quality in Quality:
        assert wants_grain(options={"grain": "match"}, quality=quality)
        assert not wants_grain(options={"grain": "none"}, quality=quality)
    with pytest.raises(BadInput, match="grain=film"):
        wants_grain(options={"grain": "film"}, quality=Quality.FINAL)


def test_black_beside_grey_is_measured_as_black() -> None:
    """A bin of brightness that holds both must not give the grey the black's grain, nor the other way round."""
    plain = np.full((192, 256, 3), 0.5, np.float32)
    plain[:, :60] = 0.0
    pictures = [plain + grain(plain, np.random.default_rng(n)) for n in range(6)]
    pairs = [Pair(pictures[2 * n], pictures[2 * n + 1], FULL) for n in range(3)]
    found = measure_grain(pairs=pairs)
    for x in (0.0, 0.5):
        true = np.sqrt(6e-4 * x + 1.5e-5)
        assert found.sigma(np.full((1, 1, 3), x, np.float32))[0, 0] == pytest.approx([true] * 3, rel=0.1)


def test_grain_can_be_left_out_and_nothing_else_is_accepted(tmp_path: Path) -> None:
    shot = make("pan", seed=4, size=Size(width=160, height=96, frames=6, subframes=1, over=1))
    with_grain, without = (removed(shot, tmp_path / choice, grain=choice) for choice in ("match", "none"))
    inside = shot.holes > 0
    assert np.abs(with_grain - without)[inside].mean() > 1e-3
    with pytest.raises(BadInput, match="grain=film"):
        removed(shot, tmp_path / "c", grain="film")
