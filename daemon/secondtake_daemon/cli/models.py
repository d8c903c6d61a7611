"""`secondtake models`: which models are installed, and whether they are whole. Nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from secondtake.errors import BadInput, UsageError
from secondtake.home import Home
from secondtake_daemon.cli.output import Answer, Output
from secondtake_daemon.cli.progress import display
from secondtake_daemon.engines.diffusion.family import FAMILIES, family_of
from secondtake_daemon.engines.diffusion.settings import MODEL_OPTIONS, adapted
from secondtake_daemon.models import known, shelf
from secondtake_daemon.models.folder import read_folder
from secondtake_daemon.settings import load_settings, models_folder

__all__ = ["app"]

app = typer.Typer(help="Models on this machine: each one is an engine.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME")]


class _ModelsAnswer(Answer, frozen=True, kw_only=True):
    models: tuple[shelf.Model, ...]


class _ModelAnswer(Answer, frozen=True, kw_only=True):
    model: shelf.Model


class _VerifiedAnswer(Answer, frozen=True, kw_only=True):
    model: str
    files: int
    differing: tuple[str, ...]


@app.command(name="list")
def list_models(context: typer.Context) -> None:
    """List the models: what each one is, how large, under which licence."""
    output: Output = context.obj
    found = shelf.models(_root())
    rows = [
        (model.name, model.pipeline, _size(model), model.licence, "" if model.licence_accepted else "not accepted",
         model.folder) for model in found
    ]  # fmt: skip
    output.table(("MODEL", "PIPELINE", "SIZE", "LICENCE", "", "FOLDER"), rows)
    output.answer(_ModelsAnswer(models=found))


@app.command()
def add(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="As diffusers writes it: with a model_index.json.")],
    name: Annotated[str, typer.Option(help="What the engine is to be called.")] = "",
    accept_licence: Annotated[bool, typer.Option("--accept-licence", help="You have read it and agree.")] = False,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="As longest=81.")] = None,
) -> None:
    """Check a model's folder and make it an engine. The folder stays where it is."""
    output: Output = context.obj
    found = read_folder(folder.resolve())
    family = family_of(found.pipeline)
    if family is None:
        can = ", ".join(each.pipeline for each in FAMILIES)
        raise BadInput(f"This is a {found.pipeline}, which no engine runs", remedy=f"There is {can}", path=folder)
    given = _pairs(settings or [])
    adapted(family, given)
    licence = known.licence_of(found)
    with display(output) as shown:
        model = shelf.add(
            _root(),
            folder,
            name=name or known.name_of(found),
            licence=licence.text,
            licence_accepted=licence.is_free or accept_licence,
            settings=given,
            step=lambda done, total: shown.show("hash", done=done >> 20, total=total >> 20),
        )
    output.line(f"{model.name} is an engine now: {len(model.files)} files, {_size(model)}; licence: {model.licence}")
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
        bad = shelf.differing(model, step=lambda done, total: shown.show("hash", done=done >> 20, total=total >> 20))
    output.answer(_VerifiedAnswer(model=name, files=len(model.files), differing=tuple(bad)))
    if bad:
        raise BadInput(
            f"{len(bad)} of the {len(model.files)} files of {name} are not as they were: {', '.join(bad[:3])}",
            remedy="Get them again, or remove the model and add it anew",
            path=model.folder,
        )
    output.line(f"{name}: {len(model.files)} files, all as they were when it was added")


@app.command()
def remove(context: typer.Context, name: Name) -> None:
    """Take a model off the list. Its files stay."""
    output: Output = context.obj
    model = shelf.find(_root(), name)
    shelf.remove(_root(), model)
    output.line(f"{name} is no engine any more; its files are still in {model.folder}")
    output.answer(_ModelAnswer(model=model))


def _root() -> Path:
    home = Home.find()
    return models_folder(home, load_settings(home.settings_file))


def _pairs(texts: list[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"'{text}' is no setting", remedy=f"Write NAME=VALUE; there is {', '.join(MODEL_OPTIONS)}")
        found[name] = value
    return found


def _size(model: shelf.Model) -> str:
    return f"{sum(file.size_bytes for file in model.files) / 2**30:.1f} GiB"
