"""What a checkpoint is called, and its licence in one plain line.

Told by what a folder holds — its pipeline and the parameters of its denoisers — because folders are copied and renamed,
and by the page that came with it. Of two that differ the stricter counts: a licence that asks for more than keeping its
text has to be accepted before the model runs, and so has one that nobody knows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from secondtake_daemon.models.folder import ModelFolder
from secondtake_daemon.models.weights import count_parameters

__all__ = [
    "Checkpoint",
    "Licence",
    "checkpoint_of",
    "licence_named",
    "licence_of",
    "name_of",
    "page_said",
    "plain_name",
]

_NEAR = 0.08
"""Counts of parameters that differ by no more are the same model's."""
_MOST_PAGE_BYTES = 1 << 20
_HEAD = re.compile(r"\A---\s*\n(.*?)\n---", re.DOTALL)
_FREE = {
    "apache-2.0": "Apache-2.0", "mit": "MIT", "bsd-2-clause": "BSD-2-Clause", "bsd-3-clause": "BSD-3-Clause",
    "cc0-1.0": "CC0-1.0", "unlicense": "Unlicense",
}  # fmt: skip
_NOT_COMMERCIAL = re.compile(r"\b(nc|non ?commercial|research)\b")


class Checkpoint(Protocol):
    """Weights that are known (`engines.diffusion.family.Checkpoint`)."""

    @property
    def hub(self) -> str:
        """owner/name."""

    @property
    def billions(self) -> float:
        """Parameters of all denoisers."""

    @property
    def licence(self) -> str:
        """In one line."""

    @property
    def is_free(self) -> bool:
        """It asks for nothing beyond keeping its text."""


@dataclass(frozen=True, slots=True)
class Licence:
    """In one line; is_free: it asks for nothing beyond keeping its text."""

    text: str
    is_free: bool


_UNKNOWN = Licence("unknown: read what came with the model", is_free=False)


def checkpoint_of(found: ModelFolder, known: Sequence[Checkpoint], *, hub: str = "") -> Checkpoint | None:
    """Which of those that are known this is. hub: owner/name, if it came from there."""
    named = next((each for each in known if each.hub == hub), None)
    if named is not None or hub:
        return named
    billions = _parameters(found) / 1e9
    near = [each for each in known if abs(each.billions - billions) <= _NEAR * each.billions]
    return min(near, key=lambda each: abs(each.billions - billions), default=None)


def licence_of(found: ModelFolder, checkpoint: Checkpoint | None, *, page: str = "") -> Licence:
    """page: what its page on a hub says, as `apache-2.0`; "" looks into the README.md that came with it."""
    said = (page or page_said(found.folder)).lower()
    if checkpoint is not None and (said in _FREE or not said or not checkpoint.is_free):
        return Licence(checkpoint.licence, checkpoint.is_free)
    return licence_named(said)


def licence_named(said: str) -> Licence:
    """said: its name, as `apache-2.0`; "" is unknown."""
    said = said.lower()
    if said in _FREE:
        return Licence(f"{_FREE[said]}: free for any use", is_free=True)
    if not said:
        return _UNKNOWN
    asks = "not for commercial use" if _NOT_COMMERCIAL.search(said.replace("-", " ")) else "read what it asks for"
    return Licence(f"{said}: {asks}", is_free=False)


def name_of(found: ModelFolder, checkpoint: Checkpoint | None, *, hub: str = "") -> str:
    """What its engine is called if the user does not say."""
    return plain_name((checkpoint.hub if checkpoint is not None else hub).rpartition("/")[2] or found.folder.name)


def plain_name(name: str) -> str:
    """A name that an engine or an adapter may have, made of any."""
    return re.sub(r"[^a-z0-9.-]+", "-", name.lower()).removesuffix("-diffusers").strip("-.")[:40] or "model"


def _parameters(found: ModelFolder) -> int:
    paths = [path for path in found.files if path.suffix.lower() == ".safetensors"]
    return sum(count_parameters(found.folder / path) for path in paths if path.parts[0].startswith("transformer"))


def page_said(folder: Path) -> str:
    """The licence that a model's page names in its head, as model cards do."""
    try:
        with (folder / "README.md").open(encoding="utf-8", errors="replace") as page:
            head = _HEAD.match(page.read(_MOST_PAGE_BYTES))
    except OSError:
        return ""
    lines: dict[str, str] = dict(line.partition(":")[::2] for line in head[1].splitlines()) if head else {}
    licence, name = (lines.get(key, "").strip(" \"'") for key in ("license", "license_name"))
    return name or licence if licence in ("other", "") else licence
