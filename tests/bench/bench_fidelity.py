"""How true the removed background is: the temporal engine beside Telea and, where installed, G'MIC's patch inpainting.

On the rendered shots (when they are there) and on every kind of the generator. All figures inside the matte against the
clean plate. HDR-FLIP (Andersson et al., HPG 2021) where the `flip_evaluator` package is installed.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rows import Row

sys.path.append(str(Path(__file__).resolve().parents[1] / "quality"))

from array_shots import PLATES, ArrayShot, removed, rendered
from scenes import KINDS, make
from scores import display, ms_ssim, psnr, telea, warp_error
from textures import photographs

Frames = NDArray[np.float32]

GOALS_DB = {
    "rendered static": 15.0, "rendered parallax": 4.0, "rendered pan": 0.0, "pan": 18.0, "zoom": 18.0, "track": 18.0,
    "static": 14.0, "wire": 14.0, "shake": 18.0, "rig": 18.0, "parallax": 11.0, "nonrigid": 8.0, "dyn": 7.0,
    "never": -0.5,
}  # fmt: skip
SEEDS = (0, 1)
GMIC_FRAMES = 2


@dataclass(frozen=True, slots=True)
class Score:
    """Of one method on one shot."""

    psnr_db: float
    ms_ssim: float
    warp_error: float
    flip: float | None
    seconds_a_frame: float


def measure() -> list[Row]:
    """One row for each shot and figure, ours against Telea; PSNR also against G'MIC."""
    for reason in _left_out():
        print(f"fidelity: {reason}", file=sys.stderr)
    found: list[Row] = []
    for name, shot in _shots():
        with tempfile.TemporaryDirectory() as folder:
            ours = _scored(shot, lambda shot=shot, folder=folder: removed(shot, Path(folder), grain="none"))
        other = _scored(shot, lambda shot=shot: telea(shot.plates, shot.holes))
        found += _rows(name, ours, other)
        found += _gmic_rows(name, shot, ours)
    return found


def _left_out() -> list[str]:
    """Why a rival or a shot is not in the table."""
    found = []
    if shutil.which("gmic") is None:
        found.append("G'MIC is left out: no program `gmic` (Debian package gmic)")
    if importlib.util.find_spec("flip_evaluator") is None:
        found.append("HDR-FLIP is left out: no module `flip_evaluator` (PyPI package flip-evaluator)")
    if not photographs():
        found.append("the kinds are made from drawings: no photographs of scikit-image")
    if not PLATES.is_dir():
        found.append(f"the rendered shots are left out: nothing at {PLATES}")
    return found


def _shots() -> Iterator[tuple[str, ArrayShot]]:
    if PLATES.is_dir():
        for kind in ("static", "parallax", "pan"):
            yield f"rendered {kind}", rendered(kind)
    for kind in KINDS:
        for seed in SEEDS:
            yield f"{kind} seed {seed}", make(kind, seed=seed, drawn=False)


def _rows(name: str, ours: Score, other: Score) -> list[Row]:
    goal = GOALS_DB[name.split(" seed")[0]]
    gain = ours.psnr_db - other.psnr_db
    rows = [
        Row(bench="fidelity", what=name, value=ours.psnr_db, unit="dB", rival="Telea", rival_value=other.psnr_db,
            goal=f"≥ {goal:+g} dB", met=gain >= goal),
        Row(bench="fidelity", what=name, value=ours.ms_ssim, unit="MS-SSIM", rival="Telea", rival_value=other.ms_ssim),
        Row(bench="fidelity", what=name, value=ours.warp_error, unit="warp error × 1000", rival="Telea",
            rival_value=other.warp_error, ratio=other.warp_error / max(ours.warp_error, 1e-9)),
        Row(bench="fidelity", what=name, value=ours.seconds_a_frame, unit="s/frame", rival="Telea",
            rival_value=other.seconds_a_frame),
    ]  # fmt: skip
    if ours.flip is not None and other.flip is not None:
        rows.append(
            Row(bench="fidelity", what=name, value=ours.flip, unit="HDR-FLIP", rival="Telea", rival_value=other.flip)
        )
    return rows


def _scored(shot: ArrayShot, make_result: Callable[[], Frames]) -> Score:
    assert shot.clean is not None
    start = time.perf_counter()
    result = make_result()
    seconds = (time.perf_counter() - start) / len(result)
    truth, holes = shot.clean, shot.holes
    return Score(
        psnr(result, truth, holes),
        ms_ssim(result, truth, holes),
        warp_error(result, truth, holes),
        _flip(result, truth, holes),
        seconds,
    )


def _flip(result: Frames, truth: Frames, holes: Frames) -> float | None:
    if importlib.util.find_spec("flip_evaluator") is None:
        return None
    evaluator = importlib.import_module("flip_evaluator")
    every = max(len(result) // 4, 1)
    found = []
    for one, true, hole in zip(result[::every], truth[::every], holes[::every], strict=True):
        errors = evaluator.evaluate(np.maximum(true, 0), np.maximum(one, 0), "HDR", False, False)[0]
        found.append(float(np.asarray(errors).reshape(*hole.shape, -1)[hole > 0].mean()))
    return float(np.mean(found))


def _gmic_rows(name: str, shot: ArrayShot, ours: Score) -> list[Row]:
    program = shutil.which("gmic")
    if program is None or shot.clean is None:
        return []
    at = np.linspace(0, len(shot.plates) - 1, GMIC_FRAMES).astype(int)
    start = time.perf_counter()
    result = np.stack([_gmic(program, shot.plates[i], shot.holes[i]) for i in at])
    seconds = (time.perf_counter() - start) / len(at)
    value = psnr(result, shot.clean[at], shot.holes[at])
    return [
        Row(bench="fidelity", what=name, value=ours.psnr_db, unit="dB", rival="G'MIC", rival_value=value),
        Row(bench="fidelity", what=name, value=ours.seconds_a_frame, unit="s/frame", rival="G'MIC",
            rival_value=seconds, ratio=seconds / ours.seconds_a_frame),
    ]  # fmt: skip


def _gmic(program: str, plate: Frames, hole: Frames) -> Frames:
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp)
        shown = np.rint(display(plate)[..., ::-1] * 255).astype(np.uint8)
        cv2.imwrite(str(folder / "plate.png"), shown)
        cv2.imwrite(str(folder / "hole.png"), (hole > 0).astype(np.uint8) * 255)
        command = [program, "plate.png", "hole.png", "inpaint_matchpatch[0]", "[1]", "output[0]", "out.png"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=600)
        filled = np.asarray(cv2.imread(str(folder / "out.png"), cv2.IMREAD_COLOR_RGB), np.float32) / 255
    return np.where((hole > 0)[..., None], filled**2.2, plate).astype(np.float32)


if __name__ == "__main__":
    from run import main

    sys.argv[1:] = ["fidelity"]
    main()
