"""What of a painted frame is carried: its colours, its colours under the frame's light, or its ratio to the plate.

A ratio of something opaque would print the misregistered texture of the plate again; a colour of a mere grade would
lose the frame's own texture. So the painted frame itself decides, once, by how alike the two are in detail.
"""

from __future__ import annotations

from enum import Enum

import cv2
import numpy as np

from secondtake.errors import BadInput
from secondtake_daemon.engines.temporal.kinds import Colour, Mask, Plane, largest
from secondtake_daemon.engines.temporal.pyramid import spread

__all__ = ["Transfer", "choose_transfer", "differing", "log_ratio", "regraded", "transfer_named"]

_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)
FLOOR = 0.01
"""Of a levelled plate: added before a logarithm."""

_DETAIL_PX = 2.0
_GRAIN_PX = 0.8
_ALIKE = 0.8
_LEAST = 40
_LIFT = 2.0
_LIFTED = 0.25
"""Brighter by this factor in this share of the edit: the plate's grain would come up with it."""
_MOST_LOG = 4.0
_STEP = 1 / 255
_LEAST_STEP = 1e-4
_TOE = 0.002
_ROUNDED = 0.95
_SURE = 1.5
_WHITE = 0.995


class Transfer(Enum):
    """What is carried."""

    GAIN = "gain"
    """The painted colours, times the change of light between the plates."""
    COLOUR = "colour"
    """The painted colours as they are."""
    LOG = "log"
    """The logarithm of painted over plate, on the frame's own plate."""


def transfer_named(name: str) -> Transfer | None:
    """None for "auto". Raises BadInput for anything else that is no transfer."""
    if name == "auto":
        return None
    try:
        return Transfer(name)
    except ValueError:
        remedy = "Use transfer=auto, " + " or ".join(f"transfer={one.value}" for one in Transfer)
        raise BadInput(f"The engine's switch transfer={name} is unknown", remedy=remedy) from None


def differing(*, edit: Colour, plate: Colour, painted: Mask) -> Mask:
    """Where the artist changed something: by more than the file's rounding, in any channel.

    Both whole frames, plate values. painted: (h, w), where an edit can be; what differs elsewhere is rounding, at most
    that of 8 bits. A file of integers ends at black and white: what lies beyond in the plate was not changed by that.
    """
    apart = np.abs(_shown(edit) - _shown(plate))
    white, black = edit.max(axis=(0, 1)), edit.min(axis=(0, 1))
    beyond = (edit >= _WHITE * white) & (plate >= _WHITE * white) & (white > 0)
    beyond |= (edit <= black) & (plate <= black)
    size = largest(np.where(beyond, 0, apart).astype(np.float32))
    rounding = size[~painted]
    usual = float(np.quantile(rounding, _ROUNDED)) if rounding.size >= _LEAST else _STEP
    return np.asarray(size > np.clip(_SURE * usual, _LEAST_STEP, _STEP), bool)


def choose_transfer(*, edit: Colour, plate: Colour, inside: Mask) -> Transfer:
    """LOG if the edit keeps the plate's detail and does not lift it out of the dark with its grain, else GAIN.

    inside: where the edit is; both pictures levelled.
    """
    if inside.sum() < _LEAST:
        return Transfer.GAIN
    one, other = (_detail(picture, inside) for picture in (edit, plate))
    one, other = one - one.mean(), other - other.mean()
    power = float(np.sqrt((one**2).sum() * (other**2).sum()))
    lifted = (edit[inside] @ _LUMA + FLOOR) > _LIFT * (plate[inside] @ _LUMA + FLOOR)
    keeps = power > 0 and float((one * other).sum()) > _ALIKE * power
    return Transfer.LOG if keeps and lifted.mean() < _LIFTED else Transfer.GAIN


def log_ratio(*, edit: Colour, plate: Colour) -> Colour:
    """log((edit + floor) / (plate + floor)), held to ± 4."""
    ratio = _log(edit) - _log(plate)
    return np.asarray(np.clip(ratio, -_MOST_LOG, _MOST_LOG), np.float32)


def regraded(*, plate: Colour, ratio: Colour) -> Colour:
    """The plate under a log ratio. Values below the floor keep their distance from it."""
    floor = np.float32(FLOOR)
    return np.asarray(np.where(plate > -floor, (plate + floor) * np.exp(ratio) - floor, plate), np.float32)


def _mean(values: Colour, weight: Plane, size: float) -> tuple[Colour, Plane]:
    """Weighted mean over a Gaussian window, continued where nothing weighs; and the weight in the window."""
    share = cv2.GaussianBlur(weight, (0, 0), size)
    total = cv2.GaussianBlur(values * weight[..., None], (0, 0), size)
    mean = total.reshape(values.shape) / np.maximum(share, 1e-6)[..., None]
    sure = np.minimum(4 * share, 1).astype(np.float32)
    return spread(values=np.asarray(mean, np.float32), weight=sure), np.asarray(share, np.float32)


def _detail(picture: Colour, inside: Mask) -> Plane:
    """High-pass of the log luma inside, with what is outside left out of it."""
    log = np.log(np.maximum(picture @ _LUMA, 0) + np.float32(FLOOR))
    weight = inside.astype(np.float32)
    fine, _ = _mean(log[..., None], weight, _GRAIN_PX)
    wide, _ = _mean(fine, weight, _DETAIL_PX)
    return np.asarray((fine - wide)[..., 0][inside], np.float32)


def _log(values: Colour) -> Colour:
    return np.asarray(np.log(np.maximum(values, 0) + np.float32(FLOOR)), np.float32)


def _shown(values: Colour) -> Colour:
    """Roughly as a display shows it: steps that an 8-bit picture has are even."""
    root = (np.abs(values) + np.float32(_TOE)) ** np.float32(1 / 2.2) - np.float32(_TOE ** (1 / 2.2))
    return np.asarray(np.sign(values) * root, np.float32)
