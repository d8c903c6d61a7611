"""What a take keeps of where it may change: bit for bit, small, and never believed when it was touched."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secondtake.boxes import Box
from secondtake.errors import BadInput
from secondtake_daemon.takes.manifest import Manifest, SupportsUsed
from secondtake_daemon.takes.supports import pack, read_supports, supports_name, write_supports

TAKE = """{"take": "tabc123", "shot": "sh", "made": "", "software": "", "libraries": {}, "request": {"job": "",
  "shot": "sh", "plate": "", "matte": "", "out": "", "operation": "remove"}, "engine": {"name": "", "version": ""},
  "plate": {"name": "", "colourspace": "", "colourspace_assumed": false, "channels": [], "part": 0},
  "matte": {"name": "", "channel": "", "grow_px": 0, "feather_px": 0}, "crop": [0, 0, 0, 0], "windows": [],
  "frames": [], "proof": {"outside_changed": 0, "outside_samples": 0, "inside_samples": 0}, "seconds": 0}"""


def manifest(used: SupportsUsed | None) -> Manifest:
    return msgspec.structs.replace(msgspec.json.decode(TAKE, type=Manifest), supports=used)


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(1, 70), height=st.integers(1, 20), x=st.integers(-9, 9), y=st.integers(-9, 9), seed=st.integers(0)
)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, width: int, height: int, x: int, y: int, seed: int
) -> None:
    random, window = np.random.default_rng(seed), Box(x, y, width, height)
    own, below = (random.random((2, height, width)) < 0.3).astype(bool)
    path = tmp_path_factory.mktemp("take") / supports_name(shot="sh", take="tabc123")
    frames = {7: pack(window, own=own, line=own | below), 9: pack(window, own=below, line=None)}
    used = write_supports(path, frames)
    assert used.file == "sh.tabc123.supports"
    kept = read_supports(manifest(used), path.parent)
    assert np.array_equal(kept.own(7, window), own)
    assert np.array_equal(kept.line(7, window), own | below)
    assert np.array_equal(kept.own(9, window), below)
    assert np.array_equal(kept.line(9, window), below)


def test_it_is_small(tmp_path: Path) -> None:
    window = Box(0, 0, 3840, 2160)
    own = np.zeros((2160, 3840), bool)
    own[500:900, 1000:1400] = True
    path = tmp_path / "s"
    write_supports(path, {frame: pack(window, own=own, line=None) for frame in range(10)})
    assert path.stat().st_size < 10 * 4096


def test_a_frame_or_window_it_does_not_know(tmp_path: Path) -> None:
    window = Box(0, 0, 4, 3)
    used = write_supports(tmp_path / "s", {1: pack(window, own=np.ones((3, 4), bool), line=None)})
    kept = read_supports(manifest(used), tmp_path)
    for frame, box in ((2, window), (1, Box(0, 0, 3, 4))):
        with pytest.raises(BadInput, match=f"is not about frame {frame}"):
            kept.own(frame, box)


@pytest.mark.parametrize("at", [0, 9, 20, -40, -1])
def test_one_flipped_bit_is_found(tmp_path: Path, at: int) -> None:
    path = tmp_path / "s"
    used = write_supports(path, {1: pack(Box(0, 0, 40, 30), own=np.ones((30, 40), bool), line=None)})
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadInput, match="not the file that was recorded") as error:
        read_supports(manifest(used), tmp_path)
    assert error.value.path == str(path)


def test_gone_or_of_an_older_version(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is gone"):
        read_supports(manifest(SupportsUsed(file="../s", digest="")), tmp_path)
    with pytest.raises(BadInput, match="older version"):
        read_supports(manifest(None), tmp_path)


@pytest.mark.parametrize(
    "data", [b"", b"STsupps1", b"STsupps1\x05\0\0\0hello", b"STsupps1\x0d\0\0\0" + b'{"frames":[]}']
)
def test_what_others_wrote_and_sealed_is_refused_or_empty(tmp_path: Path, data: bytes) -> None:
    from blake3 import blake3

    (tmp_path / "s").write_bytes(data)
    with pytest.raises(BadInput):
        read_supports(manifest(SupportsUsed(file="s", digest=blake3(data).hexdigest())), tmp_path).own(
            1, Box(0, 0, 1, 1)
        )
