"""What a step really took, on this machine: one small file, `memory.json`, in the folder for what engines found out.

It can be lost or spoiled without harm: then plans are made from estimates again, until the next step is measured.
"""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import msgspec

from secondtake_daemon.engines.diffusion.memory.plan import Machine, Measured
from secondtake_daemon.store.io import swap_file
from secondtake_daemon.store.keys import key_of

__all__ = ["FILE", "LEAST_TOKENS", "Step", "keep", "key_for", "known"]

FILE = "memory.json"
LEAST_TOKENS = 1000
"""A smaller rendering says more of what torch holds for itself than of the model."""
_MOST_STEPS = 64
_MOST_BYTES = 1 << 20


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One rendering's."""

    tokens: int
    token_bytes: float
    flops: float
    vae_scale: float = 1.0
    coded_s_px: float = 0.0

    @property
    def makes_sense(self) -> bool:
        """False for what no machine can have measured."""
        is_step = self.tokens > 0 and 1 < self.token_bytes < 1e9 and 0 < self.flops < 1e18
        return is_step and 0.05 < self.vae_scale < 20 and 0 <= self.coded_s_px < 1

    def measured(self) -> Measured:
        """For the plan."""
        return Measured(
            token_bytes=self.token_bytes, flops=self.flops, vae_scale=self.vae_scale, coded_s_px=self.coded_s_px
        )


class _Key(msgspec.Struct, frozen=True, kw_only=True):
    device: str
    driver: str
    torch: str
    model: str
    storage: str


class _File(msgspec.Struct, frozen=True, kw_only=True):
    steps: dict[str, Step]


def key_for(machine: Machine, *, digest: str, storage: str) -> str:
    """Of what a measurement hangs on. digest: of the model's files."""
    return key_of(
        _Key(device=machine.name, driver=machine.driver, torch=version("torch"), model=digest, storage=storage)
    )


def known(folder: Path | None, key: str) -> Measured | None:
    """What was measured; None if nothing was, or the file can't be read."""
    step = _read(folder).get(key) if folder is not None else None
    return step.measured() if step is not None and step.makes_sense else None


def keep(folder: Path | None, key: str, step: Step) -> bool:
    """Note a step, if it says more than the one that is known: the larger rendering does. True if it was noted."""
    if folder is None or step.tokens < LEAST_TOKENS or not step.makes_sense:
        return False
    steps = _read(folder)
    before = steps.pop(key, None)
    if before is not None and before.makes_sense and before.tokens >= step.tokens:
        return False
    latest = dict([*steps.items()][-(_MOST_STEPS - 1) :]) | {key: step}
    raw = msgspec.json.format(msgspec.json.encode(_File(steps=latest)), indent=1)
    with suppress(OSError):  # it is measured again next time
        folder.mkdir(parents=True, exist_ok=True)
        swap_file(folder / FILE, lambda part: part.write_bytes(raw))
        return True
    return False


def _read(folder: Path) -> dict[str, Step]:
    path = folder / FILE
    try:
        if path.stat().st_size > _MOST_BYTES:
            return {}
        return dict(msgspec.json.decode(path.read_bytes(), type=_File).steps)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
