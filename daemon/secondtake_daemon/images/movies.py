"""Movie files as plates: looked at with PyAV, decoded once to EXR frames in the cache (figures: docs/colour.md).

Frames are numbered from 1. A frame that is there is whole, so a conversion that was cut short goes on where it was.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np
from av.container.input import InputContainer
from av.stream import Disposition
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream
from blake3 import blake3
from numpy.typing import NDArray

from secondtake.boxes import Box
from secondtake.errors import BadImage, DiskError, MissingFrames, UnknownColour
from secondtake.frames import FrameSet
from secondtake_daemon.images.colour import ColourSpace, resolve
from secondtake_daemon.images.exr_write import write_new
from secondtake_daemon.images.movie_frames import Coding, Layout, layout_of, read_rgb
from secondtake_daemon.images.sequences import Sequence, describe, find

__all__ = ["MovieFacts", "container_of", "convert", "decode", "is_movie", "probe"]

_VERSION = 1
"""Raised when the same movie gives other frames."""

# The container is taken from the suffix, never from the content: a playlist in disguise could name other files.
_CONTAINERS = {
    ".avi": "avi",
    ".m4v": "mov",
    ".mkv": "matroska",
    ".mov": "mov",
    ".mp4": "mov",
    ".mpg": "mpeg",
    ".mts": "mpegts",
    ".mxf": "mxf",
    ".ts": "mpegts",
    ".webm": "matroska",
    ".y4m": "yuv4mpegpipe",
}
_MOST_SIDE_PX = 32_768
_MOST_PIXELS = 32_768 * 16_384
_FREE_PIXELS = 64 << 20
"""Of a frame that any file may have; above that a file must have some bytes for them."""
_MOST_PIXELS_A_BYTE = 500
_HALF_BITS = 10
_HD_LINES = 720
_DONE = "complete"

# Code points of ITU-T H.273, tables 2 (primaries), 3 (transfer) and 4 (matrix).
_RGB, _BT709, _UNSAID, _BT601 = 0, 1, 2, 6
_WEIGHTS = {
    _BT709: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    _BT601: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
_SPACES = {
    # Video is made to be looked at on a BT.1886 display; its camera curve was never a contract.
    (1, 1): ("rec709_display", "Gamma 2.4 Rec.709 - Texture", "Utility - Rec.709 - Display"),
    (1, 6): ("rec709_display", "Gamma 2.4 Rec.709 - Texture", "Utility - Rec.709 - Display"),
    (1, 4): ("g22_rec709", "Utility - Gamma 2.2 - Rec.709 - Texture"),
    (1, 8): ("lin_rec709", "lin_srgb", "Utility - Linear - Rec.709"),
    (1, 13): ("srgb_tx", "Utility - sRGB - Texture", "srgb_texture"),
    (9, 8): ("lin_rec2020", "Utility - Linear - Rec.2020"),
    (9, 16): ("Rec.2100-PQ - Display",),
    (9, 18): ("Rec.2100-HLG - Display",),
    (12, 8): ("lin_p3d65", "Utility - Linear - P3-D65"),
    (12, 13): ("srgb_p3d65", "srgb_displayp3"),
    (12, 16): ("ST2084-P3-D65 - Display",),
}

Times = list[tuple[int | None, int]]
"""Start and duration of every coded frame, in ticks of its stream; a start may be unsaid."""

ReplaceFile = Callable[[Path, Callable[[Path], None]], None]
"""Lets a function write a part file and puts it durably in place: `store.io.replace_file`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MovieFacts:
    """What there is to know of a movie before its frames are converted."""

    path: Path
    digest: str
    """BLAKE3 of the file, hex."""
    width: int
    height: int
    """Upright, after the rotation that the file asks for."""
    rate: Fraction
    """Frames a second; the mean if it varies."""
    length: int
    """Coded frames."""
    bits: int
    """Of a component's code, as decoded."""
    pixel_aspect: Fraction
    """Width by height of an upright pixel."""
    turns: int
    """Quarter turns counter-clockwise that put a frame upright."""
    primaries: int
    transfer: int
    """ITU-T H.273 code points; 2 is unsaid."""
    coding: Coding
    layout: Layout
    notes: tuple[str, ...]
    """What was assumed or left out, one sentence each."""

    def colour(self) -> ColourSpace:
        """The colour space its tags name. Raises UnknownColour if they are missing or mean none we know."""
        tags = self.primaries, self.transfer
        for name in _SPACES.get(tags, ()):
            try:
                return resolve(name)
            except UnknownColour:
                continue
        said = "does not say its colour space"
        if _UNSAID not in tags:
            said = f"has colour tags that name no known space (H.273 primaries {tags[0]}, transfer {tags[1]})"
        raise UnknownColour(
            f"The movie {said}", remedy="Name it with --colorspace, as 'Rec.1886 Rec.709 - Display'", path=self.path
        )


