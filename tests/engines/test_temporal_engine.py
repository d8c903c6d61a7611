"""The temporal engine as the pipeline sees it: same bytes whatever is asked first, on any shot that can be read."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from secondtake.boxes import Box
from secondtake.errors import BadMatte, Cancelled
from secondtake.messages import Operation, Quality
from secondtake_daemon.engines.temporal.card import CARD
from secondtake_daemon.engines.temporal.engine import TemporalEngine

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "quality"))

from array_shots import ArrayShot, composited, job_in, removed, windows_of
from scenes import Size, make
from scores import psnr, telea

SMALL = Size(width=160, height=96, frames=10, subframes=1, over=1)


@pytest.fixture(scope="module")
def panned() -> ArrayShot:
    return make("pan", seed=5, size=SMALL)


def test_card_says_what_it_can() -> None:
    painted = frozenset({Operation.MODIFY, Operation.REPLACE, Operation.RESTYLE})
    assert (CARD.name, CARD.version, CARD.operations) == ("temporal", "5", painted | {Operation.REMOVE})
    assert CARD.needs_painted == painted
    assert CARD.deterministic and CARD.sees_shot and CARD.says_how
    assert TemporalEngine().card is CARD


def test_patch_has_the_windows_shape_and_is_finite(panned: ArrayShot, tmp_path: Path) -> None:
    engine, job = TemporalEngine(), job_in(tmp_path)
    engine.load(job)
    window = windows_of(panned)[1]
    patch = engine.generate(window, job)
    assert patch.frames == window.frames and patch.box == window.crop
    assert patch.pixels.shape == (len(window.frames), window.crop.height, window.crop.width, 3)
    assert patch.pixels.dtype == np.float32 and np.isfinite(patch.pixels).all()


def test_beats_telea_by_far(panned: ArrayShot, tmp_path: Path) -> None:
    assert panned.clean is not None
    ours = psnr(removed(panned, tmp_path), panned.clean, panned.holes)
    assert ours > psnr(telea(panned.plates, panned.holes), panned.clean, panned.holes) + 8


def test_same_bytes_in_any_order_and_after_a_restart(panned: ArrayShot, tmp_path: Path) -> None:
    forward = removed(panned, tmp_path / "a")
    job = job_in(tmp_path / "b")
    patches = []
    for window in reversed(windows_of(panned)):
        engine = TemporalEngine()  # a new worker each time: it goes on from the scratch folder
        engine.load(job)
        patches.append(engine.generate(window, job))
    assert composited(panned, patches).tobytes() == forward.tobytes()


def test_same_bytes_for_never_seen_core_in_any_order(tmp_path: Path) -> None:
    shot = make("rig", seed=1, size=SMALL)
    forward = removed(shot, tmp_path / "a")
    engine, job = TemporalEngine(), job_in(tmp_path / "b")
    engine.load(job)
    patches = [engine.generate(window, job) for window in reversed(windows_of(shot, length=3))]
    assert composited(shot, patches).tobytes() == forward.tobytes()
    assert any("never seen in any frame" in note for note in patches[0].notes)


def test_same_bytes_with_one_thread(panned: ArrayShot, tmp_path: Path) -> None:
    many = removed(panned, tmp_path / "a")
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        assert removed(panned, tmp_path / "b").tobytes() == many.tobytes()
    finally:
        cv2.setNumThreads(threads)


def test_a_damaged_study_is_made_again(panned: ArrayShot, tmp_path: Path) -> None:
    good = removed(panned, tmp_path / "a")
    removed(panned, tmp_path / "b")
    for path in (tmp_path / "b").iterdir():
        path.write_bytes(path.read_bytes()[:200])
    assert removed(panned, tmp_path / "b").tobytes() == good.tobytes()


def test_scratch_holds_no_half_written_file(panned: ArrayShot, tmp_path: Path) -> None:
    removed(panned, tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".npz"}


def test_data_window_and_gaps_do_not_matter(panned: ArrayShot, tmp_path: Path) -> None:
    plain = removed(panned, tmp_path / "a", grain="none")  # grain follows the frame's number
    numbers = (7, 9, 10, 15, 16, 17, 20, 30, 31, 40)
    moved = replace(panned, corner=(-13, 40), numbers=numbers)
    assert removed(moved, tmp_path / "b", grain="none").tobytes() == plain.tobytes()


def test_a_larger_crop_changes_nothing(panned: ArrayShot, tmp_path: Path) -> None:
    engine, job = TemporalEngine(), job_in(tmp_path / "b")
    engine.load(job)
    whole = [engine.generate(replace(window, crop=panned.bounds), job) for window in windows_of(panned)]
    assert composited(panned, whole).tobytes() == removed(panned, tmp_path / "a").tobytes()


def test_draft_also_fills(panned: ArrayShot, tmp_path: Path) -> None:
    assert panned.clean is not None
    draft = psnr(removed(panned, tmp_path, quality=Quality.DRAFT), panned.clean, panned.holes)
    assert draft > psnr(telea(panned.plates, panned.holes), panned.clean, panned.holes) + 6


def test_exposure_of_the_plate_does_not_matter(panned: ArrayShot, tmp_path: Path) -> None:
    dark = replace(panned, plates=panned.plates / 64)
    assert panned.clean is not None
    once = psnr(removed(panned, tmp_path / "a"), panned.clean, panned.holes)
    again = psnr(removed(dark, tmp_path / "b") * 64, panned.clean, panned.holes)
    assert abs(once - again) < 0.5


def test_cancel_reaches_the_analysis(panned: ArrayShot, tmp_path: Path) -> None:
    def stop() -> None:
        raise Cancelled("Stopped")

    engine, job = TemporalEngine(), replace(job_in(tmp_path), step=stop)
    engine.load(job)
    with pytest.raises(Cancelled):
        engine.generate(windows_of(panned)[0], job)


def test_nothing_to_borrow_is_said(panned: ArrayShot, tmp_path: Path) -> None:
    covered = replace(panned, holes=np.ones_like(panned.holes))
    with pytest.raises(BadMatte, match="covers every pixel of every frame"):
        removed(covered, tmp_path)


def test_reads_are_boxes_inside_the_plate(panned: ArrayShot, tmp_path: Path) -> None:
    class Strict(ArrayShot):
        def plate(self, frame: int, box: Box) -> np.ndarray:
            assert not box.is_empty and self.bounds.contains(box)
            return super().plate(frame, box)

    removed(Strict(panned.plates, panned.holes), tmp_path)
