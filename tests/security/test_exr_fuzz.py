"""Mutated EXRs through the decoder of a worker, behind its fence: each is read or refused, and nothing else happens.

The quick run has fixed seeds. `make faults` runs thousands, with a new seed that is printed: to see a failure again,
set FUZZ_SEED to it. What failed once is kept in FOUND.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from attackers import needs_linux
from exr_samples import LOSSLESS, LOSSY, Part, smooth_planes, write_parts, write_plate
from places import Place

from secondtake import BadImage, JobState, WorkerCrashed

CHILD = Path(__file__).parent / "fuzz_child.py"
CUT_SHARE, PIXELS_SHARE = 0.2, 0.5
HEAD_BYTES = 400
MOST_BYTES_CHANGED = 16
SECONDS_A_FILE = 20.0
QUICK: tuple[int, ...] = (1, 2)
"""Seeds of the quick run."""
FOUND = ((7, 966), (8, 789), (8, 3027))
"""Seeds that found something once, and how many files it took: text of an error that was no UTF-8."""


def samples(folder: Path) -> list[bytes]:
    """Every codec, as scan lines and as tiles, and a file of two parts."""
    size, kinds = (40, 40), {"A": "f2", "G": "f2", "Z": "f4"}
    paths = []
    for codec in (*LOSSLESS, *LOSSY):
        for tile in (None, (16, 16)):
            part = Part(kinds, size=size, codec=codec, tile=tile)
            name = f"{codec}-{'tiles' if tile else 'lines'}.exr"
            paths.append(write_plate(folder / name, part, planes=smooth_planes(part)))
    two = [Part(kinds, size=size), Part({"Z": "f4"}, size=size, codec="PIZ")]
    paths.append(write_parts(folder / "two.exr", two, [smooth_planes(part) for part in two]))
    return [path.read_bytes() for path in paths]


def mutated(raw: bytes, pick: random.Random) -> bytes:
    """A file cut short, or with some bytes changed: in its head and anywhere, or only in its pixels.

    The guard refuses nearly all of the first two; only the last gets as far as the decoder.
    """
    kind = pick.random()
    if kind < CUT_SHARE:
        return raw[: pick.randrange(len(raw))]
    data = bytearray(raw)
    for _ in range(pick.randint(1, MOST_BYTES_CHANGED)):
        first, end = (len(data) // 2, len(data)) if kind > 1 - PIXELS_SHARE else (0, len(data))
        if kind <= 1 - PIXELS_SHARE and pick.random() < 0.5:
            end = min(HEAD_BYTES, end)
        data[pick.randrange(first, end)] = pick.choice((0, 1, 0x7F, 0x80, 0xFF, pick.randrange(256)))
    return bytes(data)


def outcomes(paths: list[Path], folder: Path) -> Iterator[tuple[Path, str]]:
    """Each file's outcome; a child that dies is replaced, and its death is the outcome of the file it had."""
    left = list(paths)
    while left:
        child = subprocess.run(
            [sys.executable, str(CHILD), str(folder)],
            input="\n".join(map(str, left)) + "\n",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60 + 0.2 * len(left),
            check=False,
        )
        words = [line.split()[1] for line in child.stderr.splitlines() if line.startswith("outcome ")]
        yield from zip(left, words, strict=False)
        left = left[len(words) :]
        if left:
            yield left[0], f"status {child.returncode}: {child.stderr[-400:]}"
            left = left[1:]


def fuzz(tmp_path: Path, *, seed: int, count: int, only_last: bool = False) -> Counter[str]:
    pick, folder = random.Random(seed), tmp_path / "hostile"
    folder.mkdir()
    seeds, paths = samples(tmp_path), []
    for number in range(count):
        data = mutated(pick.choice(seeds), pick)
        if not only_last or number == count - 1:
            paths.append(folder / f"{number:05d}.exr")
            paths[-1].write_bytes(data)
    found = list(outcomes(paths, folder))
    bad = {path.name: word for path, word in found if word not in ("read", "refused", "damaged")}
    assert not bad, f"seed {seed}, of {count}: {bad}"
    assert [path for path, _ in found] == paths
    return Counter(word for _, word in found)


@needs_linux
@pytest.mark.parametrize("seed", QUICK)
def test_three_hundred(tmp_path: Path, seed: int) -> None:
    tally = fuzz(tmp_path, seed=seed, count=300 // len(QUICK))
    assert min(tally[word] for word in ("read", "refused", "damaged")) >= 5, tally


@needs_linux
@pytest.mark.parametrize(("seed", "count"), FOUND)
def test_what_was_found(tmp_path: Path, seed: int, count: int) -> None:
    fuzz(tmp_path, seed=seed, count=count, only_last=True)


@needs_linux
@pytest.mark.faults
@pytest.mark.timeout(900)
def test_four_thousand(tmp_path: Path) -> None:
    seed = int(os.environ.get("FUZZ_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
    print(f"FUZZ_SEED={seed}")
    tally = fuzz(tmp_path, seed=seed, count=4000)
    print(tally)
    assert sum(tally.values()) == 4000


def test_a_decoder_that_crashes_is_an_error_of_the_job(place: Place) -> None:
    """The worker dies at its first frame, each time: the job says so, the daemon lives, the next job runs."""
    client = place.client()
    with pytest.raises(WorkerCrashed, match="died 3 times"):
        client.run(place.request("frames=2 crash_at=1"), timeout_s=30.0)
    assert client.run(place.request("frames=2", out="next"), timeout_s=30.0).frames


def test_mutated_plates_through_a_whole_daemon(place: Place) -> None:
    """One worker takes them all: each is an error with a reason, and the worker is the same at the end."""
    place.settings(worker_command=[])
    client, pick = place.client(), random.Random(3)
    folder = place.root / "plates"
    folder.mkdir()
    raw = write_plate(folder / "good.exr", Part(dict.fromkeys("RGB", "f2"), size=(24, 24), codec="PIZ")).read_bytes()
    write_plate(folder / "m.exr", Part({"A": "f2"}, size=(24, 24)), planes={"A": np.ones((24, 24), np.float16)})
    ends: Counter[str] = Counter()
    for number in range(20):
        plate = folder / f"{number:02d}.exr"
        plate.write_bytes(mutated(raw, pick))
        out = str(place.root / f"out{number}")
        request = place.request(plate=str(plate), matte=str(folder / "m.exr"), out=out, job=uuid.uuid4().hex)
        client.submit(request)
        *_, last = client.watch(request.job, timeout_s=30.0)
        ends[last.error.code if last.error else last.state.value] += 1
    assert ends[BadImage.code] > 5 and not ends["worker_crashed"] and not ends["engine_fault"], ends
    assert client.status().condition == "" and sum(ends.values()) == 20
    assert place.log().count("worker started") == 1 and JobState.DONE
