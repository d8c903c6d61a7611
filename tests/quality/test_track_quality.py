"""How well a matte drawn on one frame follows its thing: overlap with the true one, floors under what is measured."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent))

from array_shots import PLATES, ArrayShot, rendered
from scenes import Size
from track_scenes import KINDS, TrackShot, band_error, edge_width, held, make_track, overlap

from secondtake.messages import Quality
from secondtake_daemon.engines.temporal.analysis import Analysis, analyse
from secondtake_daemon.engines.temporal.kinds import preset_for
from secondtake_daemon.engines.temporal.matte_track import track_matte

SMALL = Size(width=240, height=136, frames=14, subframes=2, over=2)
MIDDLE = 7

needs_plates = pytest.mark.skipif(not PLATES.is_dir(), reason=f"the rendered test shots are not at {PLATES}")


@cache
def scene(kind: str) -> tuple[TrackShot, Analysis]:
    shot = make_track(kind, seed=2, size=SMALL)
    return shot, analysed(shot.shot)


def analysed(shot: ArrayShot) -> Analysis:
    return analyse(shot=shot, preset=preset_for(quality=Quality.FINAL), step=lambda: None)


def tracked(
    analysis: Analysis, alphas: NDArray[np.float32], *drawn: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Mattes and confidences of all frames, from what is drawn on some."""
    mattes, sure = np.zeros_like(alphas), np.zeros(len(alphas))
    for found in track_matte(analysis, drawn=drawn, read=lambda index: alphas[index], step=lambda: None):
        mattes[found.index], sure[found.index] = found.coverage, found.confidence
    return mattes, sure


def chained(shot: TrackShot, drawn: int) -> NDArray[np.float32]:
    """The baseline of those who have optical flow: the matte is moved along DIS, frame by frame."""
    grey = [
        np.clip(np.rint(255 * np.clip(plate @ (0.2627, 0.678, 0.0593), 0, 1) ** (1 / 2.2)), 0, 255).astype(np.uint8)
        for plate in shot.plates
    ]
    dis = cv2.DISOpticalFlow.create(cv2.DISOpticalFlow_PRESET_MEDIUM)
    mattes = shot.alphas.copy()
    rows, columns = np.mgrid[: mattes.shape[1], : mattes.shape[2]].astype(np.float32)
    for way, end in ((1, len(mattes) - 1), (-1, 0)):
        for index in range(drawn, end, way):
            flow = np.asarray(dis.calc(grey[index + way], grey[index], None), np.float32)
            mattes[index + way] = cv2.remap(
                mattes[index], columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_LINEAR
            )
    return mattes


@pytest.mark.parametrize(("kind", "floor"), [
    ("walk", 0.96), ("turn", 0.96), ("grow", 0.96), ("sway", 0.94), ("limb", 0.94), ("covered", 0.90), ("leave", 0.92),
])  # fmt: skip
def test_one_drawn_frame_is_enough(kind: str, floor: float) -> None:
    shot, analysis = scene(kind)
    mattes, _ = tracked(analysis, shot.alphas, MIDDLE)
    found = overlap(mattes, shot.alphas)
    assert found >= floor
    assert found >= overlap(chained(shot, MIDDLE), shot.alphas) + 0.01
    assert found >= overlap(held(shot, MIDDLE), shot.alphas) + 0.2
    assert band_error(mattes, shot.alphas) <= 0.4 * band_error(held(shot, MIDDLE), shot.alphas)


def test_every_kind_is_tested() -> None:
    marks = test_one_drawn_frame_is_enough.pytestmark  # type: ignore[attr-defined]
    assert {kind for kind, _ in marks[0].args[1]} == set(KINDS)


@pytest.mark.parametrize("kind", ["sway", "grow"])
def test_three_drawn_frames_are_better_than_one(kind: str) -> None:
    shot, analysis = scene(kind)
    one, _ = tracked(analysis, shot.alphas, MIDDLE)
    three, _ = tracked(analysis, shot.alphas, 1, MIDDLE, 12)
    assert overlap(three, shot.alphas) > overlap(one, shot.alphas)
    assert band_error(three, shot.alphas) < band_error(one, shot.alphas)


def test_soft_edges_keep_their_width() -> None:
    shot, analysis = scene("walk")
    soft = np.stack([cv2.GaussianBlur(alpha, (0, 0), 2.0) for alpha in shot.alphas])
    mattes, _ = tracked(analysis, soft, 1, 12)
    for index in (0, 4, MIDDLE, 13):
        assert edge_width(mattes[index]) == pytest.approx(edge_width(soft[index]), rel=0.2)


def test_what_is_covered_is_reported() -> None:
    """Behind the post the shape goes on, but the confidence says that nobody saw it."""
    shot, analysis = scene("covered")
    _, sure = tracked(analysis, shot.alphas, MIDDLE)
    seen = [index for index in range(len(sure)) if sure[index] > 0.75]
    assert min(seen) == 0
    assert sure.min() < 0.6 * np.median(sure[seen])


@needs_plates
@pytest.mark.parametrize(("kind", "floor"), [("static", 0.95), ("parallax", 0.96), ("pan", 0.97)])
def test_rendered_shot(kind: str, floor: float) -> None:
    shot = rendered(kind, last=14)
    alphas = shot.holes.copy()
    shot.holes = np.zeros_like(alphas)
    mattes, _ = tracked(analysed(shot), alphas, 7)
    assert overlap(mattes, alphas) >= floor
    assert mattes[7].tobytes() == alphas[7].tobytes()


def test_scores_know_a_perfect_result() -> None:
    shot, _ = scene("walk")
    assert overlap(shot.alphas, shot.alphas) == 1
    assert band_error(shot.alphas, shot.alphas) == 0
    assert overlap(held(shot, 0), shot.alphas) < 0.6
