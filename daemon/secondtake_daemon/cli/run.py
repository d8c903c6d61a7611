"""`secondtake run`: all takes of an edit, then an animatic and a timeline of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from secondtake.client import Client
from secondtake.errors import BadInput, BadOutput, Cancelled, ErrorBody, SecondTakeError
from secondtake.messages import JobView
from secondtake_daemon.cli.fix import CLIENT_NAME
from secondtake_daemon.cli.interrupt import CancelOnInterrupt
from secondtake_daemon.cli.output import Answer, Output
from secondtake_daemon.cli.progress import Display, display, said
from secondtake_daemon.edits.attempts import Attempts
from secondtake_daemon.edits.edit import Edit, EditShot
from secondtake_daemon.edits.edit_file import load_edit
from secondtake_daemon.edits.making import Maker, Outcome, ShotState, already_there
from secondtake_daemon.edits.orders import Order, order_for

if TYPE_CHECKING:
    from secondtake_daemon.edits.cuts import Cut

__all__ = ["RunAnswer", "ShotAnswer", "run"]


class ShotAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One shot of `run --json`."""

    name: str
    take: str
    """"" if there is none."""
    state: str
    """done, plate, failed or cancelled."""
    files: tuple[str, ...]
    seconds: float
    notes: tuple[str, ...]
    error: ErrorBody | None


