"""The card of the stand-in engine, and its switches as a typed value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from secondtake.errors import UsageError
from secondtake.messages import ControlKind, Operation
from secondtake_daemon.engines.card import Card, EngineColour

__all__ = ["CARD", "Switches"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """What the stand-in does besides filling the matte. Frames are absolute numbers; times are seconds."""

    mode: str = "colour"
    """`identity` returns the plate, `wear` the plate with noise, as a codec or a model that goes over it once more;
    `colour` a flat colour from seed and instruction, `noise` the same with noise keyed to the absolute frame;
    `followed` the pictures that it is to follow (`--control`), as their codes 0 … 1, and without any the plate: what a
    model would be led by, to look at before there is one."""
    load_s: float = 0.0
    """Time `load` takes."""
    frame_s: float = 0.0
    """Time each frame takes; it can be cancelled at any moment."""
    memory_mib: int = 0
    """Memory held from load to unload."""
    crash_at: int | None = None
    """Die at this frame …"""
    crash: str = "kill"
    """… by `kill` (SIGKILL), `segv`, `exit`, or `raise` (an exception of the engine's own)."""
    crash_times: int = 1_000_000
    """… in the first so many attempts of the job."""
    load_fails: bool = False
    """`load` raises."""
    hang_at: int | None = None
    """Stop at this frame for good, without a word …"""
    hang: str = "sleep"
    """… by `sleep` (other threads go on) or `busy` (a C call that lets nothing else run)."""
    nan_at: int | None = None
    """Return NaN in this frame."""
    wrong_size_at: int | None = None
    """Return a patch of the wrong size for the window that holds this frame."""
    gpu_memory_at: int | None = None
    """Report that the GPU's memory is used up at this frame."""

    @classmethod
    def parse(cls, options: Mapping[str, str]) -> Switches:
        """From the text of a request. Raises UsageError for an unknown name or a value of the wrong kind."""
        kinds: dict[str, str] = {field.name: str(field.type) for field in fields(cls)}
        values: dict[str, Any] = {}
        for name, text in options.items():
            if name not in kinds:
                raise UsageError(f"The stand-in engine has no switch '{name}'", remedy=f"It has {', '.join(kinds)}")
            values[name] = _value(name, kinds[name], text)
        return cls(**values)


def _value(name: str, kind: str, text: str) -> object:
    try:
        if kind.startswith("int"):
            return int(text)
        if kind == "float":
            return float(text)
        if kind == "bool":
            return {"true": True, "false": False}[text.lower()]
    except (ValueError, KeyError):
        raise UsageError(f"'{text}' is no value for the switch '{name}'", remedy=f"Give it as {kind}") from None
    return text


CARD = Card(
    name="standin",
    version="1",
    summary="Fills the matte without looking: for integration tests, dry runs on a farm, and our own tests",
    operations=frozenset(Operation),
    factory="secondtake_daemon.engines.standin:StandInEngine",
    colour=EngineColour.PLATE,
    window_frames=4,
    steady_crop=False,
    reads_instruction=True,
    references=True,
    looks=8,
    controls=frozenset(ControlKind) - {ControlKind.NONE},
    whole_frames=True,
    options=tuple(field.name for field in fields(Switches)),
)
