"""What the extension does to Blender's prefetch of strips, in real Blenders."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Check = Callable[..., str]


@pytest.mark.parametrize(
    "check",
    ["check_setting_is_kept", "check_off_stays_off", "check_cancel_while_paused", "check_only_what_is_looked_at"],
)
def test_a_take_lands_beside_blender_s_prefetch(addon: Check, check: str) -> None:
    addon("addon_prefetch", check)
