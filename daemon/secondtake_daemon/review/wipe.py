"""A wipe: A left and B right of a line that crosses the picture once over the length of the shot.

H.264 if this FFmpeg has it, else MPEG-4, in MP4; tagged BT.709, limited range, with the sRGB curve (ITU-T H.273).
"""

from __future__ import annotations

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from secondtake.errors import DiskError

__all__ = ["Wipe", "wiped"]

Picture = NDArray[np.uint8]

_MOST_WIDTH_PX = 1280
_LEAST_SIDE_PX = 16
_LINE_PX = 2
_CRF = "16"
_BT709, _SRGB_CURVE = 1, 13


class Wipe:
    """A context manager around a movie file that pairs of pictures are added to. Leaving it ends the movie."""

    def __init__(self, path: Path, *, frames: int, rate: Fraction) -> None:
        self._path, self._frames, self._rate = path, frames, rate
        self._done = 0
        self._stack = ExitStack()
        self._container = self._stack.enter_context(av.open(str(path), "w", format="mp4"))
        self._video: VideoStream | None = None
        self._to_yuv = VideoReformatter()

    def __enter__(self) -> Wipe:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if kind is None and self._video is not None:
                self._mux(None)

    def add(self, a: Picture, b: Picture) -> None:
        """The next frame, twice: (height, width, 3) uint8 in the display's codes. Raises DiskError."""
        if self._video is None:
            self._video = self._add_video(a.shape[1], a.shape[0])
        size = self._video.width, self._video.height
        self._mux(wiped(_sized(a, size), _sized(b, size), done=self._done, frames=self._frames))
        self._done += 1

    def _mux(self, picture: Picture | None) -> None:
        assert self._video is not None
        frame = None
        if picture is not None:
            frame = self._to_yuv.reformat(
                av.VideoFrame.from_ndarray(picture, format="rgb24"),
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
            )
            assert frame is not None
            frame.pts, frame.time_base = self._done, 1 / self._rate
        try:
            self._container.mux(self._video.encode(frame))
        except av.FFmpegError as error:
            if isinstance(error, OSError):  # `store.io` knows it by its number
                raise
            raise DiskError("The wipe cannot be written", remedy="Check the disk", path=self._path) from error

    def _add_video(self, width: int, height: int) -> VideoStream:
        scale = min(_MOST_WIDTH_PX / width, 1.0)
        has_x264 = "libx264" in av.codec.codecs_available
        stream: VideoStream = self._container.add_stream("libx264" if has_x264 else "mpeg4", rate=self._rate)
        stream.width, stream.height, stream.pix_fmt = _even(width * scale), _even(height * scale), "yuv420p"
        stream.options = {"crf": _CRF, "preset": "fast"} if has_x264 else {"qscale": "2"}
        codec = stream.codec_context
        codec.color_primaries, codec.color_trc = _BT709, _SRGB_CURVE
        codec.colorspace, codec.color_range = int(Colorspace.ITU709), int(ColorRange.MPEG)
        return stream


def wiped(a: Picture, b: Picture, *, done: int, frames: int) -> Picture:
    """A left and B right of the line, which begins at the left border and ends at the right one."""
    width = a.shape[1]
    at = round(width * done / (frames - 1)) if frames > 1 else width // 2
    both = b.copy()
    both[:, :at] = a[:, :at]
    if 0 < at < width:
        both[:, max(at - _LINE_PX // 2, 0) : at + _LINE_PX // 2] = 255
    return both


def _sized(picture: Picture, size: tuple[int, int]) -> Picture:
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    way = cv2.INTER_AREA if size[0] < picture.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size, interpolation=way), np.uint8)


def _even(length: float) -> int:
    return max(round(length / 2) * 2, _LEAST_SIDE_PX)
