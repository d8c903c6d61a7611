"""All families there are. The first whose parts a folder has is its own, so those that ask for more stand first."""

from __future__ import annotations

from collections.abc import Collection

from secondtake_daemon.engines.diffusion.families import flux2_klein, ltx2, qwen_edit, wan_vace, wan_vace_fun
from secondtake_daemon.engines.diffusion.family import Family

__all__ = ["FAMILIES", "family_of"]

FAMILIES: tuple[Family, ...] = (
    wan_vace_fun.FAMILY,
    wan_vace.FAMILY,
    ltx2.LTX_2_5,
    ltx2.LTX_2,
    flux2_klein.FAMILY,
    qwen_edit.QWEN_EDIT_PLUS,
    qwen_edit.QWEN_EDIT,
)


def family_of(pipeline: str, parts: Collection[str] = ()) -> Family | None:
    """By the class that a model's `model_index.json` names, and the components that it lists."""
    return next((each for each in FAMILIES if each.pipeline == pipeline and each.parts <= set(parts)), None)
