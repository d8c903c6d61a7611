"""`secondtake models`: which models are installed, and whether they are whole. Only `add --from-hub` uses a network."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from secondtake.client import Client
from secondtake.errors import BadInput, DaemonLost, UsageError
from secondtake.home import Home
from secondtake_daemon.cli.adapter import add_adapter
from secondtake_daemon.cli.fix import CLIENT_NAME
from secondtake_daemon.cli.output import Answer, Output
from secondtake_daemon.cli.progress import display
from secondtake_daemon.engines.diffusion.families import FAMILIES, family_of
from secondtake_daemon.engines.diffusion.settings import ADAPTER_OPTIONS, MODEL_OPTIONS, adapted
from secondtake_daemon.engines.installed import installed
from secondtake_daemon.models import hub, known, shelf, single
from secondtake_daemon.models.adapter import is_adapter
from secondtake_daemon.models.folder import ModelFolder, read_folder
from secondtake_daemon.settings import load_settings, models_folder

__all__ = ["app", "state_of"]

app = typer.Typer(help="Models on this machine: each one is an engine.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME")]
_MOST_JOBS = 1000


class _Listed(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    state: str
    """`ready`, or what stands in the way."""
    size_bytes: int


class _Unfinished(msgspec.Struct, frozen=True, kw_only=True):
    hub: str
    size_bytes: int


class _ModelsAnswer(Answer, frozen=True, kw_only=True):
    models: tuple[shelf.Model, ...]
    states: tuple[_Listed, ...] = ()
    unfinished: tuple[_Unfinished, ...] = ()


class _ModelAnswer(Answer, frozen=True, kw_only=True):
    model: shelf.Model


class _VerifiedAnswer(Answer, frozen=True, kw_only=True):
    model: str
    files: int
    differing: tuple[str, ...]


class _RemovedAnswer(Answer, frozen=True, kw_only=True):
    name: str
    deleted: str = ""
    """The folder that went with it; "" if its files stay."""


@app.command(name="list")
def list_models(context: typer.Context) -> None:
    """List the models: how large each one is, under which licence, and whether it can run."""
    output: Output = context.obj
    found, parts = shelf.models(_root()), hub.unfinished(_root())
    states = tuple(_Listed(name=each.name, state=state_of(each), size_bytes=_bytes(each)) for each in found)
    rows = [
        (model.name, _gib(listed.size_bytes), model.licence, listed.state, _place(model))
        for model, listed in zip(found, states, strict=True)
    ]
    rows += [(part.hub, _gib(part.size_bytes), "", "not fetched to its end", str(part.folder)) for part in parts]
    output.table(("MODEL", "SIZE", "LICENCE", "STATE", "FOLDER"), rows)
    half = tuple(_Unfinished(hub=part.hub, size_bytes=part.size_bytes) for part in parts)
    output.answer(_ModelsAnswer(models=found, states=states, unfinished=half))


@app.command()
def add(
    context: typer.Context,
    source: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="As diffusers writes it; or one .safetensors: a part, or an adapter."),
    ] = None,
    *,
    from_hub: Annotated[str, typer.Option(metavar="OWNER/NAME", help="Fetch it from the hub, over the network.")] = "",
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit on the hub.")] = None,
    on: Annotated[
        str, typer.Option(metavar="NAME", help="The model that the file is a part of, or an adapter for.")
    ] = "",
    name: Annotated[str, typer.Option(help="What the engine is to be called.")] = "",
    accept_licence: Annotated[bool, typer.Option("--accept-licence", help="You have read it and agree.")] = False,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="As longest=81.")] = None,
) -> None:
    """Check a model and make it an engine. A folder stays where it is."""
    output: Output = context.obj
    if (source is None) == (not from_hub):
        raise UsageError("It takes a folder, or --from-hub and a name there", remedy="Give one of them")
    if (revision and not from_hub) or (on and source is None):
        raise UsageError("--revision is for --from-hub, and --on for a file", remedy="Leave it out")
    if name:
        shelf.check_name(_root(), name)
    given = _pairs(settings or [])
    with display(output) as shown:
        meter = _meter(shown.show)
        if source is not None and source.is_file() and is_adapter(source):
            model = add_adapter(
                _root(), source, on=on, name=name, given=given, accepted=accept_licence, step=meter("hash")
            )
            _say_added(output, model)
            return
        fetched = hub.fetch(from_hub, revision=revision, root=_root(), step=meter("fetch")) if from_hub else None
        folder = fetched.folder if fetched is not None else _folder(source or Path(), on=on, name=name)
        model = _record(folder, fetched, name=name, given=given, accepted=accept_licence, step=meter("hash"))
    _say_added(output, model)


def _say_added(output: Output, model: shelf.Model) -> None:
    what = f"is an adapter of {model.on}" if model.on else "is an engine"
    output.line(f"{model.name} {what} now: {len(model.files)} files, {_gib(_bytes(model))}; {model.licence}")
    if not model.licence_accepted:
        output.message(f"It runs once you have accepted its licence: secondtake models accept {model.name}")
    output.answer(_ModelAnswer(model=model))


@app.command()
def accept(context: typer.Context, name: Name) -> None:
    """Accept the licence of a model."""
    output: Output = context.obj
    model = shelf.accept(_root(), shelf.find(_root(), name))
    output.line(f"The licence of {name} is accepted: {model.licence}")
    output.answer(_ModelAnswer(model=model))


@app.command()
def verify(context: typer.Context, name: Name) -> None:
    """Read a whole model and compare it with what was added."""
    output: Output = context.obj
    model = shelf.find(_root(), name)
    with display(output) as shown:
        bad = shelf.differing(model, step=_meter(shown.show)("hash"))
    output.answer(_VerifiedAnswer(model=name, files=len(model.files), differing=tuple(bad)))
    if bad:
        raise BadInput(
            f"{len(bad)} of the {len(model.files)} files of {name} are not as they were: {', '.join(bad[:3])}",
            remedy="Get them again, or remove the model and add it anew",
            path=model.folder,
        )
    output.line(f"{name}: {len(model.files)} files, all as they were when it was added")


@app.command()
def remove(
    context: typer.Context,
    name: Name,
    yes: Annotated[
        bool, typer.Option("--yes", help="On a terminal, delete what was fetched without a warning.")
    ] = False,
) -> None:
    """Take a model off the list. A folder of yours stays; what was fetched from a hub is deleted."""
    output: Output = context.obj
    root = _root()
    part = next((each for each in hub.unfinished(root) if each.hub == name), None)
    model = None if part is not None else shelf.find(root, name)
    folder = part.folder if part is not None else Path(model.folder if model is not None else "")
    shared = [each.name for each in shelf.models(root) if model is not None and each.folder == model.folder]
    own_files = model is not None and bool(model.on)  # an adapter's file is the user's, wherever it lies
    goes = not own_files and (
        part is not None or single.is_joined(folder, root) or (hub.is_fetched(folder, root) and len(shared) == 1)
    )
    _refuse_used(model.on if model is not None and model.on else name)
    if goes and not (yes or output.as_json) and sys.stdin.isatty():
        raise UsageError("Nothing was removed: its files would be deleted", remedy="Give --yes to do so", path=folder)
    if model is not None:
        if not model.on:
            _refuse_base(model)
        shelf.remove(root, model)
    if goes and single.is_joined(folder, root):
        single.delete(folder)
    elif goes:
        hub.delete(folder)
    what = "adapter" if own_files else "engine"
    output.line(f"{name} is no {what} any more; its files " + ("are deleted" if goes else f"are still in {folder}"))
    output.answer(_RemovedAnswer(name=name, deleted=str(folder) if goes else ""))


def _record(
    folder: Path,
    fetched: hub.Fetched | None,
    *,
    name: str,
    given: dict[str, str],
    accepted: bool,
    step: Callable[[int, int], None],
) -> shelf.Model:
    found = read_folder(folder.resolve())
    family = family_of(found.pipeline, found.components)
    if family is None:
        raise _no_family(found)
    adapted(family, given)
    page = fetched.hub if fetched is not None else ""
    checkpoint = known.checkpoint_of(found, family.checkpoints, hub=page)
    licence = known.licence_of(found, checkpoint, page=fetched.licence if fetched is not None else "")
    return shelf.add(
        _root(),
        folder,
        name=name or known.name_of(found, checkpoint, hub=page),
        licence=licence.text,
        licence_accepted=licence.is_free or accepted,
        settings=given,
        step=step,
        hub=f"{page}@{fetched.revision}" if fetched is not None else "",
        sha256=fetched.sha256 if fetched is not None else None,
    )


def _folder(source: Path, *, on: str, name: str) -> Path:
    """What is to be added: the folder, or the one in which the file stands for a part of a model."""
    if source.is_dir() or not source.exists():
        if on:
            raise UsageError("--on is for one file of weights", remedy="Leave it out", path=source)
        return source
    if not on:
        raise single.why_none(source)
    if not name:
        raise UsageError("A model made of two needs a name", remedy="Give --name", path=source)
    return single.joined_with(shelf.find(_root(), on), source, root=_root(), name=name)


def _no_family(found: ModelFolder) -> BadInput:
    can = ", ".join(dict.fromkeys(each.pipeline for each in FAMILIES))
    return BadInput(f"This is a {found.pipeline}, which no engine runs", remedy=f"There is {can}", path=found.folder)


def state_of(model: shelf.Model) -> str:
    """`ready`, or what stands in the way of using it; sizes are looked at, bytes are not."""
    card = next((card for card in installed(_root()) if card.name == (model.on or model.name)), None)
    if card is None:
        return f"no engine runs a {model.pipeline}" if not model.on else f"its model {model.on} is not there"
    try:
        shelf.check_there(model)
    except BadInput as error:
        return f"{error.message} ({error.path})"
    if model.on:
        accept = f"its licence is not accepted: secondtake models accept {model.name}"
        return "ready" if model.licence_accepted else accept
    return card.why_not or "ready"


def _refuse_used(name: str) -> None:
    """Raise BadInput if the daemon has a job for this engine. Without a daemon nothing runs."""
    try:
        with Client.connect(autostart=False, client=CLIENT_NAME) as client:
            views = client.jobs(limit=_MOST_JOBS)
    except DaemonLost:
        return
    for view in views:
        if view.engine == name and not view.state.is_final:
            raise BadInput(
                f"The job {view.job[:8]} uses {name} just now",
                remedy="Wait for it, or stop it with `secondtake cancel`",
            )


def _refuse_base(model: shelf.Model) -> None:
    """Raise BadInput if another model is made of this one's files, or an adapter is on it."""
    for other in shelf.models(_root()):
        if other.on == model.name:
            remedy = f"Remove that first: secondtake models remove {other.name}"
            raise BadInput(f"{other.name} is an adapter of {model.name}", remedy=remedy)
        if other.name != model.name and other.folder != model.folder and Path(model.folder) in shelf.folders([other]):
            remedy = f"Remove that first: secondtake models remove {other.name}"
            raise BadInput(f"{other.name} is made with files of {model.name}", remedy=remedy)


def _root() -> Path:
    home = Home.find()
    return models_folder(home, load_settings(home.settings_file))


def _pairs(texts: list[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            there = ", ".join(dict.fromkeys((*MODEL_OPTIONS, *ADAPTER_OPTIONS)))
            raise UsageError(f"'{text}' is no setting", remedy=f"Write NAME=VALUE; there is {there}")
        found[name] = value
    return found


def _meter(show: Callable[..., None]) -> Callable[[str], Callable[[int, int], None]]:
    """Bytes as MiB of a phase."""
    return lambda what: lambda done, total: show(what, done=done >> 20, total=max(total >> 20, 1))


def _place(model: shelf.Model) -> str:
    return f"{Path(model.folder) / model.files[0].path}, on {model.on}" if model.on else model.folder


def _bytes(model: shelf.Model) -> int:
    return sum(file.size_bytes for file in model.files)


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / 2**30:.1f} GiB"
