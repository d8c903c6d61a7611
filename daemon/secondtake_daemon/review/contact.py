"""A contact sheet of a comparison: a row a frame, with A, B, and what differs, four times as strong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.errors import DiskError
from secondtake_daemon.review.sides import Pair

__all__ = ["write_sheet"]

Picture = NDArray[np.uint8]

_MOST_WIDTH_PX = 480
_LEAST_WIDTH_PX = 240
_GAP_PX = 8
_HEAD_PX = 34
_LABEL_PX = 22
_GROUND = 24
_INK = (225, 225, 225)
_STRONGER = 4


def write_sheet(pair: Pair, frames: Sequence[int], path: Path, on_frame: Callable[[str, int, int, int], None]) -> None:
    """Pictures as the display shows them; the difference is that of the display's codes. Raises DiskError."""
    rows = []
    for done, frame in enumerate(frames, start=1):
        rows.append(_row(pair, frame))
        on_frame("sheet", done, len(frames), frame)
    width = rows[0].shape[1]
    wide = max(row.shape[1] for row in rows)
    head = _ground(_HEAD_PX, wide)
    column = (width - _GAP_PX) // 3
    for at, title in enumerate((pair.a.label, pair.b.label, f"difference x {_STRONGER}")):
        _write(head, title, (_GAP_PX + at * column, 23))
    padded = [np.pad(row, ((0, 0), (0, wide - row.shape[1]), (0, 0)), constant_values=_GROUND) for row in rows]
    written, data = cv2.imencode(".png", np.vstack([head, *padded])[..., ::-1])
    if not written:
        raise DiskError("The contact sheet cannot be encoded", path=path)
    path.write_bytes(data.tobytes())


def _row(pair: Pair, frame: int) -> Picture:
    a, b = (side.show(side.read(frame)[1]) for side in (pair.a, pair.b))
    apart = np.abs(a.astype(np.int16) - b) * _STRONGER
    pictures = [_sized(picture) for picture in (a, b, apart.clip(0, 255).astype(np.uint8))]
    height, width = pictures[0].shape[:2]
    row = _ground(height + _LABEL_PX + _GAP_PX, 3 * (width + _GAP_PX) + _GAP_PX)
    for column, picture in enumerate(pictures):
        left = _GAP_PX + column * (width + _GAP_PX)
        row[:height, left : left + width] = picture
    _write(row, f"frame {frame}", (_GAP_PX, height + 16))
    return row


def _sized(picture: Picture) -> Picture:
    """At most 480 pixels wide; a tiny picture is enlarged by whole pixels, so that its label has room."""
    height, width = picture.shape[:2]
    if width > _MOST_WIDTH_PX:
        size = _MOST_WIDTH_PX, max(round(height * _MOST_WIDTH_PX / width), 1)
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    times = -(-_LEAST_WIDTH_PX // width)
    return picture.repeat(times, axis=0).repeat(times, axis=1)


def _ground(height: int, width: int) -> Picture:
    return np.full((height, width, 3), _GROUND, np.uint8)


def _write(picture: Picture, text: str, corner: tuple[int, int]) -> None:
    cv2.putText(picture, text, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)
