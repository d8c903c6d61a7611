"""`secondtake models add FILE` where the file is an adapter: on which model it belongs, and what is recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from secondtake.errors import BadInput
from secondtake_daemon.engines.diffusion.adapters import check_adapter
from secondtake_daemon.engines.diffusion.families import family_of
from secondtake_daemon.engines.diffusion.family import Family
from secondtake_daemon.models import known, shelf, single
from secondtake_daemon.models.adapter import check_fits, licence_said, read_changes

__all__ = ["add_adapter"]


def add_adapter(
    root: Path,
    file: Path,
    *,
    on: str,
    name: str,
    given: dict[str, str],
    accepted: bool,
    step: Callable[[int, int], None],
) -> shelf.Model:
    """on: name of the model, or "" if only one that is installed has the layers.

    Raises BadInput for a file that fits none, or more than one; UsageError for its settings or its name.
    """
    base = shelf.find(root, on) if on else _only_fit(root, file, given)
    family = _family(base)
    check_adapter(family, given)
    _check(file, base, family, given)
    licence = known.licence_named(licence_said(file) or known.page_said(file.resolve().parent))
    return shelf.add_adapter(
        root,
        file,
        on=base,
        name=name or known.plain_name(file.stem),
        licence=licence.text,
        licence_accepted=licence.is_free or accepted,
        settings=given,
        step=step,
    )


def _only_fit(root: Path, file: Path, given: Mapping[str, str]) -> shelf.Model:
    """The one model that has the layers. Raises what the last one said if none does."""
    fitting, why = [], None
    for model in shelf.models(root):
        try:
            if not model.on:
                _check(file, model, _family(model), given)
                fitting.append(model)
        except BadInput as error:
            why = error
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(model.name for model in fitting)
        raise BadInput(
            f"This adapter fits {len(fitting)} models: {names}", remedy="Say with --on which it is for", path=file
        )
    raise why or single.why_none(file)


def _check(file: Path, base: shelf.Model, family: Family, given: Mapping[str, str]) -> None:
    parts = single.part_shapes(base)
    part = given.get("part", "transformer")
    changes = read_changes(file, names=family.adapter_names, parts=parts, part=part)
    check_fits(file, changes, parts=parts, model=base.name)


def _family(base: shelf.Model) -> Family:
    family = family_of(base.pipeline, base.component_bytes) if not base.on else None
    if family is None:
        raise BadInput(f"'{base.name}' is no model that takes adapters", remedy="Name a model of `models list`")
    return family
