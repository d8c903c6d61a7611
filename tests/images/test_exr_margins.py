"""What is left out of decoding really is empty."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondtake_daemon.images.exr_guard import inspect
from secondtake_daemon.images.exr_margins import used_rows


def write(path: Path, rows: np.ndarray, compression: object) -> None:
    plane = np.zeros((rows.size, 24), np.float16)
    plane[rows] = 0.5
    OpenEXR.File({"type": OpenEXR.scanlineimage, "compression": compression}, {"Y": plane}).write(str(path))


@pytest.mark.parametrize("codec", ["NO", "RLE", "ZIPS", "ZIP", "PIZ", "DWAA"])
@given(rows=st.lists(st.booleans(), min_size=1, max_size=90).map(np.array))
def test_no_sample_is_missed(tmp_path_factory: pytest.TempPathFactory, codec: str, rows: np.ndarray) -> None:
    path = tmp_path_factory.getbasetemp() / f"{codec}.exr"
    write(path, rows, getattr(OpenEXR, f"{codec}_COMPRESSION"))
    file = inspect(path)
    found = used_rows(file, file.parts[0])
    inside = np.zeros_like(rows)
    if found is not None:
        inside[found[0] : found[1]] = True
    assert not (rows & ~inside).any()


def test_empty_margins_are_left_out(tmp_path: Path) -> None:
    rows = np.zeros(200, bool)
    write(tmp_path / "empty.exr", rows, OpenEXR.ZIP_COMPRESSION)
    rows[70:90] = True
    write(tmp_path / "some.exr", rows, OpenEXR.ZIP_COMPRESSION)
    empty, some = inspect(tmp_path / "empty.exr"), inspect(tmp_path / "some.exr")
    assert used_rows(empty, empty.parts[0]) is None
    assert used_rows(some, some.parts[0]) == (64, 96)
