"""Checkpoints that are known by what they hold: a name for the engine, and their licence in one plain line.

Told by pipeline class and bytes of the denoiser, because folders are copied and renamed. One that is not known is
believed to be nobody's business but the user's: then its licence has to be accepted.
"""

from __future__ import annotations

from dataclasses import dataclass

from secondtake_daemon.models.folder import ModelFolder

__all__ = ["Licence", "licence_of", "name_of"]


@dataclass(frozen=True, slots=True)
class Licence:
    """In one line; is_free: it asks for nothing beyond keeping its text."""

    text: str
    is_free: bool


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    name: str
    pipeline: str
    parameters: tuple[float, float]
    """Of all denoisers, in thousand millions, from and to."""
    licence: Licence


_APACHE = Licence("Apache-2.0: free for any use", is_free=True)
_UNKNOWN = Licence("unknown: read what came with the model", is_free=False)
_CHECKPOINTS = (
    _Checkpoint("vace-1.3b", "WanVACEPipeline", (1.9, 2.4), _APACHE),
    _Checkpoint("vace-14b", "WanVACEPipeline", (16.0, 19.0), _APACHE),
    _Checkpoint("vace-fun-a14b", "WanVACEPipeline", (32.0, 38.0), _UNKNOWN),
)
_BYTES_OF_A_PARAMETER = (2, 4)


def name_of(folder: ModelFolder) -> str:
    """What its engine is called if the user does not say."""
    known = _checkpoint(folder)
    return known.name if known else folder.folder.name.lower()


def licence_of(folder: ModelFolder) -> Licence:
    """Its licence, or that it is not known."""
    known = _checkpoint(folder)
    return known.licence if known else _UNKNOWN


def _checkpoint(folder: ModelFolder) -> _Checkpoint | None:
    size = sum(each for name, each in folder.component_bytes.items() if name.startswith("transformer"))
    for known in _CHECKPOINTS:
        low, high = known.parameters
        if known.pipeline == folder.pipeline and any(
            low * 1e9 <= size / width <= high * 1e9 for width in _BYTES_OF_A_PARAMETER
        ):
            return known
    return None
