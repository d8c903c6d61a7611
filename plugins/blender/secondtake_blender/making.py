"""What has to be made before a job can be sent, by a background Blender; what is painted is written bit by bit."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from . import previz
from .background import State
from .chores import Chore
from .live import LiveJob, Step
from .matte import MATTE
from .orders import Beauty, PrevizOrder
from .painting import Painting
from .refusal import Refusal
from .rendering import COPY, start_rendering

__all__ = ["begin_next", "look", "stop"]

_PLATE = "plate.####.exr"
_STEP_S = 0.002


def begin_next(job: LiveJob) -> None:
    """Begin the first of the job's orders. Raises Refusal."""
    job.rendering, order = job.orders[0]
    folder = job.work_folder / job.rendering
    if isinstance(order, Painting):
        job.chore = Chore(order.write(folder))
        job.total = 0
    else:
        job.background = start_rendering(order, folder)
        job.total = len(order.pairs)
    job.step, job.done = Step.RENDER, 0


def look(job: LiveJob) -> bool:
    """True if it is made, and put into the request. Raises Refusal if it failed or was cancelled."""
    if job.chore is not None:
        return _look_at_chore(job)
    background = job.background
    if background is None:
        return True
    progress = background.poll()
    job.done, job.total = progress.done, progress.total or job.total
    if progress.state is State.RUNNING:
        return False
    job.background = None
    _, order = job.orders.pop(0)
    if progress.state is not State.DONE:
        raise progress.problem or Refusal("The background Blender was stopped", remedy="Press Fix again")
    folder = job.work_folder / job.rendering
    (folder / COPY).unlink(missing_ok=True)
    if isinstance(order, PrevizOrder):
        _use_previz(job, order, folder)
    elif job.rendering == "plate":
        _use_plate(job, os.fspath(folder / _PLATE))
    else:
        job.params["matte"] = os.fspath(folder / MATTE)
    job.done = job.total = 0
    return True


def stop(job: LiveJob) -> None:
    """End what is being made, now; its files go away."""
    if job.background is not None:
        job.background.close()
        job.background = None
    if job.chore is not None:
        job.chore.stop()
        job.chore = None
    shutil.rmtree(job.work_folder, ignore_errors=True)


def _look_at_chore(job: LiveJob) -> bool:
    chore = job.chore
    if chore is None or not chore.step(budget_s=_STEP_S):
        return False
    job.chore = None
    del job.orders[0]
    if chore.problem is not None:
        raise chore.problem
    if chore.made is not None:
        job.params.update(matte=chore.made.path, matte_channel=chore.made.channel)
    return True


def _use_plate(job: LiveJob, path: str) -> None:
    job.params["plate"] = path
    job.place = job.place.with_choice(job.place.choice.rendered(path))


def _use_previz(job: LiveJob, order: PrevizOrder, folder: Path) -> None:
    """The picture is the plate, and the passes go with it, as far as the engine makes use of them."""
    passes = os.fspath(folder / previz.PASSES)
    picture = os.fspath(folder / previz.BEAUTY) if order.beauty is Beauty.WORKBENCH else passes
    job.place = job.place.with_choice(job.place.choice.rendered(picture))
    if job.previz.has_picture:
        job.params["plate"] = picture
    if job.previz.has_motion:
        job.params["motion"] = passes
    if job.previz.has_depth:
        job.params["control"] = passes
