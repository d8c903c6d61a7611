"""Names of takes: short, readable aloud, and the same for every attempt of a job."""

from __future__ import annotations

from collections.abc import Callable

from blake3 import blake3

__all__ = ["take_id"]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: no i, l, o, u."""
_SHORTEST = 6
_LONGEST = 51


def take_id(job: str, *, is_taken: Callable[[str], bool]) -> str:
    """`t` and the first six characters of the BLAKE3 of the job id; more of them while another job has that name."""
    digest = int.from_bytes(blake3(job.encode("utf-8")).digest(), "big") >> 1  # 255 bits are 51 characters
    characters = "".join(_ALPHABET[digest >> shift & 31] for shift in range(250, -1, -5))
    for length in range(_SHORTEST, _LONGEST):
        name = "t" + characters[:length]
        if not is_taken(name):
            return name
    return "t" + characters
