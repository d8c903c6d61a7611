"""SMPTE time code as EXR packs it (ST 12-1; OpenEXR, ImfTimeCode.h): read, and moved on by some frames."""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import NamedTuple

__all__ = ["TimeCode", "moved_on"]

_DAY_S = 24 * 3600
_DROP_BIT = 6


class TimeCode(NamedTuple):
    """Hours, minutes, seconds and frames of a day."""

    hours: int
    minutes: int
    seconds: int
    frame: int


def moved_on(packed: bytes, rate: tuple[int, int] | None, frames: int) -> TimeCode | None:
    """The time code so many frames later (or earlier); None if there is no saying.

    packed: 8 bytes of the attribute. rate: numerator and denominator; counted is in whole frames a second, as 23.976
    is in 24. Drop-frame codes leave numbers out, so they are not moved.
    """
    (flags, _) = struct.unpack("<II", packed)
    if rate is None or rate[1] <= 0 or flags >> _DROP_BIT & 1:
        return None
    count = round(Fraction(*rate))
    if count < 1:
        return None
    hours, minutes, seconds, frame = (
        _decimal(flags, 24, 2), _decimal(flags, 16, 3), _decimal(flags, 8, 3), _decimal(flags, 0, 2)
    )  # fmt: skip
    if hours > 23 or minutes > 59 or seconds > 59 or frame >= count:
        return None
    total = (((hours * 60 + minutes) * 60 + seconds) * count + frame + frames) % (_DAY_S * count)
    whole_s, frame = divmod(total, count)
    return TimeCode(whole_s // 3600, whole_s // 60 % 60, whole_s % 60, frame)


def _decimal(flags: int, at: int, tens_bits: int) -> int:
    return (flags >> at & 15) + 10 * (flags >> at + 4 & (1 << tens_bits) - 1)
