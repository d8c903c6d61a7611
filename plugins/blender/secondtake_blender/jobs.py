"""A job from the button to the take: rendered first if need be, sent, watched, landed, found again after a reload."""

from __future__ import annotations

import shutil

import bpy

from . import connection, jobs_heard, making, marks, records, show
from .live import LiveJob, Step
from .place import Target
from .refusal import Refusal
from .state import live
from .words import error_line

__all__ = ["begin", "cancel", "push_undo", "reattach", "recover", "settle", "step", "watch_again"]


def begin(job: LiveJob) -> None:
    """Queue a job. What must be made first is begun, the rest happens in ticks of the pump. Raises Refusal."""
    try:
        connection.connect()
        _advance(job)
    except Refusal:
        making.stop(job)
        _unmark(job)
        raise
    live.jobs[job.job] = job
    records.keep(job)


def cancel(job: LiveJob) -> None:
    """Ask for its end, wherever it is. Raises Refusal if it cannot be asked."""
    if job.is_final:
        return
    job.is_cancelled = True
    if job.background is not None:
        job.background.cancel()
    elif job.chore is None:
        connection.ask("cancel", job=job.job)


def reattach() -> None:
    """After a .blend was opened: jobs that it remembers are watched again, those of others go on without it."""
    waiting = records.unfinished()
    kept = {record.job for record in waiting}
    for job in live.jobs.values():
        job.is_ours = job.job in kept
        job.is_shown = False  # whatever this file shows is what it was saved with
    for record in waiting:
        if record.job not in live.jobs:
            try:
                place = records.place_in(record)
            except Refusal:
                continue
            live.jobs[record.job] = LiveJob(
                job=record.job,
                place=place,
                folder=record.folder,
                words="Sent before this .blend was opened",
                step=Step.DAEMON,
            )


def watch_again() -> None:
    """Have the bridge tell about all jobs that the daemon has. Raises Refusal."""
    wanted = [job.job for job in live.jobs.values() if not job.is_final and job.step is Step.DAEMON]
    if wanted:
        connection.ask("watch", jobs=wanted)


def recover() -> None:
    """Takes of this session that an undo took out of the .blend come back into the list."""
    for job in live.finished.values():
        if records.find_record(job.job) is None:
            marks.mark_again(job.place)
            records.keep(job)


def step(job: LiveJob) -> bool:
    """Do what is due for one job; True if something changed."""
    if job.is_ours and records.find_record(job.job) is None:  # an undo took it away, and the job goes on
        marks.mark_again(job.place)
        records.keep(job)
        job.is_shown, job.unread = False, set(job.arrived)
    if job.is_being_made:
        return _look_at_making(job)
    if job.is_ours and _is_landing_due(job) and show.is_quiet(job.place):
        return _land(job)
    return False


def settle(job: LiveJob) -> None:
    """A job of this .blend that ended: its take is there, or what it showed goes away again."""
    live.line = None
    if job.state == "done":
        _land(job)
        record = records.keep(job)
        records.select(record)
        record.label = record.label or record.instruction or record.take
        push_undo(f"Second Take: {record.label}")
        if live.line is None:
            live.say(f"Take {job.take} is there", is_problem=False)
        live.finished[job.job] = live.jobs.pop(job.job)
        return
    _put_back(job)
    records.remove(job.job)
    _unmark(job)
    if job.state != "unknown":  # another daemon may have made a take of it
        shutil.rmtree(job.work_folder, ignore_errors=True)
    if job.state == "cancelled":
        live.say("Cancelled", is_problem=False)
        del live.jobs[job.job]


def _advance(job: LiveJob) -> None:
    """Make what is still to be made, else send it."""
    if job.orders:
        making.begin_next(job)
        return
    job.step = Step.ASKED
    connection.ask(
        "fix", lambda answer: jobs_heard.hear_accepted(job, answer), job=job.job, out=job.folder, **job.params
    )


def _look_at_making(job: LiveJob) -> bool:
    was = job.done
    try:
        is_over = making.look(job)
        if is_over and job.is_cancelled:
            jobs_heard.fail(job, "Cancelled", state="cancelled")
        elif is_over:
            _advance(job)
    except Refusal as refusal:
        how = ("Cancelled", "cancelled") if job.is_cancelled else (error_line(refusal), "failed")
        jobs_heard.fail(job, how[0], state=how[1])
        is_over = True
    if job.is_final:
        shutil.rmtree(job.work_folder, ignore_errors=True)
    return is_over or job.done != was


def _is_landing_due(job: LiveJob) -> bool:
    """True if the take can come up, or a frame of it has come that the playhead stands on.

    Reading the files again makes Blender draw all of them again, so frames that nobody looks at wait for the last one.
    """
    if not job.unread or not job.pattern or job.place.target is Target.CLIP:
        return False  # a clip counts its files when it is opened
    if not job.is_shown:
        first = min(pair.number for pair in job.place.choice.pairs)
        return job.place.target is Target.STRIP or job.place.choice.stands_alone or first in job.arrived
    return show.number_at_playhead(job.place) in job.unread


def _land(job: LiveJob) -> bool:
    """Show what is there: first the take comes up, later its files are only read again."""
    place = job.place
    job.unread.clear()
    try:
        shown = show.shown_take(place)
        if not job.is_shown:
            before = records.record_of_take(shown)
            job.before = before.job if before is not None else ""
        files = f"{job.folder}/{job.final_pattern}"
        if not job.is_shown or (shown == job.job and job.shown_files != files):
            show.show(job.as_take(), place)
            job.is_shown, job.shown_files = True, files
        elif shown in job.names:
            show.name(job.as_take(), place)
            show.arrived(place)
        records.keep(job)
    except Refusal as refusal:
        live.say(error_line(refusal))
    return True


def _put_back(job: LiveJob) -> None:
    """Show again what was shown before it began to land."""
    if not job.is_shown or show.shown_take(job.place) not in job.names:
        return
    try:
        before = records.find_record(job.before) if job.before else None
        if before is not None:
            show.show(records.take_in(before), records.place_in(before))
        else:
            show.reject(job.place)
    except Refusal as refusal:
        live.say(error_line(refusal))


def _unmark(job: LiveJob) -> None:
    if job.marked:
        marks.unmark(job.place)


def push_undo(message: str) -> None:
    """One step for a whole take: what a timer alters makes none."""
    if bpy.ops.ed.undo_push.poll():  # type: ignore[call-arg]
        bpy.ops.ed.undo_push(message=message)
