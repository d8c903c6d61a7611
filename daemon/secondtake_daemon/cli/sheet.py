"""Before and after, for the eye: a contact sheet (PNG) and a movie (MP4) of a take.

Pictures are shown with the sRGB curve (IEC 61966-2-1) and clipped at 1.0; the frames themselves are not touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from secondtake.errors import DiskError
from secondtake_daemon.images.second import SecondImage
from secondtake_daemon.images.second_matte import open_second_matte
from secondtake_daemon.takes.manifest import Manifest, TakeFrame, load
from secondtake_daemon.verify import stitch_of, support_of

__all__ = ["Pair", "load_pairs", "write_movie", "write_sheet"]

Picture = NDArray[np.uint8]
"""(height, width, 3) sRGB."""

_SHEET_FRAMES = 3
_GAP_PX = 8
_HEAD_PX = 34
_GROUND = 24
_INK = (225, 225, 225)
_DIMMED = 0.3
_FRAMES_PER_S = 24
_H264_CRF = "16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One frame of the plate and of the take, ready to be looked at."""

    frame: int
    before: Picture
    marked: Picture
    """The plate, dimmed where nothing may change."""
    after: Picture


def load_pairs(folder: Path) -> list[Pair]:
    """All frames of the take in a folder, ascending. Raises BadImage or MissingFrames."""
    manifest = load(folder)
    return [_pair(folder, manifest, record) for record in manifest.frames]


def write_sheet(pairs: Sequence[Pair], path: Path) -> None:
    """First, middle and last frame, one row each: plate, matte, take. Raises DiskError."""
    last = len(pairs) - 1
    chosen = [pairs[at] for at in sorted({round(last * n / (_SHEET_FRAMES - 1)) for n in range(_SHEET_FRAMES)})]
    height, width = chosen[0].before.shape[:2]
    sheet: Picture = np.full(
        (_HEAD_PX + len(chosen) * (height + _GAP_PX), 3 * width + 4 * _GAP_PX, 3), _GROUND, np.uint8
    )
    for column, title in enumerate(("plate", "what may change", "take")):
        _write_text(sheet, title, (_GAP_PX + column * (width + _GAP_PX), 23))
    for row, pair in enumerate(chosen):
        top = _HEAD_PX + row * (height + _GAP_PX)
        for column, picture in enumerate((pair.before, pair.marked, pair.after)):
            left = _GAP_PX + column * (width + _GAP_PX)
            sheet[top : top + height, left : left + width] = picture
        _write_text(sheet, str(pair.frame), (_GAP_PX + 8, top + height - 10))
    written, data = cv2.imencode(".png", sheet[..., ::-1])
    if not written:
        raise DiskError("The contact sheet cannot be encoded", path=path)
    _write(path, data.tobytes())


def write_movie(pairs: Sequence[Pair], path: Path) -> None:
    """Plate beside take, all frames, forth and back. H.264 if this FFmpeg has it, else MPEG-4. Raises DiskError."""
    height, width = pairs[0].before.shape[:2]
    size = width & ~1, height & ~1
    has_x264 = "libx264" in av.codec.codecs_available
    try:
        with av.open(str(path), "w", format="mp4") as container:
            stream = container.add_stream("libx264" if has_x264 else "mpeg4", rate=Fraction(_FRAMES_PER_S))
            stream.width, stream.height, stream.pix_fmt = 2 * size[0], size[1], "yuv420p"
            stream.options = {"crf": _H264_CRF} if has_x264 else {"qscale": "2"}
            for pair in [*pairs, *pairs[-2:0:-1]]:
                both = np.hstack([picture[: size[1], : size[0]] for picture in (pair.before, pair.after)])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(both, format="rgb24")))
            container.mux(stream.encode())
    except OSError as error:
        raise DiskError("The movie cannot be written", remedy="Make room on the disk", path=path) from error


def _pair(folder: Path, manifest: Manifest, record: TakeFrame) -> Pair:
    before = _picture(Path(record.plate), manifest)
    grey = before.mean(axis=2, keepdims=True) * _DIMMED
    marked = np.where(_support(manifest, record)[..., None], before, grey).astype(np.uint8)
    return Pair(frame=record.frame, before=before, marked=marked, after=_picture(folder / record.file, manifest))


def _support(manifest: Manifest, record: TakeFrame) -> NDArray[np.bool_]:
    with SecondImage(Path(record.plate)) as image:
        part = image.parts[manifest.plate.part]
    matte = open_second_matte(
        manifest.matte.name,
        frames=[record.frame],
        plate_display=part.display,
        plate_data=part.data,
        channel=manifest.matte.channel,
    )
    return support_of(stitch_of(manifest, matte.coverage(record.frame), part.data), part.data)


def _picture(path: Path, manifest: Manifest) -> Picture:
    with SecondImage(path) as image:
        part = image.parts[manifest.plate.part]
        planes = [image.values(part, name) for name in manifest.plate.channels]
    linear = np.dstack(planes if len(planes) == 3 else planes[:1] * 3)
    linear = np.nan_to_num(linear, nan=0.0, posinf=1.0, neginf=0.0).clip(0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    picture: Picture = np.rint(255 * curved).astype(np.uint8)
    return picture


def _write_text(picture: Picture, text: str, corner: tuple[int, int]) -> None:
    cv2.putText(picture, text, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.55, _INK, 1, cv2.LINE_AA)


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise DiskError("The contact sheet cannot be written", remedy="Make room on the disk", path=path) from error
