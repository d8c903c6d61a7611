"""What the temporal engine must reach on each kind of shot. All bars of the fidelity benchmark stand here."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CARRY", "CLIPS", "GRAIN", "REMOVE", "TRACK_IOU", "Bars", "CarryBars", "GrainBars"]

_ONE_LAYER_S = 0.15
_LAYERS_S = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Of a shot from which something is removed. None: not judged."""

    gain_db: float
    """PSNR inside the matte, over per-frame Telea in the same run."""
    ssim: float | None = None
    flicker_share: float | None = None
    """Most flicker, as a share of Telea's."""
    warp_share: float | None = None
    """Most warp error, as a share of Telea's."""
    warp_share_patchmatch: float | None = None
    """The same of per-frame PatchMatch's."""
    seconds: float | None = None
    """Most time for a frame of 480×270 on two cores."""
    gmic_ratio: float | None = 8.0
    """How many times faster than G'MIC in the same run, at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarryBars:
    """Of a shot through which a painted frame is carried."""

    psnr_db: float
    over_colour_db: float | None = None
    """Over the same motion with plain colours carried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrainBars:
    """Of the grain that is made again, with grain=match."""

    off: float = 0.1
    """How far its sigma may be from the plate's, as a share."""
    correlation: float = 0.05
    """Most correlation of the grain of neighbouring frames."""


REMOVE = {
    "rendered static": Bars(gain_db=40, flicker_share=0.05, seconds=_ONE_LAYER_S),
    "rendered parallax": Bars(gain_db=8, flicker_share=0.40, seconds=_LAYERS_S),
    "rendered pan": Bars(gain_db=-0.5, warp_share=1 / 4, warp_share_patchmatch=1 / 50, seconds=_ONE_LAYER_S),
    "pan": Bars(gain_db=18, ssim=0.95, seconds=_ONE_LAYER_S),
    "zoom": Bars(gain_db=18, ssim=0.95, seconds=_ONE_LAYER_S),
    "track": Bars(gain_db=18, ssim=0.95, seconds=_ONE_LAYER_S),
    "static": Bars(gain_db=14, ssim=0.93, seconds=_ONE_LAYER_S),
    "wire": Bars(gain_db=14, ssim=0.93, seconds=_ONE_LAYER_S),
    "shake": Bars(gain_db=18, ssim=0.88, seconds=_ONE_LAYER_S),
    "rig": Bars(gain_db=18, ssim=0.93, seconds=_ONE_LAYER_S),
    "parallax": Bars(gain_db=11, seconds=_LAYERS_S),
    "nonrigid": Bars(gain_db=8, seconds=_LAYERS_S),
    "dyn": Bars(gain_db=7, seconds=_LAYERS_S),
    "never": Bars(gain_db=-0.5, warp_share=1 / 4, warp_share_patchmatch=1 / 50, seconds=_ONE_LAYER_S),
}

_ANY_CLIP = Bars(gain_db=-0.5, gmic_ratio=None)
CLIPS = {"vtest move": Bars(gain_db=7, gmic_ratio=None), "bikes104 move": Bars(gain_db=7, gmic_ratio=None)}
"""The other clips only must not fall below Telea: see `clip_bars`."""

CARRY = {
    ("rigid", "paint"): CarryBars(psnr_db=34),
    ("lit", "paint"): CarryBars(psnr_db=34, over_colour_db=8),
    ("hard", "paint"): CarryBars(psnr_db=32, over_colour_db=8),
    ("deform", "paint"): CarryBars(psnr_db=34),
    ("rigid", "logo"): CarryBars(psnr_db=34),
}
"""(motion, edit) of `carry_scenes.make_carry`; hard is the moving shadow."""

GRAIN = GrainBars()
TRACK_IOU = 0.9


def clip_bars(name: str) -> Bars:
    """Of a real clip with an object pasted over it."""
    return CLIPS.get(name, _ANY_CLIP)
