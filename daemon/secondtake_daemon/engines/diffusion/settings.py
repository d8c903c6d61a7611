"""Switches of a diffusion engine: what a job or a model's record may say differently from its family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from secondtake.errors import UsageError
from secondtake.messages import Quality
from secondtake_daemon.engines.anchoring import ANCHOR
from secondtake_daemon.engines.diffusion.family import Family, Settings
from secondtake_daemon.engines.diffusion.memory.caches import refused

__all__ = ["ADAPTER_OPTIONS", "JOB_OPTIONS", "MODEL_OPTIONS", "Chosen", "adapted", "adapter_settings", "chosen"]

SHAPES = ("hull", "tight", "box")
"""What a hole is widened to, the default first; models were trained on all three."""
ADAPTERS = ("", "inpaint")
STORAGES = ("full", "fp8")
"""How the numbers of a denoiser may lie in memory."""
_MOST = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Chosen:
    """What one job works with."""

    settings: Settings
    matte: str
    negative_prompt: str


def adapted(family: Family, given: Mapping[str, str]) -> Family:
    """The family as a model's record changes it. Raises UsageError."""
    if "cache" in given:
        raise refused(given["cache"], family=family.name)
    _refuse_unknown(given, MODEL_OPTIONS)
    whole: dict[str, Any] = {name: _OF_FAMILY[name](name, given[name]) for name in _OF_FAMILY if name in given}
    rest = {name: text for name, text in given.items() if name in _OF_SETTINGS}
    changed = replace(family, **whole, final=_settings(family.final, rest), draft=_settings(family.draft, rest))
    if changed.window_frames < 1 or (changed.longest - 1) % changed.every or changed.head % changed.every:
        raise UsageError(
            f"A window of {changed.longest} frames with handles of {changed.head} and {changed.tail} is none",
            remedy=f"longest is {family.every}·m + 1, head a multiple of {family.every}",
        )
    if changed.window_frames % changed.every:
        raise UsageError(
            f"A window that owns {changed.window_frames} frames would cut a latent of {changed.every} in two",
            remedy=f"longest - head - tail is a multiple of {family.every}",
        )
    return changed


def adapter_settings(family: Family, given: Mapping[str, str]) -> Family:
    """The family as an adapter's record changes it: few steps, another guidance. Raises UsageError."""
    _refuse_unknown(given, ADAPTER_OPTIONS)
    rest = {name: text for name, text in given.items() if name in _OF_JOB}
    return replace(family, final=_settings(family.final, rest), draft=_settings(family.draft, rest))


def chosen(family: Family, *, quality: Quality, options: Mapping[str, str]) -> Chosen:
    """For a job. Raises UsageError for an unknown name or a value of the wrong kind."""
    _refuse_unknown(options, JOB_OPTIONS)
    matte = options.get("matte", SHAPES[0])
    if matte not in SHAPES:
        raise UsageError(f"'{matte}' is no shape of the matte", remedy=f"Use {' or '.join(SHAPES)}")
    before = family.final if quality is Quality.FINAL else family.draft
    settings = _settings(before, {name: text for name, text in options.items() if name in _OF_JOB})
    return Chosen(settings, matte, options.get("negative", family.negative_prompt))


def _settings(before: Settings, given: Mapping[str, str]) -> Settings:
    return replace(before, **{name: _OF_SETTINGS[name](name, text) for name, text in given.items()})


def _refuse_unknown(given: Mapping[str, str], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            raise UsageError(f"There is no setting '{name}'", remedy=f"There is {', '.join(known)}")


def _whole(name: str, text: str) -> int:
    return int(_number(name, text, int))


def _real(name: str, text: str) -> float:
    return float(_number(name, text, float))


def _number(name: str, text: str, kind: type[int] | type[float]) -> int | float:
    try:
        value = kind(text)
    except ValueError:
        value = -1
    if not 0 < value < _MOST:
        raise UsageError(f"'{text}' is no value for {name}", remedy="Give a number above 0")
    return value


def _sigmas(name: str, text: str) -> tuple[float, ...]:
    """`1,0.9,0.4`: falling, from 1 at most to above 0."""
    levels = tuple(_real(name, each) for each in text.split(","))
    if levels[0] > 1 or any(later >= earlier for earlier, later in pairwise(levels)):
        raise UsageError(f"'{text}' are no noise levels", remedy="Give falling numbers of at most 1, as 1,0.9,0.4")
    return levels


def _adapter(name: str, text: str) -> str:
    if text not in ADAPTERS:
        raise UsageError(f"There is no {name} '{text}'", remedy=f"There is {', '.join(filter(None, ADAPTERS))}")
    return text


def _storage(name: str, text: str) -> str:
    if text not in STORAGES:
        raise UsageError(f"'{text}' is no {name} of a model", remedy=f"There is {' and '.join(STORAGES)}")
    return text


_OF_FAMILY: dict[str, Callable[[str, str], Any]] = {
    "area_px": _whole,
    "head": _whole,
    "longest": _whole,
    "tail": _whole,
    "tile_px": _whole,
    "storage": _storage,
}
_OF_SETTINGS: dict[str, Callable[[str, str], Any]] = {
    "steps": _whole,
    "guidance": _real,
    "second_guidance": _real,
    "strength": _real,
    "prompt_tokens": _whole,
    "sigmas": _sigmas,
    "adapter": _adapter,
}
_OF_JOB = tuple(name for name in _OF_SETTINGS if name != "adapter")
JOB_OPTIONS = (*_OF_JOB, "matte", "negative", "grain", "adapter", ANCHOR)
"""What `--engine-option` takes. A job's `adapter` names what is worn (`adapters`); a model's says what is in it."""
ADAPTER_OPTIONS = (*_OF_JOB, "use", "scale", "part")
"""What `models add --set` takes for an adapter."""
MODEL_OPTIONS = (*_OF_FAMILY, *_OF_SETTINGS)
"""What `models add --set` takes."""