def is_movie(path: Path) -> bool:
    """True if the name is that of a movie we read."""
    return path.suffix.lower() in _CONTAINERS


def container_of(path: Path) -> str:
    """FFmpeg's name of the container that the suffix stands for. Raises KeyError unless `is_movie`."""
    return _CONTAINERS[path.suffix.lower()]


def probe(path: Path) -> MovieFacts:
    """Look at a movie: its headers, its first frame, the times of all frames. Raises BadImage."""
    with _errors(path):
        with _opened(path) as (container, stream):
            frame = next(container.decode(stream), None)
            if frame is None:
                raise _broken(path, "it has no frames")
            facts = _facts(path, stream, frame)
        with _opened(path) as (container, stream):
            times = [(packet.pts, packet.duration or 0) for packet in container.demux(stream) if packet.size]
            _check_whole(path, container, stream, times)
    facts = replace(facts, length=len(times))
    if _is_variable(sorted(start for start, _ in times if start is not None)):
        note = "The movie's frame rate varies; its frames were taken one by one, without repeating or dropping any."
        return replace(facts, notes=(*facts.notes, note))
    return facts


def convert(
    movie: MovieFacts,
    cache: Path,
    *,
    frames: FrameSet | None = None,
    replace_file: ReplaceFile,
    step: Callable[[], None],
) -> Sequence:
    """Decode a movie to EXR frames in a folder of its own inside the cache, and return them.

    frames: only these (numbered from 1); None is all. What is there already is not decoded again. The frames are R, G
    and B as code value / maximum, half for codes of up to 10 bits, else float, ZIP. step is called for every frame.
    Raises BadImage for a file that cannot be decoded, DiskError.
    """
    folder = cache / f"{movie.digest[:32]}.{_VERSION}"
    if not _is_there(folder, frames):
        _make_folder(folder)
        last = _write_frames(movie, folder, frames, replace_file=replace_file, step=step)
        if frames is None:
            replace_file(folder / _DONE, lambda part: part.touch())
        elif last < max(frames):
            raise MissingFrames(
                f"The movie has frames 1-{last}, not {describe(frames)}",
                remedy=f"Give --frames inside 1-{last}",
                path=movie.path,
            )
    return find(str(folder / "frame.######.exr"))


