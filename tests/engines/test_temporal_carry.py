"""Painted frames carried through a shot: exact where painted, registered, lit and grained elsewhere, never smeared."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from secondtake.errors import BadInput
from secondtake.messages import Operation
from secondtake_daemon.engines.contract import Job, Known, Patch, Window
from secondtake_daemon.engines.grain import Grain
from secondtake_daemon.engines.temporal.carry_grain import measure_grained
from secondtake_daemon.engines.temporal.engine import TemporalEngine
from secondtake_daemon.engines.temporal.transfer import Transfer, choose_transfer, regraded

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "quality"))

from array_shots import ArrayShot, composited, job_in, windows_of
from carry_scenes import FIRST, CarryShot, CarrySize, make_carry
from scenes import Size, make
from scores import psnr

SMALL = CarrySize(width=192, height=112, frames=12)
PAINTED = 5

Frames = NDArray[np.float32]


def _job(folder: Path, *, grain: str = "match", **options: str) -> Job:
    return replace(job_in(folder, operation=Operation.MODIFY), options={"grain": grain, **options})


def _patches(shot: ArrayShot, job: Job, *, length: int = 6) -> list[Patch]:
    engine = TemporalEngine()
    engine.load(job)
    return [engine.generate(window, job) for window in windows_of(shot, length=length)]


def _carried(shot: ArrayShot, job: Job, *, only: tuple[int, ...] = ()) -> Frames:
    """The whole shot; `only` some frames of it, counted from 0, are made, the others stay plate."""
    if not only:
        return composited(shot, _patches(shot, job))
    engine = TemporalEngine()
    engine.load(job)
    window = Window(index=0, frames=tuple(shot.frames[place] for place in only), crop=shot.crop, shot=shot)
    return composited(shot, [engine.generate(window, job)])


def _score(found: Frames, shot: CarryShot, *, but: tuple[int, ...] = (PAINTED,)) -> float:
    places = [place for place in range(len(found)) if place not in but]
    return psnr(found[places], shot.edited[places], shot.inside[places].astype(np.float32))


@pytest.fixture(scope="module")
def rigid() -> CarryShot:
    return make_carry("rigid", "paint", seed=3, size=SMALL, drawn=True)


@pytest.fixture(scope="module")
def graded() -> CarryShot:
    return make_carry("deform", "grade", seed=3, size=SMALL, drawn=True)


@pytest.fixture(scope="module")
def covered() -> CarryShot:
    return make_carry("covered", "paint", seed=3, size=replace(SMALL, frames=8), drawn=True)


def test_the_painted_frame_is_itself_bit_for_bit(rigid: CarryShot, tmp_path: Path) -> None:
    shot = rigid.shot(PAINTED)
    found = _carried(shot, _job(tmp_path))
    inside = rigid.mattes[PAINTED] > 0
    assert found[PAINTED][inside].tobytes() == rigid.edited[PAINTED][inside].tobytes()


def test_paint_follows_its_surface(rigid: CarryShot, tmp_path: Path) -> None:
    found = _carried(rigid.shot(PAINTED), _job(tmp_path))
    assert _score(found, rigid) > 33
    assert _score(rigid.plates, rigid) < 20


@pytest.mark.parametrize("motion", ["deform", "lit"])
def test_paint_follows_bending_and_light(motion: str, tmp_path: Path) -> None:
    shot = make_carry(motion, "paint", seed=3, size=SMALL, drawn=True)
    assert _score(_carried(shot.shot(PAINTED), _job(tmp_path)), shot) > 30


def test_light_reaches_the_paint(tmp_path: Path) -> None:
    shot = make_carry("lit", "paint", seed=3, size=SMALL, drawn=True)
    lit = _score(_carried(shot.shot(PAINTED), _job(tmp_path / "a")), shot)
    flat = _score(_carried(shot.shot(PAINTED), _job(tmp_path / "b", transfer="colour")), shot)
    assert lit > flat + 6


def test_a_grade_keeps_the_frames_own_grain(graded: CarryShot, tmp_path: Path) -> None:
    patches = _patches(graded.shot(PAINTED), _job(tmp_path))
    found = composited(graded.shot(PAINTED), patches)
    assert _score(found, graded) > 38
    assert (patches[0].known is not None) and (patches[0].known == Known.CARRIED).any()


def test_what_passes_in_front_stays_in_front(covered: CarryShot, tmp_path: Path) -> None:
    found = _carried(covered.shot(0, 7), _job(tmp_path))
    front = covered.front[1:7]
    assert front.sum() > 500
    apart = np.abs(found[1:7] - covered.plates[1:7]).max(axis=3)[front]
    assert (apart > 0.02).mean() < 0.2  # at its edge, a pixel or two of the occluder's seventeen
    assert apart.mean() < 0.04
    assert _score(found, covered, but=(0, 7)) > 24


def test_what_was_not_changed_is_the_plate_itself(rigid: CarryShot, tmp_path: Path) -> None:
    shot = rigid.shot(PAINTED)
    shot.holes = np.ones_like(shot.holes)
    patches = _patches(shot, _job(tmp_path))
    found = composited(shot, patches)
    far = np.zeros(rigid.mattes.shape[1:], bool)
    far[:, :20] = far[:, -20:] = True
    assert found[2][far].tobytes() == rigid.plates[2][far].tobytes()
    known = np.concatenate([patch.known for patch in patches if patch.known is not None])
    assert (known[2][rigid.inside[2]] == Known.CARRIED).mean() > 0.97
    assert (known[2][:, 30:40] == Known.SEEN).mean() > 0.9


def test_rounding_of_an_eight_bit_painting_is_no_edit(rigid: CarryShot, tmp_path: Path) -> None:
    shot = rigid.shot(PAINTED)
    shown = np.clip(rigid.edited[PAINTED], 0, 1) ** (1 / 2.2)
    shot.painted[FIRST + PAINTED] = ((np.rint(shown * 255) / 255) ** 2.2).astype(np.float32)
    shot.holes = np.ones_like(shot.holes)
    found = _carried(shot, _job(tmp_path))
    changed = (found[3] != rigid.plates[3]).any(axis=2)
    assert changed[rigid.inside[3]].mean() > 0.97
    assert changed[:, :20].mean() < 0.02


def test_more_paintings_are_better(tmp_path: Path) -> None:
    shot = make_carry("deform", "paint", seed=3, size=SMALL, drawn=True)
    scores = []
    for number, painted in enumerate([(0,), (0, 6, 11)]):
        found = _carried(shot.shot(*painted), _job(tmp_path / str(number)))
        scores.append(_score(found, shot, but=(0, 6, 11)))
    assert scores[1] > scores[0] + 0.5


def test_no_step_beside_a_painted_frame(rigid: CarryShot, tmp_path: Path) -> None:
    """Two paintings that contradict each other: near each of them the result is its own."""
    shot = rigid.shot(2, 9)
    inside = rigid.inside[9][..., None]
    shot.painted[FIRST + 9] = np.where(inside, rigid.edited[9] * 0.5, rigid.edited[9]).astype(np.float32)
    found = _carried(shot, _job(tmp_path, grain="none"))
    level = [float(found[place][rigid.inside[place]].mean()) for place in range(12)]
    steps = np.abs(np.diff(level[2:10]))
    assert level[2] > 1.6 * level[9]
    assert steps.max() < 0.5 * (level[2] - level[9])
    assert steps[0] < 0.15 * (level[2] - level[9]) and steps[-1] < 0.15 * (level[2] - level[9])


def test_the_same_bytes_in_any_order_and_after_a_restart(covered: CarryShot, tmp_path: Path) -> None:
    shot = covered.shot(0, 7)
    forward = _carried(shot, _job(tmp_path / "a"))
    job = _job(tmp_path / "b")
    patches = []
    for window in reversed(windows_of(shot, length=4)):
        engine = TemporalEngine()  # a new worker each time
        engine.load(job)
        patches.append(engine.generate(window, job))
    assert composited(shot, patches).tobytes() == forward.tobytes()


def test_a_larger_crop_changes_nothing(rigid: CarryShot, tmp_path: Path) -> None:
    shot = rigid.shot(PAINTED)
    job = _job(tmp_path)
    engine = TemporalEngine()
    engine.load(job)
    windows = [replace(window, crop=shot.bounds) for window in windows_of(shot, length=6)]
    whole = composited(shot, [engine.generate(window, job) for window in windows])
    assert whole.tobytes() == _carried(shot, job).tobytes()


def test_exact_vectors_are_used(tmp_path: Path) -> None:
    shot = make_carry("deform", "paint", seed=3, size=SMALL, drawn=True)
    guessed = _score(_carried(shot.shot(PAINTED), _job(tmp_path / "a")), shot)
    exact = _score(_carried(shot.shot(PAINTED, vectors=True), _job(tmp_path / "b")), shot)
    assert exact > guessed + 0.5


def test_a_still_shot_carries_without_resampling(rigid: CarryShot, tmp_path: Path) -> None:
    plates = np.repeat(rigid.plates[:1], 6, axis=0)
    edit = np.where(rigid.inside[0][..., None], rigid.edited[0], rigid.plates[0])
    shot = ArrayShot(plates, np.repeat(rigid.mattes[:1], 6, axis=0), first=FIRST, painted={FIRST: edit})
    found = _carried(shot, _job(tmp_path))
    deep = np.abs(found[4] - edit).max(axis=2)[rigid.inside[0]]
    assert np.quantile(deep, 0.95) < 1e-4


def test_highlights_negatives_and_damage_survive(rigid: CarryShot, tmp_path: Path) -> None:
    shot = rigid.shot(PAINTED)
    shot.plates = rigid.plates.copy()
    shot.plates[:, 50:56, 90:100] = np.nan
    shot.plates[:, 60:62, 90:100] = -0.2
    edit = rigid.edited[PAINTED].copy()
    edit[40:48, 80:100] = 12.0
    edit[66:70, 80:100] = -0.05
    shot.painted[FIRST + PAINTED] = edit
    patches = _patches(shot, _job(tmp_path))
    for patch in patches:
        assert np.isfinite(patch.pixels).all()
    found = composited(shot, patches)
    assert found[3][rigid.mattes[3] > 0].max() > 8
    assert found[3][rigid.inside[3]].min() < -0.01


def test_grain_is_the_frames_own(tmp_path: Path) -> None:
    """The carried paint's noise is as strong as the truth's, and new in each frame; a clean painting gets it too."""
    shot = make_carry("rigid", "paint", seed=3, size=replace(SMALL, width=288, height=168), drawn=True)
    clean = shot.shot(PAINTED)
    inside = shot.inside[PAINTED][..., None]
    clean.painted[FIRST + PAINTED] = np.where(inside, shot.clean[PAINTED], shot.plates[PAINTED]).astype(np.float32)
    for number, one in enumerate((shot.shot(PAINTED), clean)):
        found = _carried(one, _job(tmp_path / str(number)), only=(7, 8))
        noise = found - shot.clean
        deep = np.all(shot.inside[7:9], axis=0)
        strength = float(np.std(noise[8][deep])) / float(np.std((shot.edited - shot.clean)[8][deep]))
        assert 0.9 < strength < 1.15
        assert abs(np.corrcoef(noise[7][deep].ravel(), noise[8][deep].ravel())[0, 1]) < 0.15


def test_without_grain_nothing_is_added(rigid: CarryShot, tmp_path: Path) -> None:
    shot = rigid.shot(PAINTED)
    shot.painted[FIRST + PAINTED] = np.where(
        rigid.inside[PAINTED][..., None], rigid.clean[PAINTED], rigid.plates[PAINTED]
    ).astype(np.float32)
    found = _carried(shot, _job(tmp_path, grain="none"), only=(6, 7))
    assert psnr(found[6:8], rigid.clean[6:8], rigid.inside[6:8].astype(np.float32)) > 33


def test_a_frame_beyond_a_cut_keeps_its_plate_and_is_named(rigid: CarryShot, tmp_path: Path) -> None:
    other = make_carry("rigid", "paint", seed=8, size=SMALL, drawn=True)
    plates = np.concatenate([rigid.plates[:6], 0.3 * other.plates[:6, ::-1, ::-1]])
    shot = replace(rigid.shot(PAINTED), plates=plates)
    patches = _patches(shot, _job(tmp_path))
    assert composited(shot, patches)[9].tobytes() == plates[9].tobytes()
    assert patches[1].known is not None and set(np.unique(patches[1].known)) == {Known.UNSAID, Known.INVENTED}
    assert patches[0].notes == ()
    assert patches[1].notes == (
        "Frames 1007-1012: a cut lies between here and every painted frame, so the plate is kept",
    )


def test_unlike_frames_are_named(rigid: CarryShot, tmp_path: Path) -> None:
    plates = rigid.plates.copy()
    rng = np.random.default_rng(0)
    plates[9][rigid.mattes[9] > 0] = rng.uniform(0, 1, (int((rigid.mattes[9] > 0).sum()), 3))
    patches = _patches(replace(rigid.shot(PAINTED), plates=plates), _job(tmp_path))
    assert patches[0].notes == ()
    assert any(
        note.startswith("Frame 1010: little here looks as it does where it was painted") for note in patches[1].notes
    )


def test_a_painting_equal_to_the_plate_is_refused(rigid: CarryShot, tmp_path: Path) -> None:
    shot = rigid.shot(PAINTED)
    shot.painted[FIRST + PAINTED] = rigid.plates[PAINTED]
    with pytest.raises(BadInput, match="No painted frame differs"):
        _carried(shot, _job(tmp_path))


def test_an_unknown_transfer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="transfer=blend is unknown") as caught:
        TemporalEngine().load(_job(tmp_path, transfer="blend"))
    assert "transfer=log" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("edit", "wanted"),
    [("paint", Transfer.GAIN), ("grade", Transfer.LOG), ("blemish", Transfer.GAIN), ("logo", Transfer.GAIN)],
)
def test_the_painting_says_what_to_carry(edit: str, wanted: Transfer) -> None:
    shot = make_carry("rigid", edit, seed=3, size=replace(SMALL, frames=2), drawn=True)
    inside = (np.abs(shot.edited[0] - shot.plates[0]) > 0.01).any(axis=2)
    assert choose_transfer(edit=shot.edited[0], plate=shot.plates[0], inside=inside) is wanted


def test_a_ratio_of_nothing_changes_nothing() -> None:
    plate = np.array([[[0.2, -0.5, 3.0]]], np.float32)
    assert np.allclose(regraded(plate=plate, ratio=np.zeros_like(plate)), plate, atol=1e-6)


def test_a_painting_without_the_plates_grain_is_known() -> None:
    rng = np.random.default_rng(2)
    clean = np.full((120, 120, 3), 0.4, np.float32)
    frames = [clean + rng.normal(0, 0.02, clean.shape).astype(np.float32) for _ in range(2)]
    grain = replace(Grain.none(), floor=np.full(3, 4e-4))
    use = np.ones((120, 120), bool)
    own = measure_grained(edit=frames[0] * 0.9, plate=frames[0], other=frames[1], use=use, grain=grain)
    none = measure_grained(edit=clean * 0.5, plate=frames[0], other=frames[1], use=use, grain=grain)
    assert own.shared
    assert not none.shared and none.kept < 0.05


# --- remove, with a painted clean plate ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rigged() -> ArrayShot:
    return make("rig", seed=1, size=Size(width=160, height=96, frames=10, subframes=1, over=1))


def test_a_painted_background_is_taken_and_not_invented(rigged: ArrayShot, tmp_path: Path) -> None:
    assert rigged.clean is not None
    frame = rigged.frames[4]
    painted = replace(rigged, painted={frame: rigged.clean[4]})
    patches = _patches(painted, job_in(tmp_path / "a", grain="none"), length=5)
    plain = _patches(rigged, job_in(tmp_path / "b", grain="none"), length=5)
    with_it, without = composited(painted, patches), composited(rigged, plain)
    inside = rigged.holes[4] > 0
    assert with_it[4][inside].tobytes() == rigged.clean[4][inside].tobytes()
    says, said = (
        np.concatenate([patch.known for patch in some if patch.known is not None]) for some in (patches, plain)
    )
    assert (said == Known.INVENTED).sum() > 500
    assert (says == Known.INVENTED).sum() < 0.5 * (said == Known.INVENTED).sum()
    box = patches[0].box.within(rigged.bounds)
    better = np.zeros(rigged.holes.shape, np.float32)
    better[(slice(None), *box)] = (said == Known.INVENTED) & (says == Known.CARRIED)
    better[4] = 0
    assert psnr(with_it, rigged.clean, better) > psnr(without, rigged.clean, better) + 3
    seen = np.zeros(rigged.holes.shape, bool)
    seen[(slice(None), *box)] = said == Known.SEEN
    seen[4] = False
    assert with_it[seen].tobytes() == without[seen].tobytes()
