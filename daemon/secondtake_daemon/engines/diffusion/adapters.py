"""Which adapters (LoRA files) a job works with, and what they change besides weights. No torch: the daemon reads it.

An adapter belongs to the model that it was added on. It is worn when the job names it, or when it was trained for
what the job does: one for in-painting in every edit that fills a matte. A job that names others, or `none`, wears
those only. What is worn becomes a part of the model: its files are in the version of the engine, in the patches'
content keys and in the take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from msgspec import structs

from secondtake.errors import NoSuchEngine, UsageError
from secondtake.messages import Operation
from secondtake_daemon.engines.diffusion.family import Family
from secondtake_daemon.engines.diffusion.settings import adapter_settings
from secondtake_daemon.models.shelf import Model

__all__ = ["HDR", "INPAINT", "NONE", "OPTION", "check_adapter", "dressed", "picked"]

OPTION, NONE = "adapter", "none"
INPAINT, HDR = "inpaint", "hdr"
"""What an adapter may have been trained for (`use` in its record)."""
_FILLS = frozenset({Operation.REMOVE, Operation.REPLACE, Operation.MODIFY})
_HDR_CURVE = "logc3"
_MOST_SCALE = 4.0


def check_adapter(family: Family, given: Mapping[str, str]) -> None:
    """Raises UsageError for settings of an adapter that its family can't follow."""
    adapter_settings(family, given)
    _scale(given.get("scale", "1"))
    use = given.get("use", "")
    if use and use not in family.adapter_uses:
        there = " and ".join(sorted(family.adapter_uses))
        remedy = f"There is {there}; without `use` it is worn when a job names it" if there else "Leave `use` out"
        raise UsageError(f"{family.name} has no use '{use}' for an adapter", remedy=remedy)
    if given.get("part", "transformer") not in family.denoisers:
        raise UsageError(
            f"{family.name} has no denoiser '{given['part']}'", remedy=f"There is {' and '.join(family.denoisers)}"
        )


def picked(model: Model, there: Sequence[Model], *, operation: Operation, text: str | None) -> tuple[Model, ...]:
    """Those that a job wears, in the order in which they are put on, each with the strength that it is worn with.

    there: all that were added on the model. text: the job's option, as `NAME` or `NAME:0.8,OTHER`; None is not given.
    Raises UsageError for a name that is none, NoSuchEngine for one whose licence is not accepted.
    """
    if text is None:
        fitting = (each for each in there if each.settings.get("use") == INPAINT and each.licence_accepted)
        first = next(fitting, None) if operation in _FILLS else None
        return () if first is None else (first,)
    if text == NONE:
        return ()
    found = [_named(model, there, word) for word in text.split(",")]
    if len({each.name for each in found}) < len(found):
        raise UsageError(f"An adapter stands twice in '{text}'", remedy="Name each once, as NAME:0.8")
    return tuple(found)


def dressed(family: Family, adapters: Sequence[Model]) -> Family:
    """The family as it works with adapters on: the later one's settings count. Raises UsageError."""
    for each in adapters:
        family = adapter_settings(family, each.settings)
        use = each.settings.get("use")
        if use and not (family.final.adapter or family.final.shows_screen):
            family = replace(family, activation_bytes=2 * family.activation_bytes)  # what it is shown are tokens too
        if use == INPAINT:
            family = _both(family, adapter=INPAINT)
        elif use == HDR:
            family = replace(_both(family, shows_screen=True), shaper=_HDR_CURVE)
    return family


def _both(family: Family, **changes: object) -> Family:
    return replace(family, final=replace(family.final, **changes), draft=replace(family.draft, **changes))  # type: ignore[arg-type]


def _named(model: Model, there: Sequence[Model], word: str) -> Model:
    name, colon, scale = word.strip().partition(":")
    found = next((each for each in there if each.name == name), None)
    if found is None:
        names = ", ".join(each.name for each in there)
        remedy = f"There is {names}, or {NONE}" if names else f"Add one: secondtake models add FILE --on {model.name}"
        raise UsageError(f"'{model.name}' has no adapter '{name[:40]}'", remedy=remedy)
    if not found.licence_accepted:
        raise NoSuchEngine(
            f"The licence of the adapter '{name}' is not accepted",
            remedy=f"Read it, and accept it: secondtake models accept {name}",
        )
    if not colon:
        return found
    _scale(scale)
    return structs.replace(found, settings={**found.settings, "scale": scale})


def _scale(text: str) -> None:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= _MOST_SCALE:
        raise UsageError(
            f"'{text[:20]}' is no strength of an adapter", remedy=f"Give a number above 0, of at most {_MOST_SCALE:g}"
        )
