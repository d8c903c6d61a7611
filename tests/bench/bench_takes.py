"""Takes: what a small change costs against the first run, what a long line of edits costs, and that 20 turns wear
nothing out.

The curve of the 20 turns is drawn into docs/pictures/turns.svg with `--only curve`.
"""

from __future__ import annotations

import json
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
from bench_io import SilentReport
from rows import Choice, Row
from shots import write_plate

from secondtake.messages import FixRequest, FixResult, Operation
from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.exr_read import read_planes
from secondtake_daemon.pipeline import Folders, render_fix
from secondtake_daemon.takes.manifest import load

FRAMES, WIDTH, HEIGHT = 240, 480, 270
KEYS = {1001: 120.0, 1061: 200.0, 1121: 240.0, 1181: 180.0, 1240: 140.0}
LINE, TURNS = 50, 20
FRAME_S = 0.25
"""What the stand-in takes for a frame here: a small part of what a model does."""
PICTURE = Path(__file__).resolve().parents[2] / "docs" / "pictures" / "turns.svg"


def measure(choice: Choice) -> list[Row]:
    """Shares of the first run, seconds, MiB, stops."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temp:
        if choice.has("reedit"):
            rows += _reedit(Path(temp) / "reedit")
        if choice.has("line"):
            rows += _line(Path(temp) / "line")
        if choice.has("curve"):
            rows += _curve(Path(temp) / "curve", draw="curve" in choice.only)
    return rows


def _reedit(root: Path) -> list[Row]:
    plate = write_plate(root / "plate", frames=FRAMES, width=WIDTH, height=HEIGHT)
    write_shapes(root / "first.json", KEYS)
    write_shapes(root / "moved.json", {**KEYS, 1121: 232.0})
    first = _fix(root, plate=plate, matte=root / "first.json", options={"mode": "noise"})
    moved = _fix(root, plate=plate, matte=root / "moved.json", options={"mode": "noise"})
    windows, known = len(_keys(first)), len(_keys(first) & _keys(moved))
    return [
        Row(bench="takes", what=f"{FRAMES} frames, one of five matte keys moved", figure="windows made", unit="",
            value=windows - known, rival="first run", rival_value=windows, ratio=windows / (windows - known)),
        *_one_window(root, plate),
    ]  # fmt: skip


def _keys(result: FixResult) -> set[str]:
    return set(filter(None, load(Path(result.manifest)).patches))


def _one_window(root: Path, plate: str) -> list[Row]:
    """A key that one window sees, at the price that a frame has with a model on a small machine."""
    write_shapes(root / "held.json", {1001: 120.0})
    write_shapes(root / "touched.json", {1001: 120.0, 1020: 120.0, 1021: 132.0, 1022: 120.0})
    options, frames = {"mode": "noise", "frame_s": str(FRAME_S)}, "1001-1060"
    first_s = _timed(root, plate, root / "held.json", options, frames=frames)
    again_s = _timed(root, plate, root / "touched.json", options, frames=frames)
    return [
        Row(bench="takes", what="60 frames, the matte of one moved", figure=f"{FRAME_S} s a frame", unit="%",
            value=100 * again_s / first_s, rival="first run", rival_value=100.0, ratio=first_s / again_s,
            goal="1 window of 16, and the writing", met=again_s / first_s < 0.25),
    ]  # fmt: skip


def _timed(root: Path, plate: str, matte: Path, options: dict[str, str], *, frames: str = "") -> float:
    started = time.perf_counter()
    _fix(root, plate=plate, matte=matte, options=options, frames=frames)
    return time.perf_counter() - started


def _line(root: Path) -> list[Row]:
    """Fifty edits, each on the one before, each with a matte of its own."""
    plate = write_plate(root / "plate", frames=8, width=WIDTH, height=HEIGHT)
    seconds, memory_mib, on = list[float](), list[float](), None
    for turn in range(LINE):
        write_shapes(root / f"{turn}.json", {1001: 60.0 + 7 * turn})
        started = time.perf_counter()
        on = _fix(root, plate=plate, matte=root / f"{turn}.json", options={"mode": "noise"}, on=on, seed=turn)
        seconds.append(time.perf_counter() - started)
        memory_mib.append(psutil.Process().memory_info().rss / 2**20)
    first_s, last_s = float(np.median(seconds[:5])), float(np.median(seconds[-5:]))
    what = f"a line of {LINE} edits, 8 frames of {WIDTH}×{HEIGHT}"
    return [
        Row(bench="takes", what=what, figure="the last edits", value=last_s, unit="s", rival="the first edits",
            rival_value=first_s, ratio=last_s / first_s, goal="≤ 1.5×", met=last_s <= 1.5 * first_s),
        Row(bench="takes", what=what, figure="memory after the last", value=memory_mib[-1], unit="MiB",
            rival="after the fifth", rival_value=memory_mib[4], ratio=memory_mib[-1] / memory_mib[4]),
    ]  # fmt: skip


def _curve(root: Path, *, draw: bool) -> list[Row]:
    """Twenty turns of an engine that adds noise: said again from the plate, and from the last result."""
    plate = write_plate(root / "plate", frames=4, width=WIDTH, height=HEIGHT)
    write_shapes(root / "m.json", {1001: 200.0})
    truth = _pixels(sorted((root / "plate").iterdir()))
    ours, naive, on = [], [], None
    for turn in range(TURNS):
        said = _fix(root, plate=plate, matte=root / "m.json", options={"mode": "wear"}, seed=turn)
        on = _fix(root, plate=plate, matte=root / "m.json", options={"mode": "wear"}, seed=turn, on=on)
        ours.append(float(np.sqrt(np.mean((_pixels(said.files) - truth) ** 2))))
        naive.append(float(np.sqrt(np.mean((_pixels(on.files) - truth) ** 2))))
    if draw:
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_text(_svg({"each turn from the last result": naive, "each turn from the plate": ours}))
    return [
        Row(bench="takes", what=f"{TURNS} turns of noise", figure="error of the last", value=1000 * ours[-1], unit="‰",
            rival="from the last result", rival_value=1000 * naive[-1], ratio=naive[-1] / ours[-1],
            goal="as after one", met=ours[-1] <= 1.1 * ours[0]),
    ]  # fmt: skip


def _fix(
    root: Path,
    *,
    plate: str,
    matte: Path,
    options: dict[str, str],
    on: FixResult | None = None,
    seed: int = 0,
    frames: str = "",
) -> FixResult:
    name = uuid.uuid4().hex
    parent = load(Path(on.manifest)).take if on else ""
    if on:
        first = Path(on.files[0])
        plate = str(first.with_name(f"bench.{parent}.####.exr"))
    request = FixRequest(
        job=name, shot="bench", plate=plate, matte=str(matte), out=str(root / name), operation=Operation.REPLACE,
        engine="standin", engine_options=options, seed=seed, parent=parent, frames=frames,
    )  # fmt: skip
    folders = Folders(cache=root / "cache", takes=root / "takes", cache_bytes=1 << 34)
    return render_fix(request, take="t" + name[:8], folders=folders, report=SilentReport())


def write_shapes(path: Path, keys: dict[int, float]) -> None:
    """An ellipse that moves along x."""
    shape = {"kind": "ellipse", "keys": [{"frame": f, "centre": [x, 135], "radii": [40, 50]} for f, x in keys.items()]}
    path.write_text(json.dumps({"version": 1, "size": [WIDTH, HEIGHT], "shapes": [shape]}))


def _pixels(files: Sequence[str] | Sequence[Path]) -> np.ndarray:
    planes = [read_planes(inspect(Path(file))).planes for file in files]
    return np.stack([each[name].astype(np.float64) for each in planes for name in "RGB"])


def _svg(curves: dict[str, list[float]]) -> str:
    """Lines over turns, from 0 to the largest value."""
    wide, high, left, most = 460, 200, 60, max(max(values) for values in curves.values())
    colours, drawn = ("#c0392b", "#2c7a4b"), []
    for at, (name, values) in enumerate(curves.items()):
        points = " ".join(
            f"{left + turn * (wide - left - 20) / (len(values) - 1):.1f},{high - 30 - value / most * (high - 60):.1f}"
            for turn, value in enumerate(values)
        )
        drawn.append(f'<polyline points="{points}" fill="none" stroke="{colours[at]}" stroke-width="2"/>')
        drawn.append(f'<text x="{left + 12}" y="{24 + 16 * at}" fill="{colours[at]}">{name}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" font-size="12">\n'
        f'<rect width="{wide}" height="{high}" fill="#fff"/>\n'
        f'<path d="M{left} 20V{high - 30}H{wide - 20}" fill="none" stroke="#888"/>\n'
        f'<text x="4" y="26">{most:.4f}</text><text x="4" y="{high - 30}">0</text>\n'
        f'<text x="{left}" y="{high - 10}">1</text><text x="{wide - 34}" y="{high - 10}">{TURNS} turns</text>\n'
        + "\n".join(drawn)
        + "\n</svg>\n"
    )
