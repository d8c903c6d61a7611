"""Dense correspondence: precise on what is seen, silent where something stands in front, the same in any order."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from secondtake.messages import Quality
from secondtake_daemon.engines.temporal.analysis import Analysis, analyse
from secondtake_daemon.engines.temporal.correspond import Correspondence
from secondtake_daemon.engines.temporal.flows import Flows
from secondtake_daemon.engines.temporal.given import Given
from secondtake_daemon.engines.temporal.kinds import preset_for
from secondtake_daemon.engines.temporal.proxy import Grid
from secondtake_daemon.engines.temporal.unmasked import Unmasked

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "quality"))

from array_shots import ArrayShot
from carry_scenes import CarryShot, CarrySize, make_carry

SMALL = CarrySize(width=192, height=112, frames=12)
PAINTED = 5


def _step() -> None:
    pass


def _analysed(shot: ArrayShot) -> Analysis:
    return analyse(shot=Unmasked(shot), preset=preset_for(quality=Quality.FINAL), step=_step)


def _correspondence(analysis: Analysis, given: Given | None = None) -> Correspondence:
    return Correspondence(analysis=analysis, flows=Flows(analysis, step=_step), given=given, step=_step)


@pytest.fixture(scope="module")
def rigid() -> CarryShot:
    return make_carry("rigid", "paint", seed=3, size=SMALL, drawn=True)


@pytest.fixture(scope="module")
def rigid_analysis(rigid: CarryShot) -> Analysis:
    return _analysed(rigid.shot())


def _true(shot: CarryShot, target: int, source: int) -> NDArray[np.float32]:
    """By the true vectors, one step after the other."""
    return Given(shot=shot.shot(vectors=True), grid=_grid(shot), step=_step).chain(target, source).to


def _grid(shot: CarryShot) -> Grid:
    return Grid.fit(shot.shot().bounds, 1024)


def _error(found: NDArray[np.float32], shot: CarryShot, target: int, source: int) -> NDArray[np.float32]:
    apart = np.linalg.norm(found - _true(shot, target, source), axis=2)
    return np.asarray(apart[shot.inside[target]], np.float32)


@pytest.mark.parametrize("target", [0, 4, 11])
def test_a_rigid_surface_is_found_to_a_tenth_of_a_pixel(
    rigid: CarryShot, rigid_analysis: Analysis, target: int
) -> None:
    field = _correspondence(rigid_analysis).between(target=target, source=PAINTED, region=rigid.mattes[target] > 0)
    error = _error(field.to, rigid, target, PAINTED)
    assert np.median(error) < 0.1
    assert np.quantile(error, 0.9) < 0.2
    assert field.trust[rigid.inside[target]].mean() > 0.97


def test_a_bending_surface_is_found_to_a_third_of_a_pixel() -> None:
    shot = make_carry("deform", "paint", seed=3, size=SMALL, drawn=True)
    field = _correspondence(_analysed(shot.shot())).between(target=1, source=PAINTED, region=shot.mattes[1] > 0)
    assert np.median(_error(field.to, shot, 1, PAINTED)) < 0.33


def test_a_shadow_is_no_occluder() -> None:
    shot = make_carry("lit", "paint", seed=3, size=SMALL, drawn=True)
    field = _correspondence(_analysed(shot.shot())).between(target=9, source=PAINTED, region=shot.mattes[9] > 0)
    assert np.median(_error(field.to, shot, 9, PAINTED)) < 0.15
    assert field.trust[shot.inside[9]].mean() > 0.95


def test_what_passes_in_front_is_not_taken_for_the_surface() -> None:
    shot = make_carry("covered", "paint", seed=3, size=SMALL, drawn=True)
    target = int(shot.front.sum(axis=(1, 2)).argmax())
    source = 0 if target > 5 else 11
    answers = _correspondence(_analysed(shot.shot())).answers(
        target=target, source=source, region=shot.mattes[target] > 0
    )
    main = answers.fields[0]
    at = answers.box.within(shot.shot().bounds)
    assert main.trust[shot.front[target][at]].mean() < 0.35
    seen = shot.inside[target][at]
    assert np.median(np.linalg.norm(main.to - _true(shot, target, source)[at], axis=2)[seen]) < 0.2


def test_the_same_frame_is_where_it_is(rigid: CarryShot, rigid_analysis: Analysis) -> None:
    field = _correspondence(rigid_analysis).between(target=4, source=4)
    rows, columns = np.mgrid[:112, :192]
    assert (field.to == np.stack([columns, rows], axis=2)).all() and (field.trust == 1).all()


def test_the_same_in_any_order(rigid: CarryShot, rigid_analysis: Analysis) -> None:
    regions = {target: rigid.mattes[target] > 0 for target in (11, 4)}
    one, other = _correspondence(rigid_analysis), _correspondence(rigid_analysis)
    first = [one.between(target=target, source=0, region=regions[target]) for target in (11, 4)]
    second = [other.between(target=target, source=0, region=regions[target]) for target in (4, 11)]
    assert first[0].to.tobytes() == second[1].to.tobytes() and first[1].to.tobytes() == second[0].to.tobytes()
    assert first[0].trust.tobytes() == second[1].trust.tobytes()


def test_nothing_is_found_across_a_cut(rigid: CarryShot) -> None:
    other = make_carry("rigid", "paint", seed=8, size=SMALL, drawn=True)
    plates = np.concatenate([rigid.plates[:4], 0.3 * other.plates[:4, ::-1, ::-1]])
    shot = ArrayShot(plates, np.zeros(plates.shape[:3], np.float32))
    analysis = _analysed(shot)
    assert analysis.parts[0] != analysis.parts[7]
    assert not _correspondence(analysis).between(target=6, source=2).trust.any()


def test_a_blind_frame_is_not_trusted(rigid: CarryShot) -> None:
    plates = rigid.plates.copy()
    plates[6] = 0
    analysis = _analysed(ArrayShot(plates, np.zeros(plates.shape[:3], np.float32)))
    field = _correspondence(analysis).between(target=6, source=5)
    assert not field.trust.any() and np.isfinite(field.to).all()


def test_exact_vectors_beat_the_estimate() -> None:
    shot = make_carry("deform", "paint", seed=3, size=SMALL, drawn=True)
    plain = shot.shot(vectors=True)
    analysis = _analysed(plain)
    given = Given(shot=plain, grid=analysis.grid, step=_step)
    region = shot.mattes[10] > 0
    exact = _correspondence(analysis, given).between(target=10, source=PAINTED, region=region)
    guessed = _correspondence(analysis).between(target=10, source=PAINTED, region=region)
    errors = [np.median(np.linalg.norm(one.to - _true(shot, 10, PAINTED), axis=2)[region]) for one in (exact, guessed)]
    assert errors[0] < 0.01 < errors[1]
    assert exact.trust[shot.inside[10]].mean() > 0.95


def test_vectors_that_disagree_are_not_trusted(rigid: CarryShot) -> None:
    vectors = rigid.vectors.copy()
    vectors[..., 2:] *= -4  # another sign, another unit
    plain = ArrayShot(rigid.plates, rigid.mattes, vectors=vectors)
    given = Given(shot=plain, grid=_grid(rigid), step=_step)
    assert given.chain(3, 4).trust[rigid.inside[3]].mean() < 0.05


def test_missing_vectors_are_not_trusted(rigid: CarryShot) -> None:
    vectors = rigid.vectors.copy()
    vectors[3, 40:60, 60:100] = np.nan
    plain = ArrayShot(rigid.plates, rigid.mattes, vectors=vectors)
    field = Given(shot=plain, grid=_grid(rigid), step=_step).chain(3, 5)
    assert not field.trust[40:60, 60:100].any() and np.isfinite(field.to).all()


def test_a_long_way_is_the_same_whatever_was_asked_before(rigid: CarryShot) -> None:
    plain = rigid.shot(vectors=True)
    one, other = (Given(shot=plain, grid=_grid(rigid), step=_step) for _ in range(2))
    one.chain(8, 11)
    assert one.chain(2, 11).to.tobytes() == other.chain(2, 11).to.tobytes()
