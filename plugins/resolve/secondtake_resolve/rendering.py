"""Render a range of the timeline to EXR through Deliver, and leave Deliver as it was."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from .calls import Host, sure
from .kept_state import Kept, kept_render, put_back
from .ranges import Range, SourceFrame
from .refusal import Cancelled, Refusal
from .render_state import RenderJob

__all__ = ["Clock", "render_range"]

_PREFIX = "secondtake_"
_PRESET = "__secondtake_keep_"
_SAMPLE_BYTES, _CHANNELS = 2, 4
_POLL_S, _STALL_S = 0.25, 120.0
_ONE_CLIP = 1

Progress = Callable[[str, float], bool]
"""Gets words and a share of the whole; False cancels."""


@dataclass(frozen=True)
class Clock:
    """Time, which tests turn by hand."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def render_range(
    host: Host,
    kept: Kept,
    job: RenderJob,
    *,
    numbers: Range[SourceFrame],
    ours: str,
    tracks: Collection[int],
    progress: Progress,
    clock: Clock,
) -> str:
    """Render into `job.folder`, which is made, and name the files `NAME.<number>.exr` by `numbers`; their pattern.

    ours: the folder above all of our jobs, of which none may be left. tracks: the video tracks that show. Call it
    inside `kept_state`. Raises Refusal or Cancelled; then nothing of it is left in the queue. The folder is for the
    caller to remove.
    """
    folder = Path(job.folder)
    _require_room(folder, job)
    preset = f"{_PRESET}{os.getpid()}"
    folder.mkdir(parents=True, exist_ok=True)
    with kept_render(host, kept, preset=preset):
        _clear_leftovers(host, kept, ours, preset)
        host.set_enables([index in tracks for index, _ in enumerate(host.enables(), start=1)])
        host.open_page("deliver")
        host.set_render_mode(_ONE_CLIP)
        host.set_render_format(host.exr_half())
        files = _run(host, kept, replace(job, name=_PREFIX + job.name), progress, clock)
    return _number_files(files, folder, job.name, numbers)


def _run(host: Host, kept: Kept, job: RenderJob, progress: Progress, clock: Clock) -> list[Path]:
    known = sure(host.job_ids)
    try:
        job_id = host.add_job(job)
        host.start_job(job_id)
        return _wait(host, job, job_id, progress, clock)
    finally:
        put_back(kept, "Deliver, which still renders", lambda: _stop_ours(host, known))
        put_back(kept, "the render queue", lambda: _delete_ours(host, known, job.folder))


def _stop_ours(host: Host, known: frozenset[str]) -> None:
    if host.job_ids() - known:
        host.stop_rendering()


def _delete_ours(host: Host, known: frozenset[str], folder: str) -> None:
    """Of the jobs that came since, those that write into our folder: also one whose id Resolve kept to itself."""
    for job_id in host.jobs_into(folder):
        if job_id not in known:
            host.delete_job(job_id)


def _wait(host: Host, job: RenderJob, job_id: str, progress: Progress, clock: Clock) -> list[Path]:
    """Poll until all files are there and have stopped growing. What Resolve says of a job is not enough."""
    count = job.record.count
    before: tuple[list[Path], int] = ([], -1)
    grew_s = clock.now()
    while True:
        state = host.job_state(job_id)
        if state.is_lost:
            why = f" ({state.error})" if state.error else ""
            raise Refusal(f"Resolve did not render the range: {state.status}{why}", remedy="Look at its Deliver page")
        files = sorted(path for path in Path(job.folder).rglob(f"{job.name}*") if path.suffix.lower() == ".exr")
        found = files, sum(path.stat().st_size for path in files)
        if found != before:
            grew_s, before = clock.now(), found
        elif state.may_be_whole:
            return _require_all(files, count)
        if clock.now() - grew_s > _STALL_S:
            raise Refusal("Rendering does not go on", remedy="Look for a dialog of Resolve, close it, and try again")
        if not progress(f"Rendering {len(files)} of {count}", len(files) / count):
            raise Cancelled
        clock.sleep(_POLL_S)


def _require_all(files: Sequence[Path], count: int) -> list[Path]:
    numbers = [_trailing_number(path) for path in files]
    is_whole = len(files) == count
    if not is_whole or numbers != list(range(numbers[0], numbers[0] + count)):
        raise Refusal(
            f"Resolve rendered {len(files)} frames {'with a gap between them' if is_whole else f'and not {count}'}",
            remedy="Turn off frame handles and individual clips in Deliver, look at the free disk space, and try again",
        )
    return list(files)


def _number_files(files: Sequence[Path], folder: Path, name: str, numbers: Range[SourceFrame]) -> str:
    """Give the files our own numbers: which ones Deliver takes depends on its settings."""
    digits = max(4, len(str(numbers.last)))
    for number, path in zip(range(numbers.start, numbers.end), files):
        path.replace(folder / f"{name}.{number:0{digits}d}.exr")
    for below in [path for path in folder.iterdir() if path.is_dir()]:
        with suppress(OSError):  # not empty: not ours to judge
            below.rmdir()
    return str(folder / f"{name}.{'#' * digits}.exr")


def _trailing_number(path: Path) -> int:
    stem = path.stem
    digits = stem[len(stem.rstrip("0123456789")) :]
    return int(digits) if digits else -1


def _clear_leftovers(host: Host, kept: Kept, ours: str, preset: str) -> None:
    """What an earlier run left that was killed: its jobs go; settings that it kept are the artist's, and stay."""
    for job_id in host.jobs_into(ours):
        put_back(kept, "the render queue", partial(host.delete_job, job_id))
    for name in host.render_presets():
        if name.startswith(_PRESET) and name != preset:
            kept.lost.append(f"A run that was killed left your render settings as the preset {name}")


def _require_room(folder: Path, job: RenderJob) -> None:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        raise Refusal(
            f"The folder cannot be used ({error.strerror})", remedy="Choose another", path=str(there)
        ) from error
    wanted = job.record.count * job.size_px[0] * job.size_px[1] * _CHANNELS * _SAMPLE_BYTES
    if free < wanted:
        raise Refusal(
            f"The range needs {wanted / 1e9:.1f} GB and {free / 1e9:.1f} GB are free",
            remedy="Make room",
            path=str(there),
        )
