"""`secondtake replay`: make a take again from its recipe, and say whether it is the same, or why it is not."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from msgspec.structs import replace

from secondtake.errors import BadInput, ErrorBody, ProofFailed, SecondTakeError
from secondtake.home import Home
from secondtake_daemon.cli.fix import run_fix
from secondtake_daemon.cli.output import Answer, Output
from secondtake_daemon.cli.progress import display
from secondtake_daemon.cli.takes import TakeName, registry_root
from secondtake_daemon.engines.catalogue import Catalogue
from secondtake_daemon.settings import load_settings, models_folder
from secondtake_daemon.takes import registry
from secondtake_daemon.takes.manifest import Manifest, load

__all__ = ["replay"]


class _ReplayAnswer(Answer, frozen=True, kw_only=True):
    replay_of: str
    same: bool
    take: str = ""
    """The new one; "" if none was made."""
    frames: int = 0
    """How many were compared."""
    differing: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ()
    """What is not as it was, one sentence each; there may be some though the frames are the same."""
    manifest: str = ""
    error: ErrorBody | None = None


def replay(
    context: typer.Context,
    take: TakeName,
    out: Annotated[str, typer.Option(help="Folder for the new take.")],
    no_start: Annotated[bool, typer.Option("--no-start", help="Do not start a daemon if none runs.")] = False,
) -> None:
    """Make a take again from its recipe, and compare every frame with the one that was recorded."""
    output: Output = context.obj
    folder = registry.find(registry_root(), take)
    old = load(folder)
    _require_inputs(old, output)
    request = replace(old.request, job=uuid.uuid4().hex, out=os.path.abspath(os.path.expanduser(out)))  # noqa: PTH100, PTH111 — as `fix` does
    result = run_fix(request, output=output, autostart=not no_start)
    new = load(Path(result.manifest))
    reasons = list(_changes(old, new))
    differing = _compare(old, folder, new, Path(result.manifest).parent, reasons, output)
    for reason in reasons:
        output.message(reason)
    error = _not_the_same(old, differing, reasons, path=result.manifest) if differing else None
    output.answer(
        _ReplayAnswer(
            replay_of=old.take,
            same=not differing,
            take=new.take,
            frames=len(old.frames),
            differing=tuple(differing),
            reasons=tuple(reasons),
            manifest=result.manifest,
            error=error.body() if error else None,
        )
    )
    if error:
        raise error
    output.line(f"Take {new.take} is {old.take} again: {len(old.frames)} frames, every sample the same")


def _require_inputs(old: Manifest, output: Output) -> None:
    """Raise BadInput, after the answer, unless all that the take was made from is what it was."""
    from secondtake_daemon.job.inputs import changed_inputs  # numpy and the image libraries load only here

    done = 0
    with display(output) as shown:

        def step() -> None:
            nonlocal done
            done += 1
            shown.show("check", done=done)

        changed = list(changed_inputs(old, step=step))
    error: SecondTakeError | None = None
    try:
        _catalogue().check_request(old.request)
    except SecondTakeError as raised:
        error = raised
    if changed:
        error = BadInput(changed[0].sentence, remedy="Put it back as it was; nothing was made", path=changed[0].path)
    if error is None:
        return
    for more in changed[1:]:
        output.message(f"{more.sentence}: {more.path}")
    reasons = [each.sentence for each in changed] or [error.message]
    output.answer(_ReplayAnswer(replay_of=old.take, same=False, reasons=tuple(reasons), error=error.body()))
    raise error


def _changes(old: Manifest, new: Manifest) -> Iterator[str]:
    """What is not as it was, besides the inputs."""
    if old.engine != new.engine:
        yield f"The engine was {old.engine.name} {old.engine.version} and is {new.engine.version} now."
    for name in sorted(old.libraries.keys() | new.libraries.keys()):
        had, has = old.libraries.get(name, "not there"), new.libraries.get(name, "not there")
        if had != has:
            yield f"{name} was {had} and is {has} now."
    if old.hardware and old.hardware != new.hardware:
        yield f"The machine was of the kind {old.hardware} and is {new.hardware} now."
    if old.software != new.software:
        yield f"It was made by {old.software}, and now by {new.software}."
    for before, now in zip(old.frames, new.frames, strict=False):
        if before.plate_digest != now.plate_digest:
            yield f"Frame {before.frame} of the movie is decoded to other samples than before."
            break
    if not _catalogue().card_for(new.engine.name).deterministic:
        yield f"The engine '{new.engine.name}' does not promise the same samples twice."


def _compare(old: Manifest, folder: Path, new: Manifest, made: Path, reasons: list[str], output: Output) -> list[int]:
    """Frames that are not the same again. What differs in the first of them is added to the reasons.

    Where only the bytes of a file differ, its samples decide, if the old file is still the one that was recorded.
    """
    again = {record.frame: record for record in new.frames}
    differing, encoded = [], 0
    with display(output) as shown:
        for done, before in enumerate(old.frames, start=1):
            shown.show("compare", done=done, total=len(old.frames), frame=before.frame)
            now = again.get(before.frame)
            if now is not None and now.digest == before.digest:
                continue
            said = (
                "it was not made" if now is None else _difference(folder / before.file, before.digest, made / now.file)
            )
            if said:
                differing.append(before.frame)
                if len(differing) == 1:
                    reasons.append(f"Frame {before.frame} differs: {said}.")
            else:
                encoded += 1
    if encoded:
        reasons.append(f"{encoded} files have other bytes and the same samples.")
    return differing


def _difference(before: Path, digest: str, now: Path) -> str:
    from secondtake_daemon.job.same import sample_difference
    from secondtake_daemon.store.keys import FileDigests

    if not before.is_file() or FileDigests().of(before) != digest:
        return "its digest is another, and the recorded file is not there any more to compare samples with"
    return sample_difference(before, now)


def _not_the_same(old: Manifest, differing: Sequence[int], reasons: Sequence[str], *, path: str) -> ProofFailed:
    why = next((reason for reason in reasons if not reason.startswith("Frame")), "")
    return ProofFailed(
        f"{len(differing)} of {len(old.frames)} frames of take {old.take} are not the same again",
        remedy=why.rstrip(".") or "Nothing that is recorded differs; please report this",
        path=path,
    )


def _catalogue() -> Catalogue:
    home = Home.find()
    return Catalogue(models_folder(home, load_settings(home.settings_file)))
