"""Switches of a diffusion engine: what a job or a model's record may say differently from its family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from secondtake.errors import UsageError
from secondtake.messages import Quality
from secondtake_daemon.engines.diffusion.family import Family, Settings

__all__ = ["JOB_OPTIONS", "MODEL_OPTIONS", "Chosen", "adapted", "chosen"]

SHAPES = ("hull", "tight", "box")
"""What a hole is widened to, the default first; models were trained on all three."""
_OF_SETTINGS = tuple(field.name for field in fields(Settings))
JOB_OPTIONS = (*_OF_SETTINGS, "matte")
"""What `--engine-option` takes."""
MODEL_OPTIONS = ("area_px", "head", "longest", "tail", *_OF_SETTINGS)
"""What `models add --set` takes."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What one job works with."""

    settings: Settings
    matte: str


def adapted(family: Family, given: Mapping[str, str]) -> Family:
    """The family as a model's record changes it. Raises UsageError."""
    _refuse_unknown(given, MODEL_OPTIONS)
    whole: dict[str, Any] = {name: _number(name, given[name], int) for name in MODEL_OPTIONS[:4] if name in given}
    rest = {name: text for name, text in given.items() if name in _OF_SETTINGS}
    changed = replace(family, **whole, final=_settings(family.final, rest), draft=_settings(family.draft, rest))
    if changed.window_frames < 1 or (changed.longest - 1) % changed.every or changed.head % changed.every:
        raise UsageError(
            f"A window of {changed.longest} frames with handles of {changed.head} and {changed.tail} is none",
            remedy=f"longest is {family.every}·m + 1, head a multiple of {family.every}",
        )
    return changed


def chosen(family: Family, *, quality: Quality, options: Mapping[str, str]) -> Chosen:
    """For a job. Raises UsageError for an unknown name or a value of the wrong kind."""
    _refuse_unknown(options, JOB_OPTIONS)
    matte = options.get("matte", SHAPES[0])
    if matte not in SHAPES:
        raise UsageError(f"'{matte}' is no shape of the matte", remedy=f"Use {' or '.join(SHAPES)}")
    before = family.final if quality is Quality.FINAL else family.draft
    return Chosen(_settings(before, {name: text for name, text in options.items() if name != "matte"}), matte)


def _settings(before: Settings, given: Mapping[str, str]) -> Settings:
    whole = ("steps", "prompt_tokens")
    values: dict[str, Any] = {
        name: _number(name, text, int if name in whole else float) for name, text in given.items()
    }
    return replace(before, **values)


def _refuse_unknown(given: Mapping[str, str], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            raise UsageError(f"There is no setting '{name}'", remedy=f"There is {', '.join(known)}")


def _number(name: str, text: str, kind: type[int] | type[float]) -> int | float:
    try:
        value = kind(text)
    except ValueError:
        value = -1
    if not 0 < value < 1_000_000_000:
        raise UsageError(f"'{text}' is no value for {name}", remedy="Give a number above 0")
    return value