def decode(movie: MovieFacts, frames: FrameSet) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Frames of a movie in order, without the cache: the number, and (height, width, 3) float32 as `convert` has it.

    Raises BadImage for a file that cannot be decoded; ends early if the movie does.
    """
    last = max(frames, default=0)
    with _errors(movie.path), _opened(movie.path) as (container, stream):
        for number, frame in enumerate(container.decode(stream), start=1):
            if number in frames:
                planes = _upright_rgb(frame, movie, number)
                yield number, np.stack([planes[name].astype(np.float32) for name in "RGB"], axis=-1)
            if number >= last:
                return


def _is_there(folder: Path, frames: FrameSet | None) -> bool:
    if (folder / _DONE).exists():
        return True
    return frames is not None and all(_frame_path(folder, frame).exists() for frame in frames)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DiskError(f"The cache cannot be written to ({reason})", remedy="Check the disk", path=folder) from error


def _frame_path(folder: Path, frame: int) -> Path:
    return folder / f"frame.{frame:06d}.exr"


def _write_frames(
    movie: MovieFacts, folder: Path, frames: FrameSet | None, *, replace_file: ReplaceFile, step: Callable[[], None]
) -> int:
    """Decode up to the last frame that is wanted and write those that are not there. Returns the last one decoded."""
    wanted, number = set(frames or ()), 0
    end = max(wanted, default=0)
    with _errors(movie.path), _opened(movie.path) as (container, stream):
        for number, frame in enumerate(container.decode(stream), start=1):
            step()
            target = _frame_path(folder, number)
            if (not wanted or number in wanted) and not target.exists():
                planes = _upright_rgb(frame, movie, number)
                replace_file(target, partial(_write, planes=planes, movie=movie))
            if number == end:
                break
    return number


def _upright_rgb(frame: av.VideoFrame, movie: MovieFacts, number: int) -> dict[str, NDArray[np.generic]]:
    size = (frame.width, frame.height) if movie.turns % 2 == 0 else (frame.height, frame.width)
    if size != (movie.width, movie.height) or layout_of(frame.format) != movie.layout:
        raise _broken(movie.path, f"frame {number} is of another size or pixel format than the first")
    if frame.is_corrupt:
        raise _broken(movie.path, f"frame {number} does not decode cleanly")
    dtype = np.float16 if movie.bits <= _HALF_BITS else np.float32
    planes = read_rgb(frame, layout=movie.layout, coding=movie.coding)
    return {name: np.ascontiguousarray(np.rot90(plane, movie.turns).astype(dtype)) for name, plane in planes.items()}


def _facts(path: Path, stream: VideoStream, frame: av.VideoFrame) -> MovieFacts:
    layout = layout_of(frame.format)
    if layout is None:
        raise _broken(path, f"its pixel format {frame.format.name} is not supported")
    turns = _quarter_turns(path, frame)
    coding, guess = _coding(path, stream, frame, layout)
    aspect = Fraction(stream.sample_aspect_ratio or 1)
    width, height = (frame.width, frame.height) if turns % 2 == 0 else (frame.height, frame.width)
    notes = [
        guess,
        "The movie's alpha channel was left out." if layout.has_alpha else "",
        "The movie is interlaced; its fields were left woven together." if frame.interlaced_frame else "",
        f"The movie asks to be turned by {90 * turns}° and was." if turns else "",
    ]
    return MovieFacts(
        path=path,
        digest=blake3().update_mmap(path).hexdigest(),
        width=width,
        height=height,
        rate=Fraction(stream.average_rate or stream.guessed_rate or 0),
        length=0,  # known when the times of all frames are
        bits=layout.bits,
        pixel_aspect=aspect if turns % 2 == 0 else 1 / aspect,
        turns=turns,
        primaries=_said(stream.codec_context.color_primaries, frame.color_primaries),
        transfer=_said(stream.codec_context.color_trc, frame.color_trc),
        coding=coding,
        layout=layout,
        notes=tuple(filter(None, notes)),
    )


def _coding(path: Path, stream: VideoStream, frame: av.VideoFrame, layout: Layout) -> tuple[Coding, str]:
    """Range and matrix, and a note if the matrix had to be concluded from the size, as players do."""
    by_name = frame.format.name.startswith("yuvj")
    said = _said(stream.codec_context.color_range, frame.color_range, unsaid=0)
    full = by_name or said == ColorRange.JPEG or (said != ColorRange.MPEG and layout.is_rgb)
    if layout.is_rgb or layout.is_grey:
        return Coding(full_range=full), ""
    matrix, note = _said(stream.codec_context.colorspace, frame.colorspace), ""
    if matrix == _UNSAID:
        matrix = _BT709 if frame.height >= _HD_LINES else _BT601
        note = f"The movie does not name its YUV matrix; {'BT.709' if matrix == _BT709 else 'BT.601'} was taken."
    weights = _WEIGHTS.get(matrix)
    if weights is None:
        raise _broken(path, f"its YUV matrix (H.273 code {matrix}) is not supported")
    centred = stream.codec_context.name in ("mjpeg", "mpeg1video")
    return Coding(full_range=full, weights=weights, centred_chroma=centred), note


def _check_whole(path: Path, container: InputContainer, stream: VideoStream, times: Times) -> None:
    """Refuse a file that was cut off: the decoder would only see a shorter movie."""
    if stream.frames > len(times):
        raise _broken(path, f"it ends after {len(times)} of {stream.frames} frames")
    ends = [start + duration for start, duration in times if start is not None]
    declared_s = _declared_s(container, stream)
    if ends and declared_s and stream.time_base and stream.average_rate:
        end_s = max(ends) * stream.time_base
        if declared_s - end_s > 3 / stream.average_rate:
            raise _broken(path, f"it ends after {float(end_s):.1f} of {float(declared_s):.1f} seconds")


def _declared_s(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """How long the headers say that the picture lasts; None if they may mean the sound."""
    if stream.duration and stream.time_base:
        return (stream.duration + (stream.start_time or 0)) * stream.time_base
    if len(container.streams) == 1 and container.duration:
        return Fraction(container.duration + (container.start_time or 0), 1_000_000)
    return None


def _said(container: int, frame: int, *, unsaid: int = _UNSAID) -> int:
    """What the container says comes before what the coded frames say."""
    return int(frame if container in (unsaid, None) else container)


def _quarter_turns(path: Path, frame: av.VideoFrame) -> int:
    """Quarter turns counter-clockwise. Raises BadImage for mirrored or skewed frames."""
    side_data: Any = frame.side_data  # PyAV's stub knows motion vectors only
    matrix = side_data.get("DISPLAYMATRIX")
    if matrix is not None:
        a, b, _, c, d, *_ = struct.unpack("=9i", bytes(matrix)[:36])
        if a * d - b * c <= 0 or frame.rotation % 90:
            raise _broken(path, "it asks to be mirrored or turned by an odd angle")
    return int(frame.rotation // 90) % 4


def _is_variable(times: list[int]) -> bool:
    """True if the steps differ by more than the rounding of a clock, which is one tick."""
    steps = [later - earlier for earlier, later in pairwise(times)]
    if not steps:
        return False
    usual = median(steps)
    return any(abs(step - usual) > max(1, usual * 0.05) for step in steps)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    # FFmpeg looks at frames while it opens a file (MPEG apart), so it must know beforehand what is too large.
    bound = {"max_pixels": str(_most_pixels(path))}
    options = {"protocol_whitelist": "file", **bound}
    with av.open(str(path), format=container_of(path), options=options) as container:
        stream = next((s for s in container.streams.video if not s.disposition & Disposition.attached_pic), None)
        if stream is None or stream.codec_context is None:
            raise _broken(path, "there is no picture in it that can be decoded")
        width, height = stream.codec_context.width, stream.codec_context.height
        if max(width, height) > _MOST_SIDE_PX or width * height > _MOST_PIXELS:
            raise _broken(path, f"its frames are {width} × {height}, too large to be read")
        stream.codec_context.options = bound
        stream.thread_type = "AUTO"
        yield container, stream


def _most_pixels(path: Path) -> int:
    try:
        status = path.stat()
    except OSError:  # opening it will say what is wrong
        return _FREE_PIXELS
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for its writer
        raise _broken(path, "it is not a file")
    return min(_MOST_PIXELS, max(_FREE_PIXELS, _MOST_PIXELS_A_BYTE * status.st_size))


@contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except av.FFmpegError as error:
        raise _broken(path, (error.strerror or str(error)).lower()) from error
    except OSError as error:
        raise DiskError(f"The movie cannot be read ({error.strerror})", remedy="Check the disk", path=path) from error


def _broken(path: Path, why: str) -> BadImage:
    return BadImage(f"The movie cannot be used: {why}", remedy="Convert it, or give an EXR sequence", path=path)


def _write(path: Path, *, planes: Mapping[str, NDArray[np.generic]], movie: MovieFacts) -> None:
    """One frame, written as it is: no colour tag, because the request may name another space than the movie does."""
    window = Box(0, 0, movie.width, movie.height)
    attributes: dict[str, object] = {"pixelAspectRatio": float(movie.pixel_aspect)}
    if movie.rate:
        attributes["framesPerSecond"] = movie.rate
    write_new(path, planes=planes, data_window=window, display_window=window, attributes=attributes)
