"""Plate → EXR with an engine that returns the plate: what Second Take itself costs, beside doing it plainly.

4K half RGB ZIP, the matte covers 5 % of the frame on a quarter of its rows. In the same run: (a) read and write the
whole frames with the EXR library on the same number of threads, (b) `cp` and fsync of the same files.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import OpenEXR
from rows import Choice, Row, median_of
from shots import write_matte, write_plate

from secondtake.messages import FixRequest, Operation
from secondtake_daemon.pipeline import Folders, render_fix

FRAMES, WIDTH, HEIGHT, RUNS = 12, 4096, 2160, 3


class SilentReport:
    """Nobody watches."""

    def phase(self, phase: object, total: int = 0) -> None:
        """Nothing."""

    def frame(self, frame: int) -> None:
        """Nothing."""

    def figures(self, figures: object) -> None:
        """Nothing."""

    def stage(self, stage: object) -> None:
        """Nothing."""

    def step(self) -> None:
        """Nothing."""


def measure(choice: Choice) -> list[Row]:
    """Seconds a frame: ours, (a), (b)."""
    with tempfile.TemporaryDirectory() as temp:
        root = Path(temp)
        plate = write_plate(root / "plate", frames=FRAMES, width=WIDTH, height=HEIGHT)
        matte = write_matte(root / "matte", frames=FRAMES, width=WIDTH, height=HEIGHT, share=0.05, rows=0.25)
        files = sorted((root / "plate").iterdir())
        ours = median_of(RUNS, lambda: _fix(root, plate, matte)) / FRAMES
        whole = median_of(RUNS, lambda: _whole(root, files)) / FRAMES
        copied = median_of(RUNS, lambda: _copy(root, files)) / FRAMES
    what = f"fix, identity engine, 4K half ZIP, {os.cpu_count()} cores"
    return [
        Row(bench="io", what=what, value=ours, unit="s/frame", rival="read + write all", rival_value=whole,
            ratio=whole / ours, goal="≥ 3×", met=whole / ours >= 3),
        Row(bench="io", what=what, value=ours, unit="s/frame", rival="cp + fsync", rival_value=copied,
            ratio=copied / ours, goal="≥ 1/4×", met=ours <= 4 * copied),
    ]  # fmt: skip


def _fix(root: Path, plate: str, matte: str) -> float:
    name = uuid.uuid4().hex
    request = FixRequest(
        job=name, shot="bench", plate=plate, matte=matte, out=str(root / name), operation=Operation.REMOVE,
        engine="standin", engine_options={"mode": "identity"},
    )  # fmt: skip
    folders = Folders(cache=root / f"cache-{name}", takes=root / "takes", cache_bytes=1 << 34)
    started = time.perf_counter()
    render_fix(request, take=f"t{name[:5]}", folders=folders, report=SilentReport())
    seconds = time.perf_counter() - started
    shutil.rmtree(root / name)
    shutil.rmtree(folders.cache)
    return seconds


def _whole(root: Path, files: list[Path]) -> float:
    target = root / "whole"
    target.mkdir()

    def one(path: Path) -> None:
        OpenEXR.File(str(path), separate_channels=True).write(str(target / path.name))
        _sync(target / path.name)

    return _timed(one, files, target)


def _copy(root: Path, files: list[Path]) -> float:
    target = root / "copy"
    target.mkdir()

    def one(path: Path) -> None:
        shutil.copyfile(path, target / path.name)
        _sync(target / path.name)

    return _timed(one, files, target)


def _timed(one: Callable[[Path], None], files: list[Path], target: Path) -> float:
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        started = time.perf_counter()
        list(threads.map(one, files))
        seconds = time.perf_counter() - started
    shutil.rmtree(target)
    return seconds


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
