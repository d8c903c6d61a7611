"""Hundreds of damaged files: each is read or refused, in bounded time and memory, and never ends otherwise."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from exr_samples import LOSSLESS, LOSSY, Part, smooth_planes, write_parts, write_plate

CHILD = Path(__file__).parent / "exr_hostile_child.py"
EXTREMES = (0, 1, -1, 2, 255, 65535, 65536, 1 << 20, 1 << 30, (1 << 31) - 1, -(1 << 31))
WINDOWS = (
    (0, 0, 2**31 - 2, 0),
    (0, 0, 46339, 46339),
    (0, 0, 65535, 65535),
    (0, 0, 2999999, 99),
    (-(2**31), -(2**31), 2**31 - 1, 2**31 - 1),
    (0, 0, 29999, 29999),
    (0, 0, 32767, 16383),
    (5, 5, 4, 4),
)
ROUNDS = 6
"""Files of each kind of damage and seed file."""


def test_nothing_but_read_or_refused(tmp_path: Path) -> None:
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    count = 0
    for number, seed in enumerate(seeds(tmp_path)):
        random = np.random.default_rng(number)
        for name, harm in HARMS.items():
            for turn in range(ROUNDS):
                (hostile / f"{seed.stem}-{name}-{turn}.exr").write_bytes(harm(seed.read_bytes(), random))
                count += 1
    run = subprocess.run(
        [sys.executable, str(CHILD), str(hostile)], capture_output=True, text=True, timeout=100, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    lines = [line.split() for line in run.stderr.splitlines() if line.startswith("outcome ")]
    outcomes = {name: word for _, name, word in lines}
    assert len(outcomes) == count > 700
    tally = Counter(outcomes.values())
    assert tally["refused"] > count // 3 and tally["read"] > 20 and tally["damaged"] > 20, tally
    trailing = [word for name, word in outcomes.items() if "-trailing-" in name]
    assert trailing and set(trailing) == {"read"}
    cut = [word for name, word in outcomes.items() if "-cut-" in name]
    assert set(cut) == {"refused"}
    assert {word for name, word in outcomes.items() if "-window-" in name} == {"refused"}


def seeds(folder: Path) -> Iterator[Path]:
    size = 48, 80
    for codec in (*LOSSLESS, *LOSSY):
        part = Part({"A": "f2", "B": "f2", "G": "f2", "R": "f2", "Z": "f4"}, size=size, codec=codec)
        yield write_plate(folder / f"{codec}.exr", part, planes=smooth_planes(part))
    tiled = Part(size=size, tile=(16, 32), codec="PIZ")
    yield write_plate(folder / "tiled.exr", tiled, planes=smooth_planes(tiled))
    parts = [Part(size=size), Part({"Z": "f4"}, size=size, tile=(32, 32), codec="ZIPS")]
    yield write_parts(folder / "parts.exr", parts, [smooth_planes(part) for part in parts])


Harm = Callable[[bytes, np.random.Generator], bytes]


def cut(raw: bytes, random: np.random.Generator) -> bytes:
    return raw[: int(random.integers(0, len(raw) - 1))]


def flip(low: float, high: float) -> Harm:
    """Flip one to sixteen bits in a stretch of the file."""

    def harm(raw: bytes, random: np.random.Generator) -> bytes:
        data = bytearray(raw)
        for at in random.integers(int(low * len(raw)), int(high * len(raw)), random.integers(1, 17)):
            data[at] ^= 1 << int(random.integers(8))
        return bytes(data)

    return harm


def dword(raw: bytes, random: np.random.Generator) -> bytes:
    """An extreme number somewhere in the first kilobyte: header, table, first leader."""
    data = bytearray(raw)
    struct.pack_into("<i", data, int(random.integers(4, min(1000, len(raw) - 4))), int(random.choice(EXTREMES)))
    return bytes(data)


def window(raw: bytes, random: np.random.Generator) -> bytes:
    """A huge or empty data window, in half of the cases with the display window to match."""
    data = bytearray(raw)
    value = struct.pack("<4i", *WINDOWS[int(random.integers(len(WINDOWS)))])
    for name in (b"dataWindow", b"displayWindow")[: int(random.integers(1, 3))]:
        at = raw.index(name + b"\0box2i\0") + len(name) + 11
        data[at : at + 16] = value
    return bytes(data)


def zeros(raw: bytes, random: np.random.Generator) -> bytes:
    data = bytearray(raw)
    at, length = int(random.integers(0, len(raw))), int(random.integers(8, 300))
    data[at : at + length] = bytes(len(data[at : at + length]))
    return bytes(data)


def codec(raw: bytes, random: np.random.Generator) -> bytes:
    data = bytearray(raw)
    data[raw.index(b"compression\0compression\0") + 28] = int(random.integers(0, 16))
    return bytes(data)


def trailing(raw: bytes, random: np.random.Generator) -> bytes:
    return raw + random.bytes(200)


HARMS: dict[str, Harm] = {
    "cut": cut,
    "header": flip(0, 0.1),
    "anywhere": flip(0, 1),
    "pixels": flip(0.3, 1),
    "dword": dword,
    "window": window,
    "zeros": zeros,
    "codec": codec,
    "trailing": trailing,
}


@pytest.mark.parametrize("value", WINDOWS)
def test_absurd_windows_are_refused_without_a_byte_of_memory(tmp_path: Path, value: tuple[int, ...]) -> None:
    from secondtake.errors import BadImage
    from secondtake_daemon.images.exr_guard import inspect

    path = write_plate(tmp_path / "p.exr")
    raw = bytearray(path.read_bytes())
    at = raw.index(b"dataWindow\0box2i\0") + 21
    raw[at : at + 16] = struct.pack("<4i", *value)
    path.write_bytes(raw)
    with pytest.raises(BadImage):
        inspect(path)
