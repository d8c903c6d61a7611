"""What is shown on a screen, next to OpenColorIO's own transform."""

from __future__ import annotations

import numpy as np
import PyOpenColorIO as ocio  # noqa: N813 — as its own documentation names it
import pytest
from numpy.typing import NDArray

from secondtake_daemon.images.colour import BUILT_IN, Screen, resolve


def exact(space: str, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """In codes, not rounded."""
    config = ocio.Config.CreateFromBuiltinConfig(BUILT_IN)
    display = config.getDefaultDisplay()
    view = config.getDefaultView(display)
    transform = ocio.DisplayViewTransform(src=space, display=display, view=view)
    out = np.array(pixels)
    config.getProcessor(transform).getDefaultCPUProcessor().apply(ocio.PackedImageDesc(out, out.size // 3, 1, 3))
    return np.asarray(255 * out.clip(0, 1), np.float32)


@pytest.mark.parametrize("name", ["lin_rec709_scene", "ACEScg", "ACEScct"])
def test_the_table_is_as_good_as_the_view(name: str) -> None:
    random = np.random.default_rng(5)
    light = np.exp2(random.uniform(-12, 5, (200, 50, 1)))
    linear = (light * random.uniform(0.7, 1.3, (200, 50, 3))).astype(np.float32)
    pixels = linear if name != "ACEScct" else random.uniform(0.1, 0.8, (200, 50, 1)).repeat(3, 2).astype(np.float32)
    off = np.abs(Screen(resolve(name)).show(pixels) - exact(name, pixels))
    assert off.max() <= 2
    assert off.mean() < 0.4, "a quarter of it is rounding"


def test_a_picture_for_a_display_keeps_its_tones() -> None:
    codes = np.linspace(0, 1, 256, dtype=np.float32)[None, :, None].repeat(3, 2)
    shown = Screen(resolve("srgb_tx")).show(codes)
    assert np.abs(shown[0, :, 0].astype(int) - np.arange(256)).max() <= 1
    assert Screen(resolve("lin_rec709")).show(np.ones((1, 1, 3), np.float32)).max() < 200, "a view rolls white off"


def test_nothing_is_left_undefined() -> None:
    odd = np.array([[[np.nan] * 3, [np.inf] * 3, [-np.inf] * 3, [-1.0, -1.0, -1.0], [65504.0] * 3]], np.float32)
    shown = Screen(resolve("lin_rec709")).show(odd)[0, :, 1]
    assert shown.tolist() == [0, 255, 0, 0, 255]