class RunAnswer(Answer, frozen=True, kw_only=True):
    """`run --json`, also when shots failed."""

    name: str
    shots: tuple[ShotAnswer, ...]
    animatic: str
    timeline: str
    notes: tuple[str, ...]
    error: ErrorBody | None
    """Of the first shot that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """What a run writes besides the takes."""

    animatic: Path
    timeline: Path
    attempts: Path


def run(
    context: typer.Context,
    edit: Annotated[str, typer.Argument(metavar="EDIT", help="An edit.toml, or an OpenTimelineIO file (.otio).")],
    out: Annotated[str, typer.Option(help="Folder for everything that is made, instead of the edit's own.")] = "",
    retry: Annotated[bool, typer.Option("--retry", help="Try shots again that failed before.")] = False,
    no_start: Annotated[bool, typer.Option("--no-start", help="Do not start a daemon if none runs.")] = False,
) -> None:
    """Make the takes of several shots, and an animatic and a timeline of them. Run again, it goes on where it was."""
    output: Output = context.obj
    found = load_edit(Path(edit), out=Path(_absolute(out)) if out else None)
    files = _files(found)
    _check_sound(found)
    outcomes = _make(found, files.attempts, output=output, retry=retry, autostart=not no_start)
    notes, animatic, timeline = list(found.notes), "", ""
    if not any(outcome.state is ShotState.CANCELLED for outcome in outcomes):
        played, animatic, timeline = _play(found, files, outcomes, output)
        notes += played
    error = _first_error(outcomes)
    answer = _answer(found, outcomes, notes, animatic=animatic, timeline=timeline, error=error)
    _say(outcomes, answer, output)  # only now: whoever reads may leave in the middle of it
    output.answer(answer)
    if error is not None:
        raise error


def _make(edit: Edit, attempts: Path, *, output: Output, retry: bool, autostart: bool) -> tuple[Outcome, ...]:
    """All shots in playing order. Raises DaemonLost; Cancelled at the second interrupt."""
    ocio = _configuration(os.environ.get("OCIO", ""))
    orders = [order_for(shot, out=edit.out, ocio=ocio) for shot in edit.shots if shot.is_fix]
    made = already_there(orders)
    missing = [order for order in orders if order.shot.name not in made]
    if missing:
        made |= _send(missing, Attempts(attempts), output=output, retry=retry, autostart=autostart)
    return tuple(made.get(shot.name) or _as_filmed(shot) for shot in edit.shots)


def _as_filmed(shot: EditShot) -> Outcome:
    """A shot in which nothing is to change; it fails if there is nothing to show."""
    from secondtake_daemon.edits.cuts import plate_cut

    try:
        plate_cut(shot)
    except SecondTakeError as error:
        return Outcome(shot=shot, state=ShotState.FAILED, error=error)
    return Outcome(shot=shot, state=ShotState.PLATE)


def _send(
    orders: Sequence[Order], attempts: Attempts, *, output: Output, retry: bool, autostart: bool
) -> dict[str, Outcome]:
    jobs: list[str] = []
    with (
        Client.connect(autostart=autostart, client=CLIENT_NAME) as client,
        display(output) as shown,
        CancelOnInterrupt(jobs, output) as interrupt,
    ):

        def on_view(shot: EditShot, view: JobView) -> None:
            what = f"{shot.name} {said(view)}"
            shown.show(what, done=view.done, total=view.total, frame=view.frame, stage=view.stage)

        maker = Maker(
            client, attempts, retry=retry, jobs=jobs, on_view=on_view, is_cancelled=lambda: interrupt.is_asked
        )
        return maker.make(orders)


def _play(edit: Edit, files: _Files, outcomes: Sequence[Outcome], output: Output) -> tuple[list[str], str, str]:
    """Write animatic and timeline: (notes, their paths)."""
    from secondtake_daemon.edits.animatic import write_animatic  # numpy and PyAV load only here
    from secondtake_daemon.edits.timeline_out import write_timeline

    notes: list[str] = []
    cuts = tuple(_cut(outcome, notes) for outcome in outcomes)
    if not any(cut.frames for cut in cuts):
        return [*notes, "There is nothing to play, so no animatic was written."], "", ""
    with display(output) as shown:
        notes += write_animatic(cuts, files.animatic, rate=edit.rate, sound=edit.sound, on_frame=_frame_teller(shown))
    try:
        write_timeline(edit, cuts, files.timeline)
    except BadInput as error:  # the library is not there; everything else is
        return [*notes, f"No timeline was written: {error.message}."], str(files.animatic), ""
    return notes, str(files.animatic), str(files.timeline)


def _cut(outcome: Outcome, notes: list[str]) -> Cut:
    """What plays of a shot: its take, else its plate, else nothing."""
    from secondtake_daemon.edits.cuts import black, plate_cut, take_cut

    shot = outcome.shot
    try:
        if outcome.take is not None:
            return take_cut(shot, outcome.take)
        cut = plate_cut(shot)
        if outcome.state is ShotState.FAILED:
            notes.append(f"Shot {shot.name} plays as it was filmed, because it failed.")
        return cut
    except SecondTakeError as error:
        notes.append(f"Shot {shot.name} cannot be shown: {error.message}.")
        return black(shot)


def _frame_teller(shown: Display) -> Callable[[int, int], None]:
    return lambda done, total: shown.show("animatic", done=done, total=total)


def _files(edit: Edit) -> _Files:
    """Where things go. Raises BadOutput if one of them is what the edit is made from."""
    files = _Files(
        animatic=edit.out / f"{edit.name}.mp4",
        timeline=edit.out / f"{edit.name}.otio",
        attempts=edit.out / f"{edit.name}.run.json",
    )
    inputs = {edit.file, edit.sound, *(Path(shot.plate) for shot in edit.shots)}
    for path in (files.animatic, files.timeline, files.attempts):
        if path in inputs:
            remedy = "Give the edit another `name`, or --out another folder"
            raise BadOutput("The run would write over its own input", remedy=remedy, path=path)
    return files


def _check_sound(edit: Edit) -> None:
    """Before any work is done. Raises BadInput if the sound cannot be used."""
    if edit.sound is not None:
        from secondtake_daemon.edits.sound import sound_seconds

        sound_seconds(edit.sound)


def _say(outcomes: Sequence[Outcome], answer: RunAnswer, output: Output) -> None:
    rows = [(outcome.shot.name, *_take_words(outcome), outcome.state.value) for outcome in outcomes]
    output.table(("SHOT", "TAKE", "FRAMES", "STATE"), rows)
    for outcome in outcomes:
        if outcome.error is not None:
            output.message(f"{outcome.shot.name}: {outcome.error}")
        for note in outcome.take.notes if outcome.take else ():
            output.line(f"Note: {outcome.shot.name}: {note}")
    for note in answer.notes:
        output.line(f"Note: {note}")
    for what, path in (("Animatic", answer.animatic), ("Timeline", answer.timeline)):
        if path:
            output.line(f"{what}: {path}")


def _take_words(outcome: Outcome) -> tuple[str, str]:
    if outcome.take is None:
        return "", str(outcome.shot.frames or "")
    frames = outcome.take.frames
    return outcome.take.take, f"{frames[0]}-{frames[-1]}" if len(frames) > 1 else str(frames[0])


def _first_error(outcomes: Sequence[Outcome]) -> SecondTakeError | None:
    """What the command ends with: a cancel before any failure, for then the failures are not all that is missing."""
    errors = [outcome for outcome in outcomes if outcome.error is not None]
    if not errors:
        return None
    first = next((outcome for outcome in errors if isinstance(outcome.error, Cancelled)), errors[0])
    assert first.error is not None
    if isinstance(first.error, Cancelled):
        return Cancelled("The run was cancelled", remedy="Run the edit again to go on")
    kind = type(first.error)
    return kind(f"Shot '{first.shot.name}': {first.error.message}", remedy=first.error.remedy, path=first.error.path)


def _answer(
    edit: Edit,
    outcomes: Sequence[Outcome],
    notes: Sequence[str],
    *,
    animatic: str,
    timeline: str,
    error: SecondTakeError | None,
) -> RunAnswer:
    return RunAnswer(
        name=edit.name,
        shots=tuple(_shot_answer(outcome) for outcome in outcomes),
        animatic=animatic,
        timeline=timeline,
        notes=tuple(notes),
        error=error.body() if error is not None else None,
    )


def _shot_answer(outcome: Outcome) -> ShotAnswer:
    take = outcome.take
    return ShotAnswer(
        name=outcome.shot.name,
        take=take.take if take else "",
        state=outcome.state.value,
        files=take.files if take else (),
        seconds=take.seconds if take else 0.0,
        notes=take.notes if take else (),
        error=outcome.error.body() if outcome.error is not None else None,
    )


def _configuration(ocio: str) -> str:
    """What $OCIO means here, for a worker that runs elsewhere: a built-in name (`ocio://…`), or an absolute path."""
    return ocio if not ocio or "://" in ocio else _absolute(ocio)


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111 — links stay, as the artist knows them
