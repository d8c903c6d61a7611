"""Caches between steps, which save work by taking over what a step before computed: refused, with the reason.

FirstBlockCache and MagCache keep the residual of all blocks. In VACE that residual has the control hints in it already,
and the block after which they are added adds them again: with the same input twice, the outputs differ by more than
their own spread (diffusers 0.42.1, `transformer_wan_vace.py`). TaylorSeer's default hooks no module at all, silently.
At eight steps a cache saves little; few-step weights save more.
"""

from __future__ import annotations

from secondtake.errors import UsageError

__all__ = ["refused"]

_TWICE = {"first_block": "FirstBlockCache", "mag": "MagCache"}
_REMEDY = "Leave it out; for speed use a model for few steps, and set its steps and guidance"


def refused(name: str, *, family: str) -> UsageError:
    """Why a model's record may not ask for this cache. family: as `Family.name`."""
    known = _TWICE.get(name)
    if known is not None and "vace" in family:
        return UsageError(f"{known} makes wrong pictures with VACE: it adds the control hints twice", remedy=_REMEDY)
    if known is not None:
        return UsageError(f"{known} is not proved to give the right pictures with this model", remedy=_REMEDY)
    return UsageError(f"There is no cache '{name[:40]}' that is known to be right", remedy=_REMEDY)
