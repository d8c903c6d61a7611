"""Takes and jobs as a .blend remembers them, so that they are found again when it is opened."""

from __future__ import annotations

from typing import Any

import bpy

from .choice_text import read_choice, write_choice
from .compat import Rna
from .live import LiveJob, take_of
from .place import Place, Target
from .plate import PlateChoice
from .refusal import Refusal
from .settings import settings_of
from .take import Take

__all__ = [
    "choice_of",
    "find_record",
    "keep",
    "place_in",
    "record_of_take",
    "records",
    "remove",
    "select",
    "take_in",
    "unfinished",
]


def records() -> list[Any]:
    """All records of all scenes."""
    return [record for scene in bpy.data.scenes for record in settings_of(scene).takes]


def find_record(job: str) -> Rna | None:
    """The record of a job, wherever it is."""
    return next((record for record in records() if record.job == job), None)


def record_of_take(take: str) -> Rna | None:
    """The record of a take."""
    return next((record for record in records() if take and record.take == take), None)


def unfinished() -> list[Any]:
    """Records of jobs whose take is not there yet."""
    return [record for record in records() if record.job and not record.take]


def keep(live_job: LiveJob) -> Rna:
    """Write down a job as it is now; after an undo took its record away, again."""
    record = find_record(live_job.job)
    if record is None:
        scene = bpy.data.scenes.get(live_job.place.choice.scene) or bpy.data.scenes[0]
        record = settings_of(scene).takes.add()
        record.job, record.plate_uid, record.target = (
            live_job.job,
            live_job.place.plate_uid,
            live_job.place.target.value,
        )
        record.choice = write_choice(live_job.place.choice)
        record.operation = str(live_job.params.get("operation") or "")
        record.instruction = str(live_job.params.get("instruction") or "")
        record.engine = str(live_job.params.get("engine") or "")
        record.before = live_job.before
    if live_job.take and record.take != live_job.take:
        record.take, record.name = live_job.take, live_job.take
    if record.folder != live_job.folder or record.pattern != live_job.final_pattern:
        record.folder, record.pattern = live_job.folder, live_job.final_pattern
    return record


def select(record: Rna) -> None:
    """Make it the active one of its list."""
    for scene in bpy.data.scenes:
        settings = settings_of(scene)
        for place, each in enumerate(settings.takes):
            if each.job == record.job:
                settings.take_index = place


def remove(job: str) -> None:
    """Forget a job or take; its files stay."""
    for scene in bpy.data.scenes:
        settings = settings_of(scene)
        for place, record in enumerate(settings.takes):
            if record.job == job:
                settings.takes.remove(place)
                settings.take_index = max(min(settings.take_index, len(settings.takes) - 1), 0)
                return


def choice_of(record: Rna) -> PlateChoice:
    """The plate that a record's take was made of. Raises Refusal."""
    try:
        return read_choice(record.choice)
    except ValueError as error:
        raise Refusal(
            "The .blend does not say where this take goes", remedy="Add its files by hand", path=record.folder
        ) from error


def place_in(record: Rna) -> Place:
    """Where a record's take goes. Raises Refusal."""
    return Place(target=Target(record.target), plate_uid=record.plate_uid, choice=choice_of(record))


def take_in(record: Rna) -> Take:
    """A record's take, for landing. Raises Refusal."""
    return take_of(record.take or record.job, record.folder, record.pattern, choice_of(record))
